package helper

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/text"
)

// sourcesCmd has the flags of get, because it shows what get would do.
type sourcesCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Source          sourceFlags  `embed:"" group:"Sources"`
	Output          string       `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text or json. Default: text."`
	Check           string       `placeholder:"NAME" complete:"plugin" group:"Sources" help:"Test the plugin token-source-NAME against its contract."`

	Endpoint string `arg:"" name:"service" complete:"host" help:"Host or URL of the service that the token is for, instead of its flag."`
}

// Run shows which sources would be used, in order, and what each has, without contacting
// the issuer.
func (s *sourcesCmd) Run(ctx context.Context, a *app) error {
	w, p, err := a.prepare(s.Endpoint, options{request: s.Request, client: s.Client, source: s.Source})
	if err != nil {
		return err
	}
	if s.Check != "" {
		return a.checkPlugin(ctx, w, p, s.Check, s.Output)
	}
	chain, err := source.NewChain(w.sources, p.specs)
	if err != nil {
		return cli.Errorf(cli.Usage, "--from: %w", err)
	}
	list := chain.Report(ctx, p.request)
	if s.Output == "json" {
		return a.json(struct {
			APIVersion string          `json:"apiVersion"`
			Sources    []source.Status `json:"sources"`
		}{text.APIVersion, list})
	}
	var b strings.Builder
	for _, st := range list {
		mark := "-"
		if st.Has {
			mark = "+"
		}
		b.WriteString(text.Labelled(18, mark+" "+st.Source, st.What))
	}
	return a.print(b.String())
}

// checkPlugin tests a plugin against its contract. The exit code is 1 if it violates it.
func (a *app) checkPlugin(ctx context.Context, w *world, p *plan, name, format string) error {
	findings, err := source.CheckPlugin(ctx, w.sources, name, p.request)
	if err != nil {
		return cli.Errorf(cli.Usage, "--check: %w", err)
	}
	bad := 0
	var b strings.Builder
	for _, f := range findings {
		mark := "ok"
		if !f.OK {
			bad++
			mark = "FAIL"
		}
		b.WriteString(text.Labelled(18, mark, f.What))
	}
	if format == "json" {
		err = a.json(struct {
			APIVersion string           `json:"apiVersion"`
			Plugin     string           `json:"plugin"`
			Findings   []source.Finding `json:"findings"`
		}{text.APIVersion, name, findings})
	} else {
		err = a.print(b.String())
	}
	if err == nil && bad > 0 {
		err = cli.Errorf(cli.Failed, "the plugin %s violates its contract", name).Hint("run '%s help plugins' to see the contract", a.env.Program)
	}
	return err
}

func (a *app) json(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.env.Stdout.Write(append(b, '\n'))
	return err
}

// print prints a page of text, with the control characters in it escaped.
func (a *app) print(page string) error {
	_, err := io.WriteString(a.env.Stdout, text.Printable(page))
	return err
}
