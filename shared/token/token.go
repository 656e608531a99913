// Package token holds what every part of the helpers talks about: the request
// for an access token, and the token itself.
//
// A Token is a secret that a careless log line must not give away, so every way
// of formatting it is redacted; [Token.Raw] alone hands out the string.
package token

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
)

// Request says which access token is wanted. It is built once, from flags,
// environment, configuration and the ecosystem's defaults; nothing later in the
// flow reads flags.
type Request struct {
	// Issuer is the issuer's URL as the user wrote it.
	Issuer string
	// Audiences are the exact strings that the token's aud claim must hold
	// (RFC 7519 section 4.1.3). Empty asks for none.
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

// Normalized returns the request with sorted scopes and audiences, each named
// once: two requests for the same token compare equal.
func (r Request) Normalized() Request {
	r.Audiences = text.Set(r.Audiences)
	r.Scopes = text.Set(r.Scopes)
	return r
}

// Token is an access token together with what is known about it from the answer
// that carried it. The zero value is no token.
type Token struct {
	raw string
	jwt *JWT // nil where it is none

	// Issuer is the URL that the issuer calls itself.
	Issuer string
	// Expires is when the token ends; zero when that is not known.
	Expires time.Time
	// Scopes and Audiences are what was granted: read from the token where it
	// is a JWT, else from the issuer's answer.
	Scopes    []string
	Audiences []string
	// Source is the name of the source that it came from, such as "device".
	Source string
}

// New makes a Token from its raw form, reading lifetime, scopes, audiences and
// issuer from its claims where it is a JWT. An opaque token is a token too: it
// just tells nothing about itself.
func New(raw string) Token {
	j, _ := Decode([]byte(raw))
	return Decoded(raw, j)
}

// Decoded is New for a token that has been decoded already; j is nil where it is no
// JWT.
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

// JWT is the token decoded, its signature not verified; nil where it is no JWT.
func (t Token) JWT() *JWT { return t.jwt }

// Raw hands out the secret itself.
func (t Token) Raw() string { return t.raw }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.raw == "" }

// Lifetime is how long the token still lives at now, and whether that is known.
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

// Format is redacted for every verb: without it %x and friends would reach the
// field behind String.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is redacted.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is redacted.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// SplitScopes splits a scope string at spaces (RFC 6749 section 3.3).
func SplitScopes(s string) []string { return strings.Fields(s) }
