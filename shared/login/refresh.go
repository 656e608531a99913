package login

import (
	"context"
	"errors"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// Ready opens the keyring of the login that can serve the request, which may prompt for a
// passphrase. It must be called before a lock is acquired.
func (l *Logins) Ready(ctx context.Context, req token.Request) error {
	e, err := l.Usable(req)
	if err != nil {
		return err
	}
	return l.Store.Unlock(ctx, req.Issuer, e.ClientID)
}

// Refresh gets a token for the request with the refresh token of a login. The error is a
// [NoLoginError] if there is no suitable login or the issuer no longer accepts it, and a
// [LostError] if the login was lost.
func (l *Logins) Refresh(ctx context.Context, req token.Request) (t token.Token, err error) {
	e, err := l.Usable(req)
	if err != nil {
		return t, err
	}
	err = l.WithMetadata(ctx, req.Issuer, func(md *issuer.Metadata) error {
		return l.section(ctx, req.Issuer, e.ClientID, func(ctx context.Context, c *changing) error {
			lg, err := c.tx.Load(ctx, e.ClientID)
			if errors.Is(err, store.ErrNoLogin) {
				return noLogin("there is no login at %s", req.Issuer)
			}
			if err != nil {
				return err
			}
			if lg.RefreshToken == "" {
				return badLogin("the issuer %s issued no refresh token with your login", req.Issuer)
			}
			t, err = c.refresh(ctx, md, lg, req, true)
			return err
		})
	})
	return t, err
}

// unusable reports whether the client of a login can no longer be used. If the issuer rejects
// the secret that it issued to a registered client, the secret has expired.
func unusable(re *issuer.ResponseError, lg *store.Login) bool {
	return re.ClientGone() || re.WrongSecret() && lg.Registered
}

// refresh requests a token with the scopes and audience of req. It saves a new refresh token
// in the response before it does anything else. If plainToo is set and the issuer rejects the
// scopes or the audience, it retries without them.
func (c *changing) refresh(ctx context.Context, md *issuer.Metadata, lg *store.Login, req token.Request, plainToo bool) (token.Token, error) {
	l := c.l
	if err := c.tx.Prepare(ctx, lg.ClientID); err != nil {
		return token.Token{}, err
	}
	g, err := l.Issuer.Refresh(ctx, md, credentials(lg), lg.RefreshToken, req.Scopes, l.audience(req), l.Now)
	var re *issuer.ResponseError
	if g == nil && plainToo && errors.As(err, &re) && re.Parameter() {
		// Some issuers do not accept a scope or an audience here. The plain token may still
		// satisfy the request, which the caller checks for every token.
		plain, perr := l.Issuer.Refresh(ctx, md, credentials(lg), lg.RefreshToken, nil, nil, l.Now)
		if perr == nil || plain != nil {
			l.Verbose("the issuer does not accept a scope or an audience in a refresh: %s", err)
			g, err = plain, perr
		}
	}
	if serr := c.saveRotated(ctx, md, lg, g, req); serr != nil {
		return token.Token{}, serr
	}
	if err == nil {
		return FromGrant(g, req, md), nil
	}
	if errors.As(err, &re) && (re.LoginEnded() || unusable(re, lg)) {
		reason := re.Code
		if re.Description != "" {
			reason += ": " + re.Description
		}
		nerr := c.tx.Note(ctx, lg.ClientID, func(e *store.IndexEntry) { e.Ended, e.ClientGone = reason, unusable(re, lg) })
		if nerr != nil {
			l.Verbose("%s", nerr)
		}
		var unanswered *issuer.UnansweredError
		if errors.As(err, &unanswered) {
			return token.Token{}, badLogin("your login at %s may be lost: an answer of the issuer did not arrive, and the issuer now rejects the refresh token (%s)", req.Issuer, reason)
		}
		return token.Token{}, badLogin("your login at %s is no longer valid (%s)", req.Issuer, reason)
	}
	return token.Token{}, err
}

// saveRotated saves the refresh token of a response if it is new.
func (c *changing) saveRotated(ctx context.Context, md *issuer.Metadata, lg *store.Login, g *issuer.Grant, req token.Request) error {
	if g == nil {
		return nil
	}
	now := c.l.Now()
	if g.RefreshToken == "" || g.RefreshToken == lg.RefreshToken {
		err := c.tx.Note(ctx, lg.ClientID, func(e *store.IndexEntry) { e.Refreshed, e.Ended, e.ClientGone = now, "", false })
		if err != nil {
			c.l.Verbose("%s", err)
		}
		return nil
	}
	lg.RefreshToken, lg.RefreshExpires, lg.Refreshed = g.RefreshToken, g.RefreshExpires, now
	return c.save(ctx, lg, FromGrant(g, req, md))
}
