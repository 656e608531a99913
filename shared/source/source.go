// Package source provides the places that a token can come from, and the chain that
// asks them in turn. Each source is one file and one line in the table in this file.
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

// Source is one place that a token can come from.
type Source interface {
	// Token returns a token for the request. A source that has nothing to offer returns
	// a [None], and the next one is asked; any other error stops the chain.
	Token(ctx context.Context, req token.Request) (token.Token, error)
}

// None is the error of a source that has nothing to offer.
type None struct {
	// Reason says why, in a clause.
	Reason string
	// login means that the reason is what is wrong with a login.
	login bool
}

func (n *None) Error() string { return n.Reason }

func none(format string, a ...any) error { return &None{Reason: fmt.Sprintf(format, a...)} }

// The following are optional methods of a Source.
type (
	// preparer does what may wait for a person, such as unlocking a keyring, before
	// other processes have to wait for this one.
	preparer interface {
		prepare(ctx context.Context, req token.Request) error
	}
	// reporter says what the source would do, without asking the issuer and without
	// opening the keyring. has reports whether it has something for the request.
	reporter interface {
		report(ctx context.Context, req token.Request) (has bool, what string)
	}
	// owner says whose tokens the source returns, if that is not the login at the issuer:
	// cached tokens of different subjects must not be mixed up.
	owner interface {
		subject() (string, error)
	}
)

// Env is what sources need. Its fields are set before the chain is made and are only
// read afterwards.
type Env struct {
	Logins *login.Logins
	Store  *store.Store
	Prompt *prompt.Terminal
	Now    func() time.Time
	Getenv func(string) string
	// Program is the name of the helper.
	Program string
	// Account is the short name of an account in oidc-agent; empty means by issuer.
	Account string
	// ForceNew skips what is cached, here and at agents.
	ForceNew bool
	// Explicit means that the user chose the sources. A source that fails then stops the
	// chain where it would be passed over in the default order.
	Explicit bool
	// Timeout bounds one exchange with an agent. A plugin has twice as long.
	Timeout time.Duration
	// Note tells the user something important, Verbose the rest.
	Note, Verbose func(format string, a ...any)
}

// kind is a row of the table of sources.
type kind struct {
	name string
	// arg is what follows the name and a colon, in brackets if it is optional; empty if
	// nothing may follow.
	arg string
	// help says what the source is, for --help.
	help string
	open func(e *Env, arg string) (Source, error)
	// shared means that parallel runs with the same request wait for each other, so that
	// one of them asks and the others find the token in the cache. A source that may ask
	// a person must not be shared.
	shared bool
	// stored means that the token is stored already, and is not copied to the cache.
	stored bool
	// issued means that the source asks the issuer itself, which has granted its tokens just
	// now.
	issued bool
	// login means that a login gives the source a token, and asks that it makes one itself,
	// which needs a person.
	login, asks bool
	// renews means that the token comes from a login that was made earlier.
	renews bool
	// telling is how much it helps the user to read why the source has no token.
	telling telling
	// when says whether the source is asked unless the user chooses; nil means never.
	when func(getenv func(string) string, terminal bool) bool
}

// telling orders the reasons of sources. The user can change what is wrong with a login,
// and the cache's reason never helps.
type telling int

const (
	least telling = iota - 1
	ordinary
	most
)

// kinds is the table of sources.
var kinds = []kind{
	{name: "cache", help: "cached tokens", open: newCache, stored: true, telling: least, when: always},
	{name: "login", help: "your login at the issuer", open: newLogin, shared: true, issued: true, login: true, renews: true, telling: most, when: always},
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

// Names are the names of the sources, in the order of the table.
func Names() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.name)
	}
	return out
}

// Described returns the sources in the order of the table, with what each is. A source that
// needs an argument ends with a colon.
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

// Help lists the sources in the form that --from accepts.
func Help() string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.form())
	}
	return strings.Join(out, ", ")
}

// form is how --from names the source: name, name:ARG or name[:ARG].
func (k kind) form() string {
	switch optional, ok := strings.CutPrefix(k.arg, "["); {
	case ok:
		return k.name + "[:" + optional
	case k.arg != "":
		return k.name + ":" + k.arg
	}
	return k.name
}

// Default are the sources that are asked unless the user chooses: the cache, the login,
// oidc-agent if one runs, and a device flow if there is a terminal.
func Default(getenv func(string) string, terminal bool) []string {
	var specs []string
	for _, k := range kinds {
		if k.when != nil && k.when(getenv, terminal) {
			specs = append(specs, k.name)
		}
	}
	return specs
}

// Asks reports whether a source that a --from value names asks a person to log in.
func Asks(spec string) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool { return k.asks && k.name == spec })
}

// Unattended returns the sources among specs that ask nobody to log in.
func Unattended(specs []string) []string { return slices.DeleteFunc(slices.Clone(specs), Asks) }

// opened is a source of a chain.
type opened struct {
	kind
	spec string
	Source
}

// open makes the source that a --from value names. A name that is not in the table is a
// plugin's.
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

// asNone passes a login's reason to have no token on as a source's.
func asNone(err error) error {
	var no *login.NoLoginError
	if errors.As(err, &no) {
		return &None{Reason: no.Reason, login: no.Existing}
	}
	return err
}
