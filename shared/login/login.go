// Package login creates, refreshes, extends and revokes logins. Every change runs in the
// critical section in section.go, so that interrupts and full disks, for example, do not lose
// a refresh token.
package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Logins manages the logins of the user. The exported fields must not be changed after the
// first call of a method. The others cache the issuer's discovery document.
type Logins struct {
	Store  *store.Store
	Issuer *issuer.Client
	Prompt *prompt.Terminal
	Now    func() time.Time
	Getenv func(string) string
	// Note prints an important message for the user, Verbose any other. Hold delays both until
	// the returned function is called.
	Note, Verbose func(format string, a ...any)
	Hold          func() (release func())

	// ClientID and ClientSecret are those of a client that was registered beforehand.
	// ClientSecret is called when the secret is needed.
	ClientID     string
	ClientSecret func() (string, error)
	// RegistrationToken returns the initial access token for client registration
	// (RFC 7591 section 3), or "".
	RegistrationToken func() (string, error)
	// AudienceParameter is the parameter in which the issuer expects the audience.
	AudienceParameter issuer.AudienceParameter
	// PKCE makes the device flow send a code challenge in the first request.
	PKCE bool
	// LoginScopes are requested at every login in addition to the scopes of the request.
	LoginScopes []string
	// RegistrationScopes are the scopes that a client is registered with.
	RegistrationScopes []string
	// Sources are the names of the sources whose cached tokens belong to a login.
	Sources []string
	// Browser makes Login open the verification URL in the browser.
	Browser bool
	// Fresh means that the discovery document is fetched even if it is cached.
	Fresh bool
	// Events, if set, is called instead of showing the code on the terminal.
	Events func(Event)

	metadata *issuer.Metadata
	cached   bool
	loaded   time.Time // when metadata was read or fetched
}

// Event is a step of a login, for programs that log in on behalf of a user.
type Event struct {
	// Code is set when the user must approve the login.
	Code *prompt.Code
	// Login is set when the login was saved.
	Login *store.IndexEntry
}

// NoLoginError means that no login can serve a request. The next source is tried.
type NoLoginError struct {
	Reason string
	// Existing means that there is a login, and Reason is why it cannot be used.
	Existing bool
}

func (e *NoLoginError) Error() string { return e.Reason }

func noLogin(format string, a ...any) error {
	return &NoLoginError{Reason: fmt.Sprintf(format, a...)}
}

func badLogin(format string, a ...any) error {
	return &NoLoginError{Reason: fmt.Sprintf(format, a...), Existing: true}
}

// Usable returns the login that can serve the request, according to the index. It neither
// opens the keyring nor sends a request to the issuer. If there is no such login, the error
// is a [NoLoginError].
func (l *Logins) Usable(req token.Request) (store.IndexEntry, error) {
	e, ok, err := l.Store.Find(req.Issuer, l.ClientID)
	if err != nil {
		return e, err
	}
	if !ok || len(e.Scopes) == 0 {
		// An entry without scopes is a client whose login was not completed.
		if choice := l.Choice(req.Issuer); choice != nil {
			return e, &NoLoginError{Reason: choice.Error()}
		}
		return e, noLogin("there is no login at %s", req.Issuer)
	}
	if missing := token.MissingScopes(e.Scopes, req.Scopes); len(missing) > 0 {
		return e, badLogin("your login at %s lacks %s", req.Issuer, strings.Join(missing, " "))
	}
	return e, nil
}

// ChoiceError means that there are several logins at an issuer, and the user must choose one.
type ChoiceError struct {
	Issuer string
	// Clients are the client IDs of the logins.
	Clients []string
}

func (e *ChoiceError) Error() string {
	return "there are several logins at " + e.Issuer
}

// ExitCode implements cli.Explained.
func (e *ChoiceError) ExitCode() int { return cli.Usage }

// Hints implements cli.Explained.
func (e *ChoiceError) Hints() []string {
	var flags []string
	for _, c := range e.Clients {
		flags = append(flags, "--client-id "+text.ShellWord(c))
	}
	return []string{"choose one with " + strings.Join(flags, " or ")}
}

// Choice returns an error if the user must choose between several logins at the issuer, else
// nil.
func (l *Logins) Choice(issuerURL string) *ChoiceError {
	if e, ok, err := l.Store.Find(issuerURL, l.ClientID); l.ClientID != "" || err != nil || ok && len(e.Scopes) > 0 {
		return nil
	}
	in, err := l.Store.Index()
	if err != nil {
		return nil
	}
	var clients []string
	for _, e := range in {
		if token.SameIssuer(e.Issuer, issuerURL) && len(e.Scopes) > 0 {
			clients = append(clients, e.ClientID)
		}
	}
	if len(clients) < 2 {
		return nil
	}
	return &ChoiceError{issuerURL, clients}
}

// discoveryAge is how long a discovery document is cached. [Logins.WithMetadata] fetches it
// earlier if it seems outdated.
const discoveryAge = 24 * time.Hour

// Metadata returns the issuer's discovery document, from the cache if possible.
func (l *Logins) Metadata(ctx context.Context, issuerURL string) (*issuer.Metadata, error) {
	if l.metadata != nil {
		// A process that keeps tokens fresh may run for days.
		l.cached = l.cached || l.Now().Sub(l.loaded) > time.Minute
		return l.metadata, nil
	}
	if doc, ok := l.Store.Document(issuerURL); ok && !l.Fresh {
		if md, err := issuer.ParseMetadata(doc, issuerURL); err == nil {
			l.metadata, l.cached, l.loaded = md, true, l.Now()
			return md, nil
		}
	}
	return l.discover(ctx, issuerURL)
}

// Known returns the issuer's discovery document if it is cached, else nil. It never sends a
// request.
func (l *Logins) Known(issuerURL string) *issuer.Metadata {
	if l.metadata != nil {
		return l.metadata
	}
	if doc, ok := l.Store.Document(issuerURL); ok {
		if md, err := issuer.ParseMetadata(doc, issuerURL); err == nil {
			return md
		}
	}
	return nil
}

func (l *Logins) discover(ctx context.Context, issuerURL string) (*issuer.Metadata, error) {
	md, doc, err := l.Issuer.Discover(ctx, issuerURL)
	if err != nil {
		return nil, err
	}
	if err := l.Store.PutDocument(issuerURL, doc, discoveryAge); err != nil {
		// The next run must only fetch it again.
		l.Verbose("the discovery document was not cached: %s", err)
	}
	l.metadata, l.cached, l.loaded = md, false, l.Now()
	return md, nil
}

// WithMetadata calls f with the issuer's discovery document. If the document came from the
// cache and the error of f indicates that it is outdated, WithMetadata fetches it and calls
// f again.
func (l *Logins) WithMetadata(ctx context.Context, issuerURL string, f func(*issuer.Metadata) error) error {
	md, err := l.Metadata(ctx, issuerURL)
	if err != nil {
		return err
	}
	err = f(md)
	if err == nil || !l.cached || !outdated(err) {
		return err
	}
	l.Verbose("fetching the discovery document again, because the cached one may be outdated: %s", err)
	if md, derr := l.discover(ctx, issuerURL); derr == nil {
		return f(md)
	}
	return err
}

// outdated reports whether err may be caused by an outdated discovery document.
func outdated(err error) bool {
	var (
		re          *issuer.ResponseError
		unsupported *issuer.UnsupportedError
		redirected  *issuer.RedirectError
		unreachable *issuer.NetworkError
		unanswered  *issuer.UnansweredError
	)
	if errors.As(err, &unanswered) {
		return false // the endpoint is correct, and may have replaced the refresh token
	}
	if errors.As(err, &re) {
		switch re.StatusCode {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented:
			return true
		}
		return re.StatusCode/100 == 3 || re.Code == "invalid_scope" || strings.HasPrefix(re.Code, "unsupported_")
	}
	return errors.As(err, &unsupported) || errors.As(err, &redirected) || errors.As(err, &unreachable)
}

func (l *Logins) audience(req token.Request) url.Values {
	return l.AudienceParameter.Params(req.Audiences)
}

func credentials(lg *store.Login) issuer.Credentials {
	return issuer.Credentials{ClientID: lg.ClientID, ClientSecret: lg.ClientSecret, AuthMethod: lg.AuthMethod}
}

// Credentials returns the credentials of the client that the user specified, else of the
// client of the login at the issuer. It is for requests that do not use a login.
func (l *Logins) Credentials(ctx context.Context, md *issuer.Metadata, issuerURL string) (issuer.Credentials, error) {
	if l.ClientID == "" {
		lg, err := l.peek(ctx, issuerURL)
		if errors.Is(err, store.ErrNoLogin) {
			return issuer.Credentials{}, noLogin("there is no client for the exchange: use --client-id, or log in first")
		}
		if err != nil {
			return issuer.Credentials{}, err
		}
		return credentials(lg), nil
	}
	cr := issuer.Credentials{ClientID: l.ClientID}
	var err error
	if cr.ClientSecret, err = l.ClientSecret(); err == nil && cr.ClientSecret != "" {
		cr.AuthMethod = issuer.AuthMethod(md)
	}
	return cr, err
}

// peek loads the login at the issuer to read its client.
func (l *Logins) peek(ctx context.Context, issuerURL string) (*store.Login, error) {
	// Do not prompt for a passphrase if there is no login.
	if _, ok, err := l.Store.Find(issuerURL, ""); err != nil || !ok {
		return nil, cmp.Or(err, store.ErrNoLogin)
	}
	if err := l.Store.Unlock(ctx, issuerURL, ""); err != nil {
		return nil, err
	}
	tx, err := l.Store.Begin(ctx, issuerURL)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	return tx.Load(ctx, "")
}

// FromGrant returns the token of an issuer's response. If it is a JWT, its properties are
// those in its claims, because services read only those. For an opaque token they are those
// in the response, and scopes that the response omits are as requested (RFC 6749 section 5.1).
func FromGrant(g *issuer.Grant, req token.Request, md *issuer.Metadata) token.Token {
	t := token.New(g.AccessToken)
	if t.Expires.IsZero() {
		t.Expires = g.Expires
	}
	if t.JWT() == nil {
		if t.Scopes = g.Scopes; t.Scopes == nil {
			t.Scopes = req.Scopes
		}
	}
	if t.Issuer == "" {
		t.Issuer = md.Issuer
	}
	t.Type = g.Type
	return t
}

// LostError means that the issuer issued a refresh token that could not be saved. Of the
// login, only the access token remains, if there is one.
type LostError struct {
	Token  token.Token
	Issuer string
	Err    error
	// New means that the lost login is a new one, and Kept that an earlier login still works.
	New, Kept bool
}

func (e *LostError) Error() string {
	switch {
	case e.Kept:
		return fmt.Sprintf("the new login at %s could not be saved, and the earlier one is unchanged: %s", e.Issuer, e.Err)
	case e.New:
		return fmt.Sprintf("the new login at %s is lost, because it could not be saved: %s", e.Issuer, e.Err)
	}
	return fmt.Sprintf("your login at %s is lost, because the issuer replaced its refresh token and the new one could not be saved: %s", e.Issuer, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *LostError) ExitCode() int { return cli.StoreFailed }

// Hints implements cli.Explained.
func (e *LostError) Hints() []string {
	hints := []string{"log in again once the cause is fixed"}
	var se *store.Error
	if errors.As(e.Err, &se) && se.Hint != "" {
		hints = append(hints, se.Hint)
	}
	return hints
}
