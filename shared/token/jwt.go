package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxSize is the longest token that is decoded, in bytes. HTCondor reads at most 16 KiB;
// the larger limit makes it possible to say that a longer token is too long.
const MaxSize = 1 << 20

// ErrNotToken is the cause of every error of [Decode].
var ErrNotToken = errors.New("not a token")

// JWT is a decoded JSON Web Token (RFC 7519), whose signature was not verified. Header and
// Claims are the bytes of the token, so that order, number spelling and unknown members are
// kept.
type JWT struct {
	Header, Claims json.RawMessage
	// Signature is what follows the second dot, in base64url.
	Signature string

	header, claims map[string]json.RawMessage
}

// Decode decodes a JWT in compact serialization (RFC 7515 section 3.1) without verifying
// it. An unsigned token (alg none) decodes; a JWE, five parts,
// does not, and neither does anything else: the error says what it seems to be.
func Decode(raw []byte) (*JWT, error) {
	if len(raw) > MaxSize {
		return nil, notToken("longer than %d bytes", MaxSize)
	}
	if len(raw) == 0 {
		return nil, notToken("empty")
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return nil, notToken("binary data")
	}
	parts := strings.Split(string(raw), ".")
	switch len(parts) {
	case 3:
	case 5:
		if h, err := segment(parts[0]); err == nil {
			var m struct {
				Enc string `json:"enc"`
			}
			if json.Unmarshal(h, &m) == nil && m.Enc != "" {
				return nil, notToken("an encrypted token (JWE): only its recipient can read it")
			}
		}
		return nil, notToken("five parts, but not an encrypted token (JWE)")
	case 1:
		return nil, notToken("no dots: an opaque token has no readable contents, and a JWT has three parts")
	default:
		return nil, notToken("%d parts, but a JWT has three", len(parts))
	}
	j := &JWT{Signature: parts[2]}
	var err error
	if j.Header, j.header, err = object("header", parts[0]); err != nil {
		return nil, err
	}
	if j.Claims, j.claims, err = object("payload", parts[1]); err != nil {
		return nil, err
	}
	if _, err := segment(parts[2]); err != nil {
		return nil, notToken("the signature is not base64url")
	}
	return j, nil
}

func notToken(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrNotToken, fmt.Sprintf(format, a...))
}

func segment(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		// encoding/base64 skips line breaks; a token has none.
		return nil, base64.CorruptInputError(strings.IndexAny(s, "\r\n"))
	}
	return base64.RawURLEncoding.DecodeString(s)
}

func object(name, s string) (json.RawMessage, map[string]json.RawMessage, error) {
	b, err := segment(s)
	if err != nil {
		return nil, nil, notToken("the %s is not base64url", name)
	}
	var m map[string]json.RawMessage
	if !utf8.Valid(b) || json.Unmarshal(b, &m) != nil || m == nil {
		if name == "payload" && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
			return nil, nil, notToken("the payload is not a JSON object: it may be a signed text (JWS), but it is not a JWT")
		}
		return nil, nil, notToken("the %s is not a JSON object", name)
	}
	return bytes.TrimSpace(b), m, nil
}

// Unsigned reports whether the token has no signature (alg none, RFC 7518 section
// 3.6). No service accepts it as an access token.
func (j *JWT) Unsigned() bool {
	alg, _ := j.HeaderString("alg")
	return strings.EqualFold(alg, "none")
}

// SignatureMissing reports whether the signature that the header announces was cut off,
// as people do before they post a token.
func (j *JWT) SignatureMissing() bool { return j.Signature == "" && !j.Unsigned() }

// Has reports whether the token has the claim.
func (j *JWT) Has(claim string) bool { _, ok := j.claims[claim]; return ok }

// Raw returns the claim's JSON, or nil if the token does not have it.
func (j *JWT) Raw(claim string) json.RawMessage { return j.claims[claim] }

// HeaderString returns a header parameter that is a string.
func (j *JWT) HeaderString(name string) (string, bool) { return asString(j.header[name]) }

// String returns a claim that is a string.
func (j *JWT) String(claim string) (string, bool) { return asString(j.claims[claim]) }

func asString(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// Time returns a claim that is a NumericDate (RFC 7519 section 2), to the second:
// a fraction is cut off. ok is false if it is absent, not a number, or outside
// the years 1 to 9999.
func (j *JWT) Time(claim string) (t time.Time, ok bool) {
	return NumericDate(j.claims[claim])
}

// NumericDate parses a NumericDate, as [JWT.Time] does.
func NumericDate(raw json.RawMessage) (t time.Time, ok bool) {
	if len(raw) == 0 {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(f) > 253402300799 || f < -62135596800 {
		return time.Time{}, false
	}
	// Seconds of that range are whole numbers that a float64 holds exactly.
	return time.Unix(int64(f), 0).UTC(), true
}

// AnyAudience is the audience of tokens of the WLCG profile that are for any service
// (Common JWT Profile, "aud").
const AnyAudience = "https://wlcg.cern.ch/jwt/v1/any"

// Audiences returns the aud claim as a list, a single string being a list of one
// (RFC 7519 section 4.1.3).
func (j *JWT) Audiences() ([]string, bool) {
	raw := j.claims["aud"]
	if s, ok := asString(raw); ok {
		return []string{s}, true
	}
	// Pointers, because null would become an empty string, and servers refuse it.
	var l []*string
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &l) != nil || slices.Contains(l, nil) {
		return nil, false
	}
	out := make([]string, len(l))
	for i, a := range l {
		out[i] = *a
	}
	return out, true
}

// Scopes returns the scope claim split at spaces (RFC 8693 section 4.2). Servers split
// it at no other white space. A scope claim that is not a string is no scope claim:
// servers refuse a list.
func (j *JWT) Scopes() ([]string, bool) {
	s, ok := j.String("scope")
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), ok
}

// Member is one member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members returns the claims in the order of the token, duplicates kept.
func (j *JWT) Members() []Member { return members(j.Claims) }

// HeaderMembers returns the header's members in the order of the token.
func (j *JWT) HeaderMembers() []Member { return members(j.Header) }

func members(raw json.RawMessage) []Member {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil
	}
	var out []Member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return out
		}
		s, ok := name.(string)
		if !ok {
			return out
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return out
		}
		out = append(out, Member{s, v})
	}
	return out
}
