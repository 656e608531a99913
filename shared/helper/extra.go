package helper

import (
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
)

// Command is a command of a helper. A helper may have some besides those that all share.
type Command struct {
	// Name is what users type, and Help what the list of commands says of it.
	Name, Help string
	// Usage is what follows the command besides flags.
	Usage string
	// Binary is another name of the binary, under which it runs this command: HTCondor's
	// configuration names programs without arguments. It may be empty.
	Binary string
	// Runs means that a command to run may follow "--".
	Runs bool
	// Grammar points to a struct with flags, in the form that package cmdline reads, and a
	// method Run(context.Context, *Session) error.
	Grammar any
	// grammar makes that of a command that all helpers have, whose method is
	// Run(context.Context, *app) error.
	grammar func(service.Ecosystem) any
}

// new returns the struct with the command's flags.
func (c Command) new(eco service.Ecosystem) any {
	if c.grammar != nil {
		return c.grammar(eco)
	}
	return c.Grammar
}

// Session is what the helper gives to a [Command].
type Session struct{ a *app }

// Env returns the command's streams, clock and environment.
func (s *Session) Env() *cli.Env { return s.a.env }

// withCommand returns the arguments with the command that the name of the binary stands
// for before them.
func withCommand(env *cli.Env, extra []Command) []string {
	for _, c := range extra {
		if c.Binary != "" && c.Binary == env.Binary {
			return append([]string{c.Name}, env.Args...)
		}
	}
	// git runs git-credential-NAME for credential.helper = NAME (gitcredentials(7)).
	if strings.HasPrefix(env.Binary, "git-credential-") {
		return append([]string{"git-credential"}, env.Args...)
	}
	return env.Args
}
