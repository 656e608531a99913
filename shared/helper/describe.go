package helper

import (
	"slices"
	"strings"

	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
)

// exitCodes are the exit codes of the helpers.
var exitCodes = []cmdline.ExitCode{
	{Code: 0, Meaning: "done"},
	{Code: 1, Meaning: "another error"},
	{Code: 2, Meaning: "wrong usage or configuration"},
	{Code: 3, Meaning: "login required, but there is no terminal"},
	{Code: 4, Meaning: "the issuer refused"},
	{Code: 5, Meaning: "network or TLS error"},
	{Code: 6, Meaning: "the grant differs from the request"},
	{Code: 7, Meaning: "timed out waiting for the lock or for the user"},
	{Code: 8, Meaning: "the token or the login could not be stored"},
}

const notes = `Each flag has an environment variable: --min-lifetime is TOKEN_HELPER_MIN_LIFETIME. Flags take precedence over variables, and variables over the configuration.

With -- COMMAND, the exit code is the command's own. It is 126 if the command is not executable, 127 if it does not exist, and 128 + N if signal N ended it.`

// Describe describes a helper that users run as program.
func Describe(program string, eco service.Ecosystem, extra ...Command) *cmdline.Program {
	summary, examples := eco.Describe()
	p := &cmdline.Program{
		Name: program, Brief: brief(summary), Summary: summary, Examples: examples, Groups: groups, Notes: notes,
		ExitCodes: exitCodes, Variable: variable,
	}
	p.Topics = topics(p)
	p.Common = newLine()
	p.Common.Add(new(commonFlags), "")
	for _, c := range slices.Concat(commands, extra) {
		line := newLine()
		line.Vars["sources"] = source.Help()
		line.Vars["program"] = program
		line.Add(c.new(eco), "")
		line.Add(new(commonFlags), "")
		p.Commands = append(p.Commands, &cmdline.Command{Name: c.Name, Help: c.Help, Usage: c.Usage, Runs: c.Runs, Line: line})
	}
	return p
}

// describe describes this helper.
func (a *app) describe() *cmdline.Program {
	return Describe(a.env.Program, a.eco, a.commands[len(commands):]...)
}

// brief returns the summary as a phrase for a man page: get a token that … accept.
func brief(summary string) string {
	s, _, _ := strings.Cut(strings.TrimSuffix(summary, "."), ",")
	return strings.ToLower(s[:1]) + s[1:]
}
