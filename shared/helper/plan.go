package helper

import (
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// plan describes a run: what is requested, from which sources, and for which services. It
// is built once from the flags, the environment, the configuration and the ecosystem's
// defaults, and is read-only afterwards.
type plan struct {
	program string
	request token.Request
	// services are the services that the token is for, if they are known.
	services []service.Service
	// specs are the sources to use, in the syntax of --from.
	specs []string
	// loginCommand returns the command that logs in for the request.
	loginCommand func() string
	// alternative returns flags that express the request in the scopes that an issuer
	// supports.
	alternative func(supported []string) string
}

// options are the groups of flags that a command has.
type options struct {
	request requestFlags
	client  clientFlags
	source  sourceFlags
	// login means that the request is for a login, not for a token.
	login bool
	// kept means that the token is kept fresh, so that a short lifetime is accepted.
	kept bool
	// beside is the world of another token of the same run, whose store is shared.
	beside *world
	// events, if set, shows the steps of a login.
	events func(login.Event)
}

// world holds the dependencies of a run. They are opened at their first use.
type world struct {
	issuerURL string
	store     *store.Store
	logins    *login.Logins
	sources   *source.Env
	note      func(format string, a ...any)
	// unattended is set when renewals begin in the background: they must not prompt.
	unattended *atomic.Bool
}

// world returns the world for the issuer of --issuer.
func (a *app) world(f options) (*world, error) { return a.worldAt(f, a.common.Issuer) }

// worldAt returns the world for an issuer.
func (a *app) worldAt(f options, urlOrName string) (*world, error) {
	named, err := a.conf.issuer(urlOrName)
	if err != nil {
		return nil, err
	}
	if err := issuer.CheckURL("the issuer", named.URL); err != nil {
		example := DefaultIssuer
		if rest, isHTTP := strings.CutPrefix(named.URL, "http://"); isHTTP && !strings.Contains(rest, "@") {
			example = text.ShellWord("https://" + rest)
		}
		return nil, cli.Errorf(cli.Usage, "%w", err).Hint("give the issuer's https URL, as in --issuer %s", example)
	}
	timeout := time.Duration(a.common.Timeout)
	if timeout == 0 {
		return nil, cli.Errorf(cli.Usage, "--timeout: must be more than 0")
	}
	env, note, verbose := a.env, a.note, a.verbose
	caFile := a.common.CAFile
	if caFile == "" && a.common.CAPath == "" {
		caFile = named.CAFile
	}
	c := f.client
	if c.ClientID == "" {
		c.ClientID = named.ClientID
	}
	if c.AudienceParam == "" {
		c.AudienceParam = named.AudienceParameter
	}
	if c.ClientSecretFile == "" && c.ClientSecretCmd == "" {
		c.ClientSecretFile, c.ClientSecretCmd = named.ClientSecretFile, named.ClientSecretCmd
	}
	if c.RegistrationFile == "" {
		c.RegistrationFile = named.RegistrationFile
	}
	terminal := &prompt.Terminal{Fallback: env.Stderr, Disabled: f.source.NoPrompt, Getenv: env.Getenv}
	opts := store.Options{
		LookupEnv: env.LookupEnv, Now: env.Now, Backend: c.Keyring,
		Note: note, Verbose: verbose, UnlockFor: time.Duration(c.UnlockFor),
		// Another process holds the lock for one or two exchanges, each with a time
		// limit.
		LockTimeout: 2 * timeout,
	}
	unattended := new(atomic.Bool)
	if terminal.Available() {
		opts.Passphrase = func(question string) (string, error) {
			if unattended.Load() {
				return "", prompt.ErrNoTerminal
			}
			return terminal.Passphrase(question)
		}
	}
	st := store.New(opts)
	if f.beside != nil {
		st, unattended = f.beside.store, f.beside.unattended
	}
	logins := &login.Logins{
		Store:  st,
		Issuer: a.issuerClient(caFile, timeout, verbose),
		Prompt: terminal, Now: env.Now, Getenv: env.Getenv, Note: note, Verbose: verbose, Hold: env.Hold,
		ClientID:           c.ClientID,
		ClientSecret:       func() (string, error) { return c.secret() },
		RegistrationToken:  func() (string, error) { return c.registrationToken() },
		AudienceParameter:  issuer.AudienceParameter(c.AudienceParam),
		PKCE:               named.PKCE,
		LoginScopes:        named.Scopes,
		RegistrationScopes: ecosystems.RegistrationScopes(),
		Sources:            source.OfLogins(),
		Browser:            c.Browser,
		Fresh:              f.login || f.source.ForceNew,
		Events:             f.events,
	}
	return &world{
		issuerURL: named.URL, store: st, logins: logins, note: note, unattended: unattended,
		sources: &source.Env{
			Logins: logins, Store: st, Prompt: terminal, Now: env.Now, Getenv: env.Getenv, Program: env.Program,
			Account: f.source.Account, ForceNew: f.source.ForceNew, Explicit: len(f.source.From) > 0, Timeout: timeout,
			Note: note, Verbose: verbose,
		},
	}, nil
}

// note prints a message, unless --quiet is given.
func (a *app) note(format string, args ...any) {
	if !a.common.Quiet {
		a.env.Say(format, args...)
	}
}

// verbose prints a message if --verbose is given.
func (a *app) verbose(format string, args ...any) {
	if a.common.Verbose {
		a.env.Say(format, args...)
	}
}

func (a *app) issuerClient(caFile string, timeout time.Duration, trace func(string, ...any)) *issuer.Client {
	return issuer.NewClient(issuer.HTTPOptions{
		CAFile: caFile, CAPath: a.common.CAPath, Timeout: timeout,
		LookupEnv: a.env.LookupEnv, UserAgent: a.env.UserAgent, Trace: trace,
	})
}

// prepare returns the world and the plan of a command with an endpoint.
func (a *app) prepare(endpoint string, f options) (*world, *plan, error) {
	if err := a.endpoint(endpoint); err != nil {
		return nil, nil, err
	}
	w, err := a.world(f)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.plan(w, f)
	return w, p, err
}

// plan builds the plan from the flags.
func (a *app) plan(w *world, f options) (*plan, error) {
	r := f.request
	for _, aud := range r.Aud {
		if strings.TrimSpace(aud) == "" || strings.ContainsAny(aud, " \t\r\n") {
			return nil, cli.Errorf(cli.Usage, "--aud: %q is not one audience", aud).Hint("give one audience, and repeat --aud for more")
		}
	}
	scopes, err := parseScopes(r.Scope)
	if err != nil {
		return nil, err
	}
	want, err := a.eco.Want(service.Given{Audiences: r.Aud, Scope: len(scopes) > 0, Login: f.login, Service: a.serviceGiven()})
	if err != nil {
		return nil, err
	}
	p := &plan{program: a.env.Program, loginCommand: a.loginCommand, alternative: a.eco.Alternative}
	audiences := want.Audiences
	if len(r.Aud) > 0 {
		audiences = r.Aud
	} else {
		for _, host := range unqualified(audiences) {
			w.note("note: %s has no domain: services compare the whole name with their own, so use the full name if the token is rejected", host)
		}
	}
	if len(scopes) == 0 { // the service for scopes from --scope is unknown
		p.services = want.Services
	}
	p.request = token.Request{
		Issuer: w.issuerURL, Audiences: audiences, Scopes: slices.Concat(want.Scopes, scopes),
		MinLifetime: time.Duration(r.MinLifetime), AnyLifetime: f.kept,
	}.Normalized()
	p.specs = a.specs(w, f)
	return p, nil
}

// serviceGiven reports whether the command line has a service, as an argument or a flag.
func (a *app) serviceGiven() bool {
	return slices.ContainsFunc(a.line.Given, func(g cmdline.Given) bool {
		if g.Arg != nil {
			return g.Arg.Complete == "host"
		}
		return g.Flag.Complete == "host"
	})
}

// specs returns the sources to use.
func (a *app) specs(w *world, f options) []string {
	specs := f.source.From
	if len(specs) == 0 {
		specs = source.Default(a.env.Getenv, w.sources.Prompt.Available())
	}
	if f.source.NoPrompt {
		specs = source.Unattended(specs)
	}
	return specs
}

// unqualified returns the hosts in audiences that have no domain.
func unqualified(audiences []string) []string {
	var out []string
	for _, a := range audiences {
		host := strings.TrimPrefix(a, "https://")
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !strings.ContainsAny(host, ".:[") && host != "localhost" {
			out = append(out, host)
		}
	}
	return out
}

func parseScopes(flags []string) ([]string, error) {
	var scopes []string
	for _, f := range flags {
		fields := token.SplitScopes(f)
		if len(fields) == 0 {
			return nil, cli.Errorf(cli.Usage, "--scope: the value is empty").Hint("give one scope, as in --scope compute.read")
		}
		for _, s := range fields {
			if !validScope(s) {
				return nil, cli.Errorf(cli.Usage, "--scope: %q contains characters that are not allowed in a scope", s).
					Hint("use printable ASCII without quotes and backslashes")
			}
		}
		scopes = append(scopes, fields...)
	}
	return scopes, nil
}

// validScope follows the grammar of RFC 6749 section 3.3.
func validScope(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

// loginCommand returns the command that logs in for this command line: the same flags,
// except those that only get has.
func (a *app) loginCommand() string {
	var known cmdline.Line
	known.Add(new(commonFlags), "")
	known.Add(newLogin(a.eco), "")
	argv := []string{a.env.Program, "login"}
	seen := map[string]bool{}
	for _, g := range a.line.Given {
		if g.Arg != nil {
			if g.Arg.Name != "service" {
				continue
			}
			if s := g.Arg.String(); s != "" {
				argv = append(argv, text.ShellWord(s))
			}
			continue
		}
		f := g.Flag
		if known.Flag(f.Name) == nil || seen[f.Name] || slices.Contains([]string{"verbose", "quiet", "min-lifetime", "output"}, f.Name) {
			continue
		}
		seen[f.Name] = true
		if f.IsSwitch() {
			argv = append(argv, "--"+f.Name)
			continue
		}
		for _, s := range f.Texts() {
			argv = append(argv, "--"+f.Name, text.ShellWord(s))
		}
	}
	return strings.Join(argv, " ")
}
