// Package jwks checks a token's signature against an issuer's keys (RFC 7515
// section 5.2, with the keys of RFC 7517).
//
// Keys are read here, not by a JOSE library. Those hold a key to the letter of RFC
// 7518; servers do not, and SciTokens issuers publish what only servers take:
// base64url with padding, coordinates without their leading zeros, EC keys without
// crv. The arithmetic is the standard library's, the algorithms are golang-jwt's.
package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// The bounds on what an issuer publishes, so that a hostile set costs no time.
// Moduli are bounded as in OpenSSL (OPENSSL_RSA_MAX_MODULUS_BITS), with which
// servers verify; Go verifies with none below 1024 bits.
const (
	maxKeys           = 1000
	maxTries          = 16 // of keys with the same kid
	minModulus        = 1024
	maxModulus        = 16384
	maxExponent int64 = 1<<31 - 1
)

// Set is a JWK Set (RFC 7517 section 5).
type Set struct{ keys []key }

type key struct {
	id, kty, alg, use string
	// public is nil where the key is of no use, and flaw says why.
	public crypto.PublicKey
	flaw   string
	secret bool
}

// Parse reads a JWK Set, or a single JWK as a set of one. A key that is broken or
// of an unknown type spoils none of the others (RFC 7517 section 5): [Set.Verify]
// tells of it when a token names it. Of a private key only the public half is
// kept. The error says what the data is that is no JWK Set, or that it has no key.
func Parse(data []byte) (*Set, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	notSet := func(what string) (*Set, error) { return nil, errors.New("not a JWK Set: " + what) }
	switch {
	case len(data) == 0:
		return notSet("it is empty")
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		return notSet("it is PEM, and a JWK Set is the JSON that an issuer's jwks_uri serves")
	case data[0] == '<':
		return notSet("it is a web page")
	}
	if _, err := token.Decode(data); err == nil {
		return notSet("it is a token")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil || top == nil {
		if json.Valid(data) {
			return notSet("it is no JSON object")
		}
		return notSet("it is not JSON")
	}
	list := []json.RawMessage{data}
	switch {
	case top["keys"] != nil:
		if json.Unmarshal(top["keys"], &list) != nil || list == nil {
			return notSet(`its "keys" is no list`)
		}
	case top["kty"] != nil: // a single JWK
	case top["jwks_uri"] != nil:
		return notSet("it is a discovery document, whose jwks_uri says where the keys are")
	default:
		return notSet(`it has no "keys"`)
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("the JWK Set has no keys in it")
	case len(list) > maxKeys:
		return nil, fmt.Errorf("the JWK Set has %d keys, and no more than %d are read", len(list), maxKeys)
	}
	s := &Set{keys: make([]key, len(list))}
	for i, raw := range list {
		s.keys[i] = parseKey(raw)
	}
	return s, nil
}

// HoldsSecret reports whether a private or a symmetric key is in the set, which
// nobody should publish or pass around.
func (s *Set) HoldsSecret() bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.secret })
}

// members are those of a JWK: Go's JSON would match a struct's in any case.
type members map[string]json.RawMessage

func (m members) text(name string) string {
	var s string
	_ = json.Unmarshal(m[name], &s) // what is no string is as good as absent
	return s
}

// bytes decodes a member (RFC 7518 section 2). Padding is let pass.
func (m members) bytes(name string) ([]byte, error) {
	s := m.text(name)
	if s == "" {
		return nil, fmt.Errorf("it has no %q", name)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, fmt.Errorf("its %q is not base64url", name)
	}
	return b, nil
}

// integer is bytes without the leading zeros.
func (m members) integer(name string) ([]byte, error) {
	b, err := m.bytes(name)
	return bytes.TrimLeft(b, "\x00"), err
}

func parseKey(raw json.RawMessage) key {
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return key{flaw: "it is no JSON object"}
	}
	k := key{id: m.text("kid"), kty: m.text("kty"), alg: m.text("alg"), use: m.text("use"), secret: m["d"] != nil || m["k"] != nil}
	var err error
	switch k.kty {
	case "RSA":
		k.public, err = rsaKey(m)
	case "EC":
		k.public, err = ecKey(m, k.alg)
	case "OKP":
		k.public, err = okpKey(m)
	case "oct":
		// Whoever can check with it can sign with it: never used (RFC 8725 section 3.1).
		err = errors.New("it is a shared secret (oct)")
	case "":
		err = errors.New("it has no key type (kty)")
	default:
		err = fmt.Errorf("its type %s is not known here", quoted(k.kty))
	}
	if err != nil {
		k.public, k.flaw = nil, err.Error()
	}
	return k
}

// rsaKey: RFC 7518 section 6.3.1. What Go would refuse at each signature is refused
// here, once and with its reason.
func rsaKey(m members) (crypto.PublicKey, error) {
	n, err := m.integer("n")
	if err != nil {
		return nil, err
	}
	e, err := m.integer("e")
	if err != nil {
		return nil, err
	}
	if len(n) > maxModulus/8 {
		return nil, fmt.Errorf("its modulus is longer than %d bits", maxModulus)
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	switch bits := pub.N.BitLen(); {
	case bits < minModulus:
		return nil, fmt.Errorf("its modulus is of %d bits, less than %d", bits, minModulus)
	case pub.N.Bit(0) == 0:
		return nil, errors.New("its modulus is even")
	}
	exp := int64(0)
	if len(e) <= 4 {
		exp = new(big.Int).SetBytes(e).Int64()
	}
	if exp < 3 || exp > maxExponent || exp%2 == 0 {
		return nil, fmt.Errorf("its exponent is not an odd number from 3 to %d", maxExponent)
	}
	pub.E = int(exp)
	return pub, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// ecKey: RFC 7518 section 6.2.1.
func ecKey(m members, alg string) (crypto.PublicKey, error) {
	crv := m.text("crv")
	if crv == "" && alg == "ES256" {
		// As scitokens-cpp reads it (get_public_key_pem), and demo.scitokens.org writes it.
		crv = "P-256"
	}
	curve := curves[crv]
	if curve == nil {
		return nil, fmt.Errorf("its curve %s is not known here", quoted(crv))
	}
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed (SEC 1 section 2.3.3)
	for i, name := range []string{"x", "y"} {
		c, err := m.integer(name)
		if err != nil {
			return nil, err
		}
		if len(c) > size {
			return nil, fmt.Errorf("its %q is longer than %d bytes", name, size)
		}
		copy(point[1+(i+1)*size-len(c):], c)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("it is not a point on the curve %s", crv)
	}
	return pub, nil
}

// okpKey: RFC 8037 section 2.
func okpKey(m members) (crypto.PublicKey, error) {
	if crv := m.text("crv"); crv != "Ed25519" {
		return nil, fmt.Errorf("its curve %s is not known here", quoted(crv))
	}
	x, err := m.bytes("x")
	if err == nil && len(x) != ed25519.PublicKeySize {
		err = fmt.Errorf(`its "x" is not of %d bytes`, ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), err
}

// kind is the type and curve of a key that is of use, and size the length of the
// signatures made with it.
func (k *key) kind() (kind string, size int) {
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		return "RSA", pub.Size()
	case *ecdsa.PublicKey:
		p := pub.Params()
		return p.Name, 2 * ((p.BitSize + 7) / 8)
	case ed25519.PublicKey:
		return "Ed25519", ed25519.SignatureSize
	}
	return "", 0
}

type algorithm struct {
	method jwt.SigningMethod
	// kind is that of the key it takes: each elliptic curve goes with one (RFC 7518
	// section 3.4).
	kind string
}

// algorithms are those with a key that can be published. That HS256 and none are
// not among them is what keeps them from ever verifying.
var algorithms = map[string]algorithm{
	"RS256": {jwt.SigningMethodRS256, "RSA"}, "RS384": {jwt.SigningMethodRS384, "RSA"}, "RS512": {jwt.SigningMethodRS512, "RSA"},
	"PS256": {pss(jwt.SigningMethodPS256), "RSA"}, "PS384": {pss(jwt.SigningMethodPS384), "RSA"}, "PS512": {pss(jwt.SigningMethodPS512), "RSA"},
	"ES256": {jwt.SigningMethodES256, "P-256"}, "ES384": {jwt.SigningMethodES384, "P-384"}, "ES512": {jwt.SigningMethodES512, "P-521"},
	"EdDSA": {jwt.SigningMethodEdDSA, "Ed25519"},
}

// pss holds a signature to a salt as long as its hash (RFC 7518 section 3.5), which
// golang-jwt does when it signs alone.
func pss(m *jwt.SigningMethodRSAPSS) jwt.SigningMethod {
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: m.Options}
}

const findKey = "scitokens-cpp src/scitokens_internal.cpp, find_key_id"

// header is what a signature's check needs of the JOSE header (RFC 7515 section 4).
type header struct{ alg, kid, crit string }

func parseHeader(raw json.RawMessage) header {
	var m members
	_ = json.Unmarshal(raw, &m) // token.Decode has read it as an object
	return header{alg: m.text("alg"), kid: m.text("kid"), crit: string(m["crit"])}
}

// Verify checks the signature of j, which was decoded from raw. No finding means
// that a key of the set has made it; else there is one, with the cause, and one for
// extensions that have to be understood (crit). The key is
// picked as scitokens-cpp does, which HTCondor and XRootD use: by kid, or without
// it the only one. Where several have the same kid, one that verifies is enough.
func (s *Set) Verify(raw string, j *token.JWT) []finding.Finding {
	i := strings.LastIndexByte(raw, '.')
	if i < 0 {
		i = len(raw)
	}
	// What does not decode is of the wrong length, and told as such.
	sig, _ := base64.RawURLEncoding.DecodeString(j.Signature)
	h := parseHeader(j.Header)
	out := s.verify(h, raw[:i], sig)
	if h.crit != "" {
		out = append(out, finding.Finding{Code: finding.CritUnknown, Message: "the header demands extensions that are not known here: crit is " + brief(h.crit),
			Hint: "the issuer has to leave crit out: who does not know an extension must refuse the token", Source: "RFC 7515 section 4.1.11"})
	}
	return out
}

// verify checks a signature over input, the first two parts of a token with their
// dot (RFC 7515 section 5.2).
func (s *Set) verify(h header, input string, sig []byte) []finding.Finding {
	one := func(f finding.Finding) []finding.Finding { return []finding.Finding{f} }
	alg, known := algorithms[h.alg]
	switch {
	case strings.EqualFold(h.alg, "none"):
		return one(finding.NoSignature)
	case strings.HasPrefix(h.alg, "HS"):
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %s, a shared secret that no published key can stand for", brief(h.alg)),
			Hint: "the issuer has to sign with ES256 or RS256", Source: "RFC 8725 section 3.1"})
	case !known:
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token's algorithm is %s, with which no signature can be checked", quoted(h.alg)),
			Hint: "the issuer has to sign with ES256 or RS256", Source: "RFC 7518 section 3.1"})
	}
	keys, called := s.keys, "the only key of the set"
	if h.kid != "" {
		called = "the key " + quoted(h.kid)
		keys = nil
		for _, k := range s.keys {
			if k.id == h.kid {
				keys = append(keys, k)
			}
		}
	}
	switch {
	case len(keys) == 0:
		return one(finding.Finding{Code: finding.KidUnknown, Message: fmt.Sprintf("the issuer's key set has no key %s: it has %s", quoted(h.kid), s.ids()),
			Hint:   "is the set the token's issuer's, and of today? issuers change their keys, and servers keep them for up to 10 minutes",
			Source: findKey + `: "Key ID is not published by the issuer."`})
	case h.kid == "" && len(keys) > 1:
		return one(finding.Finding{Code: finding.KidMissing, Message: fmt.Sprintf("the header names no key, and the issuer's key set has %d: %s", len(keys), s.ids()),
			Hint: "the issuer has to write kid into the header", Source: findKey + `: "Key ID empty but multiple keys published."`})
	}
	var out []finding.Finding
	for _, k := range keys[:min(len(keys), maxTries)] {
		f := k.unfit(h.alg, alg.kind, called)
		if f == nil {
			if alg.method.Verify(input, sig, k.public) == nil {
				return nil
			}
			msg := "the signature does not verify with " + called
			if _, size := k.kind(); len(sig) != size {
				msg += fmt.Sprintf(": it is of %d bytes, and the key's are of %d", len(sig), size)
			}
			f = &finding.Finding{Code: finding.SignatureInvalid, Message: msg,
				Hint:   "the token was cut or changed, or another key has the same id: is the set the token's issuer's, and of today?",
				Source: "RFC 7515 section 5.2"}
		}
		// What failed says more than what did not fit.
		if out == nil || f.Code == finding.SignatureInvalid {
			out = one(*f)
		}
	}
	return out
}

// unfit says why a key cannot have made a signature of that algorithm, nil where it
// can.
func (k *key) unfit(alg, kind, called string) *finding.Finding {
	mismatch := func(source, format string, a ...any) *finding.Finding {
		return &finding.Finding{Code: finding.AlgMismatch, Message: called + fmt.Sprintf(format, a...),
			Hint: "is the set the token's issuer's? an issuer's keys and algorithms go together, and servers go by the key's", Source: source}
	}
	own, _ := k.kind()
	switch {
	case k.use == "enc":
		return mismatch("RFC 7517 section 4.2", " is for encryption, not for signatures")
	case k.alg != "" && k.alg != alg:
		return mismatch("RFC 7517 section 4.4", " is for %s, and the token is signed with %s", brief(k.alg), alg)
	case k.kty == "oct":
		return mismatch("RFC 8725 section 3.1", " is a shared secret, and the token is signed with %s", alg)
	case k.public == nil:
		return &finding.Finding{Code: finding.KeyUnusable, Message: called + " is of no use: " + k.flaw,
			Hint: "the issuer has to publish it anew", Source: "RFC 7518 section 6"}
	case own != kind:
		return mismatch("RFC 7518 section 3.1", " is of the kind %s, and %s takes %s", own, alg, kind)
	}
	return nil
}

// ids are the set's key ids in words, the first few of them.
func (s *Set) ids() string {
	const most = 5
	var out []string
	none := 0
	for _, k := range s.keys {
		switch {
		case k.id == "":
			none++
		case len(out) < most:
			out = append(out, quoted(k.id))
		}
	}
	if more := len(s.keys) - none - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	if none > 0 {
		out = append(out, fmt.Sprintf("%d without an id", none))
	}
	return strings.Join(out, ", ")
}

func quoted(s string) string { return fmt.Sprintf("%q", brief(s)) }

// brief keeps text from the wire to a length that a person reads.
func brief(s string) string { return text.Brief(s, 60) }
