package helper

import (
	"context"
	"io"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/manual"
	"example.org/token-helpers/shared/text"
)

type helpCmd struct {
	About string `arg:"" name:"command or topic" complete:"help" help:"A command or a topic."`
}

// Run shows the help of a command, or a page about a topic.
func (h *helpCmd) Run(_ context.Context, a *app) error {
	p := a.describe()
	if h.About == "" {
		return a.env.Help(p, p.Commands[0], false)
	}
	if c := p.Command(h.About); c != nil {
		return a.env.Help(p, c, true)
	}
	if t := p.Topic(h.About); t != nil {
		_, err := io.WriteString(a.env.Stdout, manual.Text(t.Page(), a.env.Columns()))
		return err
	}
	err := cli.Errorf(cli.Usage, "there is no command or topic %q", text.Brief(h.About, 100))
	var names []string
	for _, c := range p.Commands {
		names = append(names, c.Name)
	}
	for _, t := range p.Topics {
		names = append(names, t.Name)
	}
	if near := text.Nearest(h.About, names); near != "" {
		return err.Hint("did you mean '%s help %s'?", a.env.Program, near)
	}
	return err.Hint("run '%s help' to see the commands and topics", a.env.Program)
}
