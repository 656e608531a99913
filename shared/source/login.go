package source

import (
	"context"
	"errors"
	"strings"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

func init() {
	register("login", func(d *Deps, _ string) (Source, error) { return login{d}, nil })
}

// login gets a token by the refresh token of a login made before.
type login struct{ d *Deps }

func (l login) Token(ctx context.Context, req token.Request) (token.Token, error) {
	d := l.d
	if _, err := l.entry(req); err != nil {
		return token.Token{}, err
	}
	unlock, err := d.Store.Lock(ctx, req.Issuer)
	if err != nil {
		return token.Token{}, err
	}
	defer unlock()
	// Who had the lock may just have fetched this very token.
	if t, err := (cache{d}).Token(ctx, req); err == nil {
		return t, nil
	}
	lg, err := d.Store.Load(ctx, req.Issuer, d.ClientID)
	if errors.Is(err, store.ErrNoLogin) {
		return token.Token{}, none("there is no login at %s", req.Issuer)
	}
	if err != nil {
		return token.Token{}, err
	}
	if lg.RefreshToken == "" {
		return token.Token{}, none("the login at %s came without a refresh token", req.Issuer)
	}
	md, err := d.Metadata(ctx, req.Issuer)
	if err != nil {
		return token.Token{}, err
	}
	t, err := d.refresh(ctx, md, lg, req, "login")
	var re *issuer.ResponseError
	if errors.As(err, &re) && (re.Ended() || re.ClientGone()) {
		return token.Token{}, none("the login at %s has ended (the issuer says %s)", req.Issuer, re.Code)
	}
	return t, err
}

// entry is the login as the index knows it, if it has what the request needs: what
// can be decided without the keyring, which may ask for a passphrase.
func (l login) entry(req token.Request) (store.IndexEntry, error) {
	entry, ok, err := l.d.entry(req.Issuer)
	if err != nil {
		return entry, err
	}
	if !ok || len(entry.Scopes) == 0 {
		// Without scopes it is a client whose login was broken off.
		return entry, none("there is no login at %s", req.Issuer)
	}
	if missing := token.MissingScopes(entry.Scopes, req.Scopes); len(missing) > 0 {
		return entry, none("the login at %s lacks %s", req.Issuer, strings.Join(missing, " "))
	}
	return entry, nil
}

// Report implements [Reporter].
func (l login) Report(_ context.Context, req token.Request) (bool, string) {
	entry, err := l.entry(req)
	if err != nil {
		return false, err.Error()
	}
	return true, "a login kept in " + entry.Backend + " with " + strings.Join(entry.Scopes, " ")
}

// entry finds the login in the index, without opening the keyring.
func (d *Deps) entry(issuerURL string) (store.IndexEntry, bool, error) {
	entries, err := d.Store.Index()
	if err != nil {
		return store.IndexEntry{}, false, err
	}
	for _, e := range entries {
		if !token.SameIssuer(e.Issuer, issuerURL) {
			continue
		}
		if d.ClientID == "" && e.Registered || d.ClientID != "" && e.ClientID == d.ClientID {
			return e, true, nil
		}
	}
	return store.IndexEntry{}, false, nil
}

// refresh asks for a token with the request's own scopes and audience, and keeps
// the refresh token that comes with it before the access token is handed out: an
// issuer that rotates has ended the one before.
func (d *Deps) refresh(ctx context.Context, md *issuer.Metadata, lg *store.Login, req token.Request, name string) (token.Token, error) {
	release, err := d.Store.Reserve(lg.Issuer, lg.ClientID)
	if err != nil {
		return token.Token{}, err
	}
	g, err := d.Issuer.Refresh(ctx, md, credentials(lg), lg.RefreshToken, req.Scopes, d.audience(req), d.Now)
	release()
	if err != nil {
		return token.Token{}, err
	}
	if g.RefreshToken != "" && g.RefreshToken != lg.RefreshToken {
		lg.RefreshToken, lg.RefreshExpires, lg.Refreshed = g.RefreshToken, g.RefreshExpires, d.Now()
		if err := d.Store.Save(ctx, lg); err != nil {
			return token.Token{}, err
		}
	} else if err := d.Store.Touch(ctx, lg.Issuer, lg.ClientID, d.Now()); err != nil {
		d.Verbose("%s", err)
	}
	t := fromGrant(g, req, md)
	t.Source = name
	return t, d.keep(ctx, req, t)
}

func credentials(lg *store.Login) issuer.Credentials {
	return issuer.Credentials{ClientID: lg.ClientID, ClientSecret: lg.ClientSecret, AuthMethod: lg.AuthMethod}
}
