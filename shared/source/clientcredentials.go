package source

import (
	"context"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/token"
)

func newClientCredentials(e *Env, _ string) (Source, error) { return clientCredentials{e}, nil }

// clientCredentials gets tokens for robots: they identify the client itself (RFC 6749
// section 4.4). Only the access token is stored.
type clientCredentials struct{ env *Env }

func (s clientCredentials) subject() (string, error) {
	return "client-credentials", nil // the key already contains the client
}

func (s clientCredentials) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	l := s.env.Logins
	if l.ClientID == "" {
		return t, none("no client was given: use --client-id and --client-secret-file")
	}
	secret, err := l.ClientSecret()
	if err != nil {
		return t, err
	}
	if secret == "" {
		return t, none("no secret was given for the client %s: use --client-secret-file or --client-secret-command", l.ClientID)
	}
	err = l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) error {
		cr := issuer.Credentials{ClientID: l.ClientID, ClientSecret: secret, AuthMethod: issuer.AuthMethod(md)}
		g, err := l.Issuer.ClientCredentials(ctx, md, cr, req.Scopes, l.AudienceParameter.Params(req.Audiences), l.Now)
		if err == nil {
			t = login.FromGrant(g, req, md)
		}
		return err
	})
	return t, err
}

func (s clientCredentials) report(context.Context, token.Request) (bool, string) {
	if s.env.Logins.ClientID == "" {
		return false, "no client was given: use --client-id and --client-secret-file"
	}
	return true, "the token would be requested from the issuer as the client " + s.env.Logins.ClientID
}
