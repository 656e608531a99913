package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// Issue runs the device flow for a login that is stored elsewhere, such as at an HTCondor
// access point. It is not saved here, so that its refresh token is stored only once. keep
// must store the login. If keep fails, the login is revoked at the issuer.
//
// The client is the one that the user specified, else the one that these tools registered for
// the user's login here, else one that is registered for this login only.
func (l *Logins) Issue(ctx context.Context, req token.Request, keep func(context.Context, *store.Login) error) error {
	return l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) error {
		if md.DeviceAuthorizationEndpoint == "" {
			return &issuer.UnsupportedError{
				What: fmt.Sprintf("the issuer %s does not offer the device flow", req.Issuer),
				Hint: "ask the administrators of this host to configure a client for the service",
			}
		}
		return l.issue(ctx, md, req, keep)
	})
}

func (l *Logins) issue(ctx context.Context, md *issuer.Metadata, req token.Request, keep func(context.Context, *store.Login) error) error {
	ctx, stop := cli.CancelOnSignal(ctx)
	cleanup := context.WithoutCancel(ctx)
	err := func() error {
		lg, err := l.issueClient(ctx, md, req)
		if err != nil {
			return err
		}
		g, scopes, err := l.flow(ctx, md, lg, req)
		if err != nil {
			l.revokeIssued(cleanup, md, lg)
			return err
		}
		if g.Scopes == nil {
			g.Scopes = scopes
		}
		lg.Scopes, lg.RefreshToken, lg.RefreshExpires = g.Scopes, g.RefreshToken, g.RefreshExpires
		lg.Created, lg.Refreshed, lg.Origin = l.Now(), l.Now(), rand.Text()
		if lg.RefreshToken == "" {
			err = &issuer.UnsupportedError{
				What: fmt.Sprintf("the issuer %s issued no refresh token, so the tokens could not be renewed", req.Issuer),
				Hint: "ask the issuer's administrators for refresh tokens in the device flow",
			}
		} else {
			err = keep(cleanup, lg)
		}
		if err != nil {
			l.revokeIssued(cleanup, md, lg)
		}
		return err
	}()
	cli.Raise(stop())
	return err
}

// issueClient returns a login with the client to use for [Logins.Issue].
func (l *Logins) issueClient(ctx context.Context, md *issuer.Metadata, req token.Request) (*store.Login, error) {
	if l.ClientID != "" {
		secret, err := l.ClientSecret()
		lg := &store.Login{Issuer: req.Issuer, ClientID: l.ClientID, ClientSecret: secret}
		if secret != "" {
			lg.AuthMethod = issuer.AuthMethod(md)
		}
		return lg, err
	}
	own, err := l.peek(ctx, req.Issuer)
	if err == nil && len(token.MissingScopes(own.RegisteredScopes, req.Scopes)) == 0 && own.Registered {
		// The registration remains with the user's login here; logout deletes the client.
		return &store.Login{Issuer: req.Issuer, ClientID: own.ClientID, ClientSecret: own.ClientSecret, AuthMethod: own.AuthMethod}, nil
	}
	if err != nil && !errors.Is(err, store.ErrNoLogin) {
		l.Verbose("registering another client, because that of your own login cannot be read: %s", err)
	}
	return l.newClient(ctx, md, req)
}

// revokeIssued revokes a login that was not stored, and deletes its client if it was
// registered for that login.
func (l *Logins) revokeIssued(ctx context.Context, md *issuer.Metadata, lg *store.Login) {
	if lg.RefreshToken != "" {
		if err := l.Issuer.Revoke(ctx, md, credentials(lg), lg.RefreshToken); err != nil {
			l.Note("the new login stays valid at %s until it expires: %s", lg.Issuer, err)
		}
	}
	if lg.Registered && lg.RegistrationURI != "" {
		if err := l.Issuer.Unregister(ctx, lg.RegistrationURI, lg.RegistrationToken); err != nil {
			l.Note("the client %s stays registered at %s: %s", lg.ClientID, lg.Issuer, err)
		}
	}
}

// Adopt saves a login that [Logins.Issue] created elsewhere. It revokes an existing login of
// the same client. If the same login was adopted before, it is not changed, because its
// refresh token may have been replaced since.
func (l *Logins) Adopt(ctx context.Context, lg *store.Login) error {
	var replaced *store.Login
	err := l.section(ctx, lg.Issuer, lg.ClientID, func(ctx context.Context, c *changing) error {
		if err := c.tx.Prepare(ctx, lg.ClientID); err != nil {
			return err
		}
		old, err := c.tx.Load(ctx, lg.ClientID)
		switch {
		case errors.Is(err, store.ErrNoLogin):
		case err != nil:
			// A login that cannot be read is replaced.
			l.Note("%s", err)
		case old.Origin == lg.Origin:
			return nil
		default:
			replaced = old
		}
		return c.tx.Save(ctx, lg)
	})
	if err != nil || !outlives(replaced, lg) {
		return err
	}
	if rerr := l.WithMetadata(ctx, lg.Issuer, func(md *issuer.Metadata) error {
		return l.Issuer.Revoke(ctx, md, credentials(replaced), replaced.RefreshToken)
	}); rerr != nil {
		l.Note("the refresh token of the replaced login was not revoked: %s", rerr)
	}
	return nil
}

// ManagedBy reports whether uri, which manages a client (RFC 7592), has the same origin as
// the issuer's registration endpoint: a login from another user must not make this process
// send requests elsewhere.
func ManagedBy(md *issuer.Metadata, uri string) bool {
	return uri != "" && md.RegistrationEndpoint != "" && origin(uri) == origin(md.RegistrationEndpoint)
}

// origin returns the scheme and host of a URL.
func origin(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(scheme + "://" + host)
}

// ClientToken gets a token for a robot with the client credentials of its login (RFC 6749
// section 4.4).
func (l *Logins) ClientToken(ctx context.Context, req token.Request) (t token.Token, err error) {
	err = l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) error {
		return l.section(ctx, req.Issuer, l.ClientID, func(ctx context.Context, c *changing) error {
			lg, err := c.tx.Load(ctx, l.ClientID)
			if errors.Is(err, store.ErrNoLogin) {
				return noLogin("there is no login at %s", req.Issuer)
			}
			if err != nil {
				return err
			}
			t, err = l.TokenOf(ctx, md, lg, req)
			var re *issuer.ResponseError
			if errors.As(err, &re) && re.ClientGone() {
				if nerr := c.tx.Note(ctx, lg.ClientID, func(e *store.IndexEntry) { e.Ended, e.ClientGone = re.Code, true }); nerr != nil {
					l.Verbose("%s", nerr)
				}
				return badLogin("the issuer %s no longer accepts the client %s (%s)", req.Issuer, l.ClientID, re.Code)
			}
			return err
		})
	})
	return t, err
}

// TokenOf gets a token with the client credentials of lg, which need not be saved.
func (l *Logins) TokenOf(ctx context.Context, md *issuer.Metadata, lg *store.Login, req token.Request) (token.Token, error) {
	g, err := l.Issuer.ClientCredentials(ctx, md, credentials(lg), req.Scopes, l.audience(req), l.Now)
	if err != nil {
		return token.Token{}, err
	}
	return FromGrant(g, req, md), nil
}
