package source

import (
	"context"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/token"
)

func init() {
	register("client-credentials", func(d *Deps, _ string) (Source, error) { return clientCredentials{d}, nil })
}

// clientCredentials is the login of robots: the client itself is whom the token
// speaks for (RFC 6749 section 4.4). Nothing of it is stored but the access token.
type clientCredentials struct{ d *Deps }

func (s clientCredentials) Token(ctx context.Context, req token.Request) (token.Token, error) {
	d := s.d
	if d.ClientID == "" {
		return token.Token{}, none("no client is named: give --client-id and its secret")
	}
	secret, err := d.ClientSecret()
	if err != nil {
		return token.Token{}, err
	}
	if secret == "" {
		return token.Token{}, none("the client %s comes without a secret: give --client-secret-file or --client-secret-command", d.ClientID)
	}
	md, err := d.Metadata(ctx, req.Issuer)
	if err != nil {
		return token.Token{}, err
	}
	cr := issuer.Credentials{ClientID: d.ClientID, ClientSecret: secret, AuthMethod: issuer.AuthMethod(md)}
	g, err := d.Issuer.ClientCredentials(ctx, md, cr, req.Scopes, d.audience(req), d.Now)
	if err != nil {
		return token.Token{}, err
	}
	return fromGrant(g, req, md), nil
}

// Report implements [Reporter].
func (s clientCredentials) Report(context.Context, token.Request) (bool, string) {
	if s.d.ClientID == "" {
		return false, "no client is named: give --client-id and its secret"
	}
	return true, "the issuer would be asked as the client " + s.d.ClientID
}
