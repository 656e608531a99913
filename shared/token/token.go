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
	// MinLifetime is how long the token must remain valid when it is returned.
	MinLifetime time.Duration
	// AnyLifetime applies MinLifetime to stored tokens only, and accepts a new token
	// with a shorter lifetime. It is for commands that renew tokens before they expire.
	AnyLifetime bool
}

// Normalized returns the request with sorted scopes and audiences, without duplicates, so
// that two requests for the same token compare equal.
func (r Request) Normalized() Request {
	r.Audiences = text.Set(r.Audiences)
	r.Scopes = text.Set(r.Scopes)
	return r
}

// Token is an access token, and what the issuer's response says about it. The zero value
// means that there is no token.
type Token struct {
	raw string
	jwt *JWT // nil if the token is opaque

	// Issuer is the issuer's URL, as the issuer spells it.
	Issuer string
	// Expires is when the token expires; zero if that is unknown.
	Expires time.Time
	// Scopes and Audiences are those granted: from the token if it is a JWT, otherwise from
	// the issuer's response.
	Scopes    []string
	Audiences []string
	// Type is the token type in the issuer's response (RFC 6749 section 7.1). It is empty
	// for bearer tokens, or if it is unknown.
	Type string
	// Source is the name of the source that provided the token, such as "device".
	Source string
}

// New returns the Token whose secret is raw. If it is a JWT, issuer, expiry, scopes and
// audiences are taken from its claims.
func New(raw string) Token {
	j, _ := Decode([]byte(raw))
	return Decoded(raw, j)
}

// Decoded is like [New] for a token that was already decoded; j is nil for an opaque
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

// Lifetime returns how long the token remains valid after now, and whether that is known.
func (t Token) Lifetime(now time.Time) (time.Duration, bool) {
	if t.Expires.IsZero() {
		return 0, false
	}
	return t.Expires.Sub(now), true
}

const redacted = "[token redacted]"

// String implements [fmt.Stringer]. It does not reveal the token.
func (t Token) String() string { return redacted }

// GoString implements [fmt.GoStringer]. It does not reveal the token.
func (t Token) GoString() string { return redacted }

// Format implements [fmt.Formatter]. Without it, verbs such as %x would print the raw field.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer]. It does not reveal the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements [encoding/json.Marshaler]. It does not reveal the token.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// SplitScopes splits a list of scopes (RFC 6749 section 3.3) at white space.
func SplitScopes(s string) []string { return strings.Fields(s) }
