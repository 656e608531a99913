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

// client returns the login with the client to use for the device flow: the existing login,
// one with the client that the user specified, or one with a newly registered client. A
// registered client is saved before the user is sent to a browser, so that errors in saving
// are noticed in time, and parallel logins use the same client.
func (l *Logins) client(ctx context.Context, md *issuer.Metadata, req token.Request, run string) (lg *store.Login, err error) {
	secret := ""
	if l.ClientID != "" {
		// Before the lock is acquired: a command that prints the secret may prompt the user.
		if secret, err = l.ClientSecret(); err != nil {
			return nil, err
		}
	}
	err = l.section(ctx, req.Issuer, l.ClientID, func(ctx context.Context, c *changing) error {
		if l.ClientID != "" {
			lg, err = c.given(ctx, md, req, secret)
			return err
		}
		lg, err = c.registered(ctx, md, req, run)
		return err
	})
	return lg, err
}

// given returns the login of the client that the user specified. Its secret is saved only
// after a successful login: a wrong secret must not replace one that works.
func (c *changing) given(ctx context.Context, md *issuer.Metadata, req token.Request, secret string) (*store.Login, error) {
	l := c.l
	if err := c.tx.Prepare(ctx, l.ClientID); err != nil {
		return nil, err
	}
	lg, err := c.tx.Load(ctx, l.ClientID)
	if errors.Is(err, store.ErrDamaged) {
		// The new login replaces it.
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

// registered returns a login of a client that these tools registered and that may request
// the scopes of req. If there is none, it registers a client.
func (c *changing) registered(ctx context.Context, md *issuer.Metadata, req token.Request, run string) (*store.Login, error) {
	l := c.l
	in, err := l.Store.Index()
	if err != nil {
		return nil, err
	}
	var current *store.Login
	var before []string // scopes of logins whose clients no longer exist
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
		lg.Scopes = before // to be requested again
		return lg, nil
	}
	if len(token.MissingScopes(lg.RegisteredScopes, req.Scopes)) >= len(token.MissingScopes(current.RegisteredScopes, req.Scopes)) {
		// The new client may not request more than the current one.
		l.abandonNow(ctx, c, lg, run)
		return current, c.join(ctx, current, run)
	}
	lg.Scopes = text.Set(current.Scopes, before)
	return lg, nil
}

// register registers a client for run and saves it.
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

// newClient registers a client with the scopes that req and later logins need. It returns a
// login with the client, which is not saved.
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

// join records that this run waits for an approval of the client, if the client is not logged
// in, so that another run that gives up does not delete the client.
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

// unregister deletes the client at the issuer. A failure is only reported.
func (c *changing) unregister(ctx context.Context, lg *store.Login) {
	if lg.RegistrationURI == "" {
		return
	}
	if err := c.l.Issuer.Unregister(ctx, lg.RegistrationURI, lg.RegistrationToken); err != nil {
		c.l.Note("the client %s stays registered at %s: %s", lg.ClientID, c.issuer, err)
	}
}

// abandon gives up a login that was not completed. It deletes the client if no other run
// waits for its approval.
func (l *Logins) abandon(ctx context.Context, issuerURL string, lg *store.Login, run string) {
	if !lg.Registered {
		return
	}
	err := l.section(ctx, issuerURL, lg.ClientID, func(ctx context.Context, c *changing) error {
		current, err := c.tx.Load(ctx, lg.ClientID)
		if err != nil {
			return err
		}
		l.abandonNow(ctx, c, current, run)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNoLogin) {
		l.Verbose("%s", err)
	}
}

// abandonNow is abandon inside a section.
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
