package inspect

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// renderer shows the results on stdout, and on stderr what its format cannot represent.
type renderer interface {
	// token shows a token that was decoded and judged.
	token(*view)
	// notToken shows an input that is not a token.
	notToken(input)
	// unreadable shows that a file could not be read.
	unreadable(label string, err error)
	// finish writes output that was collected.
	finish() error
}

// format is an output format.
type format struct {
	name string
	// depth selects the checks that are made if no check is requested.
	depth depth
	// signature means that the format can show the signature.
	signature bool
	new       func(*output) renderer
	// parallel means that inputs can be rendered in parallel, because the output for one
	// does not depend on others. Such a format shows only a summary.
	parallel bool
}

func (f format) view(i input, j *token.JWT, v verdict, jd *judge) *view {
	if f.parallel {
		return newSummary(i, j, v, jd)
	}
	return newView(i, j, v, jd)
}

var formats = []format{
	{"text", full, true, func(o *output) renderer { return &textRenderer{output: o} }, false},
	{"claims", claimsOnly, false, func(o *output) renderer { return &claimsRenderer{output: o} }, false},
	{"json", full, true, func(o *output) renderer { return &jsonRenderer{output: o} }, false},
	{"ndjson", full, false, func(o *output) renderer { return &ndjsonRenderer{output: o} }, true},
	{"html", full, false, func(o *output) renderer { return &htmlRenderer{output: o} }, false},
	{"markdown", full, false, func(o *output) renderer { return &markdownRenderer{output: o} }, false},
}

var diffFormat = format{"diff", none, false, func(o *output) renderer { return &diffRenderer{output: o} }, false}

// output is the common part of all renderers. It reports inputs that are not tokens on
// stderr.
type output struct {
	env    *cli.Env
	stdout io.Writer
	screen
	// now is the time at which tokens are judged.
	now time.Time
	// several means that there are several files, so that messages name the input.
	several       bool
	showSignature bool
	// code is the exit code so far.
	code int
	// failed means that writing failed, hinted that the hint was printed, so that neither is
	// reported again.
	failed, hinted bool
}

// worse sets the exit code to code if it takes precedence: a network error over input that is
// not a token, and this over a failed check.
func (o *output) worse(code int) { o.code = max(o.code, code) }

// write writes b, which contains no raw text from tokens, to stdout.
func (o *output) write(b []byte) {
	if o.failed {
		return
	}
	if _, err := o.stdout.Write(b); err != nil {
		o.failed = true
		o.worse(cli.Failed)
		o.env.Say("error: write the output: %s", err)
	}
}

// writeEscaped writes JSON or HTML, which may contain raw DEL, C1 and bidirectional controls,
// to stdout. If stdout is a terminal, which would interpret them, it escapes them, and
// replaces tabs and carriage returns, which occur only between the tokens of JSON, by spaces.
func (o *output) writeEscaped(b []byte) {
	if o.tty {
		b = []byte(text.Printable(strings.NewReplacer("\t", " ", "\r", " ").Replace(string(b))))
	}
	o.write(b)
}

// verdict prints the verdict of the service to stderr, if stdout is not a terminal.
func (o *output) verdict(v *view) {
	if v.Target != "" && !o.tty {
		o.env.Say("verdict: %s%s", o.where(v), text.OneLine(v.Headline))
	}
}

// where returns the prefix that identifies the token in messages, or "" if there is only one.
func (o *output) where(v *view) string {
	if !o.several && v.Alone {
		return ""
	}
	return input{label: v.Label, line: v.Line}.place() + ": "
}

func (o *output) notToken(i input) {
	o.env.Say("error: %s: %s", i.place(), text.OneLine(i.err.Error()))
	if !o.hinted && (i.kind == "" || i.kind == "opaque string") {
		o.hinted = true
		o.env.Say("hint: a JWT is three parts of base64url, separated by dots")
	}
}

func (o *output) unreadable(_ string, err error) {
	e := cli.Errorf(cli.Usage, "%s", text.OneLine(err.Error()))
	if !o.hinted && errors.Is(err, fs.ErrNotExist) {
		o.hinted = true
		e = e.Hint("check the name of the file, or run 'jwt-inspect --help'")
	}
	o.env.Report(e)
}

func (o *output) finish() error { return nil }

// screen describes the terminal, if stdout is one.
type screen struct {
	tty bool
	// width is in columns, from 60 to 100, because longer lines are hard to read. height is
	// in lines, or 0 if it is unknown.
	width, height int
	colours       bool
}

func newScreen(env *cli.Env) screen {
	s := screen{tty: isTerminal(env.Stdout)}
	if f, ok := env.Stdout.(*os.File); ok && s.tty {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			s.width, s.height = w, h
		}
	}
	if s.width == 0 {
		var err error
		if s.width, err = strconv.Atoi(env.Getenv("COLUMNS")); err != nil {
			s.width = 80
		}
	}
	s.width = min(max(s.width, 60), 100)
	s.colours = s.tty && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && supportsColours(env.Stdout)
	return s
}
