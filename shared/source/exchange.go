package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

func newExchange(e *Env, arg string) (Source, error) { return exchange{bearerToken{e, arg}}, nil }

// exchange exchanges an existing token for a narrower one (RFC 8693), as in a job, which
// has no refresh token.
type exchange struct{ from bearerToken }

// usesLogin reports whether a token of the login is exchanged, because find returned err and
// the user named no file.
func (s exchange) usesLogin(err error) bool {
	var nothing *None
	return errors.As(err, &nothing) && s.from.file == ""
}

// subject returns the digest of the token that is exchanged: another one may be another
// user's.
func (s exchange) subject() (string, error) {
	raw, _, err := s.from.find()
	if s.usesLogin(err) {
		return "exchange:login", nil
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(raw))
	return "exchange:" + hex.EncodeToString(sum[:]), nil
}

func (s exchange) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	l := s.from.env.Logins
	raw, _, err := s.from.find()
	if s.usesLogin(err) {
		raw, err = s.fresh(ctx, req)
	}
	if err != nil {
		return t, err
	}
	err = l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) error {
		cr, err := l.Credentials(ctx, md, req.Issuer)
		if err != nil {
			return err
		}
		g, err := l.Issuer.Exchange(ctx, md, cr, raw, req.Scopes, l.AudienceParameter.Params(req.Audiences), l.Now)
		if err == nil {
			t = login.FromGrant(g, req, md)
		}
		return err
	})
	return t, err
}

// fresh gets a token with the login, to be exchanged. INDIGO IAM does not exchange a
// login's access tokens from before its last refresh. Keycloak exchanges only tokens with
// offline_access.
func (s exchange) fresh(ctx context.Context, req token.Request) (string, error) {
	l := s.from.env.Logins
	e, err := l.Usable(token.Request{Issuer: req.Issuer})
	if err != nil {
		return "", err
	}
	subject := token.Request{Issuer: req.Issuer, Scopes: text.Set(req.Scopes)}
	if slices.Contains(e.Scopes, "offline_access") {
		subject.Scopes = text.Set(req.Scopes, []string{"offline_access"})
	}
	t, err := l.Refresh(ctx, subject)
	return t.Raw(), err
}

func (s exchange) report(_ context.Context, req token.Request) (bool, string) {
	_, place, err := s.from.find()
	if s.usesLogin(err) {
		if _, lerr := s.from.env.Logins.Usable(token.Request{Issuer: req.Issuer}); lerr == nil {
			return true, "a token of your login would be exchanged at the issuer"
		}
	}
	if err != nil {
		return false, err.Error()
	}
	return true, "the token in " + place + " would be exchanged at the issuer"
}
