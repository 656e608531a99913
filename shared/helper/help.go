package helper

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// help shows the flags of get, the default command, if no command is named: they are
// what most people look for. kong would show only those of all commands.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() != nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	page, err := capture(options, ctx)
	if err != nil {
		return err
	}
	get, err := kong.Trace(ctx.Kong, []string{"get"})
	if err != nil {
		return err
	}
	getPage, err := capture(options, get)
	if err != nil {
		return err
	}
	head, rest, _ := strings.Cut(page, "\nFlags:\n")
	_, commands, _ := strings.Cut(rest, "\nCommands:\n")
	_, flags, _ := strings.Cut(getPage, "\nFlags:\n")
	head = strings.Replace(head, "<command> [flags]", "[<command>] [flags] [-- COMMAND [ARG...]]", 1)
	_, err = fmt.Fprintf(ctx.Stdout, "%s\nCommands:\n%s\nFlags:\n%s", head, commands, flags)
	return err
}

func capture(options kong.HelpOptions, ctx *kong.Context) (string, error) {
	var b bytes.Buffer
	stdout := ctx.Stdout
	ctx.Stdout = &b
	defer func() { ctx.Stdout = stdout }()
	err := kong.DefaultHelpPrinter(options, ctx)
	return b.String(), err
}
