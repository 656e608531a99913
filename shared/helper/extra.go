package helper

import (
	"cmp"
	"context"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// Command is a command of a helper. Some helpers have more than the common ones.
type Command struct {
	// Name is what users type, and Help the description in the list of commands.
	Name, Help string
	// Usage is what follows the command besides flags.
	Usage string
	// Binary is a name of the binary under which it runs this command, because HTCondor's
	// configuration names programs without arguments. It may be empty.
	Binary string
	// Runs means that a command to run may follow "--".
	Runs bool
	// Grammar points to a struct with flags, in the form that package cmdline reads, and
	// a method Run(context.Context, *Session) error. It may have a method
	// Failed(context.Context, *cli.Env, error), which is called with every error, also
	// with those before Run, such as a mistake in the configuration.
	Grammar any
	// grammar returns the struct of a common command, whose method is
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

// Session is the access of a [Command] to the helper.
type Session struct{ a *app }

// Env returns the command's streams, clock and environment.
func (s *Session) Env() *cli.Env { return s.a.env }

// Issuer holds the settings of an issuer.
type Issuer struct {
	URL, AudienceParameter, CAFile string
}

// DefaultIssuer returns the value of --issuer, or its default.
func (s *Session) DefaultIssuer() string { return s.a.common.Issuer }

// Issuer returns the settings of an issuer, by URL or configured name.
func (s *Session) Issuer(urlOrName string) (Issuer, error) {
	i, err := s.a.conf.issuer(urlOrName)
	if err == nil {
		err = issuer.CheckURL("the issuer", i.URL)
	}
	return Issuer{URL: i.URL, AudienceParameter: i.AudienceParameter, CAFile: i.CAFile}, err
}

// Client returns a client for issuers. caFile is the one configured for the issuer;
// --cafile and --capath take precedence.
func (s *Session) Client(caFile string) *issuer.Client {
	if c := s.a.common; c.CAFile != "" || c.CAPath != "" {
		caFile = c.CAFile
	}
	return s.a.issuerClient(caFile, time.Duration(s.a.common.Timeout), s.a.verbose)
}

// Note prints a message, unless --quiet is given.
func (s *Session) Note(format string, a ...any) { s.a.note(format, a...) }

// Verbose prints a message if --verbose is given.
func (s *Session) Verbose(format string, a ...any) { s.a.verbose(format, a...) }

// Terminal reports whether there is a terminal for prompts.
func (s *Session) Terminal() (bool, error) {
	w, err := s.a.world(options{})
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
	return s.a.worldAt(options{client: clientFlags{ClientID: v.ClientID, ClientSecretFile: v.ClientSecretFile}}, cmp.Or(v.Issuer, s.a.common.Issuer))
}

// Tokens returns functions that get tokens for a service with the user's login. first may
// prompt the user to log in. renewed never does, and returns a token that is valid for at
// least enough.
func (s *Session) Tokens(v Service, least time.Duration) (first func(context.Context) (token.Token, error), renewed func(_ context.Context, enough time.Duration) (token.Token, error), err error) {
	a := s.a
	url := cmp.Or(v.Issuer, a.common.Issuer)
	f := options{
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
	renewed = func(ctx context.Context, enough time.Duration) (token.Token, error) {
		w.unattended.Store(true)
		return it.renewed(ctx, enough)
	}
	return first, renewed, nil
}

// withCommand returns the arguments, preceded by the command that the binary's name
// stands for.
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
