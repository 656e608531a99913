package helper

import (
	"strings"

	"example.org/token-helpers/shared/cli"
)

// Command is a subcommand that one helper has besides those that all helpers share.
type Command struct {
	// Name is what users type, and Help what the list of commands says of it.
	Name, Help string
	// Binary is another name of the binary, under which it runs this command: HTCondor's
	// configuration names programs without arguments. It may be empty.
	Binary string
	// Grammar points to a struct with kong's flags and a method
	// Run(context.Context, *Session) error.
	Grammar any
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
