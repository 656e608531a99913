package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/token"
)

func newExchange(e *Env, arg string) (Source, error) { return exchange{bearerToken{e, arg}}, nil }

// exchange exchanges an existing token for a narrower one (RFC 8693): what a job can do,
// which has no refresh token.
type exchange struct{ from bearerToken }

// subject is the token that is exchanged, by its digest: another one may be another
// user's.
func (s exchange) subject() (string, error) {
	raw, _, err := s.from.find()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(raw))
	return "exchange:" + hex.EncodeToString(sum[:]), nil
}

func (s exchange) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	l := s.from.env.Logins
	raw, _, err := s.from.find()
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

func (s exchange) report(context.Context, token.Request) (bool, string) {
	_, place, err := s.from.find()
	if err != nil {
		return false, err.Error()
	}
	return true, "the token in " + place + " would be exchanged at the issuer"
}
