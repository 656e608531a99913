// Package helper is the command line that all token helpers share. An ecosystem adds
// its flags and its request; [Main] does the rest:
//
//	flags -> plan -> sources -> token -> check -> output
package helper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// DefaultIssuer is the issuer unless one is given: the INDIGO IAM of WLCG.
const DefaultIssuer = "https://wlcg.cloud.cnaf.infn.it/"

// Command is a command of a helper.
type Command struct {
	// Name is what users type, and Help what the list of commands says of it.
	Name, Help string
	// Usage is what follows the command besides flags.
	Usage string
	// Runs means that a command to run may follow "--".
	Runs bool
	// grammar returns a new pointer to a struct with the command's flags, in the form that
	// package cmdline reads, and a method Run(context.Context, *app) error.
	grammar func(service.Ecosystem) any
}

const serviceUsage = "[HOST|URL]"

// commands is the table of commands. The first one runs if none is named.
var commands = []Command{
	{Name: "get", Help: "Get a token (the default command).", Usage: serviceUsage + " [-- COMMAND [ARG...]]", Runs: true, grammar: newGet},
	{Name: "sources", Help: "Show which sources would be asked, and what each has.", Usage: serviceUsage, grammar: newSources},
	{Name: "login", Help: "Log in and keep the login. Prints no token.", Usage: serviceUsage, grammar: newLogin},
	{Name: "logout", Help: "End the login at the issuer and forget it.", grammar: func(service.Ecosystem) any { return new(logoutCmd) }},
	{Name: "status", Help: "Show logins and cached tokens, never secrets.", grammar: func(service.Ecosystem) any { return new(statusCmd) }},
	{Name: "completion", Help: "Print the completion script for a shell.", Usage: "bash|zsh|fish", grammar: func(service.Ecosystem) any { return new(completionCmd) }},
	{Name: "help", Help: "Show the help of a command, or a page about a topic.", Usage: "[COMMAND|TOPIC]", grammar: func(service.Ecosystem) any { return new(helpCmd) }},
	{Name: "version", Help: "Print the version.", grammar: func(service.Ecosystem) any { return new(versionCmd) }},
}

func newGet(eco service.Ecosystem) any     { return &getCmd{Plugins: cmdline.Plugins{eco}} }
func newSources(eco service.Ecosystem) any { return &sourcesCmd{Plugins: cmdline.Plugins{eco}} }
func newLogin(eco service.Ecosystem) any   { return &loginCmd{Plugins: cmdline.Plugins{eco}} }

// runner is a command that can be run.
type runner interface {
	Run(context.Context, *app) error
}

// app is what the commands share. Nothing of it changes once it is made.
type app struct {
	env  *cli.Env
	conf *config
	eco  service.Ecosystem
	// common are the flags of every command, and line what was on the command line.
	common commonFlags
	line   *cmdline.Line
	// command is the command to run, after "--"; nil if there is none.
	command []string
}

// Main runs a token helper and returns its exit code.
func Main(env *cli.Env, eco service.Ecosystem) int {
	err := run(env, eco)
	var status *commandStatus
	if errors.As(err, &status) {
		return status.exit()
	}
	return env.Report(err)
}

func run(env *cli.Env, eco service.Ecosystem) error {
	if len(env.Args) > 0 && env.Args[0] == cmdline.CompleteFlag {
		return complete(env, eco, env.Args[1:])
	}
	args, command := splitCommand(env.Args)
	a := &app{env: env, eco: eco, line: newLine(), command: command}
	a.line.Add(&a.common, "")
	// Only the command that runs is modelled.
	chosen, args := choose(a.line, args)
	grammar := chosen.grammar(eco)
	a.line.Add(grammar, "")
	done, err := env.Parse(a.line, &a.common.HelpFlags, args, func() (*cmdline.Program, *cmdline.Command) {
		p := Describe(env.Program, eco)
		return p, p.Command(chosen.Name)
	})
	if err != nil || done {
		return err
	}
	if command != nil && !chosen.Runs {
		return cli.Errorf(cli.Usage, "the command %s cannot run another command", chosen.Name).Hint("leave out '--' and what follows it, or run '%s [FLAG...] -- COMMAND [ARG...]'", env.Program)
	}
	if a.conf, err = loadConfig(env); err != nil {
		return err
	}
	if err := env.Resolve(a.line, a.conf.defaults(env)); err != nil {
		return a.conf.blame(err)
	}
	err = grammar.(runner).Run(context.Background(), a)
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	}
	return err
}

func newLine() *cmdline.Line {
	return &cmdline.Line{Vars: map[string]string{"issuer": DefaultIssuer}}
}

// choose returns the command that the arguments name, and the arguments without its name.
// Only flags of all commands may precede it.
func choose(common *cmdline.Line, args []string) (Command, []string) {
	i := common.Skip(args)
	if i < len(args) {
		for _, c := range commands {
			if c.Name == args[i] {
				return c, slices.Concat(args[:i], args[i+1:])
			}
		}
	}
	return commands[0], args
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(_ context.Context, a *app) error {
	_, err := fmt.Fprintln(a.env.Stdout, cli.VersionString(a.env.Program))
	return err
}

// endpoint gives the ecosystem an argument without a flag: condor-token-helper HOST
// means --ce HOST. A word that cannot be a host is more likely a mistyped command.
func (a *app) endpoint(word string) error {
	if word == "" {
		return nil
	}
	e, ok := a.eco.(interface{ Endpoint(string) })
	if ok && (word == "localhost" || strings.ContainsAny(word, ".:[]")) {
		e.Endpoint(word)
		return nil
	}
	err := cli.Errorf(cli.Usage, "unexpected argument %q", word)
	var names []string
	for _, c := range commands {
		if c.Name == word {
			return err.Hint("write the command before its flags: %s %s [FLAG...]", a.env.Program, word)
		}
		names = append(names, c.Name)
	}
	if near := text.Nearest(word, names); near != "" {
		return err.Hint("did you mean '%s %s'?", a.env.Program, near)
	}
	return err.Hint("run '%s --help' to see the commands and flags", a.env.Program)
}
