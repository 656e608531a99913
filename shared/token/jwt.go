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
// kept. Nothing that a JWT returns may be modified.
type JWT struct {
	Header, Claims json.RawMessage
	// Signature is what follows the second dot, in base64url, and SignatureBytes the same
	// decoded.
	Signature      string
	SignatureBytes []byte

	header, claims object
	// What services ask for more than once is read once.
	scopes, audiences     []string
	scopesOK, audiencesOK bool
}

// object is a JSON object in which members are found by their names. Of members with the
// same name, the last one counts, as in encoding/json.
type object struct {
	members []Member
	// byName is nil for the few members that most tokens have.
	byName map[string]json.RawMessage
}

// fewMembers is up to how many members are searched one by one.
const fewMembers = 32

func (o *object) get(name string) json.RawMessage {
	if o.byName != nil {
		return o.byName[name]
	}
	for i := len(o.members) - 1; i >= 0; i-- {
		if o.members[i].Name == name {
			return o.members[i].Value
		}
	}
	return nil
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
	switch dots := bytes.Count(raw, []byte(".")); dots {
	case 2:
	case 4:
		first, _, _ := bytes.Cut(raw, []byte("."))
		if h, err := segment(first); err == nil {
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
	j := new(JWT)
	var err error
	if j.Header, j.header, err = decodeObject("header", header); err != nil {
		return nil, err
	}
	if j.Claims, j.claims, err = decodeObject("payload", claims); err != nil {
		return nil, err
	}
	if j.SignatureBytes, err = segment(signature); err != nil {
		return nil, notToken("the signature is not base64url")
	}
	j.Signature = string(signature)
	j.scopes, j.scopesOK = j.readScopes()
	j.audiences, j.audiencesOK = j.readAudiences()
	return j, nil
}

func notToken(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrNotToken, fmt.Sprintf(format, a...))
}

// segment decodes a part of a token (RFC 7515 section 2): base64url without padding.
func segment(s []byte) ([]byte, error) {
	// encoding/base64 skips line breaks; a token has none.
	for _, c := range []byte("\r\n") {
		if i := bytes.IndexByte(s, c); i >= 0 {
			return nil, base64.CorruptInputError(i)
		}
	}
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(s)))
	n, err := base64.RawURLEncoding.Decode(b, s)
	return b[:n], err
}

func decodeObject(name string, s []byte) (json.RawMessage, object, error) {
	b, err := segment(s)
	if err != nil {
		return nil, object{}, notToken("the %s is not base64url", name)
	}
	members, ok := ReadObject(b)
	if !ok || !utf8.Valid(b) {
		if name == "payload" && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
			return nil, object{}, notToken("the payload is not a JSON object: it may be a signed text (JWS), but it is not a JWT")
		}
		return nil, object{}, notToken("the %s is not a JSON object", name)
	}
	o := object{members: members}
	if len(members) > fewMembers {
		o.byName = make(map[string]json.RawMessage, len(members))
		for _, m := range members {
			o.byName[m.Name] = m.Value
		}
	}
	return bytes.TrimSpace(b), o, nil
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
func (j *JWT) Has(claim string) bool { return j.claims.get(claim) != nil }

// Raw returns the claim's JSON, or nil if the token does not have it.
func (j *JWT) Raw(claim string) json.RawMessage { return j.claims.get(claim) }

// HeaderRaw returns a header parameter's JSON, or nil if the header does not have it.
func (j *JWT) HeaderRaw(name string) json.RawMessage { return j.header.get(name) }

// HeaderString returns a header parameter that is a string.
func (j *JWT) HeaderString(name string) (string, bool) { return asString(j.header.get(name)) }

// String returns a claim that is a string.
func (j *JWT) String(claim string) (string, bool) { return asString(j.claims.get(claim)) }

func asString(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return unquote(raw)
}

// Time returns a claim that is a NumericDate (RFC 7519 section 2), to the second:
// a fraction is cut off. ok is false if it is absent, not a number, or outside
// the years 1 to 9999.
func (j *JWT) Time(claim string) (t time.Time, ok bool) {
	return NumericDate(j.claims.get(claim))
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
func (j *JWT) Audiences() ([]string, bool) { return j.audiences, j.audiencesOK }

func (j *JWT) readAudiences() ([]string, bool) {
	raw := j.claims.get("aud")
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
func (j *JWT) Scopes() ([]string, bool) { return j.scopes, j.scopesOK }

func (j *JWT) readScopes() ([]string, bool) {
	s, ok := j.String("scope")
	if !ok {
		return []string{}, false
	}
	out := make([]string, 0, strings.Count(s, " ")+1)
	for word := range strings.SplitSeq(s, " ") {
		if word != "" {
			out = append(out, word)
		}
	}
	return out, true
}

// Members returns the claims in the order of the token, duplicates kept.
func (j *JWT) Members() []Member { return j.claims.members }

// HeaderMembers returns the header's members in the order of the token.
func (j *JWT) HeaderMembers() []Member { return j.header.members }
