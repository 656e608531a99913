// Package helper is the command line that all token helpers share. An ecosystem adds
// its flags and its request; [Main] does the rest:
//
//	flags -> plan -> sources -> token -> check -> output
package helper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/text"
)

// DefaultIssuer is the issuer unless one is given: the INDIGO IAM of WLCG.
const DefaultIssuer = "https://wlcg.cloud.cnaf.infn.it/"

type grammar struct {
	Common commonFlags `embed:""`

	Get     getCmd     `cmd:"" default:"withargs" help:"Get a token (the default command)."`
	Sources sourcesCmd `cmd:"" help:"Show which sources would be asked, and what each has."`
	Login   loginCmd   `cmd:"" help:"Log in and keep the login. Prints no token."`
	Logout  logoutCmd  `cmd:"" help:"End the login at the issuer and forget it."`
	Status  statusCmd  `cmd:"" help:"Show logins and cached tokens, never secrets."`
	Git     gitCmd     `cmd:"" name:"git-credential" help:"Be a credential helper of git."`
	Config  configCmd  `cmd:"" help:"Show the effective settings, and where each comes from."`
	Doctor  doctorCmd  `cmd:"" help:"Check clock, certificates, keyring, configuration, permissions and issuer."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// app is what the commands share. Nothing of it changes once it is made.
type app struct {
	env  *cli.Env
	conf *config
	eco  service.Ecosystem
	// common are the flags of every command, and parsed what kong made of the command
	// line.
	common commonFlags
	parsed *kong.Context
	// command is the command to run, after "--"; nil if there is none.
	command []string
}

// Main runs a token helper and returns its exit code. extra are the subcommands that only
// this helper has.
func Main(env *cli.Env, eco service.Ecosystem, extra ...Command) int {
	err := run(env, eco, extra)
	var status *commandStatus
	if errors.As(err, &status) {
		return status.exit()
	}
	var quiet *exitStatus
	if errors.As(err, &quiet) {
		return quiet.code
	}
	return env.Report(err)
}

func run(env *cli.Env, eco service.Ecosystem, extra []Command) error {
	env.Args = withCommand(env, extra)
	conf, confErr := loadConfig(env)
	if confErr != nil {
		// Nothing but the doctor works with a part of a configuration.
		conf = &config{problem: confErr}
	}
	var g grammar
	g.Get.Plugins = kong.Plugins{eco}
	g.Login.Plugins = kong.Plugins{eco}
	g.Sources.Plugins = kong.Plugins{eco}
	g.Git.Plugins = kong.Plugins{eco}
	g.Doctor.Plugins = kong.Plugins{eco}
	g.Config.Plugins = kong.Plugins{eco}
	var command []string
	env.Args, command = splitCommand(env.Args)
	options := []kong.Option{
		kong.Description(description(env.Program, eco)), kong.Help(help),
		kong.Vars{"issuer": DefaultIssuer, "sources": source.Help()},
		kong.Resolvers(resolver{env, conf}),
		kong.BindTo(context.Background(), (*context.Context)(nil)),
	}
	for _, c := range extra {
		options = append(options, kong.DynamicCommand(c.Name, c.Help, "", c.Grammar))
	}
	kctx, done, err := cli.Parse(env, &g, options...)
	if done {
		return nil
	}
	if confErr != nil && (err != nil || kctx.Selected().Name != "doctor") {
		return confErr
	}
	if err != nil {
		return conf.blame(env, err)
	}
	a := &app{env: env, conf: conf, eco: eco, common: g.Common, parsed: kctx, command: command}
	if name := kctx.Selected().Name; command != nil && name != "get" {
		return cli.Errorf(cli.Usage, "the command %s cannot run another command", name).Hint("leave out '--' and what follows it, or run '%s [FLAG...] -- COMMAND [ARG...]'", env.Program)
	}
	err = kctx.Run(a, &Session{a})
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	}
	return err
}

func description(program string, eco service.Ecosystem) string {
	summary, examples := eco.Describe()
	var b strings.Builder
	b.WriteString(summary + "\n\nExamples:\n")
	for _, e := range examples {
		// The first word is the name of the binary, which may have been run by another one.
		_, rest, _ := strings.Cut(e, " ")
		b.WriteString("  " + program + " " + rest + "\n")
	}
	b.WriteString("\nExit codes: 0 done, 1 other error, 2 usage, 3 login required, but there is no terminal, " +
		"4 the issuer refused, 5 network or TLS, 6 the grant differs from the request, " +
		"7 timed out, 8 the store failed. With -- COMMAND: its own status, 126 not executable, 127 not found.\n\n" +
		"Each flag has an environment variable: --min-lifetime is TOKEN_HELPER_MIN_LIFETIME. " +
		"Defaults and named issuers: token-helpers/config.toml in the configuration directory.")
	return b.String()
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.env.Stdout, cli.VersionString(a.env.Program))
	return err
}

// commands are the names of the subcommands.
func (a *app) commands() []string {
	var out []string
	for _, n := range a.parsed.Model.Children {
		out = append(out, n.Name)
	}
	return out
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
	if near := text.Nearest(word, a.commands()); near != "" {
		return err.Hint("did you mean '%s %s'?", a.env.Program, near)
	}
	return err.Hint("run '%s --help' to see the commands and flags", a.env.Program)
}
