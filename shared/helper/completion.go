package helper

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
)

type completionCmd struct {
	Shell string `arg:"" name:"shell" enum:",bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints the completion script for a shell.
func (c *completionCmd) Run(_ context.Context, a *app) error {
	if c.Shell == "" {
		return cli.Errorf(cli.Usage, "completion: no shell is given").Hint("run: %s completion bash", a.env.Program)
	}
	name := a.env.Program
	if strings.Contains(name, " ") {
		name = a.env.Binary // kubectl completes its plugins itself
	}
	_, err := io.WriteString(a.env.Stdout, cmdline.Script(c.Shell, name))
	return err
}

// complete prints completions of a command line. It only reads files: a user who presses
// Tab must not wait for an issuer or be prompted for a passphrase.
func complete(env *cli.Env, p *cmdline.Program, words []string) error {
	return p.Complete(env.Stdout, words, func(kind string) []cmdline.Candidate {
		switch kind {
		case "source":
			return sourceCandidates(env)
		case "plugin":
			return named(source.Plugins(env.Getenv("PATH")), "")
		case "issuer":
			return issuerCandidates(env)
		case "token":
			return named(slices.Sorted(maps.Keys(configured(env).Tokens)), "a token of the configuration")
		case "account":
			return named(agentAccounts(env), "")
		}
		return nil
	})
}

// configured returns the configuration, or an empty one if it is invalid.
func configured(env *cli.Env) *config {
	c, err := loadConfig(env)
	if err != nil {
		return &config{}
	}
	return c
}

func named(names []string, help string) []cmdline.Candidate {
	var out []cmdline.Candidate
	for _, n := range names {
		out = append(out, cmdline.Candidate{Value: n, Help: help})
	}
	return out
}

func sourceCandidates(env *cli.Env) []cmdline.Candidate {
	var out []cmdline.Candidate
	for name, help := range source.Described() {
		out = append(out, cmdline.Candidate{Value: name, Help: help})
	}
	for _, name := range source.Plugins(env.Getenv("PATH")) {
		out = append(out, cmdline.Candidate{Value: "plugin:" + name, Help: "the executable token-source-" + name})
	}
	return out
}

// issuerCandidates returns the configured issuers and those with a login.
func issuerCandidates(env *cli.Env) []cmdline.Candidate {
	c := configured(env)
	var out []cmdline.Candidate
	for _, name := range slices.Sorted(maps.Keys(c.Issuers)) {
		i := c.Issuers[name]
		out = append(out, cmdline.Candidate{Value: name, Help: i.URL}, cmdline.Candidate{Value: i.URL, Help: name})
	}
	logins, _ := store.New(store.Options{LookupEnv: env.LookupEnv, Now: env.Now}).Index()
	for _, l := range logins {
		out = append(out, cmdline.Candidate{Value: l.Issuer, Help: "you are logged in"})
	}
	return append(out, cmdline.Candidate{Value: DefaultIssuer, Help: "the default"})
}

// agentAccounts returns the accounts that oidc-agent has stored, from their file names
// (oidc-agent, "Detailed Information About All Arguments", directory). It does not
// contact the agent, which may be locked or prompt the user.
func agentAccounts(env *cli.Env) []string {
	dirs := []string{env.Getenv("OIDC_CONFIG_DIR")}
	if home := env.Getenv("HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, ".config", "oidc-agent"), filepath.Join(home, ".oidc-agent"))
	}
	var out []string
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.Contains(e.Name(), ".") {
				out = append(out, e.Name())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
