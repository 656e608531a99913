package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Registration is a registered client.
type Registration struct {
	ClientID, ClientSecret, AuthMethod string
	// Scopes are the scopes that the client may request.
	Scopes []string
	// URI and Token manage the registration (RFC 7592); empty if not offered.
	URI, Token string
}

// clientMetadata are the members of a registration request (RFC 7591 section 2).
type clientMetadata map[string]any

// Register registers a client for the device flow (RFC 7591). initial is an initial
// access token (section 3), or empty. It requests all of the scopes first, because
// scopes_supported may omit scopes that exist. If that is rejected, it requests the
// supported scopes that cover them, and finally those without openid.
func (c *Client) Register(ctx context.Context, md *Metadata, name string, scopes []string, initial string) (*Registration, error) {
	if md.RegistrationEndpoint == "" {
		return nil, &UnsupportedError{What: "the issuer does not offer client registration", Hint: hintClient}
	}
	c.secret(initial)
	meta := clientMetadata{
		"client_name": name,
		"grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"},
		// There are no redirects, but some issuers require the member.
		"redirect_uris":              []string{},
		"response_types":             []string{},
		"token_endpoint_auth_method": AuthMethod(md),
	}
	supported := md.registrable(scopes)
	// Keycloak's policies may reject openid, though scopes_supported lists it.
	without := slices.DeleteFunc(slices.Clone(supported), func(s string) bool { return s == "openid" })
	tries := [][]string{text.Set(scopes), supported, without}
	for {
		meta["scope"] = strings.Join(tries[0], " ")
		// A repeated request could leave an unknown client behind.
		b, err := c.do(once(ctx), http.MethodPost, md.RegistrationEndpoint, initial, meta)
		if err == nil {
			return c.registered(md, b, meta)
		}
		var re *ResponseError
		if !errors.As(err, &re) {
			return nil, doing("register a client", err)
		}
		if meta.addRedirect(re) {
			continue
		}
		same := tries[0]
		for len(tries) > 0 && slices.Equal(tries[0], same) {
			tries = tries[1:]
		}
		if len(tries) > 0 && (re.StatusCode == http.StatusBadRequest || re.StatusCode == http.StatusForbidden) {
			continue
		}
		if re.StatusCode == http.StatusUnauthorized || re.StatusCode == http.StatusForbidden || re.Code == "invalid_token" {
			re.hints = []string{hintClient + ", or give an initial access token with --registration-token-file"}
		} else if !re.Temporary() {
			re.hints = []string{hintClient}
		}
		return nil, doing("register a client", err)
	}
}

const hintClient = "register a client with the issuer yourself, and use it with --client-id"

// addRedirect adds a redirect URI if the issuer requires one, and reports whether it did.
func (m clientMetadata) addRedirect(re *ResponseError) bool {
	if len(m["redirect_uris"].([]string)) > 0 || !strings.Contains(re.Code+" "+re.Description, "redirect") {
		return false
	}
	// RFC 8252 section 7.3: native programs use an address on loopback.
	m["redirect_uris"], m["application_type"] = []string{"http://localhost/"}, "native"
	return true
}

func (c *Client) registered(md *Metadata, answer []byte, asked clientMetadata) (*Registration, error) {
	m, err := members(answer)
	id := stringMember(m, "client_id")
	var n json.Number
	if id == "" && json.Unmarshal(m["client_id"], &n) == nil {
		id = n.String()
	}
	if err != nil || id == "" {
		return nil, &AnswerError{"it has no client ID"}
	}
	r := &Registration{
		ClientID: id, ClientSecret: stringMember(m, "client_secret"),
		AuthMethod: stringMember(m, "token_endpoint_auth_method"),
	}
	c.basic(r.ClientID, r.ClientSecret)
	if len(r.ClientID) > maxCredential || len(r.ClientSecret) > maxCredential {
		return nil, &AnswerError{"the client ID or the client secret is too long"}
	}
	if r.AuthMethod == "" {
		r.AuthMethod = AuthMethod(md)
	}
	if r.ClientSecret == "" {
		r.AuthMethod = "none"
	}
	// The answer has the registered scopes (RFC 7591 section 3.2.1).
	r.Scopes = listMember(m, "scope")
	if !hasMember(m, "scope") {
		r.Scopes = token.SplitScopes(asked["scope"].(string))
	}
	slices.Sort(r.Scopes)
	if uri := stringMember(m, "registration_client_uri"); CheckURL("the registration", uri) == nil {
		r.URI, r.Token = uri, stringMember(m, "registration_access_token")
		c.secret(r.Token)
	}
	return r, nil
}

// maxCredential is the maximum size of a client's ID and secret, in bytes.
const maxCredential = 16 << 10

func hasMember(m map[string]json.RawMessage, name string) bool {
	raw, ok := m[name]
	return ok && string(raw) != "null"
}

// ErrNotDeleted means that the issuer does not support deleting a registration
// (RFC 7592 section 2.3).
var ErrNotDeleted = errors.New("the issuer does not offer to delete clients")

// Unregister deletes a client that was registered here (RFC 7592 section 2.3). It is not
// an error if the client no longer exists.
func (c *Client) Unregister(ctx context.Context, uri, registrationToken string) error {
	c.secret(registrationToken)
	_, err := c.do(ctx, http.MethodDelete, uri, registrationToken, nil)
	var re *ResponseError
	if errors.As(err, &re) {
		switch re.StatusCode {
		case http.StatusNotFound, http.StatusGone:
			return nil
		case http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return ErrNotDeleted
		}
	}
	return doing("delete the client", err)
}
