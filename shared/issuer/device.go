package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"example.org/token-helpers/shared/text"
)

// maxCodeLifetime is the longest wait for a login, whatever the issuer allows.
const maxCodeLifetime = 30 * time.Minute

// Device is a device authorization in progress (RFC 8628 section 3.2). Its device code is
// a secret.
type Device struct {
	UserCode, VerificationURI, VerificationURIComplete string
	// Expires is when the codes expire.
	Expires time.Time

	resp   *oauth2.DeviceAuthResponse
	config *oauth2.Config
	params []oauth2.AuthCodeOption
}

// StartDevice requests a device code and a user code (RFC 8628 section 3.1). With pkce
// the request contains a code challenge (RFC 7636), which some issuers require here, too.
func (c *Client) StartDevice(ctx context.Context, md *Metadata, cr Credentials, scopes []string, audience url.Values, pkce bool, now func() time.Time) (*Device, error) {
	if md.DeviceAuthorizationEndpoint == "" {
		return nil, &UnsupportedError{What: "the issuer " + md.Issuer + " does not offer the device flow", Hint: "get the token from another source: --from oidc-agent, htgettoken or client-credentials"}
	}
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	c.basic(cr.ClientID, cr.ClientSecret)
	conf := &oauth2.Config{
		ClientID: cr.ClientID, ClientSecret: cr.ClientSecret,
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: md.DeviceAuthorizationEndpoint, TokenURL: md.TokenEndpoint, AuthStyle: cr.style(),
		},
	}
	params := options(audience)
	start := append(slices.Clone(params), oauth2.SetAuthURLParam("scope", strings.Join(scopes, " ")))
	if pkce {
		verifier := oauth2.GenerateVerifier()
		c.secret(verifier)
		start = append(start, oauth2.S256ChallengeOption(verifier))
		params = append(params, oauth2.VerifierOption(verifier))
	}
	authed := *hc
	if cr.ClientSecret != "" {
		// RFC 8628 section 3.1 requires the client to authenticate as at the token
		// endpoint; x/oauth2 sends only the client ID.
		if cr.style() == oauth2.AuthStyleInHeader {
			authed.Transport = basicAuth{hc.Transport, cr}
		} else {
			start = append(start, oauth2.SetAuthURLParam("client_secret", cr.ClientSecret))
		}
	}
	resp, err := conf.DeviceAuth(context.WithValue(ctx, oauth2.HTTPClient, expecting(ctx, &authed, &expected{kind: deviceAnswer})), start...)
	if err != nil {
		return nil, c.oauthError("start the login", err)
	}
	c.secret(resp.DeviceCode)
	if resp.DeviceCode == "" || resp.UserCode == "" || resp.VerificationURI == "" {
		return nil, doing("start the login", &AnswerError{"it lacks the device code, the user code or the verification URL"})
	}
	d := &Device{UserCode: resp.UserCode, VerificationURI: resp.VerificationURI, resp: resp, config: conf, params: params}
	// WaitDevice sets the only deadline, with its context.
	expiry := resp.Expiry
	resp.Expiry = time.Time{}
	if len(resp.VerificationURI) > maxURI {
		return nil, &AnswerError{"the verification URL is too long"}
	}
	if len(resp.UserCode) > maxUserCode {
		return nil, &AnswerError{"the user code is too long to type"}
	}
	if err := CheckURL("the verification URL", resp.VerificationURI); err != nil {
		return nil, &AnswerError{text.Foreign(err.Error(), 300)}
	}
	if len(resp.VerificationURIComplete) <= maxURI && CheckURL("", resp.VerificationURIComplete) == nil {
		d.VerificationURIComplete = resp.VerificationURIComplete
	}
	d.Expires = now().Add(maxCodeLifetime)
	if !expiry.IsZero() && expiry.Before(d.Expires) {
		d.Expires = expiry
	}
	return d, nil
}

// Limits for what users are shown, in bytes.
const (
	maxUserCode = 64
	maxURI      = 2000
)

func options(v url.Values) []oauth2.AuthCodeOption {
	var out []oauth2.AuthCodeOption
	for k, vals := range v {
		// x/oauth2 sets one value per name. Of several resources, this sends only the
		// first; the refresh that follows requests all of them.
		out = append(out, oauth2.SetAuthURLParam(k, vals[0]))
	}
	return out
}

// WaitDevice polls until the user has approved (RFC 8628 section 3.4). It continues after
// a broken connection or answer. If the codes expire, the error is
// context.DeadlineExceeded or an expired_token [ResponseError].
func (c *Client) WaitDevice(ctx context.Context, d *Device, now func() time.Time) (*Grant, error) {
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, d.Expires)
	defer cancel()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, expecting(ctx, hc, &expected{kind: tokenAnswer}))
	for {
		t, err := d.config.DeviceAccessToken(ctx, d.resp, d.params...)
		if err == nil {
			return c.grant(t, now()), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err = c.oauthError("wait for the approval", err)
		if !canContinue(err) {
			return nil, err
		}
		c.trace("%s; still waiting", err)
	}
}

// canContinue reports whether polling may continue after the error, because the issuer has not
// decided about the login.
func canContinue(err error) bool {
	var re *ResponseError
	if errors.As(err, &re) {
		return re.Temporary() || re.Code == "" && re.StatusCode != http.StatusUnauthorized
	}
	return IsNetwork(err)
}
