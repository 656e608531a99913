package helper

import (
	"context"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/text"
)

// doctorCmd has the flags of get, because it checks what get needs.
type doctorCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Source          sourceFlags  `embed:"" group:"Sources"`
	Output          string       `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text or json. Default: text."`

	Endpoint string `arg:"" name:"service" complete:"host" help:"Host or URL of the service that the token is for, instead of its flag."`
}

// The results of a check. A problem prevents the helper from getting a token; a warning
// may.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkProblem = "problem"
)

// check is the result of a check. Unless it is ok, it has a hint.
type check struct {
	Name   string   `json:"check"`
	Result string   `json:"result"`
	What   string   `json:"what"`
	Hints  []string `json:"hints"`
}

// Run checks everything that the helper needs, and changes nothing. The exit code is 1 if
// there is a problem.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	d := &doctor{app: a}
	if err := d.examine(ctx, c); err != nil {
		return err
	}
	var err error
	if c.Output == "json" {
		err = a.json(struct {
			APIVersion string  `json:"apiVersion"`
			Checks     []check `json:"checks"`
		}{text.APIVersion, d.checks})
	} else {
		err = a.print(d.text())
	}
	if n := d.count(checkProblem); err == nil && n > 0 {
		what := fmt.Sprintf("the doctor found %d problems", n)
		if n == 1 {
			what = "the doctor found a problem"
		}
		return cli.Errorf(cli.Failed, "%s", what).Hint("do what the report says, and run the command again")
	}
	return err
}

// doctor collects the results of checks.
type doctor struct {
	*app
	checks []check
}

func (d *doctor) ok(name, format string, args ...any) {
	d.checks = append(d.checks, check{name, checkOK, text.OneLine(fmt.Sprintf(format, args...)), []string{}})
}

func (d *doctor) warn(name, hint, format string, args ...any) {
	d.checks = append(d.checks, check{name, checkWarning, text.OneLine(fmt.Sprintf(format, args...)), []string{hint}})
}

// problem reports an error with its hints, or with hint if it has none.
func (d *doctor) problem(name string, err error, hint string) {
	hints := cli.Explain(err).Hints()
	if len(hints) == 0 {
		hints = []string{hint}
	}
	d.checks = append(d.checks, check{name, checkProblem, text.OneLine(err.Error()), hints})
}

func (d *doctor) count(result string) int {
	n := 0
	for _, c := range d.checks {
		if c.Result == result {
			n++
		}
	}
	return n
}

// text returns the report: a line for each check, followed by its hints.
func (d *doctor) text() string {
	const width = 23
	var b strings.Builder
	for _, c := range d.checks {
		b.WriteString(text.Labelled(width, fmt.Sprintf("%-8s %s", c.Result, c.Name), c.What))
		for _, h := range c.Hints {
			for line := range strings.Lines(h) {
				line = strings.TrimRight(line, "\n")
				if command, ok := strings.CutPrefix(line, "  "); ok {
					// A command is not wrapped, so that it can be copied.
					fmt.Fprintf(&b, "%*s%s\n", width+3, "", command)
					continue
				}
				b.WriteString(text.Labelled(width, "", line))
			}
		}
	}
	return b.String()
}
