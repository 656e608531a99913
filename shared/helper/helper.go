// Package helper implements the command line that all token helpers share. An ecosystem
// adds its flags and its request; [Main] does the rest:
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

// DefaultIssuer is the default of --issuer: the INDIGO IAM of WLCG.
const DefaultIssuer = "https://wlcg.cloud.cnaf.infn.it/"

const serviceUsage = "[HOST|URL]"

// commands are the commands that all helpers share. The first one is the default.
var commands = []Command{
	{Name: "get", Help: "Get a token (the default command).", Usage: serviceUsage + " [-- COMMAND [ARG...]]", Runs: true, grammar: newGet},
	{Name: "sources", Help: "Show which sources would be asked, and what each has.", Usage: serviceUsage, grammar: newSources},
	{Name: "login", Help: "Log in and keep the login. Prints no token.", Usage: serviceUsage, grammar: newLogin},
	{Name: "logout", Help: "End the login at the issuer and forget it.", grammar: func(service.Ecosystem) any { return new(logoutCmd) }},
	{Name: "status", Help: "Show logins and cached tokens, never secrets.", grammar: func(service.Ecosystem) any { return new(statusCmd) }},
	{Name: "git-credential", Help: "Answer git as a credential helper.", Usage: "[get|store|erase]", grammar: func(eco service.Ecosystem) any { return &gitCmd{Plugins: cmdline.Plugins{eco}} }},
	{Name: "config", Help: "Show the effective settings, and where each comes from.", grammar: func(eco service.Ecosystem) any { return &configCmd{Plugins: cmdline.Plugins{eco}} }},
	{Name: "doctor", Help: "Check clock, certificates, keyring, configuration, permissions and issuer.", Usage: serviceUsage, grammar: func(eco service.Ecosystem) any { return &doctorCmd{Plugins: cmdline.Plugins{eco}} }},
	{Name: "completion", Help: "Print the completion script for a shell.", Usage: "bash|zsh|fish", plain: true, grammar: func(service.Ecosystem) any { return new(completionCmd) }},
	{Name: "help", Help: "Show the help of a command, or a page about a topic.", Usage: "[COMMAND|TOPIC]", plain: true, grammar: func(service.Ecosystem) any { return new(helpCmd) }},
	{Name: "version", Help: "Print the version.", plain: true, grammar: func(service.Ecosystem) any { return new(versionCmd) }},
}

func newGet(eco service.Ecosystem) any     { return &getCmd{Plugins: cmdline.Plugins{eco}} }
func newSources(eco service.Ecosystem) any { return &sourcesCmd{Plugins: cmdline.Plugins{eco}} }
func newLogin(eco service.Ecosystem) any   { return &loginCmd{Plugins: cmdline.Plugins{eco}} }

// app is the state that the commands share. run sets it from the command line and the
// configuration; it is read-only afterwards.
type app struct {
	env  *cli.Env
	conf *config
	eco  service.Ecosystem
	// common are the flags of every command, and line is the parsed command line.
	common commonFlags
	line   *cmdline.Line
	// command is the command to run, after "--"; nil if there is none.
	command []string
	// commands are all commands of this helper.
	commands []Command
}

// Main runs a token helper and returns its exit code. extra are the commands that only
// this helper has.
func Main(env *cli.Env, eco service.Ecosystem, extra ...Command) int {
	err := run(env, eco, extra)
	var status *commandStatus
	if errors.As(err, &status) {
		return status.exit()
	}
	return env.Report(err)
}

func run(env *cli.Env, eco service.Ecosystem, extra []Command) (err error) {
	args := withCommand(env, extra)
	if len(args) > 0 && args[0] == cmdline.CompleteFlag {
		return complete(env, Describe(env.Program, eco, extra...), args[1:])
	}
	args, command := splitCommand(args)
	a := &app{env: env, eco: eco, line: newLine(), command: command, commands: slices.Concat(commands, extra)}
	a.line.Add(&a.common, "")
	// For a fast start, only the model of the chosen command is built.
	chosen, args := a.choose(args)
	grammar := chosen.new(eco)
	a.line.Add(grammar, "")
	if g, ok := grammar.(interface {
		Failed(context.Context, *cli.Env, error)
	}); ok {
		defer func() {
			if err != nil {
				g.Failed(context.Background(), env, err)
			}
		}()
	}
	done, err := env.Parse(a.line, &a.common.HelpFlags, args, func() (*cmdline.Program, *cmdline.Command) {
		p := a.describe()
		return p, p.Command(chosen.Name)
	})
	if done {
		return err
	}
	if err := a.configure(chosen, err); err != nil {
		return err
	}
	if command != nil && !chosen.Runs {
		return cli.Errorf(cli.Usage, "the command %s cannot run another command", chosen.Name).Hint("leave out '--' and what follows it, or run '%s [FLAG...] -- COMMAND [ARG...]'", env.Program)
	}
	switch c := grammar.(type) {
	case interface {
		Run(context.Context, *Session) error
	}:
		err = c.Run(context.Background(), &Session{a})
	case interface {
		Run(context.Context, *app) error
	}:
		err = c.Run(context.Background(), a)
	}
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	}
	return err
}

// configure reads the configuration, and sets the flags that were not on the command
// line. usage is the error in the command line, or nil.
func (a *app) configure(command Command, usage error) error {
	if command.plain {
		a.conf = &config{}
		return usage
	}
	var err error
	if a.conf, err = loadConfig(a.env); err != nil {
		// Only doctor works with an invalid configuration.
		a.conf = &config{problem: err}
		if command.Name != "doctor" || usage != nil {
			return err
		}
	}
	if usage != nil {
		return usage
	}
	return a.conf.addOrigin(a.env, a.env.Resolve(a.line, a.defaults))
}

// defaults returns the values of a flag that is not on the command line.
func (a *app) defaults(f *cmdline.Flag) (values []string, ok bool) {
	values, _, ok = a.conf.lookup(a.env, f)
	return values, ok
}

func newLine() *cmdline.Line {
	return &cmdline.Line{Vars: map[string]string{"issuer": DefaultIssuer}}
}

// choose returns the command that the arguments name, and the arguments without its name.
// Only common flags may precede it.
func (a *app) choose(args []string) (Command, []string) {
	if i := a.line.Skip(args); i < len(args) {
		for _, c := range a.commands {
			if c.Name == args[i] {
				return c, slices.Concat(args[:i], args[i+1:])
			}
		}
	}
	return a.commands[0], args
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(_ context.Context, a *app) error {
	_, err := fmt.Fprintln(a.env.Stdout, cli.VersionString(a.env.Program))
	return err
}

// endpoint passes an argument without a flag to the ecosystem: condor-token-helper HOST
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
	for _, c := range a.commands {
		if c.Name == word {
			return err.Hint("write the command before its flags: %s %s [FLAG...]", a.env.Program, word)
		}
		names = append(names, c.Name)
	}
	if near := text.Nearest(strings.ToLower(word), names); near != "" {
		return err.Hint("did you mean '%s %s'?", a.env.Program, near)
	}
	return err.Hint("run '%s --help' to see the commands and flags", a.env.Program)
}
