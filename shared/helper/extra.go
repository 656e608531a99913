package helper

import (
	"context"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
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
	// method Run(context.Context, *Session) error. It may have a method
	// Failed(context.Context, *cli.Env, error), which is told of every error, also of those
	// before Run, such as a mistake in the configuration.
	Grammar any
	// grammar makes that of a command that all helpers have, whose method is
	// Run(context.Context, *app) error.
	grammar func(service.Ecosystem) any
	// plain means that the command works without a configuration.
	plain bool
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

// Issuer says how an issuer is asked.
type Issuer struct {
	URL, AudienceParameter, CAFile string
}

// DefaultIssuer is what --issuer says, or the default.
func (s *Session) DefaultIssuer() string { return s.a.common.Issuer }

// Issuer returns the settings of an issuer, by URL or configured name.
func (s *Session) Issuer(urlOrName string) (Issuer, error) {
	i, err := s.a.conf.issuer(urlOrName)
	if err == nil {
		err = issuer.CheckURL("the issuer", i.URL)
	}
	return Issuer{URL: i.URL, AudienceParameter: i.AudienceParameter, CAFile: i.CAFile}, err
}

// Client makes a client for issuers. caFile is configured for the issuer, and the flags
// come before it.
func (s *Session) Client(caFile string) *issuer.Client {
	if c := s.a.common; c.CAFile != "" || c.CAPath != "" {
		caFile = c.CAFile
	}
	return s.a.issuerClient(caFile, time.Duration(s.a.common.Timeout), s.a.verbose)
}

// Note tells the user something, unless --quiet is given.
func (s *Session) Note(format string, a ...any) { s.a.note(format, a...) }

// Verbose tells the user what is done, if --verbose is given.
func (s *Session) Verbose(format string, a ...any) { s.a.verbose(format, a...) }

// Terminal reports whether there is a terminal to ask on.
func (s *Session) Terminal() (bool, error) {
	w, err := s.a.world(asked{})
	return err == nil && w.sources.Prompt.Available(), err
}

// Logins returns the user's logins at the issuer of a service.
func (s *Session) Logins(v Service) (*login.Logins, string, error) {
	w, err := s.serviceWorld(v)
	if err != nil {
		return nil, "", err
	}
	return w.logins, w.issuerURL, nil
}

func (s *Session) serviceWorld(v Service) (*world, error) {
	return s.a.worldAt(asked{client: clientFlags{ClientID: v.ClientID, ClientSecretFile: v.ClientSecretFile}}, s.a.conf.issuerOf(v, s.a.common.Issuer))
}

func (c *config) issuerOf(v Service, otherwise string) string {
	if v.Issuer != "" {
		return v.Issuer
	}
	return otherwise
}

// Tokens returns how to get tokens for a service with the user's own login. first may ask
// the user to log in. renewed never does, and returns a token that lives for at least
// enough.
func (s *Session) Tokens(v Service, least time.Duration) (first func(context.Context) (token.Token, error), renewed func(_ context.Context, enough time.Duration) (token.Token, error), err error) {
	a := s.a
	url := a.conf.issuerOf(v, a.common.Issuer)
	f := asked{
		client:  clientFlags{ClientID: v.ClientID, ClientSecretFile: v.ClientSecretFile},
		request: requestFlags{MinLifetime: cli.Duration(least)}, kept: true,
	}
	if v.Robot {
		f.source.From = []string{"cache", "client-credentials"}
	}
	w, err := a.worldAt(f, url)
	if err != nil {
		return nil, nil, err
	}
	var it *item
	loginCommand := func() string { return a.namedLogin([]*item{it}, w, url) }
	it = a.serviceItem(w, f, ServiceRequest{Audiences: v.Audience, Scopes: v.Scopes}, loginCommand)
	if err := it.open(); err != nil {
		return nil, nil, err
	}
	first = func(ctx context.Context) (token.Token, error) { return a.obtain(ctx, it, []*item{it}) }
	return first, it.renewed, nil
}

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
