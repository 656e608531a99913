package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Metadata is the discovery document (OpenID Connect Discovery 1.0 section 3, RFC 8414
// section 2, RFC 8628 section 4).
type Metadata struct {
	Issuer                            string
	TokenEndpoint                     string
	DeviceAuthorizationEndpoint       string
	RegistrationEndpoint              string
	RevocationEndpoint                string
	ScopesSupported                   []string
	TokenEndpointAuthMethodsSupported []string
}

// wellKnown is the path of the document (OpenID Connect Discovery section 4).
const wellKnown = "/.well-known/openid-configuration"

// Discover fetches the discovery document of an issuer and returns it parsed, and
// unchanged for a cache.
func (c *Client) Discover(ctx context.Context, issuerURL string) (*Metadata, []byte, error) {
	if err := CheckURL("the issuer", issuerURL); err != nil {
		return nil, nil, &LocalError{Err: err}
	}
	doc, err := c.document(ctx, issuerURL)
	if err != nil {
		return nil, nil, err
	}
	md, err := ParseMetadata(doc, issuerURL)
	if err != nil {
		return nil, nil, err
	}
	return md, doc, nil
}

// document fetches the discovery document below the issuer's URL, or the metadata of RFC
// 8414 if there is none.
func (c *Client) document(ctx context.Context, issuerURL string) ([]byte, error) {
	doc, err := c.do(ctx, http.MethodGet, strings.TrimSuffix(issuerURL, "/")+wellKnown, "", nil)
	var (
		refused *ResponseError
		notJSON *NotJSONError
	)
	switch {
	case err == nil && !isObject(doc), errors.As(err, &notJSON): // a web page for every unknown address
	case errors.As(err, &refused) && !refused.Temporary():
		refused.hints = []string{"check the issuer's URL, including its path"}
	default:
		return doc, doing("fetch the discovery document", err)
	}
	// If there is none either, the first error is reported.
	for _, u := range oauthMetadata(issuerURL) {
		if other, oerr := c.do(ctx, http.MethodGet, u, "", nil); oerr == nil && isObject(other) {
			return other, nil
		}
	}
	return doc, doing("fetch the discovery document", err)
}

func isObject(doc []byte) bool {
	_, err := members(doc)
	return err == nil
}

// oauthMetadata returns where an issuer's metadata may be: RFC 8414 section 3.1 inserts
// the name between host and path; some issuers append it, as in OpenID Connect.
func oauthMetadata(issuerURL string) []string {
	const name = "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuerURL)
	if err != nil {
		return nil // CheckURL has parsed it
	}
	base, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	if path == "" {
		return []string{base + name}
	}
	return []string{base + name + path, base + path + name}
}

// members parses a JSON object, with or without a byte order mark.
func members(doc []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf")), &m); err != nil || m == nil {
		return nil, errors.New("not a JSON object")
	}
	return m, nil
}

func stringMember(m map[string]json.RawMessage, name string) string {
	var s string
	_ = json.Unmarshal(m[name], &s)
	return s
}

// listMember returns a list of strings, or the words of a string.
func listMember(m map[string]json.RawMessage, name string) []string {
	var l []any
	if json.Unmarshal(m[name], &l) != nil {
		return strings.Fields(stringMember(m, name))
	}
	var out []string
	for _, x := range l {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// ParseMetadata parses a discovery document and compares it against the issuer it was
// requested from: the issuer in it must be that one (Discovery section 4.3, RFC 8414
// section 3.3), except for one trailing slash, and its endpoints must be https.
func ParseMetadata(doc []byte, issuerURL string) (*Metadata, error) {
	m, err := members(doc)
	if err != nil {
		return nil, &AnswerError{"the discovery document is not a JSON object"}
	}
	md := &Metadata{
		Issuer:                            stringMember(m, "issuer"),
		TokenEndpoint:                     stringMember(m, "token_endpoint"),
		DeviceAuthorizationEndpoint:       stringMember(m, "device_authorization_endpoint"),
		RegistrationEndpoint:              stringMember(m, "registration_endpoint"),
		RevocationEndpoint:                stringMember(m, "revocation_endpoint"),
		ScopesSupported:                   listMember(m, "scopes_supported"),
		TokenEndpointAuthMethodsSupported: listMember(m, "token_endpoint_auth_methods_supported"),
	}
	if !token.SameIssuer(md.Issuer, issuerURL) {
		return nil, &MismatchError{Asked: issuerURL, Got: text.Foreign(md.Issuer, 200)}
	}
	if md.TokenEndpoint == "" {
		return nil, &UnsupportedError{What: "the issuer's discovery document has no token endpoint", Hint: "check the issuer's URL"}
	}
	for _, e := range []struct{ what, url string }{
		{"the token endpoint", md.TokenEndpoint}, {"the device authorization endpoint", md.DeviceAuthorizationEndpoint},
		{"the registration endpoint", md.RegistrationEndpoint}, {"the revocation endpoint", md.RevocationEndpoint},
	} {
		if e.url == "" {
			continue
		}
		if err := CheckURL(e.what, e.url); err != nil {
			return nil, &AnswerError{text.Foreign(err.Error(), 300)}
		}
	}
	return md, nil
}

// Lists reports whether scopes_supported lists the scope or is missing: it is optional,
// and may omit scopes that exist (RFC 8414 section 2).
func (md *Metadata) Lists(scope string) bool {
	return len(md.ScopesSupported) == 0 || slices.Contains(md.ScopesSupported, scope)
}

// registrable returns the supported scopes that cover the given ones.
func (md *Metadata) registrable(scopes []string) []string {
	if len(md.ScopesSupported) == 0 {
		return text.Set(scopes)
	}
	var out []string
	for _, s := range scopes {
		for _, offered := range md.ScopesSupported {
			if token.Covers([]string{offered}, s) {
				out = append(out, offered)
			}
		}
	}
	return text.Set(out)
}

// AuthMethod returns how the client authenticates: the first implemented method that the
// issuer supports (Discovery section 3: by default client_secret_basic).
func AuthMethod(md *Metadata) string {
	for _, m := range []string{"client_secret_basic", "client_secret_post", "none"} {
		if slices.Contains(md.TokenEndpointAuthMethodsSupported, m) {
			return m
		}
	}
	return "client_secret_basic"
}

// Keys fetches an issuer's JWK Set (RFC 7517 section 5) like servers: from the jwks_uri
// of its discovery document (scitokens-cpp, get_public_keys_from_web). Only issuer and
// jwks_uri are required, because not every issuer names endpoints.
//
// Its errors are those of the exchange, a [MismatchError] if the document is of another
// issuer, an [UnsupportedError] if it names no keys, an [AnswerError] if they are not
// served over https, and a [LocalError] if the issuer is not an https URL. Package jwks
// parses the keys.
func (c *Client) Keys(ctx context.Context, issuerURL string) ([]byte, error) {
	if err := CheckURL("the issuer", issuerURL); err != nil {
		return nil, &LocalError{Err: err}
	}
	// The issuer comes from a token whose contents are unverified: accept only https, as
	// servers do, and nothing that changes what is requested.
	if u, err := url.Parse(issuerURL); err != nil || u.Scheme != "https" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, &LocalError{Err: fmt.Errorf("the issuer %q is not an https URL without query and fragment", issuerURL)}
	}
	doc, err := c.document(ctx, issuerURL)
	if err != nil {
		return nil, err
	}
	m, err := members(doc)
	if err != nil {
		return nil, &AnswerError{"the discovery document is not a JSON object"}
	}
	if got := stringMember(m, "issuer"); !token.SameIssuer(got, issuerURL) {
		return nil, &MismatchError{Asked: issuerURL, Got: text.Foreign(got, 200)}
	}
	uri := stringMember(m, "jwks_uri")
	if uri == "" {
		return nil, &UnsupportedError{What: "the issuer's discovery document has no jwks_uri"}
	}
	if err := CheckURL("the jwks_uri", uri); err != nil {
		return nil, &AnswerError{text.Foreign(err.Error(), 300)}
	}
	// Not even on loopback, because the keys decide which tokens are valid.
	if u, err := url.Parse(uri); err == nil && u.Scheme != "https" {
		return nil, &AnswerError{fmt.Sprintf("the jwks_uri %s is not https", text.Foreign(bare(u), 200))}
	}
	return c.do(ctx, http.MethodGet, uri, "", nil)
}
