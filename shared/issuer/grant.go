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
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"example.org/token-helpers/shared/token"
)

// do makes one exchange without x/oauth2 and returns the body of a 2xx answer.
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
		return nil, &LocalError{Err: err}
	}
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return c.finish(hc, req)
}

func (c *Client) finish(hc *http.Client, req *http.Request) ([]byte, error) {
	resp, err := hc.Do(req)
	if err != nil {
		return nil, c.network(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.network(fmt.Errorf("read the answer of %s: %w", bare(req.URL), err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &ResponseError{Doing: bare(req.URL), Status: c.status(resp.Status), StatusCode: resp.StatusCode}
		canon := expected{kind: tokenAnswer}
		var o struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if n, ok := canon.normalise(resp, b); ok && json.Unmarshal(n, &o) == nil {
			e.Code, e.Description = c.redact(o.Error), c.redact(o.Description)
		}
		return nil, e
	}
	return b, nil
}

// doing adds to err what was being done.
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

// Credentials are how a client authenticates at the token endpoint.
type Credentials struct{ ClientID, ClientSecret, AuthMethod string }

func (cr Credentials) style() oauth2.AuthStyle {
	// Set explicitly: x/oauth2 would find it out with an additional request.
	if cr.AuthMethod == "client_secret_post" || cr.ClientSecret == "" {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// AudienceParameter is how an issuer expects the audience: audience (INDIGO IAM),
// resource (RFC 8707) or both. Empty means audience.
type AudienceParameter string

// Params returns the form fields that request the audiences.
func (p AudienceParameter) Params(audiences []string) url.Values {
	v := url.Values{}
	if len(audiences) == 0 {
		return v
	}
	if p != "resource" {
		// IAM splits at spaces, and reads only the first of a repeated field.
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
	// Scopes is nil if the answer has none, which means as requested (RFC 6749 section
	// 5.1).
	Scopes  []string
	Expires time.Time
	// Type is the token type if it is not bearer (RFC 6749 section 7.1).
	Type string
	// RefreshExpires is when the refresh token expires; zero if that is unknown.
	RefreshExpires time.Time
}

func (c *Client) grant(t *oauth2.Token, now time.Time) *Grant {
	c.secret(t.AccessToken)
	g := refreshGrant(t.RefreshToken)
	c.secret(g.RefreshToken)
	g.AccessToken, g.Expires = t.AccessToken, t.Expiry
	if t.TokenType != bearer {
		g.Type = t.TokenType
	}
	if s, ok := t.Extra("scope").(string); ok {
		g.Scopes = token.SplitScopes(s)
	}
	if s, ok := t.Extra("refresh_expires_in").(float64); ok && g.RefreshExpires.IsZero() {
		g.RefreshExpires = now.Add(seconds(int64(s)))
	}
	return g
}

// refreshGrant returns a grant with only a refresh token.
func refreshGrant(refreshToken string) *Grant {
	g := &Grant{RefreshToken: refreshToken}
	if j, err := token.Decode([]byte(refreshToken)); err == nil {
		g.RefreshExpires, _ = j.Time("exp")
	}
	return g
}

// Refresh gets an access token with the given scopes and audience (RFC 6749 section 6).
// x/oauth2's refresh sends neither, so the request is made as one for client credentials,
// whose grant type can be set.
//
// If a refresh token was received, the grant is not nil, even with an error: the token
// replaces the old one, whatever else is wrong with the answer.
func (c *Client) Refresh(ctx context.Context, md *Metadata, cr Credentials, refreshToken string, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	return c.request(ctx, "refresh the login", md, cr, v, scopes, audience, now, refreshToken)
}

// ClientCredentials gets an access token for the client itself (RFC 6749 section 4.4).
func (c *Client) ClientCredentials(ctx context.Context, md *Metadata, cr Credentials, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	g, err := c.request(ctx, "get a token for the client", md, cr, url.Values{}, scopes, audience, now)
	var re *ResponseError
	if errors.As(err, &re) && (re.ClientGone() || re.Code == "unauthorized_client" || re.Code == "unsupported_grant_type") {
		re.hints = []string{"check --client-id and the client's secret, and that the issuer lets the client use client credentials"}
	}
	return g, err
}

// Exchange exchanges a token for another one (RFC 8693 section 2.1). INDIGO IAM requires
// scopes.
func (c *Client) Exchange(ctx context.Context, md *Metadata, cr Credentials, subject string, scopes []string, audience url.Values, now func() time.Time) (*Grant, error) {
	v := url.Values{
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {subject}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	g, err := c.request(ctx, "exchange the token", md, cr, v, scopes, audience, now, subject)
	var re *ResponseError
	if errors.As(err, &re) && re.LoginEnded() {
		re.hints = []string{"exchange a newer token: the issuer does not accept this one"}
	}
	return g, err
}

// request makes a token request. secrets are those of the form.
func (c *Client) request(ctx context.Context, what string, md *Metadata, cr Credentials, form url.Values, scopes []string, audience url.Values, now func() time.Time, secrets ...string) (*Grant, error) {
	hc, err := c.client()
	if err != nil {
		return nil, err
	}
	c.basic(cr.ClientID, cr.ClientSecret)
	c.secret(secrets...)
	maps.Copy(form, audience)
	conf := clientcredentials.Config{
		ClientID: cr.ClientID, ClientSecret: cr.ClientSecret, TokenURL: md.TokenEndpoint,
		AuthStyle: cr.style(), Scopes: scopes, EndpointParams: form,
	}
	var found string
	answer := &expected{kind: tokenAnswer, found: &found}
	t, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, expecting(ctx, hc, answer)))
	if err != nil {
		c.secret(found)
		err = c.oauthError(what, err)
		if answer.unanswered && found == "" {
			err = &UnansweredError{err}
		}
		if found != "" {
			return refreshGrant(found), err
		}
		return nil, err
	}
	return c.grant(t, now()), nil
}

// Revoke revokes a refresh token (RFC 7009). The error is an [UnsupportedError] if the
// issuer has no endpoint for it.
func (c *Client) Revoke(ctx context.Context, md *Metadata, cr Credentials, refreshToken string) error {
	if md.RevocationEndpoint == "" {
		return &UnsupportedError{What: "the issuer does not revoke tokens"}
	}
	hc, err := c.client()
	if err != nil {
		return err
	}
	c.basic(cr.ClientID, cr.ClientSecret)
	c.secret(refreshToken)
	v := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {cr.ClientID}}
	client := *hc
	if cr.style() == oauth2.AuthStyleInHeader {
		client.Transport = basicAuth{hc.Transport, cr}
	} else if cr.ClientSecret != "" {
		v.Set("client_secret", cr.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, md.RevocationEndpoint, strings.NewReader(v.Encode()))
	if err != nil {
		return &LocalError{Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = c.finish(&client, req)
	return doing(revoking, err)
}

const revoking = "revoke the refresh token"

type basicAuth struct {
	base http.RoundTripper
	cr   Credentials
}

func (b basicAuth) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	// Form-encoded first, as RFC 6749 section 2.3.1 requires.
	req.SetBasicAuth(url.QueryEscape(b.cr.ClientID), url.QueryEscape(b.cr.ClientSecret))
	return b.base.RoundTrip(req)
}

// oauthError converts the errors of x/oauth2 to those of this package, without secrets.
func (c *Client) oauthError(what string, err error) error {
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.Response != nil {
		if re.Response.StatusCode < 300 && re.ErrorCode == "" {
			return doing(what, &AnswerError{"it has no access token"})
		}
		return &ResponseError{
			Doing: what, Status: c.status(re.Response.Status), StatusCode: re.Response.StatusCode,
			Code: c.redact(re.ErrorCode), Description: c.redact(re.ErrorDescription),
		}
	}
	var ue *url.Error
	var nj *NotJSONError
	if errors.As(err, &ue) || errors.As(err, &nj) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return doing(what, c.network(err))
	}
	// The remaining errors are x/oauth2's own about the answer: not JSON, truncated, or
	// without an access token.
	return doing(what, &AnswerError{c.redact(strings.TrimPrefix(err.Error(), "oauth2: "))})
}
