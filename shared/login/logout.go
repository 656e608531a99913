package login

import (
	"context"
	"errors"
	"fmt"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// LeftError means that a login was deleted here, but its client remains registered at the
// issuer.
type LeftError struct {
	What string
	Err  error
}

func (e *LeftError) Error() string { return e.What + ": " + e.Err.Error() }
func (e *LeftError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *LeftError) ExitCode() int { return cli.Refused }

// Hints implements cli.Explained.
func (e *LeftError) Hints() []string {
	return []string{"delete it on the issuer's web pages, or ask its administrators to"}
}

// Logout revokes the login at the issuer, deletes the client that was registered for it, and
// deletes the login and its cached tokens here. If the request to the issuer fails, the login
// is kept unless force is set. found is false if there was no login.
func (l *Logins) Logout(ctx context.Context, issuerURL string, force bool) (found bool, err error) {
	e, found, err := l.Store.Find(issuerURL, l.ClientID)
	if err != nil {
		return false, err
	}
	if choice := l.Choice(issuerURL); choice != nil {
		return false, choice
	}
	var left *LeftError
	if found {
		err = l.WithMetadata(ctx, issuerURL, func(md *issuer.Metadata) error { return l.end(ctx, md, e, force) })
		if err != nil && force && !errors.As(err, &left) {
			l.Note("could not revoke the login at the issuer: %s", err)
			err = l.forget(ctx, e)
		}
		if err != nil && !errors.As(err, &left) {
			return true, err
		}
		l.forgetUnfinished(ctx, issuerURL)
	}
	if err = l.Store.ForgetTokens(issuerURL); err == nil {
		err = l.Store.PutDocument(issuerURL, nil, 0)
	}
	if err == nil && left != nil {
		err = left
	}
	return found, err
}

// end revokes the login of an index entry at the issuer and deletes it here.
func (l *Logins) end(ctx context.Context, md *issuer.Metadata, e store.IndexEntry, force bool) error {
	var left *LeftError
	err := l.section(ctx, e.Issuer, e.ClientID, func(ctx context.Context, c *changing) error {
		lg, err := c.tx.Load(ctx, e.ClientID)
		if err == nil {
			err = c.endAtIssuer(ctx, md, lg)
		} else if errors.Is(err, store.ErrNoLogin) || force {
			l.Verbose("%s", err)
			err = nil
		}
		if err != nil && !errors.As(err, &left) {
			return err
		}
		return c.tx.Delete(ctx, e.ClientID)
	})
	if err == nil && left != nil {
		return left
	}
	return err
}

// endAtIssuer revokes the refresh token (RFC 7009) and deletes the client if these
// tools registered it (RFC 7592).
func (c *changing) endAtIssuer(ctx context.Context, md *issuer.Metadata, lg *store.Login) error {
	l := c.l
	gone := false
	if lg.RefreshToken != "" {
		err := l.Issuer.Revoke(ctx, md, credentials(lg), lg.RefreshToken)
		var re *issuer.ResponseError
		var un *issuer.UnsupportedError
		switch {
		case errors.As(err, &re) && re.ClientGone():
			gone = true
		case errors.As(err, &re) && re.LoginEnded():
			// The refresh token is no longer valid.
		case errors.As(err, &un), errors.As(err, &re) && (re.NotOffered() || re.Moved() && !l.cached):
			l.Note("%s: the refresh token stays valid there until it expires", err)
		case err != nil:
			return err
		}
	}
	if !lg.Registered || lg.RegistrationURI == "" {
		return nil
	}
	err := l.Issuer.Unregister(ctx, lg.RegistrationURI, lg.RegistrationToken)
	var re *issuer.ResponseError
	switch {
	case errors.As(err, &re) && gone && !re.Temporary():
		// The client was deleted. (If only its secret has expired, deleting it succeeds.)
		return nil
	case errors.Is(err, issuer.ErrNotDeleted):
		l.Note("%s: the client %s stays registered there", err, lg.ClientID)
		return nil
	case errors.As(err, &re) && !re.Temporary():
		return &LeftError{What: fmt.Sprintf("you are logged out, but the client %s stays registered at %s", lg.ClientID, c.issuer), Err: err}
	case err != nil && lg.RefreshToken != "":
		// The login is kept, because a later logout needs it to delete the client.
		if nerr := c.tx.Note(ctx, lg.ClientID, func(e *store.IndexEntry) { e.Ended = "a logout revoked it" }); nerr != nil {
			l.Verbose("%s", nerr)
		}
	}
	return err
}

// forget deletes a login here, without a request to the issuer.
func (l *Logins) forget(ctx context.Context, e store.IndexEntry) error {
	if e.Registered {
		l.Note("the refresh token and the client %s stay valid at %s until they expire", e.ClientID, e.Issuer)
	} else {
		l.Note("the refresh token stays valid at %s until it expires", e.Issuer)
	}
	tx, err := l.Store.Begin(ctx, e.Issuer)
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.Delete(ctx, e.ClientID)
}

// forgetUnfinished deletes the clients that were registered for logins that were never
// completed.
func (l *Logins) forgetUnfinished(ctx context.Context, issuerURL string) {
	if l.ClientID != "" {
		return
	}
	in, err := l.Store.Index()
	if err != nil {
		return
	}
	for _, e := range in {
		if !e.Registered || len(e.Scopes) > 0 || !token.SameIssuer(e.Issuer, issuerURL) {
			continue
		}
		err := l.section(ctx, e.Issuer, e.ClientID, func(ctx context.Context, c *changing) error {
			lg, err := c.tx.Load(ctx, e.ClientID)
			if err != nil {
				return err
			}
			c.unregister(ctx, lg)
			return c.tx.Delete(ctx, e.ClientID)
		})
		if err != nil {
			l.Verbose("%s", err)
		}
	}
}
