package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Metadata is what the discovery document says (OpenID Connect Discovery 1.0
// section 3, RFC 8414 section 2, RFC 8628 section 4).
type Metadata struct {
	Issuer                            string   `json:"issuer"`
	TokenEndpoint                     string   `json:"token_endpoint"`
	DeviceAuthorizationEndpoint       string   `json:"device_authorization_endpoint"`
	RegistrationEndpoint              string   `json:"registration_endpoint"`
	RevocationEndpoint                string   `json:"revocation_endpoint"`
	JWKSURI                           string   `json:"jwks_uri"`
	ScopesSupported                   []string `json:"scopes_supported"`
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
}

// Discover fetches the discovery document of an issuer and returns it parsed and
// as it came, to be cached.
func (c *Client) Discover(ctx context.Context, issuerURL string) (*Metadata, []byte, error) {
	if err := CheckURL("the issuer", issuerURL); err != nil {
		return nil, nil, &LocalError{err}
	}
	doc, err := c.do(ctx, http.MethodGet, strings.TrimSuffix(issuerURL, "/")+"/.well-known/openid-configuration", "", nil)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the issuer what it offers: %w", err)
	}
	md, err := ParseMetadata(doc, issuerURL)
	if err != nil {
		return nil, nil, err
	}
	return md, doc, nil
}

// ParseMetadata reads a discovery document and holds it against the issuer it was
// asked of: the issuer in it must be that one (Discovery section 4.3, RFC 8414
// section 3.3), give or take one trailing slash, and its endpoints https.
func ParseMetadata(doc []byte, issuerURL string) (*Metadata, error) {
	var md Metadata
	if err := json.Unmarshal(doc, &md); err != nil {
		return nil, &NotJSONError{URL: issuerURL, Got: "a discovery document that is no JSON object"}
	}
	if !token.SameIssuer(md.Issuer, issuerURL) {
		return nil, &MismatchError{Asked: issuerURL, Got: md.Issuer}
	}
	if md.TokenEndpoint == "" {
		return nil, &UnsupportedError{"the issuer's discovery document names no token endpoint"}
	}
	for what, u := range map[string]string{
		"the token endpoint": md.TokenEndpoint, "the device authorization endpoint": md.DeviceAuthorizationEndpoint,
		"the registration endpoint": md.RegistrationEndpoint, "the revocation endpoint": md.RevocationEndpoint,
	} {
		if u == "" {
			continue
		}
		if err := CheckURL(what, u); err != nil {
			return nil, &AnswerError{err.Error()}
		}
	}
	return &md, nil
}

// MismatchError is a discovery document of another issuer than the one asked for.
type MismatchError struct{ Asked, Got string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("asked for the issuer %s, but it calls itself %q", e.Asked, e.Got)
}

// UnsupportedError is something that the issuer does not offer.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return e.What }

// ResponseError is the issuer's refusal, or its failure where the status is 5xx.
type ResponseError struct {
	// Doing is what was asked for, such as "register a client".
	Doing  string
	Status string
	// StatusCode is HTTP's.
	StatusCode int
	// Code and Description are OAuth's (RFC 6749 section 5.2); Description has the
	// secrets of the request cut out.
	Code, Description string
}

func (e *ResponseError) Error() string {
	switch {
	case e.Code != "" && e.Description != "":
		return fmt.Sprintf("%s: the issuer says %s: %s", e.Doing, e.Code, e.Description)
	case e.Code != "":
		return fmt.Sprintf("%s: the issuer says %s", e.Doing, e.Code)
	}
	return fmt.Sprintf("%s: the issuer answered %s", e.Doing, e.Status)
}

// Temporary reports whether the issuer failed rather than refused.
func (e *ResponseError) Temporary() bool { return e.StatusCode >= 500 || e.StatusCode == 429 }

// Ended reports whether the answer to a refresh means that the login is over.
// INDIGO IAM says invalid_token where RFC 6749 has invalid_grant.
func (e *ResponseError) Ended() bool { return e.Code == "invalid_grant" || e.Code == "invalid_token" }

// ClientGone reports whether the issuer no longer knows the client.
func (e *ResponseError) ClientGone() bool {
	return e.Code == "invalid_client" || e.Code == "unauthorized_client"
}

// do makes one exchange outside of x/oauth2 and returns the body of a 2xx answer.
func (c *Client) do(ctx context.Context, method, u, bearer string, body any) ([]byte, error) {
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	var rd io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		rd, contentType = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		rd, contentType = bytes.NewReader(j), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, u, rd)
	if err != nil {
		return nil, &LocalError{err}
	}
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return finish(hc, req)
}

func finish(hc *http.Client, req *http.Request) ([]byte, error) {
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", bare(req.URL), err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &ResponseError{Doing: bare(req.URL), Status: resp.Status, StatusCode: resp.StatusCode}
		var o struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(b, &o) == nil {
			e.Code, e.Description = redact(o.Error), redact(o.Description)
		}
		return nil, e
	}
	return b, nil
}

// Registration is a client as the issuer knows it.
type Registration struct {
	ClientID, ClientSecret, AuthMethod string
	// Scopes are those the client was asked to be registered with.
	Scopes []string
	// URI and Token manage the registration (RFC 7592); empty where not offered.
	URI, Token string
}

// AuthMethod picks how the client proves itself: the first of the ways known here
// that the issuer takes (Discovery section 3: client_secret_basic unless it says).
func AuthMethod(md *Metadata) string {
	for _, m := range []string{"client_secret_basic", "client_secret_post", "none"} {
		if slices.Contains(md.TokenEndpointAuthMethodsSupported, m) {
			return m
		}
	}
	return "client_secret_basic"
}

// Register registers a client for the device flow (RFC 7591). Of the scopes only
// those that the issuer names as supported are asked for, where it says which, for
// strict issuers refuse any other; one below a supported path is covered by it.
func (c *Client) Register(ctx context.Context, md *Metadata, name string, scopes []string) (*Registration, error) {
	if md.RegistrationEndpoint == "" {
		return nil, &UnsupportedError{"the issuer registers no clients by itself"}
	}
	scopes = text.Set(md.registrable(scopes))
	meta := map[string]any{
		"client_name": name,
		"grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"},
		// Nothing is ever redirected. Some issuers take no client without the member.
		"redirect_uris":              []string{},
		"response_types":             []string{},
		"token_endpoint_auth_method": AuthMethod(md),
		"scope":                      strings.Join(scopes, " "),
	}
	// Repeated blindly, it would leave a client behind that nobody knows.
	b, err := c.do(once(ctx), http.MethodPost, md.RegistrationEndpoint, "", meta)
	if err != nil {
		return nil, doing("register a client", err)
	}
	var r struct {
		ClientID   string `json:"client_id"`
		Secret     string `json:"client_secret"`
		AuthMethod string `json:"token_endpoint_auth_method"`
		URI        string `json:"registration_client_uri"`
		Token      string `json:"registration_access_token"`
	}
	if json.Unmarshal(b, &r) != nil || r.ClientID == "" {
		return nil, &NotJSONError{URL: md.RegistrationEndpoint, Got: "a registration without a client id"}
	}
	if r.AuthMethod == "" {
		r.AuthMethod = AuthMethod(md)
	}
	if r.Secret == "" {
		r.AuthMethod = "none"
	}
	reg := &Registration{ClientID: r.ClientID, ClientSecret: r.Secret, AuthMethod: r.AuthMethod, Scopes: scopes}
	if CheckURL("the registration", r.URI) == nil {
		reg.URI, reg.Token = r.URI, r.Token
	}
	return reg, nil
}

// Supported are those of the scopes that the issuer offers, or all of them where
// it does not say. A path below an offered one counts as offered.
func (md *Metadata) Supported(scopes []string) []string {
	if len(md.ScopesSupported) == 0 {
		return scopes
	}
	var out []string
	for _, s := range scopes {
		if token.Covers(md.ScopesSupported, s) {
			out = append(out, s)
		}
	}
	return out
}

// registrable are the supported scopes that cover the wanted ones.
func (md *Metadata) registrable(scopes []string) []string {
	if len(md.ScopesSupported) == 0 {
		return scopes
	}
	var out []string
	for _, s := range scopes {
		for _, offered := range md.ScopesSupported {
			if token.Covers([]string{offered}, s) {
				out = append(out, offered)
			}
		}
	}
	return out
}

// Unregister deletes a client that was registered here (RFC 7592 section 2.3). One
// that is gone already is deleted.
func (c *Client) Unregister(ctx context.Context, uri, registrationToken string) error {
	_, err := c.do(ctx, http.MethodDelete, uri, registrationToken, nil)
	var re *ResponseError
	if errors.As(err, &re) && (re.StatusCode == http.StatusUnauthorized || re.StatusCode == http.StatusNotFound) {
		return nil
	}
	return doing("delete the client", err)
}

// Credentials are how a client proves itself at the token endpoint.
type Credentials struct{ ClientID, ClientSecret, AuthMethod string }

func (cr Credentials) style() oauth2.AuthStyle {
	// Named always: x/oauth2 would find it out by trying, at the cost of a request.
	if cr.AuthMethod == "client_secret_post" || cr.ClientSecret == "" {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// AudienceParameter says how an issuer wants the audience: audience (INDIGO IAM),
// resource (RFC 8707) or both. Empty is audience.
type AudienceParameter string

// Params are the form fields that ask for the audiences.
func (p AudienceParameter) Params(audiences []string) url.Values {
	v := url.Values{}
	if len(audiences) == 0 {
		return v
	}
	if p != "resource" {
		// IAM splits at spaces, and takes only the first of a repeated field.
		v.Set("audience", strings.Join(audiences, " "))
	}
	if p == "resource" || p == "both" {
		v["resource"] = audiences
	}
	return v
}

// Grant is the issuer's answer to a token request.
type Grant struct {
	AccessToken, RefreshToken string
	// Scopes is nil where the answer does not say, which means: as asked for (RFC
	// 6749 section 5.1).
	Scopes  []string
	Expires time.Time
	// RefreshExpires is when the refresh token ends; zero where that is unknown.
	RefreshExpires time.Time
}

func grant(t *oauth2.Token, now time.Time) *Grant {
	g := &Grant{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Expires: t.Expiry}
	if s, ok := t.Extra("scope").(string); ok {
		g.Scopes = token.SplitScopes(s)
	}
	if j, err := token.Decode([]byte(t.RefreshToken)); err == nil {
		g.RefreshExpires, _ = j.Time("exp")
	} else if s, ok := t.Extra("refresh_expires_in").(float64); ok && s > 0 {
		g.RefreshExpires = now.Add(time.Duration(s) * time.Second)
	}
	return g
}

// Device is a device authorization under way (RFC 8628 section 3.2). Its device
// code is a secret.
type Device struct {
	UserCode, VerificationURI, VerificationURIComplete string
	// Expires is when the codes end.
	Expires time.Time

	resp   *oauth2.DeviceAuthResponse
	config *oauth2.Config
	params []oauth2.AuthCodeOption
}

// StartDevice asks for a device and a user code (RFC 8628 section 3.1).
func (c *Client) StartDevice(ctx context.Context, md *Metadata, cr Credentials, scopes []string, audience url.Values) (*Device, error) {
	if md.DeviceAuthorizationEndpoint == "" {
		return nil, &UnsupportedError{"the issuer offers no device flow"}
	}
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	conf := &oauth2.Config{
		ClientID: cr.ClientID, ClientSecret: cr.ClientSecret,
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: md.DeviceAuthorizationEndpoint, TokenURL: md.TokenEndpoint, AuthStyle: cr.style(),
		},
	}
	params := options(audience)
	start := append(slices.Clone(params), oauth2.SetAuthURLParam("scope", strings.Join(scopes, " ")))
	authed := *hc
	if cr.ClientSecret != "" {
		// RFC 8628 section 3.1 has the client authenticate here as at the token
		// endpoint; x/oauth2 sends the client id alone.
		if cr.style() == oauth2.AuthStyleInHeader {
			authed.Transport = basicAuth{hc.Transport, cr}
		} else {
			start = append(start, oauth2.SetAuthURLParam("client_secret", cr.ClientSecret))
		}
	}
	resp, err := conf.DeviceAuth(context.WithValue(ctx, oauth2.HTTPClient, &authed), start...)
	if err != nil {
		return nil, fault("start the login", err, cr.ClientSecret)
	}
	if resp.DeviceCode == "" || resp.UserCode == "" || resp.VerificationURI == "" {
		return nil, &NotJSONError{URL: md.DeviceAuthorizationEndpoint, Got: "a device authorization without its codes"}
	}
	for _, u := range []string{resp.VerificationURI, resp.VerificationURIComplete} {
		if u == "" {
			continue
		}
		if err := CheckURL("the verification address", u); err != nil {
			return nil, &UnsupportedError{err.Error()}
		}
	}
	return &Device{
		UserCode: resp.UserCode, VerificationURI: resp.VerificationURI,
		VerificationURIComplete: resp.VerificationURIComplete, Expires: resp.Expiry,
		resp: resp, config: conf, params: params,
	}, nil
}

type basicAuth struct {
	base http.RoundTripper
	cr   Credentials
}

func (b basicAuth) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	// Form-encoded first, as RFC 6749 section 2.3.1 has it.
	req.SetBasicAuth(url.QueryEscape(b.cr.ClientID), url.QueryEscape(b.cr.ClientSecret))
	return b.base.RoundTrip(req)
}

func options(v url.Values) []oauth2.AuthCodeOption {
	var out []oauth2.AuthCodeOption
	for k, vals := range v {
		// x/oauth2 sets one value a name. Several resources then go as the first
		// alone here; the refresh that follows asks for all of them.
		out = append(out, oauth2.SetAuthURLParam(k, vals[0]))
	}
	return out
}

// WaitDevice polls until the user has approved (RFC 8628 section 3.4). A broken
// connection does not end it, for the codes outlive it; the codes' end does:
// context.DeadlineExceeded, or an expired_token [ResponseError].
func (c *Client) WaitDevice(ctx context.Context, d *Device, now func() time.Time) (*Grant, error) {
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	if !d.Expires.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, d.Expires)
		defer cancel()
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, hc)
	for broken := 0; ; {
		t, err := d.config.DeviceAccessToken(ctx, d.resp, d.params...)
		if err == nil {
			return grant(t, now()), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err = fault("wait for the approval", err, d.config.ClientSecret, d.resp.DeviceCode)
		var re *ResponseError
		var ue *url.Error
		if retry := errors.As(err, &re) && re.Temporary() || errors.As(err, &ue); !retry || broken == 4 {
			return nil, err
		}
		broken++
		c.trace("%s; going on", err)
	}
}

// Refresh gets an access token by refresh token with scopes and audience of its
// own (RFC 6749 section 6). x/oauth2's refresh sends neither, so the request is
// made as one for client credentials, whose grant type may be set.
func (c *Client) Refresh(ctx context.Context, md *Metadata, cr Credentials, refreshToken string, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	return c.request(ctx, "refresh the login", md, cr, v, scopes, audience, now, refreshToken)
}

// ClientCredentials gets an access token for the client itself (RFC 6749 section
// 4.4).
func (c *Client) ClientCredentials(ctx context.Context, md *Metadata, cr Credentials, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	return c.request(ctx, "get a token for the client", md, cr, url.Values{}, scopes, audience, now)
}

// Exchange trades a token for another (RFC 8693 section 2.1). INDIGO IAM demands
// scopes.
func (c *Client) Exchange(ctx context.Context, md *Metadata, cr Credentials, subject string, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	v := url.Values{
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {subject}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	return c.request(ctx, "exchange the token", md, cr, v, scopes, audience, now, subject)
}

// request asks the token endpoint; secrets are those of the form, to be cut out of
// what the issuer says.
func (c *Client) request(ctx context.Context, what string, md *Metadata, cr Credentials, form url.Values, scopes []string, audience url.Values, now func() time.Time, secrets ...string) (*Grant, error) {
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	maps.Copy(form, audience)
	conf := clientcredentials.Config{
		ClientID: cr.ClientID, ClientSecret: cr.ClientSecret, TokenURL: md.TokenEndpoint,
		AuthStyle: cr.style(), Scopes: scopes, EndpointParams: form,
	}
	t, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, hc))
	if err != nil {
		return nil, fault(what, err, append(secrets, cr.ClientSecret)...)
	}
	return grant(t, now()), nil
}

// Revoke ends a refresh token (RFC 7009). An issuer without the endpoint cannot.
func (c *Client) Revoke(ctx context.Context, md *Metadata, cr Credentials, refreshToken string) error {
	if md.RevocationEndpoint == "" {
		return &UnsupportedError{"the issuer revokes no tokens"}
	}
	hc, err := c.client()
	if err != nil {
		return err
	}
	v := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	client := *hc
	if cr.style() == oauth2.AuthStyleInHeader {
		client.Transport = basicAuth{hc.Transport, cr}
	} else {
		v.Set("client_id", cr.ClientID)
		if cr.ClientSecret != "" {
			v.Set("client_secret", cr.ClientSecret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, md.RevocationEndpoint, strings.NewReader(v.Encode()))
	if err != nil {
		return &LocalError{err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = finish(&client, req)
	return doing("revoke the refresh token", err)
}

func doing(what string, err error) error {
	var re *ResponseError
	if errors.As(err, &re) {
		re.Doing = what
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// fault turns x/oauth2's errors into ours, with the secrets of the request cut out
// of what the issuer said: INDIGO IAM repeats a refresh token it does not know.
func fault(what string, err error, secrets ...string) error {
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.Response != nil {
		if re.Response.StatusCode < 300 && re.ErrorCode == "" {
			return &NotJSONError{URL: bare(re.Response.Request.URL), Got: "no token"}
		}
		return &ResponseError{
			Doing: what, Status: re.Response.Status, StatusCode: re.Response.StatusCode,
			Code: redact(re.ErrorCode, secrets...), Description: redact(re.ErrorDescription, secrets...),
		}
	}
	var ue *url.Error
	var nj *NotJSONError
	if errors.As(err, &ue) || errors.As(err, &nj) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, err)
	}
	// What is left are x/oauth2's own complaints about the answer: not JSON, cut
	// off, or no access token in it.
	return fmt.Errorf("%s: %w", what, &AnswerError{redact(strings.TrimPrefix(err.Error(), "oauth2: "), secrets...)})
}

// AnswerError is an answer of the issuer that cannot be used.
type AnswerError struct{ Problem string }

func (e *AnswerError) Error() string { return "the issuer's answer is not usable: " + e.Problem }

var tokenLike = regexp.MustCompile(`[A-Za-z0-9_-]{16,}(\.[A-Za-z0-9_-]*){2,}`)

// redact cuts secrets and whatever looks like a token out of text from the wire,
// and keeps it to a length that a person reads.
func redact(s string, secrets ...string) string {
	for _, x := range secrets {
		if x != "" {
			s = strings.ReplaceAll(s, x, "[redacted]")
		}
	}
	s = tokenLike.ReplaceAllString(s, "[redacted]")
	return text.Brief(s, 300)
}
