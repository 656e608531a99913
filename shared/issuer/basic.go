package issuer

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// RFC 6749 section 2.3.1 requires form-encoding the client's ID and secret for HTTP
// Basic. Some issuers do not decode them, so that a secret such as "a/b+c" never matches.
// If an issuer rejects the client, the request is repeated once with unencoded
// credentials.

// RoundTrip makes a whole exchange, with the client's credentials in the form that the
// issuer accepts.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	plain := withPlainBasic(req)
	if plain == nil {
		return t.exchange(req)
	}
	if t.c.plainBasic.Load() {
		return t.exchange(plain)
	}
	resp, err := t.exchange(req)
	if err != nil || !rejectsClient(resp) || req.Body != nil && req.GetBody == nil {
		return resp, err
	}
	if req.GetBody != nil {
		if plain.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	t.c.trace("trying again with client credentials that are not form-encoded")
	other, err := t.exchange(plain)
	if err != nil || rejectsClient(other) {
		return resp, nil
	}
	t.c.plainBasic.Store(true)
	return other, nil
}

// withPlainBasic returns the request with credentials that are not form-encoded, or nil
// if that makes no difference.
func withPlainBasic(req *http.Request) *http.Request {
	id, secret, ok := req.BasicAuth()
	if !ok {
		return nil
	}
	plainID, err := url.QueryUnescape(id)
	if err != nil || strings.Contains(plainID, ":") {
		return nil // impossible in HTTP Basic
	}
	plainSecret, err := url.QueryUnescape(secret)
	if err != nil || plainID == id && plainSecret == secret {
		return nil
	}
	plain := req.Clone(req.Context())
	plain.SetBasicAuth(plainID, plainSecret)
	return plain
}

// rejectsClient reports whether the answer means that the client is unknown or its secret
// is wrong. resp.Body can still be read afterwards.
func rejectsClient(resp *http.Response) bool {
	if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	b, err := io.ReadAll(resp.Body) // from memory
	resp.Body = io.NopCloser(bytes.NewReader(b))
	in := parseObject(b)
	if err != nil || in == nil {
		return false
	}
	var re ResponseError
	re.Code, re.Description = problem(in)
	return re.ClientGone() || re.WrongSecret()
}
