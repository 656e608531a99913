package source

import (
	"context"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/token"
)

func init() {
	registerWithArg("exchange", func(d *Deps, arg string) (Source, error) { return exchange{d, arg}, nil })
}

// exchange trades the token at hand for a narrower one (RFC 8693): what a job can
// do, which has no refresh token.
type exchange struct {
	d    *Deps
	file string
}

func (s exchange) Token(ctx context.Context, req token.Request) (token.Token, error) {
	d := s.d
	raw, _, err := bearerToken(s).find()
	if err != nil {
		return token.Token{}, err
	}
	md, err := d.Metadata(ctx, req.Issuer)
	if err != nil {
		return token.Token{}, err
	}
	cr := issuer.Credentials{ClientID: d.ClientID}
	if d.ClientID == "" {
		lg, err := d.Store.Load(ctx, req.Issuer, "")
		if err != nil {
			return token.Token{}, none("no client is there for the exchange: give --client-id, or log in first")
		}
		cr = credentials(lg)
	} else if cr.ClientSecret, err = d.ClientSecret(); err != nil {
		return token.Token{}, err
	} else if cr.ClientSecret != "" {
		cr.AuthMethod = issuer.AuthMethod(md)
	}
	g, err := d.Issuer.Exchange(ctx, md, cr, raw, req.Scopes, d.audience(req), d.Now)
	if err != nil {
		return token.Token{}, err
	}
	return fromGrant(g, req, md), nil
}

// Report implements [Reporter].
func (s exchange) Report(context.Context, token.Request) (bool, string) {
	_, place, err := bearerToken(s).find()
	if err != nil {
		return false, err.Error()
	}
	return true, "the token in " + place + " would be exchanged at the issuer"
}
