// Package source provides the sources of tokens, and the chain that tries them in turn.
// Each source has one file and one row of the table in this file.
package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// Source is a source of tokens.
type Source interface {
	// Token returns a token for the request. A source that has nothing to offer returns a
	// [None], and the next one is tried; any other error stops the chain.
	Token(ctx context.Context, req token.Request) (token.Token, error)
}

// None is the error of a source that has nothing to offer.
type None struct {
	// Reason is the reason, in a clause.
	Reason string
	// login means that an existing login cannot be used.
	login bool
}

func (n *None) Error() string { return n.Reason }

func none(format string, a ...any) error { return &None{Reason: fmt.Sprintf(format, a...)} }

// The following are optional methods of a Source.
type (
	// preparer does what may wait for the user, such as unlocking a keyring, before other
	// processes wait for this one.
	preparer interface {
		prepare(ctx context.Context, req token.Request) error
	}
	// reporter describes what the source would do, without contacting the issuer or
	// opening the keyring. has reports whether it has something for the request.
	reporter interface {
		report(ctx context.Context, req token.Request) (has bool, what string)
	}
	// owner identifies whose tokens the source returns, if not the login's: cached tokens
	// of different subjects must be kept apart.
	owner interface {
		subject() (string, error)
	}
)

// Env is what sources need. Its fields are set before the chain is made and are read-only
// afterwards.
type Env struct {
	Logins *login.Logins
	Store  *store.Store
	Prompt *prompt.Terminal
	Now    func() time.Time
	Getenv func(string) string
	// Program is the name of the helper.
	Program string
	// Account is the short name of an account in oidc-agent; empty means one for the issuer.
	Account string
	// ForceNew skips the caches, here and in agents.
	ForceNew bool
	// Explicit means that the user chose the sources. A source that fails then stops the
	// chain, where it would be skipped in the default order.
	Explicit bool
	// Timeout is the time limit of one exchange with an agent. A plugin has twice as long.
	Timeout time.Duration
	// Note prints an important message, Verbose any other.
	Note, Verbose func(format string, a ...any)
}

// kind is a row of the table of sources.
type kind struct {
	name string
	// arg is what follows the name and a colon, in brackets if it is optional; empty if
	// nothing may follow.
	arg string
	// help describes the source, for --help.
	help string
	open func(e *Env, arg string) (Source, error)
	// shared means that parallel runs with the same request wait for each other, so that
	// one of them gets the token and the others find it in the cache. A source that may
	// prompt must not be shared.
	shared bool
	// stored means that the token is stored already, and is not copied to the cache.
	stored bool
	// issued means that the issuer has granted the source's tokens just now.
	issued bool
	// login means that the source has a token after a login, and asks that it prompts for
	// the login itself.
	login, asks bool
	// renews means that the token comes from a login that was made earlier.
	renews bool
	// priority is how much the reason for having no token helps the user.
	priority priority
	// when reports whether the source is used by default; nil means never.
	when func(getenv func(string) string, terminal bool) bool
}

// priority orders the reasons of sources. The user can fix a problem with a login; the
// cache's reason never helps.
type priority int

const (
	least priority = iota - 1
	ordinary
	most
)

// kinds is the table of sources.
var kinds = []kind{
	{name: "cache", help: "cached tokens", open: newCache, stored: true, priority: least, when: always},
	{name: "login", help: "your login at the issuer", open: newLogin, shared: true, issued: true, login: true, renews: true, priority: most, when: always},
	{name: "oidc-agent", help: "a running oidc-agent", open: newOIDCAgent, shared: true, when: agentRuns},
	{name: "device", help: "a new login in your browser", open: newDevice, issued: true, login: true, asks: true, when: onTerminal},
	{name: "client-credentials", help: "a robot's own client", open: newClientCredentials, shared: true, issued: true},
	{name: "htgettoken", arg: "[OPTIONS]", help: "htgettoken", open: newHTGetToken},
	{name: "bearer", arg: "[FILE]", help: "an existing token, used only if it satisfies the request", open: newBearer, stored: true},
	{name: "exchange", arg: "[FILE]", help: "an existing token, exchanged for a narrower one", open: newExchange, shared: true, issued: true, login: true},
	{name: "plugin", arg: "NAME", help: "the executable token-source-NAME", open: newPlugin},
}

func always(func(string) string, bool) bool                { return true }
func agentRuns(getenv func(string) string, _ bool) bool    { return getenv("OIDC_SOCK") != "" }
func onTerminal(_ func(string) string, terminal bool) bool { return terminal }

// Names returns the names of the sources, in the order of the table.
func Names() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.name)
	}
	return out
}

// Described returns the sources in the order of the table, with their descriptions. The
// name of a source that needs an argument ends with a colon.
func Described() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range kinds {
			name := k.name
			if k.arg != "" && k.arg[0] != '[' {
				name += ":"
			}
			if !yield(name, k.help) {
				return
			}
		}
	}
}

// OfLogins returns the names of the sources whose tokens belong to a login.
func OfLogins() []string {
	var out []string
	for _, k := range kinds {
		if k.login {
			out = append(out, k.name)
		}
	}
	return out
}

// Help lists the sources in the form that --from accepts.
func Help() string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.form())
	}
	return strings.Join(out, ", ")
}

// form returns how --from names the source: name, name:ARG or name[:ARG].
func (k kind) form() string {
	switch optional, ok := strings.CutPrefix(k.arg, "["); {
	case ok:
		return k.name + "[:" + optional
	case k.arg != "":
		return k.name + ":" + k.arg
	}
	return k.name
}

// Default returns the sources that are used by default: the cache, the login, oidc-agent
// if one runs, and a device flow if there is a terminal.
func Default(getenv func(string) string, terminal bool) []string {
	var specs []string
	for _, k := range kinds {
		if k.when != nil && k.when(getenv, terminal) {
			specs = append(specs, k.name)
		}
	}
	return specs
}

// Asks reports whether the source that a --from value names prompts for a login.
func Asks(spec string) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool { return k.asks && k.name == spec })
}

// Unattended returns the sources among specs that do not prompt for a login.
func Unattended(specs []string) []string { return slices.DeleteFunc(slices.Clone(specs), Asks) }

// opened is a source of a chain.
type opened struct {
	kind
	spec string
	Source
}

// open opens the source that a --from value names. A name that is not in the table is
// that of a plugin.
func open(e *Env, spec string) (opened, error) {
	name, arg, hasArg := strings.Cut(spec, ":")
	for _, k := range kinds {
		if k.name != name {
			continue
		}
		if hasArg && k.arg == "" {
			return opened{}, fmt.Errorf("the source %s takes no argument, but got %q", name, arg)
		}
		if arg == "" && k.arg != "" && k.arg[0] != '[' {
			return opened{}, fmt.Errorf("the source %s needs an argument: write it as %s", name, k.form())
		}
		s, err := k.open(e, arg)
		return opened{k, spec, s}, err
	}
	known := strings.Join(Names(), ", ")
	if hasArg || !pluginName.Get().MatchString(name) {
		return opened{}, fmt.Errorf("unknown source %q: use one of %s, or plugin:NAME", name, known)
	}
	if _, err := exec.LookPath(pluginPrefix + name); err != nil {
		return opened{}, fmt.Errorf("unknown source %q: use one of %s, or put an executable %s%s on PATH", name, known, pluginPrefix, name)
	}
	s, err := newPlugin(e, name)
	return opened{kind{name: name}, spec, s}, err
}

// asNone converts a [login.NoLoginError] to a [None].
func asNone(err error) error {
	var no *login.NoLoginError
	if errors.As(err, &no) {
		return &None{Reason: no.Reason, login: no.Existing}
	}
	return err
}
