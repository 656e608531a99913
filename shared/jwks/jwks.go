// Package jwks checks a token's signature against an issuer's keys (RFC 7515 section 5.2,
// RFC 7517).
//
// It does not use a JOSE library to parse keys, because these libraries require the exact
// form of RFC 7518. Servers do not, and SciTokens issuers publish keys in other forms:
// base64url with padding, coordinates without leading zeros, EC keys without crv. The
// standard library provides the arithmetic, golang-jwt the algorithms.
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
	"example.org/token-helpers/shared/token"
)

// Limits that bound the time that a malicious set can take. The longest modulus is the
// limit of OpenSSL (OPENSSL_RSA_MAX_MODULUS_BITS), which servers use; the shortest is Go's
// minimum for verification.
const (
	maxKeys           = 1000
	maxTries          = 16 // keys with the same kid that are tried
	minModulus        = 1024
	maxModulus        = 16384
	maxExponent int64 = 1<<31 - 1
)

// Set is a JWK Set (RFC 7517 section 5).
type Set struct{ keys []key }

type key struct {
	id, kty, alg, use string
	// public is nil if the key cannot be used. flaw says why.
	public crypto.PublicKey
	flaw   string
	// secret means that the key is private or symmetric.
	secret bool
}

// Parse parses a JWK Set, or a single JWK as a set of one. A damaged key or one of an unknown
// type does not affect the others (RFC 7517 section 5): [Set.Verify] reports it when a token
// names it. Only the public part of a private key is kept. If data is not a JWK Set, the
// error says what it seems to be. A set without keys is an error.
func Parse(data []byte) (*Set, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	notSet := func(what string) (*Set, error) { return nil, errors.New("not a JWK Set: " + what) }
	switch {
	case len(data) == 0:
		return notSet("it is empty")
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		return notSet("it is PEM; a JWK Set is the JSON at the issuer's jwks_uri")
	case data[0] == '<':
		return notSet("it is a web page")
	}
	if _, err := token.Decode(data); err == nil {
		return notSet("it is a token")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil || top == nil {
		if json.Valid(data) {
			return notSet("it is not a JSON object")
		}
		return notSet("it is not JSON")
	}
	list := []json.RawMessage{data}
	switch {
	case top["keys"] != nil:
		if json.Unmarshal(top["keys"], &list) != nil || list == nil {
			return notSet(`its "keys" is not a list`)
		}
	case top["kty"] != nil: // a single JWK
	case top["jwks_uri"] != nil:
		return notSet("it is a discovery document; its jwks_uri has the keys")
	default:
		return notSet(`it has no "keys"`)
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("the JWK Set has no keys")
	case len(list) > maxKeys:
		return nil, fmt.Errorf("the JWK Set has %d keys; the limit is %d", len(list), maxKeys)
	}
	s := &Set{keys: make([]key, len(list))}
	for i, raw := range list {
		s.keys[i] = parseKey(raw)
	}
	return s, nil
}

// HoldsSecret reports whether the set contains a private or a symmetric key, which must
// not be published or shared.
func (s *Set) HoldsSecret() bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.secret })
}

// members are the members of a JWK. It is not a struct, because encoding/json ignores the
// case of a struct's field names.
type members map[string]json.RawMessage

func (m members) text(name string) string {
	var s string
	_ = json.Unmarshal(m[name], &s) // treat other types as absent
	return s
}

// bytes decodes a base64url member (RFC 7518 section 2). It accepts padding.
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

// integer decodes a base64url member and removes leading zero bytes.
func (m members) integer(name string) ([]byte, error) {
	b, err := m.bytes(name)
	return bytes.TrimLeft(b, "\x00"), err
}

func parseKey(raw json.RawMessage) key {
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return key{flaw: "it is not a JSON object"}
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
		// Never used: whoever can verify with it can also sign (RFC 8725 section 3.1).
		err = errors.New("it is a shared secret (oct)")
	case "":
		err = errors.New("it has no key type (kty)")
	default:
		err = fmt.Errorf("its type %s is unknown", quoted(k.kty))
	}
	if err != nil {
		k.public, k.flaw = nil, err.Error()
	}
	return k
}

// rsaKey parses an RSA key (RFC 7518 section 6.3.1). It rejects keys with which crypto/rsa
// would verify no signature, and returns the reason.
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
		return nil, fmt.Errorf("its modulus has %d bits, fewer than %d", bits, minModulus)
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

// curves are functions, because a curve is expensive to set up.
var curves = map[string]func() elliptic.Curve{"P-256": elliptic.P256, "P-384": elliptic.P384, "P-521": elliptic.P521}

// ecKey parses an EC key (RFC 7518 section 6.2.1).
func ecKey(m members, alg string) (crypto.PublicKey, error) {
	crv := m.text("crv")
	if crv == "" && alg == "ES256" {
		// scitokens-cpp accepts this (get_public_key_pem), and demo.scitokens.org publishes it.
		crv = "P-256"
	}
	known := curves[crv]
	if known == nil {
		return nil, fmt.Errorf("its curve %s is unknown", quoted(crv))
	}
	curve := known()
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

// okpKey parses an Ed25519 key (RFC 8037 section 2).
func okpKey(m members) (crypto.PublicKey, error) {
	if crv := m.text("crv"); crv != "Ed25519" {
		return nil, fmt.Errorf("its curve %s is unknown", quoted(crv))
	}
	x, err := m.bytes("x")
	if err == nil && len(x) != ed25519.PublicKeySize {
		err = fmt.Errorf(`its "x" does not have %d bytes`, ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), err
}

// kind returns the type or curve of a usable key, and the length of its signatures in bytes.
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
	// kind is the kind of key that the algorithm requires. Each elliptic curve has one
	// algorithm (RFC 7518 section 3.4).
	kind string
}

// algorithms are the algorithms with public keys. HS256 and none are not included, so they
// never verify.
var algorithms = map[string]algorithm{
	"RS256": {jwt.SigningMethodRS256, "RSA"}, "RS384": {jwt.SigningMethodRS384, "RSA"}, "RS512": {jwt.SigningMethodRS512, "RSA"},
	"PS256": {pss(jwt.SigningMethodPS256), "RSA"}, "PS384": {pss(jwt.SigningMethodPS384), "RSA"}, "PS512": {pss(jwt.SigningMethodPS512), "RSA"},
	"ES256": {jwt.SigningMethodES256, "P-256"}, "ES384": {jwt.SigningMethodES384, "P-384"}, "ES512": {jwt.SigningMethodES512, "P-521"},
	"EdDSA": {jwt.SigningMethodEdDSA, "Ed25519"},
}

// pss returns m with a salt as long as the hash (RFC 7518 section 3.5), which golang-jwt
// requires only for signing.
func pss(m *jwt.SigningMethodRSAPSS) jwt.SigningMethod {
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: m.Options}
}

const findKey = "scitokens-cpp src/scitokens_internal.cpp, find_key_id"

// header is the part of the JOSE header that verification needs (RFC 7515 section 4).
type header struct{ alg, kid, crit string }

// headerOf returns the header of j. It treats members of the wrong type as absent.
func headerOf(j *token.JWT) header {
	h := header{crit: string(j.HeaderRaw("crit"))}
	h.alg, _ = j.HeaderString("alg")
	h.kid, _ = j.HeaderString("kid")
	return h
}

// Verify checks the signature of j, which was decoded from raw. It returns no finding if the
// signature was made with a key of the set, otherwise the cause. There is another finding if
// the header requires extensions (crit). Like scitokens-cpp, which HTCondor and XRootD use,
// it selects the key by kid, or uses the only key if there is no kid. If several keys have
// the same kid, one of them must verify.
func (s *Set) Verify(raw string, j *token.JWT) []finding.Finding {
	i := strings.LastIndexByte(raw, '.')
	if i < 0 {
		i = len(raw)
	}
	h := headerOf(j)
	out := s.verify(h, raw[:i], j.SignatureBytes)
	if h.crit != "" {
		out = append(out, finding.Finding{Code: finding.CritUnknown, Message: "the header requires unknown extensions: crit is " + finding.Brief(h.crit),
			Hint: "the issuer must leave crit out, because software that does not know an extension must reject the token", Source: "RFC 7515 section 4.1.11"})
	}
	return out
}

// verify checks the signature sig over input, the first two parts of a token and the dot
// between them (RFC 7515 section 5.2).
func (s *Set) verify(h header, input string, sig []byte) []finding.Finding {
	one := func(f finding.Finding) []finding.Finding { return []finding.Finding{f} }
	alg, known := algorithms[h.alg]
	switch {
	case strings.EqualFold(h.alg, "none"):
		return one(finding.NoSignature)
	case strings.HasPrefix(h.alg, "HS"):
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %s, a shared secret, for which there is no public key", finding.Brief(h.alg)),
			Hint: "the issuer must sign with ES256 or RS256", Source: "RFC 8725 section 3.1"})
	case !known:
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %s, which is unknown", quoted(h.alg)),
			Hint: "the issuer must sign with ES256 or RS256", Source: "RFC 7518 section 3.1"})
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
		return one(finding.Finding{Code: finding.KidUnknown, Message: fmt.Sprintf("the issuer's key set has no key %s; it has %s", quoted(h.kid), s.ids()),
			Hint:   "check that the keys are current and from the token's issuer; servers cache keys for up to 10 minutes",
			Source: findKey + `: "Key ID is not published by the issuer."`})
	case h.kid == "" && len(keys) > 1:
		return one(finding.Finding{Code: finding.KidMissing, Message: fmt.Sprintf("the header names no key, but the issuer's key set has %d: %s", len(keys), s.ids()),
			Hint: "the issuer must write kid in the header", Source: findKey + `: "Key ID empty but multiple keys published."`})
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
				msg += fmt.Sprintf(": it has %d bytes, but signatures of this key have %d", len(sig), size)
			}
			f = &finding.Finding{Code: finding.SignatureInvalid, Message: msg,
				Hint:   "copy the whole token again, and check that the keys are current and from the token's issuer",
				Source: "RFC 7515 section 5.2"}
		}
		// A failed verification is more informative than a key that does not match.
		if out == nil || f.Code == finding.SignatureInvalid {
			out = one(*f)
		}
	}
	return out
}

// unfit returns why k cannot have made a signature with the algorithm, or nil if it can.
func (k *key) unfit(alg, kind, called string) *finding.Finding {
	mismatch := func(source, format string, a ...any) *finding.Finding {
		return &finding.Finding{Code: finding.AlgMismatch, Message: called + fmt.Sprintf(format, a...),
			Hint: "check that the keys are from the token's issuer; the issuer must publish keys that match its signatures", Source: source}
	}
	ownKind, _ := k.kind()
	switch {
	case k.use == "enc":
		return mismatch("RFC 7517 section 4.2", " is for encryption, not for signatures")
	case k.alg != "" && k.alg != alg:
		return mismatch("RFC 7517 section 4.4", " is for %s, but the token is signed with %s", finding.Brief(k.alg), alg)
	case k.kty == "oct":
		return mismatch("RFC 8725 section 3.1", " is a shared secret, but the token is signed with %s", alg)
	case k.public == nil:
		return &finding.Finding{Code: finding.KeyUnusable, Message: called + " cannot be used: " + k.flaw,
			Hint: "the issuer must correct it", Source: "RFC 7518 section 6"}
	case ownKind != kind:
		return mismatch("RFC 7518 section 3.1", " has type %s, but %s requires %s", ownKind, alg, kind)
	}
	return nil
}

// ids lists the first key IDs of the set, and the number of the others.
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
		out = append(out, fmt.Sprintf("%d without an ID", none))
	}
	return strings.Join(out, ", ")
}

func quoted(s string) string { return fmt.Sprintf("%q", finding.Brief(s)) }
