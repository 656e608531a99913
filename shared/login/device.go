package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Made is the result of a device flow.
type Made struct {
	Login store.IndexEntry
	// Token is the token for the request. It is the zero value if only a login was requested.
	Token token.Token
}

// Login runs the device flow for the scopes of the request and of the existing login at the
// issuer, and saves the result. If narrow is set, it also gets a token for the request,
// because the token of the device flow has all scopes of the login.
//
// A device flow may take minutes, so no lock is held meanwhile. Its result is saved in a
// separate section, which loads the login again.
func (l *Logins) Login(ctx context.Context, req token.Request, narrow bool) (*Made, error) {
	var made *Made
	err := l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) (err error) {
		if md.DeviceAuthorizationEndpoint == "" {
			// Fail before a client is registered.
			return &issuer.UnsupportedError{
				What: fmt.Sprintf("the issuer %s does not offer the device flow", req.Issuer),
				Hint: "get the token from another source: --from oidc-agent, --from htgettoken or --from client-credentials",
			}
		}
		made, err = l.login(ctx, md, req, narrow)
		return err
	})
	return made, err
}

func (l *Logins) login(ctx context.Context, md *issuer.Metadata, req token.Request, narrow bool) (*Made, error) {
	ctx, stop := cli.CancelOnSignal(ctx)
	run := rand.Text()
	for again := false; ; again = true {
		lg, err := l.client(ctx, md, req, run)
		if err != nil {
			cli.Raise(stop())
			return nil, err
		}
		g, scopes, err := l.flow(ctx, md, lg, req)
		if err == nil {
			if g.Scopes == nil {
				g.Scopes = scopes
			}
			made, err := l.finish(context.WithoutCancel(ctx), md, lg, g, req, narrow)
			pending := stop()
			var lost *LostError
			if !errors.As(err, &lost) {
				cli.Raise(pending)
			}
			return made, err
		}
		cleanup := context.WithoutCancel(ctx)
		if clientGone(err) && lg.Registered && !again {
			l.Verbose("the client is no longer registered at the issuer: registering a new one")
			if err = l.forgetClient(cleanup, lg); err == nil {
				continue
			}
		}
		l.abandon(cleanup, req.Issuer, lg, run)
		cli.Raise(stop())
		return nil, err
	}
}

// clientGone reports whether the client no longer exists at the issuer. INDIGO IAM's device
// endpoint answers 404 in this case.
func clientGone(err error) bool {
	var re *issuer.ResponseError
	return errors.As(err, &re) && (re.ClientGone() || re.Code == "" && re.StatusCode == http.StatusNotFound)
}

// forgetClient records in the index that the client no longer exists at the issuer.
func (l *Logins) forgetClient(ctx context.Context, lg *store.Login) error {
	return l.section(ctx, lg.Issuer, lg.ClientID, func(ctx context.Context, c *changing) error {
		return c.tx.Note(ctx, lg.ClientID, func(e *store.IndexEntry) {
			e.Ended, e.ClientGone = "the client is no longer registered at the issuer", true
		})
	})
}

// flow runs the device flow with the client of lg. It returns the grant and the requested
// scopes.
func (l *Logins) flow(ctx context.Context, md *issuer.Metadata, lg *store.Login, req token.Request) (*issuer.Grant, []string, error) {
	scopes := text.Set(lg.Scopes, req.Scopes, l.LoginScopes)
	if md.Lists("offline_access") {
		// offline_access requests a refresh token (OpenID Connect Core section 11).
		scopes = text.Set(scopes, []string{"offline_access"})
	}
	pkce := l.PKCE
	rejected := map[string]bool{} // lists of scopes that were rejected
	for {
		dev, err := l.Issuer.StartDevice(ctx, md, credentials(lg), scopes, l.audience(req), pkce, l.Now)
		if err == nil {
			g, err := l.approve(ctx, req, dev)
			return g, scopes, err
		}
		var re *issuer.ResponseError
		if !errors.As(err, &re) {
			return nil, nil, err
		}
		if !pkce && requiresPKCE(re.Code+" "+re.Description) {
			pkce = true
		} else {
			rejected[strings.Join(scopes, " ")] = true
			if scopes = otherScopes(md, re, scopes, rejected); scopes == nil {
				return nil, nil, err
			}
		}
		l.Verbose("requesting the login again with other parameters: %s", err)
	}
}

// requiresPKCE reports whether the issuer's error message mentions PKCE or its parameters.
func requiresPKCE(message string) bool {
	message = strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(message))
	return strings.Contains(message, "code challenge") || strings.Contains(message, "code verifier") || strings.Contains(message, "pkce")
}

// otherScopes returns the scopes to request after the issuer rejected scopes: some issuers
// require openid, and some reject offline_access. If the error does not name the scope, both
// are tried. nil means that there is nothing left to try.
func otherScopes(md *issuer.Metadata, re *issuer.ResponseError, scopes []string, rejected map[string]bool) []string {
	withOpenID := text.Set(scopes, []string{"openid"})
	without := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "offline_access" })
	}
	var tries [][]string
	switch message := re.Description; {
	case strings.Contains(message, "openid") && !slices.Contains(scopes, "openid"):
		tries = [][]string{withOpenID}
	case strings.Contains(message, "offline_access"):
		tries = [][]string{without(scopes)}
	case re.Code == "invalid_scope" && !namesOther(message, scopes):
		tries = [][]string{without(scopes)}
		if len(md.ScopesSupported) == 0 || md.Lists("openid") {
			all := withOpenID
			if md.Lists("offline_access") {
				all = text.Set(all, []string{"offline_access"})
			}
			tries = append(tries, all, without(all))
		}
	}
	for _, t := range tries {
		if !rejected[strings.Join(t, " ")] {
			return t
		}
	}
	return nil
}

// namesOther reports whether the issuer's error message contains one of the scopes, but not
// offline_access.
func namesOther(message string, scopes []string) bool {
	return !strings.Contains(message, "offline_access") && len(Named(message, scopes)) > 0
}

// Named returns those of the scopes that the issuer's error message contains.
func Named(message string, scopes []string) []string {
	words := strings.FieldsFunc(message, func(r rune) bool { return strings.ContainsRune(" \t\"'[](),;", r) })
	for i := range words {
		words[i] = strings.TrimSuffix(words[i], ".")
	}
	var out []string
	for _, s := range scopes {
		if slices.Contains(words, s) {
			out = append(out, s)
		}
	}
	return out
}

// ApprovalError means that the user did not approve the login.
type ApprovalError struct {
	// Denied means that the user denied it; otherwise the code expired.
	Denied bool
}

func (e *ApprovalError) Error() string {
	if e.Denied {
		return "the login was denied"
	}
	return "the code expired before the login was approved"
}

// ExitCode implements cli.Explained.
func (e *ApprovalError) ExitCode() int {
	if e.Denied {
		return cli.Refused
	}
	return cli.TimedOut
}

// Hints implements cli.Explained.
func (e *ApprovalError) Hints() []string {
	if e.Denied {
		return []string{"run the command again and approve the login"}
	}
	return []string{"run the command again to get a new code"}
}

// approve shows the code to the user and waits for the approval.
func (l *Logins) approve(ctx context.Context, req token.Request, dev *issuer.Device) (*issuer.Grant, error) {
	code := prompt.Code{
		Issuer: req.Issuer, UserCode: dev.UserCode, VerificationURI: dev.VerificationURI,
		Complete: dev.VerificationURIComplete, Expires: dev.Expires,
	}
	done := func() {}
	if l.Events != nil {
		l.Events(Event{Code: &code})
	} else {
		done = l.Prompt.ShowCode(ctx, code, l.Now)
	}
	if l.Browser {
		address := dev.VerificationURIComplete
		if address == "" {
			address = dev.VerificationURI
		}
		if err := prompt.OpenBrowser(l.Getenv, address); err != nil {
			l.Note("could not open a browser: %s", err)
		}
	}
	g, err := l.Issuer.WaitDevice(ctx, dev, l.Now)
	done()
	var re *issuer.ResponseError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &re) && re.Code == "expired_token":
		return nil, &ApprovalError{}
	case errors.As(err, &re) && re.Code == "access_denied" && !re.Disabled():
		return nil, &ApprovalError{Denied: true}
	case errors.As(err, &re) && re.LoginEnded():
		return nil, cli.Explain(err).Hint("run the command again to get a new code")
	}
	return g, err
}

// finish saves the grant of a device flow.
func (l *Logins) finish(ctx context.Context, md *issuer.Metadata, lg *store.Login, g *issuer.Grant, req token.Request, narrow bool) (*Made, error) {
	made := &Made{}
	saved := false
	own := FromGrant(g, req, md)
	var replaced *store.Login // the existing login
	err := l.section(ctx, req.Issuer, lg.ClientID, func(ctx context.Context, c *changing) error {
		// The user has approved: a temporary failure must not require another approval.
		err := store.Again(func() error { return c.tx.Prepare(ctx, lg.ClientID) })
		if old, lerr := c.tx.Load(ctx, lg.ClientID); lerr == nil && old.RefreshToken != "" {
			replaced = old
		}
		if err != nil {
			return &LostError{Token: own, Issuer: req.Issuer, Err: err, New: true, Kept: replaced != nil}
		}
		lg.Scopes = g.Scopes
		lg.RefreshToken, lg.RefreshExpires = g.RefreshToken, g.RefreshExpires
		lg.Created, lg.Refreshed = l.Now(), l.Now()
		lg.Waiting = nil
		if err := c.save(ctx, lg, own); err != nil {
			var lost *LostError
			if errors.As(err, &lost) {
				lost.New, lost.Kept = true, replaced != nil
			}
			return err
		}
		saved = true
		made.Login = store.IndexEntry{
			Issuer: lg.Issuer, ClientID: lg.ClientID, Registered: lg.Registered, Scopes: lg.Scopes,
			Created: lg.Created, Refreshed: lg.Refreshed, RefreshExpires: lg.RefreshExpires,
		}
		if !narrow {
			return nil
		}
		if lg.RefreshToken == "" || len(token.MissingScopes(lg.Scopes, req.Scopes)) > 0 {
			made.Token = own
			return nil
		}
		t, err := c.refresh(ctx, md, lg, req, false)
		var re *issuer.ResponseError
		if errors.As(err, &re) && re.Parameter() || err == nil && !hasAudiences(t, req) && hasAudiences(own, req) {
			// Use the token of the device flow, which was requested with the same audience.
			// The caller checks whether it satisfies the request.
			t, err = own, nil
		}
		made.Token = t
		return err
	})
	var lost *LostError
	if errors.As(err, &lost) && g.RefreshToken != "" && !saved &&
		(replaced == nil || !sameSession(replaced.RefreshToken, g.RefreshToken)) {
		// The new refresh token is not stored anywhere, so revoke it.
		if rerr := l.Issuer.Revoke(ctx, md, credentials(lg), g.RefreshToken); rerr != nil {
			l.Verbose("the refresh token that was not saved was not revoked: %s", rerr)
		}
	}
	if err != nil {
		return nil, err
	}
	if lg.RefreshToken == "" {
		l.Note("the issuer issued no refresh token: you must log in again for the next token")
	}
	if ferr := l.Store.ForgetOthers(req.Issuer, lg.ClientID, l.Sources, own); ferr != nil {
		l.Verbose("tokens of the earlier login may still be cached: %s", ferr)
	}
	l.retire(ctx, md, lg, replaced)
	if l.Events != nil {
		l.Events(Event{Login: &made.Login})
	}
	return made, nil
}

// hasAudiences reports whether t has all audiences of the request.
func hasAudiences(t token.Token, req token.Request) bool {
	return !slices.ContainsFunc(req.Audiences, func(a string) bool { return !slices.Contains(t.Audiences, a) })
}

// retire revokes the logins that the new login replaced: the previous login of the same
// client, and the logins of other clients that these tools registered at the issuer. A
// failure is only reported, because the new login works anyway.
func (l *Logins) retire(ctx context.Context, md *issuer.Metadata, lg, replaced *store.Login) {
	if outlives(replaced, lg) {
		if err := l.Issuer.Revoke(ctx, md, credentials(lg), replaced.RefreshToken); err != nil {
			l.Verbose("the refresh token of the replaced login was not revoked: %s", err)
		}
	}
	if !lg.Registered {
		return
	}
	in, err := l.Store.Index()
	if err != nil {
		return
	}
	for _, e := range in {
		if !e.Registered || e.ClientID == lg.ClientID || !token.SameIssuer(e.Issuer, lg.Issuer) || len(e.Scopes) == 0 && !e.ClientGone {
			continue // without scopes, another run waits for the client's approval
		}
		if err := l.end(ctx, md, e, true); err != nil {
			l.Verbose("could not revoke the replaced login: %s", err)
		}
	}
}

// outlives reports whether the login that lg replaced still has a refresh token that must be
// revoked. replaced is nil if there was no login.
func outlives(replaced, lg *store.Login) bool {
	return replaced != nil && replaced.RefreshToken != "" && replaced.RefreshToken != lg.RefreshToken &&
		!sameSession(replaced.RefreshToken, lg.RefreshToken)
}

// sameSession reports whether two refresh tokens belong to the same session at the issuer.
// If the user was already logged in, Keycloak uses one session for both logins, and revoking
// one token revokes both.
func sameSession(a, b string) bool {
	ja, err := token.Decode([]byte(a))
	if err != nil {
		return false
	}
	jb, err := token.Decode([]byte(b))
	if err != nil {
		return false
	}
	for _, claim := range []string{"sid", "session_state"} {
		if s, ok := ja.String(claim); ok {
			t, _ := jb.String(claim)
			return s == t
		}
	}
	return false
}
