package login

import (
	"context"
	"errors"
	"slices"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// client returns the login to build on, not yet logged in: the one there is, one of the
// client that the user named, or one of a client that is registered now. A registered
// client is saved before anybody is sent to a browser, so that a login that could not be
// saved is noticed in time, and parallel logins use one client.
func (l *Logins) client(ctx context.Context, md *issuer.Metadata, req token.Request, run string) (lg *store.Login, err error) {
	err = l.section(ctx, req.Issuer, l.ClientID, func(ctx context.Context, c *changing) error {
		if l.ClientID != "" {
			lg, err = c.given(ctx, md, req)
			return err
		}
		lg, err = c.registered(ctx, md, req, run)
		return err
	})
	return lg, err
}

// given returns the login of the client that the user named. Its secret is saved only
// with a login that worked: a wrong one must not replace one that works.
func (c *changing) given(ctx context.Context, md *issuer.Metadata, req token.Request) (*store.Login, error) {
	l := c.l
	secret, err := l.ClientSecret()
	if err != nil {
		return nil, err
	}
	if err := c.tx.Prepare(ctx, l.ClientID); err != nil {
		return nil, err
	}
	lg, err := c.tx.Load(ctx, l.ClientID)
	if errors.Is(err, store.ErrDamaged) {
		// The new login takes its place.
		l.Verbose("%s", err)
	}
	if errors.Is(err, store.ErrNoLogin) || errors.Is(err, store.ErrDamaged) {
		lg, err = &store.Login{Issuer: req.Issuer, ClientID: l.ClientID}, nil
	}
	if err == nil && secret != "" {
		lg.ClientSecret, lg.AuthMethod = secret, issuer.AuthMethod(md)
	}
	return lg, err
}

// registered returns a login of a client that these tools registered, which may ask
// for the scopes of the request.
func (c *changing) registered(ctx context.Context, md *issuer.Metadata, req token.Request, run string) (*store.Login, error) {
	l := c.l
	in, err := l.Store.Index()
	if err != nil {
		return nil, err
	}
	var current *store.Login
	var before []string // what logins of clients that are gone could do
	for _, e := range in {
		if !e.Registered || !token.SameIssuer(e.Issuer, req.Issuer) {
			continue
		}
		if e.ClientGone {
			before = text.Set(before, e.Scopes)
			continue
		}
		lg, err := c.tx.Load(ctx, e.ClientID)
		if err != nil {
			l.Verbose("%s", err)
			continue
		}
		if current == nil || len(lg.Scopes) > 0 {
			current = lg
		}
		if len(token.MissingScopes(lg.RegisteredScopes, req.Scopes)) == 0 {
			return lg, c.join(ctx, lg, run)
		}
	}
	if err := c.tx.Prepare(ctx, ""); err != nil {
		return nil, err
	}
	lg, err := c.register(ctx, md, req, run)
	if err != nil {
		return nil, err
	}
	if current == nil {
		lg.Scopes = before // to be asked for again
		return lg, nil
	}
	if len(token.MissingScopes(lg.RegisteredScopes, req.Scopes)) >= len(token.MissingScopes(current.RegisteredScopes, req.Scopes)) {
		// A new client may ask for no more than the one there is.
		l.abandonNow(ctx, c, lg, run)
		return current, c.join(ctx, current, run)
	}
	lg.Scopes = text.Set(current.Scopes, before)
	return lg, nil
}

// register registers a client for run and stores it.
func (c *changing) register(ctx context.Context, md *issuer.Metadata, req token.Request, run string) (*store.Login, error) {
	lg, err := c.l.newClient(ctx, md, req)
	if err != nil {
		return nil, err
	}
	lg.Waiting = []string{run}
	if err := c.tx.Save(ctx, lg); err != nil {
		c.unregister(ctx, lg)
		return nil, err
	}
	return lg, nil
}

// newClient registers a client that may request what req and later logins need. It
// returns a login to build on, which is not stored.
func (l *Logins) newClient(ctx context.Context, md *issuer.Metadata, req token.Request) (*store.Login, error) {
	initial, err := l.RegistrationToken()
	if err != nil {
		return nil, err
	}
	reg, err := l.Issuer.Register(ctx, md, "token-helpers", text.Set(l.RegistrationScopes, l.LoginScopes, req.Scopes), initial)
	if err != nil {
		return nil, err
	}
	return &store.Login{
		Issuer: req.Issuer, ClientID: reg.ClientID, ClientSecret: reg.ClientSecret, AuthMethod: reg.AuthMethod,
		Registered: true, RegistrationURI: reg.URI, RegistrationToken: reg.Token, RegisteredScopes: reg.Scopes,
	}, nil
}

// join notes that this run waits for an approval with the client, if the client is not
// logged in: then another run that gives up must not delete it.
func (c *changing) join(ctx context.Context, lg *store.Login, run string) error {
	if lg.RefreshToken != "" || len(lg.Scopes) > 0 {
		return nil
	}
	if err := c.tx.Prepare(ctx, lg.ClientID); err != nil {
		return err
	}
	lg.Waiting = append(lg.Waiting, run)
	return c.tx.Save(ctx, lg)
}

// unregister deletes a client that is not kept.
func (c *changing) unregister(ctx context.Context, lg *store.Login) {
	if lg.RegistrationURI == "" {
		return
	}
	if err := c.l.Issuer.Unregister(ctx, lg.RegistrationURI, lg.RegistrationToken); err != nil {
		c.l.Note("the client %s stays registered at %s: %s", lg.ClientID, c.issuer, err)
	}
}

// abandon gives up a login that was not completed. The client is deleted if no other
// run waits for an approval with it.
func (l *Logins) abandon(ctx context.Context, issuerURL string, lg *store.Login, run string) {
	if !lg.Registered {
		return
	}
	err := l.section(ctx, issuerURL, lg.ClientID, func(ctx context.Context, c *changing) error {
		now, err := c.tx.Load(ctx, lg.ClientID)
		if err != nil {
			return err
		}
		l.abandonNow(ctx, c, now, run)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNoLogin) {
		l.Verbose("%s", err)
	}
}

func (l *Logins) abandonNow(ctx context.Context, c *changing, lg *store.Login, run string) {
	if lg.RefreshToken != "" || !slices.Contains(lg.Waiting, run) {
		return
	}
	lg.Waiting = slices.DeleteFunc(lg.Waiting, func(r string) bool { return r == run })
	if len(lg.Waiting) > 0 {
		err := c.tx.Prepare(ctx, lg.ClientID)
		if err == nil {
			err = c.tx.Save(ctx, lg)
		}
		if err != nil {
			l.Verbose("%s", err)
		}
		return
	}
	c.unregister(ctx, lg)
	if err := c.tx.Delete(ctx, lg.ClientID); err != nil {
		l.Verbose("%s", err)
	}
}
