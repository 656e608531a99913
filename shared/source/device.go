package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

func init() {
	register("device", func(d *Deps, _ string) (Source, error) { return device{d}, nil })
}

// device logs a person in by the device flow and keeps the login.
type device struct{ d *Deps }

func (s device) Token(ctx context.Context, req token.Request) (token.Token, error) {
	lg, g, md, err := s.d.Login(ctx, req)
	if err != nil {
		return token.Token{}, err
	}
	if lg.RefreshToken != "" && len(token.MissingScopes(lg.Scopes, req.Scopes)) == 0 {
		// The login's own token carries all that the login may do. What is handed
		// out is narrower, and for this audience alone.
		unlock, err := s.d.Store.Lock(ctx, req.Issuer)
		if err != nil {
			return token.Token{}, err
		}
		defer unlock()
		return s.d.refresh(ctx, md, lg, req, "device")
	}
	t := fromGrant(g, req, md)
	t.Source = "device"
	return t, nil
}

// Report implements [Reporter].
func (s device) Report(context.Context, token.Request) (bool, string) {
	if s.d.Prompt.Available() {
		return true, "you would be asked to log in in a browser"
	}
	return true, "the code to log in with would go to stderr, as there is no terminal"
}

// ErrApproval says that the user did not approve in time.
var ErrApproval = errors.New("the code ended before the login was approved")

// Login runs the device flow for the request's scopes together with those that the
// issuer's login has already, and keeps what comes of it.
func (d *Deps) Login(ctx context.Context, req token.Request) (*store.Login, *issuer.Grant, *issuer.Metadata, error) {
	md, err := d.Metadata(ctx, req.Issuer)
	if err != nil {
		return nil, nil, nil, err
	}
	if md.DeviceAuthorizationEndpoint == "" {
		return nil, nil, nil, &issuer.UnsupportedError{What: fmt.Sprintf("the issuer %s offers no device flow", req.Issuer)}
	}
	lg, replaced, err := d.client(ctx, md, req)
	if err != nil {
		return nil, nil, nil, err
	}
	// offline_access is what makes a refresh token come (OpenID Connect Core
	// section 11).
	scopes := text.Set(lg.Scopes, req.Scopes, d.LoginScopes, []string{"offline_access"})
	dev, err := d.Issuer.StartDevice(ctx, md, credentials(lg), scopes, d.audience(req))
	var re *issuer.ResponseError
	if errors.As(err, &re) && lg.Registered && (re.ClientGone() || re.StatusCode == http.StatusNotFound) {
		// The issuer has forgotten the client (IAM answers 404): a new one then.
		d.Verbose("the issuer no longer knows the client; registering a new one")
		replaced = lg
		if lg, err = d.registerClient(ctx, md, req); err != nil {
			return nil, nil, nil, err
		}
		dev, err = d.Issuer.StartDevice(ctx, md, credentials(lg), scopes, d.audience(req))
	}
	if err != nil {
		return nil, nil, nil, err
	}
	g, err := d.approve(ctx, req, dev)
	if err != nil {
		return nil, nil, nil, err
	}
	granted := g.Scopes
	if granted == nil {
		granted = scopes
	}
	lg.Scopes = granted
	lg.RefreshToken, lg.RefreshExpires = g.RefreshToken, g.RefreshExpires
	lg.Created, lg.Refreshed = d.Now(), d.Now()
	if err := d.save(ctx, lg); err != nil {
		return nil, nil, nil, err
	}
	if replaced != nil {
		d.retire(ctx, md, replaced)
	}
	if lg.RefreshToken == "" {
		d.Note("the issuer gave no refresh token: the next token needs a login again")
	}
	return lg, g, md, nil
}

func (d *Deps) approve(ctx context.Context, req token.Request, dev *issuer.Device) (*issuer.Grant, error) {
	done := d.Prompt.ShowCode(ctx, prompt.Code{
		Issuer: req.Issuer, UserCode: dev.UserCode, VerificationURI: dev.VerificationURI,
		Complete: dev.VerificationURIComplete, Expires: dev.Expires,
	}, d.Now)
	if d.Browser {
		address := dev.VerificationURIComplete
		if address == "" {
			address = dev.VerificationURI
		}
		if err := prompt.OpenBrowser(d.Getenv, address); err != nil {
			d.Note("no browser could be opened: %s", err)
		}
	}
	g, err := d.Issuer.WaitDevice(ctx, dev, d.Now)
	done()
	var re *issuer.ResponseError
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &re) && re.Code == "expired_token" {
		return nil, ErrApproval
	}
	return g, err
}

// client returns the login to build on: the one there is, one with the client that
// the user named, or one with a client registered now. A client is kept before
// anybody is sent to a browser: a login that could not be kept is noticed in time,
// and one that is broken off finds its client again. replaced is the login whose
// client the new one stands in for.
func (d *Deps) client(ctx context.Context, md *issuer.Metadata, req token.Request) (lg, replaced *store.Login, err error) {
	lg, err = d.Store.Load(ctx, req.Issuer, d.ClientID)
	if err != nil && !errors.Is(err, store.ErrNoLogin) {
		return nil, nil, err
	}
	if d.ClientID != "" {
		secret, err := d.ClientSecret()
		if err != nil {
			return nil, nil, err
		}
		if lg == nil {
			lg = &store.Login{Issuer: req.Issuer, ClientID: d.ClientID}
		}
		if secret != "" {
			lg.ClientSecret, lg.AuthMethod = secret, issuer.AuthMethod(md)
		}
		return lg, nil, d.save(ctx, lg)
	}
	if lg != nil && lg.Registered {
		if len(token.MissingScopes(lg.RegisteredScopes, md.Supported(req.Scopes))) == 0 {
			return lg, nil, nil
		}
		// The client knows too few scopes. What its login has is asked for again.
		replaced = lg
	}
	if lg, err = d.registerClient(ctx, md, req); err != nil {
		return nil, nil, err
	}
	if replaced != nil {
		lg.Scopes = replaced.Scopes
		return lg, replaced, nil
	}
	return lg, nil, d.save(ctx, lg)
}

func (d *Deps) save(ctx context.Context, lg *store.Login) error {
	unlock, err := d.Store.Lock(ctx, lg.Issuer)
	if err != nil {
		return err
	}
	defer unlock()
	return d.Store.Save(ctx, lg)
}

func (d *Deps) registerClient(ctx context.Context, md *issuer.Metadata, req token.Request) (*store.Login, error) {
	reg, err := d.Issuer.Register(ctx, md, "token-helpers", text.Set(d.RegistrationScopes, d.LoginScopes, req.Scopes))
	if err != nil {
		return nil, err
	}
	return &store.Login{
		Issuer: req.Issuer, ClientID: reg.ClientID, ClientSecret: reg.ClientSecret, AuthMethod: reg.AuthMethod,
		Registered: true, RegistrationURI: reg.URI, RegistrationToken: reg.Token, RegisteredScopes: reg.Scopes,
	}, nil
}

// retire ends a login whose client has been replaced. What fails is only told: the
// new login stands without it.
func (d *Deps) retire(ctx context.Context, md *issuer.Metadata, old *store.Login) {
	if err := d.End(ctx, md, old); err != nil {
		d.Verbose("the login that was replaced is left at the issuer: %s", err)
	}
	if err := d.Store.Delete(ctx, old.Issuer, old.ClientID); err != nil {
		d.Verbose("the login that was replaced is left in the keyring: %s", err)
	}
}

// End ends a login at the issuer: its refresh token is revoked (RFC 7009), and the
// client is deleted if we registered it (RFC 7592).
func (d *Deps) End(ctx context.Context, md *issuer.Metadata, lg *store.Login) error {
	if lg.RefreshToken != "" {
		err := d.Issuer.Revoke(ctx, md, credentials(lg), lg.RefreshToken)
		var re *issuer.ResponseError
		var un *issuer.UnsupportedError
		switch {
		case errors.As(err, &re) && re.ClientGone():
		case errors.As(err, &un):
			d.Note("%s: the refresh token stays good there until it ends", un)
		case err != nil:
			return err
		}
	}
	if lg.Registered && lg.RegistrationURI != "" {
		return d.Issuer.Unregister(ctx, lg.RegistrationURI, lg.RegistrationToken)
	}
	return nil
}
