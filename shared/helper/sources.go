package helper

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

type sourceStatus struct {
	Source string `json:"source"`
	// Has says that the source has something for the request.
	Has  bool   `json:"has"`
	What string `json:"what"`
}

// sources shows which sources would be asked, in order, and what each has, without
// asking the issuer.
func (s *session) sources(ctx context.Context, f sourceFlags, req token.Request, format string) error {
	specs, err := s.specs(f)
	if err != nil {
		return err
	}
	list := []sourceStatus{}
	for _, spec := range specs {
		src, err := source.Open(s.deps, spec)
		if err != nil {
			return err
		}
		st := sourceStatus{Source: spec, What: "would be asked"}
		if r, ok := src.(source.Reporter); ok {
			st.Has, st.What = r.Report(ctx, req)
		}
		list = append(list, st)
	}
	if format == "json" {
		return s.json(struct {
			APIVersion string         `json:"apiVersion"`
			Sources    []sourceStatus `json:"sources"`
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
	_, err = fmt.Fprint(s.env.Stdout, text.Printable(b.String()))
	return err
}

// checkPlugin runs a plugin through its contract. A finding that is not as it
// should be makes exit code 1.
func (s *session) checkPlugin(ctx context.Context, name string, req token.Request, format string) error {
	findings, err := source.CheckPlugin(ctx, s.deps, name, req)
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
		err = s.json(struct {
			APIVersion string           `json:"apiVersion"`
			Plugin     string           `json:"plugin"`
			Findings   []source.Finding `json:"findings"`
		}{text.APIVersion, name, findings})
	} else {
		_, err = fmt.Fprint(s.env.Stdout, text.Printable(b.String()))
	}
	if err == nil && bad > 0 {
		err = cli.Errorf(cli.Failed, "the plugin %s does not keep its contract", name).Hint("docs/plugins.md has the contract, and examples to copy")
	}
	return err
}

func (s *session) json(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = s.env.Stdout.Write(append(b, '\n'))
	return err
}
