package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// Chain tries sources in turn, and checks and caches their tokens.
type Chain struct {
	env     *Env
	sources []opened
	cache   *cache // nil unless the cache is one of the sources
}

// NewChain returns a chain of the sources that the specs name, in the syntax of --from.
func NewChain(e *Env, specs []string) (*Chain, error) {
	c := &Chain{env: e}
	for _, spec := range specs {
		s, err := open(e, spec)
		if err != nil {
			return nil, err
		}
		c.sources = append(c.sources, s)
		if ca, ok := s.Source.(*cache); ok {
			c.cache = ca
		}
	}
	if c.cache != nil {
		c.cache.chain = c
	}
	return c, nil
}

// NoneError means that no source had a token.
type NoneError struct {
	Reasons []Reason
}

// Reason is why a source had no token.
type Reason struct {
	Why  string
	kind kind
}

// Error returns the most helpful reason; of several, that of the last source.
func (e *NoneError) Error() string {
	if len(e.Reasons) == 0 {
		return "no source was tried"
	}
	best := e.Reasons[0]
	for _, r := range e.Reasons {
		if r.kind.priority >= best.kind.priority {
			best = r
		}
	}
	return best.Why
}

// ExitCode implements cli.Explained.
func (e *NoneError) ExitCode() int { return cli.NeedLogin }

// Hints implements cli.Explained. There is a hint only if the cache was the only source.
func (e *NoneError) Hints() []string {
	if len(e.Reasons) == 0 || slices.ContainsFunc(e.Reasons, func(r Reason) bool { return r.kind.priority > least }) {
		return nil
	}
	return []string{"add another source, such as --from login"}
}

// LoginHelps reports whether one of the sources would have a token after a login.
func (e *NoneError) LoginHelps() bool {
	return len(e.Reasons) == 0 || slices.ContainsFunc(e.Reasons, func(r Reason) bool { return r.kind.login })
}

// Token tries the sources in turn. A token is checked against the request before it is
// cached or returned; the error is a [GrantError] if it differs.
func (c *Chain) Token(ctx context.Context, req token.Request) (token.Token, error) {
	var reasons []Reason
	var noHome error
	for _, s := range c.sources {
		t, err := c.ask(ctx, s, req)
		if err == nil {
			return t, nil
		}
		var n *None
		switch {
		case errors.As(err, &n):
			noHome = nil // this one needs no home directory
		case errors.Is(err, store.ErrNoHome):
			// Without a home directory there are neither logins nor a cache, but robots
			// have other sources.
			n, noHome = &None{Reason: err.Error()}, err
		default:
			return token.Token{}, err
		}
		if n.login && c.asksUser() {
			c.env.Note("%s; a new login is needed", n.Reason)
		} else {
			c.env.Verbose("%s: %s", s.name, n.Reason)
		}
		reasons = append(reasons, Reason{n.Reason, s.kind})
	}
	if noHome != nil {
		return token.Token{}, noHome
	}
	return token.Token{}, &NoneError{reasons}
}

// asksUser reports whether the chain would prompt for a new login.
func (c *Chain) asksUser() bool {
	return slices.ContainsFunc(c.sources, func(s opened) bool { return s.asks })
}

func (c *Chain) ask(ctx context.Context, s opened, req token.Request) (token.Token, error) {
	if p, ok := s.Source.(preparer); ok {
		if err := p.prepare(ctx, req); err != nil {
			return token.Token{}, asNone(err)
		}
	}
	key, err := c.key(s, req)
	if err != nil {
		return token.Token{}, err
	}
	if s.shared && c.cache != nil && !c.env.ForceNew {
		unlock, err := c.env.Store.LockRequest(ctx, key)
		switch {
		case err == nil:
			defer unlock()
			// The previous holder of the lock may have cached this token.
			if t, ok := c.cached(key, req); ok {
				return t, nil
			}
		case !errors.Is(err, store.ErrNoHome):
			return token.Token{}, err
		}
	}
	t, err := s.Token(ctx, req)
	if err == nil && !s.stored && c.cache != nil && !c.env.ForceNew && c.env.Store.Rejected(key, t.Raw()) {
		t, err = c.bypassCache(ctx, s, req)
	}
	if err != nil {
		return token.Token{}, asNone(err)
	}
	if t.Source == "" {
		t.Source = s.name
	}
	if s.stored {
		return t, nil
	}
	if err := c.check(t, req, s.kind); err != nil {
		return token.Token{}, err
	}
	c.put(key, t)
	return t, nil
}

// bypassCache gets a new token from a source with a separate cache, such as oidc-agent.
func (c *Chain) bypassCache(ctx context.Context, s opened, req token.Request) (token.Token, error) {
	env := *c.env
	env.ForceNew = true
	again, err := open(&env, s.spec)
	if err != nil {
		return token.Token{}, err
	}
	c.env.Verbose("%s: a service rejected its token: asking for another one", s.name)
	return again.Token(ctx, req)
}

// key returns the cache key of a source's token.
func (c *Chain) key(s opened, req token.Request) (store.CacheKey, error) {
	key := store.CacheKey{Issuer: req.Issuer, ClientID: c.env.Logins.ClientID, Audiences: req.Audiences, Scopes: req.Scopes}
	var err error
	if o, ok := s.Source.(owner); ok {
		key.Subject, err = o.subject()
	}
	return key, err
}

// cached returns the cached token for the key, if it is valid for long enough.
func (c *Chain) cached(key store.CacheKey, req token.Request) (token.Token, bool) {
	t, ok, err := c.env.Store.CachedToken(key)
	if err != nil || !ok {
		return token.Token{}, false
	}
	left, known := t.Lifetime(c.env.Now())
	return t, known && left >= req.MinLifetime
}

func (c *Chain) put(key store.CacheKey, t token.Token) {
	err := c.env.Store.PutToken(key, t)
	switch {
	case errors.Is(err, store.ErrNoHome):
		c.env.Verbose("the token was not cached: %s", err)
	case err != nil:
		// The token is usable; only the next run is slower.
		c.env.Note("the token was not cached: %s", err)
	}
}

// Forget removes the cached tokens for the request, so that the next one is new. If
// rejected is not empty, only that token is removed: another process may have replaced it
// already.
func (c *Chain) Forget(req token.Request, rejected string) error {
	if c.cache == nil {
		return nil
	}
	for _, key := range c.cache.keys(req) {
		if err := c.env.Store.RejectToken(key, rejected); err != nil {
			return err
		}
	}
	return nil
}

// Status is what the sources command shows for one source.
type Status struct {
	Source string `json:"source"`
	// Has means that the source has something for the request.
	Has  bool   `json:"has"`
	What string `json:"what"`
}

// Report returns what each source would do for the request, without contacting the issuer
// or opening the keyring.
func (c *Chain) Report(ctx context.Context, req token.Request) []Status {
	list := []Status{}
	for _, s := range c.sources {
		st := Status{Source: s.spec, What: "would be asked"}
		if r, ok := s.Source.(reporter); ok {
			st.Has, st.What = r.report(ctx, req)
		}
		list = append(list, st)
	}
	return list
}

func newCache(e *Env, _ string) (Source, error) { return &cache{env: e}, nil }

// cache returns tokens of earlier runs that are valid for long enough, if one of the
// other sources of the chain would return them.
type cache struct {
	env   *Env
	chain *Chain
}

func (c *cache) Token(_ context.Context, req token.Request) (token.Token, error) {
	if c.env.ForceNew {
		return token.Token{}, none("a new token was requested")
	}
	short := false
	for _, key := range c.keys(req) {
		t, ok, err := c.env.Store.CachedToken(key)
		if err != nil {
			return token.Token{}, err
		}
		if !ok {
			continue
		}
		if left, known := t.Lifetime(c.env.Now()); known && left >= req.MinLifetime {
			t.Source = "cache"
			return t, nil
		}
		short = true
	}
	if short {
		return token.Token{}, none("the cached token expires too soon")
	}
	return token.Token{}, none("no token is cached for this request")
}

// keys returns those of the chain's other sources, except sources whose tokens are not
// cached. If the cache is the only source, it returns the login's.
func (c *cache) keys(req token.Request) []store.CacheKey {
	var out []store.CacheKey
	for _, s := range c.chain.sources {
		if s.stored {
			continue
		}
		if key, err := c.chain.key(s, req); err == nil && !slices.ContainsFunc(out, func(k store.CacheKey) bool { return k.Subject == key.Subject }) {
			out = append(out, key)
		}
	}
	if !slices.ContainsFunc(c.chain.sources, func(s opened) bool { return s.name != "cache" }) {
		out = []store.CacheKey{{Issuer: req.Issuer, ClientID: c.env.Logins.ClientID, Audiences: req.Audiences, Scopes: req.Scopes}}
	}
	return out
}

func (c *cache) report(ctx context.Context, req token.Request) (bool, string) {
	t, err := c.Token(ctx, req)
	if err != nil {
		return false, err.Error()
	}
	left, _ := t.Lifetime(c.env.Now())
	return true, "a token that expires in " + left.Round(time.Second).String()
}

// explained is an error of a source with an exit code and hints.
type explained struct {
	err   error
	code  int
	hints []string
}

func (e *explained) Error() string   { return e.err.Error() }
func (e *explained) Unwrap() error   { return e.err }
func (e *explained) ExitCode() int   { return e.code }
func (e *explained) Hints() []string { return e.hints }

func fail(code int, hint, format string, a ...any) error {
	e := &explained{err: fmt.Errorf(format, a...), code: code}
	if hint = strings.TrimSpace(hint); hint != "" {
		e.hints = []string{hint}
	}
	return e
}
