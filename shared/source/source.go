// Package source holds the places that a token can come from. Each is one file
// that registers itself by name in init and opens nothing until it is asked.
package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// Source is one place that a token can come from.
type Source interface {
	// Token returns a token for the request. A source that has nothing to offer
	// answers with [None], and the next is asked; any other error ends the search.
	Token(ctx context.Context, req token.Request) (token.Token, error)
}

// None is the answer of a source that has nothing to offer.
type None struct {
	// Reason completes "there is no token from SOURCE: …".
	Reason string
}

func (n *None) Error() string { return n.Reason }

func none(format string, a ...any) error { return &None{fmt.Sprintf(format, a...)} }

// Deps is what sources may reach. Nothing in it is opened before it is used.
type Deps struct {
	Store  *store.Store
	Issuer *issuer.Client
	Prompt *prompt.Terminal
	Now    func() time.Time
	Getenv func(string) string
	// Program is the name that a registered client carries.
	Program string

	// ClientID and ClientSecret are of a client registered beforehand; the secret
	// is read when it is needed.
	ClientID     string
	ClientSecret func() (string, error)
	// AudienceParameter is how this issuer wants the audience.
	AudienceParameter issuer.AudienceParameter
	// LoginScopes are asked for at every login beside those of the request.
	LoginScopes []string
	// RegistrationScopes are those that a client is registered with.
	RegistrationScopes []string
	// ForceNew skips what is cached.
	ForceNew bool
	// Account is the short name of an account in oidc-agent; empty is by issuer.
	Account string
	// Explicit says that the user named the sources: one that is not in order then
	// says so, where in the default order the next is asked.
	Explicit bool
	// Timeout bounds one exchange with an agent; a plugin has twice that.
	Timeout time.Duration
	// Browser opens the verification address too.
	Browser bool
	// Keep holds a new token against the request and caches it. Sources that work
	// under the login's lock call it there, so that whoever waits for the lock finds
	// the token; [Chain] calls it for the others. Its error ends the search.
	Keep func(ctx context.Context, req token.Request, t token.Token) error
	kept string
	// Note tells the user something; Verbose tells one who asked for more.
	Note, Verbose func(format string, a ...any)

	metadata onceMap
}

type onceMap struct {
	mu sync.Mutex
	m  map[string]*issuer.Metadata
}

// discoveryAge is how long a discovery document is good for. Endpoints of an issuer
// change rarely, and a wrong one only costs a failed request.
const discoveryAge = 24 * time.Hour

// Metadata returns the issuer's discovery document, from the cache if it is there.
func (d *Deps) Metadata(ctx context.Context, issuerURL string) (*issuer.Metadata, error) {
	d.metadata.mu.Lock()
	defer d.metadata.mu.Unlock()
	if md := d.metadata.m[issuerURL]; md != nil {
		return md, nil
	}
	if d.metadata.m == nil {
		d.metadata.m = map[string]*issuer.Metadata{}
	}
	if doc, ok := d.Store.Document(issuerURL); ok {
		if md, err := issuer.ParseMetadata(doc, issuerURL); err == nil {
			d.metadata.m[issuerURL] = md
			return md, nil
		}
	}
	md, doc, err := d.Issuer.Discover(ctx, issuerURL)
	if err != nil {
		return nil, err
	}
	if err := d.Store.PutDocument(issuerURL, doc, discoveryAge); err != nil {
		// It costs the next run a request, no more.
		d.Verbose("the discovery document was not cached: %s", err)
	}
	d.metadata.m[issuerURL] = md
	return md, nil
}

// CacheKey is the key that the request's token is cached under.
func (d *Deps) CacheKey(req token.Request) store.CacheKey {
	return store.CacheKey{Issuer: req.Issuer, ClientID: d.ClientID, Account: d.Account, Audiences: req.Audiences, Scopes: req.Scopes}
}

func (d *Deps) audience(req token.Request) url.Values {
	return d.AudienceParameter.Params(req.Audiences)
}

// Opener makes a source. arg is what follows the colon in --from NAME:ARG.
type Opener func(d *Deps, arg string) (Source, error)

type kind struct {
	open    Opener
	takeArg bool
}

var registry = map[string]kind{}

func register(name string, o Opener)        { registry[name] = kind{o, false} }
func registerWithArg(name string, o Opener) { registry[name] = kind{o, true} }

// Names are the sources there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// Open makes the source that a --from value names. Any name that is not built in
// is a plugin's.
func Open(d *Deps, spec string) (Source, error) {
	name, arg, hasArg := strings.Cut(spec, ":")
	k, ok := registry[name]
	switch {
	case !ok && !hasArg && pluginName.MatchString(name):
		if _, err := exec.LookPath(pluginPrefix + name); err == nil {
			return plugin{d, name}, nil
		}
		return nil, fmt.Errorf("there is no source %q: it is one of %s, or an executable %s%s on PATH", name, strings.Join(Names(), ", "), pluginPrefix, name)
	case !ok:
		return nil, fmt.Errorf("there is no source %q: it is one of %s, or plugin:NAME", name, strings.Join(Names(), ", "))
	case hasArg && !k.takeArg:
		return nil, fmt.Errorf("the source %s takes no argument, but got %q", name, arg)
	}
	return k.open(d, arg)
}

// Reporter is a source that can tell what it would do, without asking the issuer
// and without opening the keyring.
type Reporter interface {
	// Report says whether the source has something for the request, and what, or
	// why not.
	Report(ctx context.Context, req token.Request) (has bool, what string)
}

// NoneError says that no source had a token, and what each said.
type NoneError struct {
	Reasons []Reason
}

// Reason is why one source had nothing.
type Reason struct{ Source, Why string }

func (e *NoneError) Error() string {
	// Where a login was looked for, it is what a user can do something about; else
	// the last one asked knows best. The cache knows nothing that helps.
	for _, r := range e.Reasons {
		if r.Source == "login" {
			return r.Why
		}
	}
	for _, r := range slices.Backward(e.Reasons) {
		if r.Source != "cache" {
			return r.Why
		}
	}
	if len(e.Reasons) > 0 {
		return e.Reasons[0].Why
	}
	return "no source was asked"
}

// Chain asks the sources in turn.
func Chain(ctx context.Context, d *Deps, specs []string, req token.Request) (token.Token, error) {
	var reasons []Reason
	for _, spec := range specs {
		name, _, _ := strings.Cut(spec, ":")
		s, err := Open(d, spec)
		if err != nil {
			return token.Token{}, err
		}
		t, err := s.Token(ctx, req)
		if err == nil {
			if t.Source == "" {
				t.Source = name
			}
			return t, d.keep(ctx, req, t)
		}
		var n *None
		if !errors.As(err, &n) {
			return token.Token{}, err
		}
		d.Verbose("%s: %s", name, n.Reason)
		reasons = append(reasons, Reason{name, n.Reason})
	}
	return token.Token{}, &NoneError{reasons}
}

// keep calls Keep, once for each token, and never for one from the cache.
func (d *Deps) keep(ctx context.Context, req token.Request, t token.Token) error {
	// A token that lies elsewhere already has been checked, and is not copied.
	if t.Source == "cache" || t.Source == "bearer" || t.Raw() == d.kept {
		return nil
	}
	if err := d.Keep(ctx, req, t); err != nil {
		return err
	}
	d.kept = t.Raw()
	return nil
}

// fromGrant makes the token of an issuer's answer. What the answer does not say
// is as asked for (RFC 6749 section 5.1); what the token says itself counts more.
func fromGrant(g *issuer.Grant, req token.Request, md *issuer.Metadata) token.Token {
	t := token.New(g.AccessToken)
	if t.Expires.IsZero() {
		t.Expires = g.Expires
	}
	if t.Scopes == nil {
		if t.Scopes = g.Scopes; t.Scopes == nil {
			t.Scopes = req.Scopes
		}
	}
	if t.Issuer == "" {
		t.Issuer = md.Issuer
	}
	return t
}
