// Package token defines the request for an access token, and the token itself.
//
// A Token is a secret that a log line must not reveal, so every way of formatting it is
// redacted. Only [Token.Raw] returns the string.
package token

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
)

// Request describes the access token that is requested. It is built once, from flags,
// environment, configuration and the ecosystem's defaults.
type Request struct {
	// Issuer is the issuer's URL as the user wrote it.
	Issuer string
	// Audiences are the exact strings that the token's aud claim must contain (RFC 7519
	// section 4.1.3). If it is empty, no audience is requested.
	Audiences []string
	// Scopes are the scope values that must be granted (RFC 6749 section 3.3).
	Scopes []string
	// MinLifetime is how long the token must still live when it is handed out.
	MinLifetime time.Duration
	// AnyLifetime accepts a new token that lives shorter than MinLifetime, which then
	// only says how long a stored token must still live: whoever keeps a token fresh
	// replaces it early enough.
	AnyLifetime bool
}

// Normalized returns the request with sorted scopes and audiences, without duplicates, so
// that two requests for the same token compare equal.
func (r Request) Normalized() Request {
	r.Audiences = text.Set(r.Audiences)
	r.Scopes = text.Set(r.Scopes)
	return r
}

// Token is an access token together with what is known about it from the answer
// that carried it. The zero value is no token.
type Token struct {
	raw string
	jwt *JWT // nil if the token is opaque

	// Issuer is the issuer's URL, as the issuer writes it.
	Issuer string
	// Expires is when the token expires; zero if that is unknown.
	Expires time.Time
	// Scopes and Audiences are those granted: from the token if it is a JWT, otherwise from
	// the issuer's answer.
	Scopes    []string
	Audiences []string
	// Type is the token type in the issuer's answer (RFC 6749 section 7.1); empty for bearer,
	// or if it is unknown.
	Type string
	// Source is the name of the source that it came from, such as "device".
	Source string
}

// New returns a Token for its raw form. If it is a JWT, its claims provide issuer, expiry,
// scopes and audiences.
func New(raw string) Token {
	j, _ := Decode([]byte(raw))
	return Decoded(raw, j)
}

// Decoded is like New for a token that has been decoded already; j is nil for an opaque
// token.
func Decoded(raw string, j *JWT) Token {
	t := Token{raw: raw, jwt: j}
	if j == nil {
		return t
	}
	t.Issuer, _ = j.String("iss")
	t.Expires, _ = j.Time("exp")
	t.Scopes, _ = j.Scopes()
	t.Audiences, _ = j.Audiences()
	return t
}

// JWT returns the decoded token, whose signature was not verified, or nil if the token is
// opaque.
func (t Token) JWT() *JWT { return t.jwt }

// Raw returns the secret itself.
func (t Token) Raw() string { return t.raw }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.raw == "" }

// Lifetime returns how long the token is valid after now, and whether that is known.
func (t Token) Lifetime(now time.Time) (time.Duration, bool) {
	if t.Expires.IsZero() {
		return 0, false
	}
	return t.Expires.Sub(now), true
}

const redacted = "[token redacted]"

// String is redacted.
func (t Token) String() string { return redacted }

// GoString is redacted.
func (t Token) GoString() string { return redacted }

// Format is redacted for every verb. Without this method, verbs such as %x would print the
// field.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is redacted.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is redacted.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// SplitScopes splits a scope string at spaces (RFC 6749 section 3.3).
func SplitScopes(s string) []string { return strings.Fields(s) }
