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

// MaxSize is the longest token that Decode accepts, in bytes. It is larger than what
// HTCondor reads (16 KiB), so that findings can say that a token is too long for it.
const MaxSize = 1 << 20

// ErrNotToken is the cause of every error of [Decode].
var ErrNotToken = errors.New("not a token")

// JWT is a decoded JSON Web Token (RFC 7519), whose signature was not verified. Header and
// Claims are the bytes of the token, so that order, number spelling and unknown members are
// kept. Nothing that a JWT returns may be modified.
type JWT struct {
	Header, Claims json.RawMessage
	// Signature is the third part, in base64url; SignatureBytes is the same, decoded.
	Signature      string
	SignatureBytes []byte

	header, claims object
	// These are parsed once, because services need them more than once.
	scopes, audiences     []string
	scopesOK, audiencesOK bool
}

// Decode decodes a JWT in compact serialization (RFC 7515 section 3.1) without verifying
// it. It accepts unsigned tokens (alg none), but not encrypted ones (JWE). The error says
// what the input seems to be.
func Decode(raw []byte) (*JWT, error) { return new(Decoder).Decode(raw) }

// Decoder decodes many tokens and reuses its memory. A token is valid only until the next
// call of Decode.
type Decoder struct {
	jwt               JWT
	claims, signature []byte
	members           []Member
	scopes            []string
	// encoded is the header of the previous token, headerJSON and header the same, decoded.
	// Most tokens of an issuer have the same header.
	encoded    []byte
	headerJSON json.RawMessage
	header     object
}

// Decode is like the function [Decode].
func (d *Decoder) Decode(raw []byte) (*JWT, error) {
	if len(raw) > MaxSize {
		return nil, notToken("longer than %d bytes", MaxSize)
	}
	if len(raw) == 0 {
		return nil, notToken("empty")
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return nil, notToken("binary data")
	}
	switch dots := bytes.Count(raw, []byte(".")); dots {
	case 2:
	case 4:
		first, _, _ := bytes.Cut(raw, []byte("."))
		if h, err := segment(first, nil); err == nil {
			var m struct {
				Enc string `json:"enc"`
			}
			if json.Unmarshal(h, &m) == nil && m.Enc != "" {
				return nil, notToken("an encrypted token (JWE): only its recipient can read it")
			}
		}
		return nil, notToken("five parts, but not an encrypted token (JWE)")
	case 0:
		return nil, notToken("no dots: an opaque token has no readable contents, and a JWT has three parts")
	default:
		return nil, notToken("%d parts, but a JWT has three", dots+1)
	}
	header, rest, _ := bytes.Cut(raw, []byte("."))
	claims, signature, _ := bytes.Cut(rest, []byte("."))
	j := &d.jwt
	*j = JWT{}
	var err error
	if d.headerJSON == nil || !bytes.Equal(d.encoded, header) {
		d.headerJSON = nil
		json, object, err := decodeObject("header", header, nil, nil)
		if err != nil {
			return nil, err
		}
		d.encoded, d.headerJSON, d.header = append(d.encoded[:0], header...), json, object
	}
	j.Header, j.header = d.headerJSON, d.header
	if j.Claims, j.claims, err = decodeObject("payload", claims, &d.claims, &d.members); err != nil {
		return nil, err
	}
	if j.SignatureBytes, err = segment(signature, &d.signature); err != nil {
		return nil, notToken("the signature is not base64url")
	}
	j.Signature = string(signature)
	d.scopes, j.scopesOK = j.readScopes(d.scopes[:0])
	j.scopes = d.scopes
	j.audiences, j.audiencesOK = j.readAudiences()
	return j, nil
}

func notToken(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrNotToken, fmt.Sprintf(format, a...))
}

// segment decodes a part of a token (RFC 7515 section 2): base64url without padding. If
// memory is not nil, the result is stored there.
func segment(s []byte, memory *[]byte) ([]byte, error) {
	// encoding/base64 skips line breaks, which a token must not contain.
	for _, c := range []byte("\r\n") {
		if i := bytes.IndexByte(s, c); i >= 0 {
			return nil, base64.CorruptInputError(i)
		}
	}
	n := base64.RawURLEncoding.DecodedLen(len(s))
	var b []byte
	if memory != nil {
		b = slices.Grow((*memory)[:0], n)[:n]
		*memory = b
	} else {
		b = make([]byte, n)
	}
	n, err := base64.RawURLEncoding.Decode(b, s)
	return b[:n], err
}

func decodeObject(name string, s []byte, memory *[]byte, spare *[]Member) (json.RawMessage, object, error) {
	b, err := segment(s, memory)
	if err != nil {
		return nil, object{}, notToken("the %s is not base64url", name)
	}
	var members []Member
	if spare != nil {
		members = (*spare)[:0]
	}
	members, ok := readObject(b, members)
	if spare != nil {
		*spare = members
	}
	if !ok || !utf8.Valid(b) {
		if name == "payload" && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
			return nil, object{}, notToken("the payload is not a JSON object: it may be a signed text (JWS), but it is not a JWT")
		}
		return nil, object{}, notToken("the %s is not a JSON object", name)
	}
	return bytes.TrimSpace(b), newObject(members), nil
}

// Unsigned reports whether the token has no signature (alg none, RFC 7518 section
// 3.6). No service accepts it as an access token.
func (j *JWT) Unsigned() bool {
	alg, _ := j.HeaderString("alg")
	return strings.EqualFold(alg, "none")
}

// SignatureMissing reports whether a signed token lacks its signature. People often remove
// it before they post a token.
func (j *JWT) SignatureMissing() bool { return j.Signature == "" && !j.Unsigned() }

// Has reports whether the token has the claim.
func (j *JWT) Has(claim string) bool { return j.claims.get(claim) != nil }

// Raw returns the claim's JSON, or nil if the token does not have it.
func (j *JWT) Raw(claim string) json.RawMessage { return j.claims.raw(claim) }

// HeaderRaw returns a header parameter's JSON, or nil if the header does not have it.
func (j *JWT) HeaderRaw(name string) json.RawMessage { return j.header.raw(name) }

// HeaderString returns a header parameter that is a string.
func (j *JWT) HeaderString(name string) (string, bool) { return j.header.get(name).Text() }

// String returns a claim that is a string.
func (j *JWT) String(claim string) (string, bool) { return j.claims.get(claim).Text() }

// Integer returns a claim that is a number written as an integer.
func (j *JWT) Integer(claim string) (int64, bool) {
	if m := j.claims.get(claim); m != nil {
		return m.integer, m.isInteger
	}
	return 0, false
}

// Duplicates reports whether a name occurs more than once in the header or in the claims.
func (j *JWT) Duplicates() bool { return j.header.duplicates || j.claims.duplicates }

// Time returns a claim that is a NumericDate (RFC 7519 section 2), truncated to seconds.
// ok is false if it is absent, not a number, or outside the years 1 to 9999.
func (j *JWT) Time(claim string) (t time.Time, ok bool) {
	m := j.claims.get(claim)
	switch {
	case m == nil:
		return time.Time{}, false
	case m.isInteger && m.integer >= firstSecond && m.integer <= lastSecond:
		return time.Unix(m.integer, 0).UTC(), true
	}
	return NumericDate(m.Value)
}

// The years 1 to 9999, in seconds since 1970.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// NumericDate parses a NumericDate, as [JWT.Time] does.
func NumericDate(raw json.RawMessage) (t time.Time, ok bool) {
	if len(raw) == 0 {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(f) > lastSecond || f < firstSecond {
		return time.Time{}, false
	}
	// float64 represents all integers in this range exactly.
	return time.Unix(int64(f), 0).UTC(), true
}

// AnyAudience is the audience of WLCG tokens that are valid for any service (Common JWT
// Profile, "aud").
const AnyAudience = "https://wlcg.cern.ch/jwt/v1/any"

// Audiences returns the aud claim as a list. A single string becomes a list of one (RFC
// 7519 section 4.1.3).
func (j *JWT) Audiences() ([]string, bool) { return j.audiences, j.audiencesOK }

func (j *JWT) readAudiences() ([]string, bool) {
	if s, ok := j.String("aud"); ok {
		return []string{s}, true
	}
	return j.claims.get("aud").Texts()
}

// Scopes returns the scope claim split at spaces (RFC 8693 section 4.2), like servers, which
// do not split it at other white space. ok is false if the claim is not a string: servers
// refuse a list.
func (j *JWT) Scopes() (scopes []string, ok bool) { return j.scopes, j.scopesOK }

func (j *JWT) readScopes(out []string) ([]string, bool) {
	s, ok := j.String("scope")
	if out == nil {
		out = make([]string, 0, strings.Count(s, " ")+1)
	}
	for word := range strings.SplitSeq(s, " ") {
		if word != "" {
			out = append(out, word)
		}
	}
	return out, ok
}

// Members returns the claims in the order of the token, including duplicates.
func (j *JWT) Members() []Member { return j.claims.members }

// HeaderMembers returns the header's members in the order of the token, including
// duplicates.
func (j *JWT) HeaderMembers() []Member { return j.header.members }
