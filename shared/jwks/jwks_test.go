package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

var b64 = base64.RawURLEncoding.EncodeToString

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

func parse(t testing.TB, set string) *Set {
	t.Helper()
	s, err := Parse([]byte(set))
	if err != nil {
		t.Fatalf("%v: %s", err, set)
	}
	return s
}

// verify checks any JWS: its payload need not be JSON.
func verify(t testing.TB, s *Set, raw string) []finding.Finding {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	j, err := token.Decode([]byte(parts[0] + ".e30."))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return s.verify(headerOf(j), parts[0]+"."+parts[1], sig)
}

// code returns the code of the only finding, or "" if there is none.
func code(t testing.TB, list []finding.Finding) string {
	t.Helper()
	if len(list) == 0 {
		return ""
	}
	f := list[0]
	if len(list) > 1 || f.Message == "" || f.Source == "" || f.Remark {
		t.Errorf("%+v", list)
	}
	return string(f.Code)
}

// Tokens that others signed: the examples of the standards, and tokens and keys of
// demo.scitokens.org (from the source code of scitokens-cpp and of a Vault plugin).
func TestPublished(t *testing.T) {
	for _, v := range []struct{ source, token, keys string }{
		{"RFC 7515 appendix A.2, RS256", "rfc7515-a2", "rfc7515-a2"},
		{"RFC 7515 appendix A.3, ES256", "rfc7515-a3", "rfc7515-a3"},
		{"RFC 7515 appendix A.4, ES512", "rfc7515-a4", "rfc7515-a4"},
		{"RFC 8037 appendix A.4, Ed25519", "rfc8037-a4", "rfc8037-a4"},
		{"RFC 7520 section 4.1, RS256", "rfc7520-4.1", "rfc7520"},
		{"RFC 7520 section 4.2, PS384", "rfc7520-4.2", "rfc7520"},
		{"RFC 7520 section 4.3, ES512", "rfc7520-4.3", "rfc7520"},
		{"demo.scitokens.org, RS256, 2023", "scitokens-demo-rs256", "scitokens-demo"},
		{"demo.scitokens.org, ES256, 2018", "scitokens-demo-es256", "scitokens-demo"},
	} {
		t.Run(v.source, func(t *testing.T) {
			raw := string(file(t, v.token+".token"))
			set := parse(t, string(file(t, v.keys+".jwks")))
			if got := verify(t, set, raw); len(got) > 0 {
				t.Fatalf("%+v", got)
			}
			if j, err := token.Decode([]byte(raw)); err == nil {
				if got := set.Verify(raw, j); len(got) > 0 {
					t.Errorf("as a token: %+v", got)
				}
			}
			parts := strings.Split(raw, ".")
			sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
			for i := range sig {
				sig[i] ^= 0x10
				if c := code(t, verify(t, set, parts[0]+"."+parts[1]+"."+b64(sig))); c != "signature-invalid" {
					t.Errorf("byte %d of the signature changed: %q", i, c)
				}
				sig[i] ^= 0x10
			}
			for _, other := range []string{
				parts[0] + "." + parts[1] + "AA." + parts[2], parts[0] + "." + parts[1][4:] + "." + parts[2], parts[0] + "." + parts[1] + ".",
				parts[0] + "." + parts[1] + "." + parts[2][4:], parts[0] + "." + parts[1] + "." + parts[2] + "AAAA",
			} {
				if c := code(t, verify(t, set, other)); c != "signature-invalid" {
					t.Errorf("changed: %q", c)
				}
			}
		})
	}
}

var rsaTestKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func ec(curve elliptic.Curve, scalar int64) *ecdsa.PrivateKey {
	k, err := ecdsa.ParseRawPrivateKey(curve, big.NewInt(scalar).FillBytes(make([]byte, (curve.Params().BitSize+7)/8)))
	if err != nil {
		panic(err)
	}
	return k
}

func ed(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// jwk returns the JWK of a public key. more are additional members, such as `"kid":"a"`.
func jwk(key crypto.Signer, more ...string) string {
	m := more
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		m = append(m, `"kty":"RSA"`, fmt.Sprintf(`"n":%q,"e":%q`, b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())))
	case *ecdsa.PublicKey:
		raw, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(raw) / 2
		m = append(m, fmt.Sprintf(`"kty":"EC","crv":%q,"x":%q,"y":%q`, pub.Params().Name, b64(raw[1:1+half]), b64(raw[1+half:])))
	case ed25519.PublicKey:
		m = append(m, fmt.Sprintf(`"kty":"OKP","crv":"Ed25519","x":%q`, b64(pub)))
	}
	return "{" + strings.Join(m, ",") + "}"
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// sign returns a token with the header, which is not changed.
func sign(t testing.TB, header string, key crypto.Signer) string {
	t.Helper()
	var h struct{ Alg string }
	if err := json.Unmarshal([]byte(header), &h); err != nil {
		t.Fatal(err)
	}
	input := b64([]byte(header)) + "." + b64([]byte(`{"sub":"x"}`))
	sig, err := jwt.GetSigningMethod(h.Alg).Sign(input, key)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(sig)
}

// Each algorithm verifies with keys of its kind, and with no others.
func TestAlgorithms(t *testing.T) {
	keys := map[string]crypto.Signer{"RSA": rsaTestKey(), "P-256": ec(elliptic.P256(), 7), "P-384": ec(elliptic.P384(), 7), "P-521": ec(elliptic.P521(), 7), "Ed25519": ed(7)}
	for alg, a := range algorithms {
		raw := sign(t, fmt.Sprintf(`{"alg":%q}`, alg), keys[a.kind])
		for kind, key := range keys {
			want := "alg-mismatch"
			if kind == a.kind {
				want = ""
			}
			got := verify(t, parse(t, jwk(key)), raw)
			if c := code(t, got); c != want {
				t.Errorf("%s with a key %s: %+v", alg, kind, got)
			}
		}
	}
	if len(algorithms) != 10 {
		t.Errorf("%d algorithms", len(algorithms))
	}
}

// Unsigned tokens and tokens signed with a shared secret never verify, even if the set
// contains the secret (RFC 8725 sections 2.1 and 3.1).
func TestNeverVerified(t *testing.T) {
	k := rsaTestKey()
	secret := []byte("an issuer's secret")
	oct := fmt.Sprintf(`{"kty":"oct","k":%q,"kid":"a","alg":"HS256"}`, b64(secret))
	hs := func(header string, key []byte) string {
		input := b64([]byte(header)) + "." + b64([]byte(`{}`))
		sig, err := jwt.SigningMethodHS256.Sign(input, key)
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + b64(sig)
	}
	for _, tt := range []struct{ name, keys, raw, want string }{
		{"RFC 7515 appendix A.1", string(file(t, "rfc7515-a1.jwks")), string(file(t, "rfc7515-a1.token")), "alg-refused"},
		{"RFC 7519 section 6.1", string(file(t, "rfc7515-a1.jwks")), string(file(t, "rfc7519-6.1.token")), "unsigned"},
		{"HS256 with the set's secret", keySet(oct), hs(`{"alg":"HS256","kid":"a"}`, secret), "alg-refused"},
		{"HS256 with a public modulus as the secret", keySet(jwk(k, `"kid":"a"`)), hs(`{"alg":"HS256","kid":"a"}`, k.N.Bytes()), "alg-refused"},
		{"an HMAC with alg RS256, with the set's secret", keySet(fmt.Sprintf(`{"kty":"oct","k":%q,"kid":"a"}`, b64(secret))), hs(`{"alg":"RS256","kid":"a"}`, secret), "alg-mismatch"},
		{"none", jwk(k), b64([]byte(`{"alg":"none"}`)) + ".e30.", "unsigned"},
		{"None, signed", jwk(k), b64([]byte(`{"alg":"None"}`)) + ".e30.AAAA", "unsigned"},
		{"no algorithm", jwk(k), b64([]byte(`{}`)) + ".e30.AAAA", "alg-refused"},
		{"an algorithm in another case", jwk(k), b64([]byte(`{"alg":"rs256"}`)) + ".e30.AAAA", "alg-refused"},
		{"an algorithm that is not a string", jwk(k), b64([]byte(`{"alg":["RS256"]}`)) + ".e30.AAAA", "alg-refused"},
		{"an algorithm named ALG", jwk(k), b64([]byte(`{"ALG":"RS256"}`)) + ".e30.AAAA", "alg-refused"},
	} {
		set := parse(t, tt.keys)
		if got := verify(t, set, tt.raw); code(t, got) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if j, err := token.Decode([]byte(tt.raw)); err != nil || code(t, set.Verify(tt.raw, j)) != tt.want {
			t.Errorf("%s, as a token: %v", tt.name, err)
		}
	}
}

func TestCauses(t *testing.T) {
	a, b := ec(elliptic.P256(), 11), ec(elliptic.P256(), 12)
	k := rsaTestKey()
	const kid, none = `{"alg":"ES256","kid":"a"}`, `{"alg":"ES256"}`
	many := make([]string, 40)
	for i := range many {
		many[i] = jwk(a, fmt.Sprintf(`"kid":"key-%d"`, i))
	}
	for _, tt := range []struct {
		name, keys, raw, want string
		says                  string // a part of the message
	}{
		{"by its ID", keySet(jwk(b, `"kid":"b"`), jwk(a, `"kid":"a","alg":"ES256","use":"sig"`)), sign(t, kid, a), "", ""},
		{"no ID, and one key that has one", keySet(jwk(a, `"kid":"a"`)), sign(t, none, a), "", ""},
		{"no ID, and one key without", keySet(jwk(a)), sign(t, none, a), "", ""},
		{"an empty ID, and one key", keySet(jwk(a)), sign(t, `{"alg":"ES256","kid":""}`, a), "", ""},
		{"a single key in place of a set", jwk(a, `"kid":"a"`), sign(t, kid, a), "", ""},
		{"an ID twice, the second key verifies", keySet(jwk(b, `"kid":"a"`), jwk(a, `"kid":"a"`)), sign(t, kid, a), "", ""},
		{"an ID twice, one of another type", keySet(jwk(k, `"kid":"a"`), jwk(a, `"kid":"a"`)), sign(t, kid, a), "", ""},
		{"broken keys beside the good one", keySet("7", `{}`, `{"kty":"EC","kid":"a"}`, `{"kty":"XYZ","kid":"a"}`, jwk(a, `"kid":"a"`), `{"kty":"RSA","n":"AA","e":"AA"}`), sign(t, kid, a), "", ""},

		{"no ID, and two keys", keySet(jwk(a, `"kid":"a"`), jwk(b, `"kid":"b"`)), sign(t, none, a), "kid-missing", `has 2: "a", "b"`},
		{"an ID that is not a string", keySet(jwk(a, `"kid":"7"`), jwk(b)), sign(t, `{"alg":"ES256","kid":7}`, a), "kid-missing", `"7", 1 without an ID`},
		// scitokens-cpp counts all keys, including those for encryption.
		{"no ID, and two keys, one of them for signatures", keySet(jwk(a), jwk(k, `"use":"enc"`)), sign(t, none, a), "kid-missing", "has 2"},
		{"an unknown ID", keySet(jwk(b, `"kid":"b"`)), sign(t, kid, a), "kid-unknown", `no key "a"; it has "b"`},
		{"an unknown ID, and many", keySet(many...), sign(t, kid, a), "kid-unknown", `"key-4", 35 more`},
		{"an ID where the keys have none", keySet(jwk(a)), sign(t, kid, a), "kid-unknown", "1 without an ID"},
		{"an ID in another case", keySet(jwk(a, `"kid":"A"`)), sign(t, kid, a), "kid-unknown", `it has "A"`},
		{"a long unknown ID", keySet(jwk(a)), sign(t, `{"alg":"ES256","kid":"`+strings.Repeat("é", 5000)+`"}`, a), "kid-unknown", "é…"},

		{"for another algorithm", keySet(jwk(k, `"kid":"a","alg":"RS512"`)), sign(t, `{"alg":"RS256","kid":"a"}`, k), "alg-mismatch", "for RS512, but the token is signed with RS256"},
		{"of another type", keySet(jwk(k, `"kid":"a"`)), sign(t, kid, a), "alg-mismatch", "has type RSA, but ES256 requires P-256"},
		{"on another curve", keySet(jwk(ec(elliptic.P384(), 11), `"kid":"a"`)), sign(t, kid, a), "alg-mismatch", "P-384"},
		{"for encryption", keySet(jwk(a, `"kid":"a","use":"enc"`)), sign(t, kid, a), "alg-mismatch", "encryption"},
		{"a shared secret", keySet(`{"kty":"oct","k":"c2VjcmV0","kid":"a"}`), sign(t, kid, a), "alg-mismatch", "shared secret"},

		{"another key with this ID", keySet(jwk(b, `"kid":"a"`)), sign(t, kid, a), "signature-invalid", `does not verify with the key "a"`},
		{"two other keys with this ID", keySet(jwk(b, `"kid":"a"`), jwk(k, `"kid":"a"`)), sign(t, kid, a), "signature-invalid", ""},
		{"another key, the only one", keySet(jwk(b)), sign(t, none, a), "signature-invalid", "the only key"},
		{"the right key after more keys with this ID than are tried", keySet(append(slices.Repeat([]string{jwk(b, `"kid":"a"`)}, maxTries), jwk(a, `"kid":"a"`))...), sign(t, kid, a), "signature-invalid", ""},
		{"cut by a byte", keySet(jwk(k)), sign(t, `{"alg":"RS256"}`, k)[:len(sign(t, `{"alg":"RS256"}`, k))-4], "signature-invalid", "has 253 bytes, but signatures of this key have 256"},
		{"an EC signature in DER", keySet(jwk(a)), b64([]byte(none)) + ".e30." + b64(der(t, a, b64([]byte(none))+".e30")), "signature-invalid", "but signatures of this key have 64"},

		{"crit", keySet(jwk(a)), sign(t, `{"alg":"ES256","crit":["exp"],"exp":1}`, a), "crit-unknown", `crit is ["exp"]`},
		{"crit null", keySet(jwk(a)), sign(t, `{"alg":"ES256","crit":null}`, a), "crit-unknown", "null"},
		{"b64 (RFC 7797)", keySet(jwk(a)), sign(t, `{"alg":"ES256","b64":false,"crit":["b64"]}`, a), "crit-unknown", "b64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := parse(t, tt.keys)
			j, err := token.Decode([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			got := set.Verify(tt.raw, j)
			if c := code(t, got); c != tt.want {
				t.Fatalf("%q: %+v", c, got)
			}
			if len(got) > 0 && (!strings.Contains(got[0].Message, tt.says) || got[0].Hint == "" || len(got[0].Message) > 500) {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// der returns a signature in the form of X.509, which some issuers used by mistake (RFC 7518
// section 3.4).
func der(t *testing.T, key *ecdsa.PrivateKey, input string) []byte {
	sum := sha256.Sum256([]byte(input))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// The salt must be as long as the hash (RFC 7518 section 3.5).
func TestSalt(t *testing.T) {
	k := rsaTestKey()
	input := b64([]byte(`{"alg":"PS256"}`)) + ".e30"
	sum := sha256.Sum256([]byte(input))
	for salt, want := range map[int]string{rsa.PSSSaltLengthEqualsHash: "", rsa.PSSSaltLengthAuto: "signature-invalid", 20: "signature-invalid"} {
		// PSSSaltLengthAuto makes the salt as long as the key allows.
		sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
		if err != nil {
			t.Fatal(err)
		}
		if c := code(t, verify(t, parse(t, jwk(k)), input+"."+b64(sig))); c != want {
			t.Errorf("salt of %d: %q", salt, c)
		}
	}
}

// Servers accept these keys, although they violate RFC 7517 and RFC 7518.
func TestLenient(t *testing.T) {
	// The first points whose coordinates begin with a zero byte.
	short := func(coordinate int) *ecdsa.PrivateKey {
		for d := int64(1); ; d++ {
			raw, err := ec(elliptic.P256(), d).PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if raw[1+32*coordinate] == 0 {
				return ec(elliptic.P256(), d)
			}
		}
	}
	shorten := func(key *ecdsa.PrivateKey) string {
		raw, _ := key.PublicKey.Bytes()
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, b64(bytes.TrimLeft(raw[1:33], "\x00")), b64(bytes.TrimLeft(raw[33:], "\x00")))
	}
	x, y, a := short(0), short(1), ec(elliptic.P256(), 5)
	pad := func(s string) string { return strings.ReplaceAll(s, `"}`, `="}`) }
	for _, tt := range []struct {
		name, set string
		key       crypto.Signer
	}{
		{"x without its leading zero", shorten(x), x},
		{"y without its leading zero", shorten(y), y},
		{"padded", pad(jwk(a)), a},
		{"no crv, with alg", strings.Replace(jwk(a, `"alg":"ES256"`), `"crv":"P-256",`, "", 1), a},
		{"a byte order mark and white space", "\xef\xbb\xbf \r\n" + jwk(a) + "\r\n", a},
		{"a modulus with a leading zero", fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AAEAAQ"}`, b64(append([]byte{0}, rsaTestKey().N.Bytes()...))), rsaTestKey()},
		{"unknown members, and invalid certificates", jwk(a, `"x5c":["?"],"x5t":7,"nbf":1,"key_ops":"sign"`), a},
		{"a member twice, of which the last counts", jwk(a, `"x":"AA"`), a},
	} {
		header := `{"alg":"ES256"}`
		if _, ok := tt.key.(*rsa.PrivateKey); ok {
			header = `{"alg":"RS256"}`
		}
		if got := verify(t, parse(t, tt.set), sign(t, header, tt.key)); len(got) > 0 {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// Only the public part of a private key is used, and the private part is never shown.
func TestSecrets(t *testing.T) {
	a := ec(elliptic.P256(), 99)
	const d = "c2VjcmV0LXByaXZhdGUtc2NhbGFyLW9mLXRoZS1rZXk"
	private := jwk(a, `"kid":"a","d":"`+d+`"`)
	set := parse(t, keySet(private))
	if !set.HoldsSecret() || !parse(t, `{"kty":"oct","k":"`+d+`"}`).HoldsSecret() || parse(t, jwk(a)).HoldsSecret() {
		t.Error("HoldsSecret")
	}
	if got := verify(t, set, sign(t, `{"alg":"ES256","kid":"a"}`, a)); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	var shown strings.Builder
	for _, keys := range []string{
		private, `{"kty":"oct","k":"` + d + `"}`, `{"kty":"EC","crv":"P-256","d":"` + d + `"}`, `{"kty":"RSA","d":"` + d + `"}`,
		`{"keys":"` + d + `"}`, `{"d":"` + d + `"}`, d, `"` + d + `"`, `{"kty":"oct","k":"` + d, "-----BEGIN PRIVATE KEY-----\n" + d,
	} {
		s, err := Parse([]byte(keys))
		if err != nil {
			shown.WriteString(err.Error())
			continue
		}
		for _, header := range []string{`{"alg":"ES256"}`, `{"alg":"ES256","kid":"a"}`, `{"alg":"ES256","kid":"b"}`} {
			fmt.Fprintf(&shown, "%+v", verify(t, s, sign(t, header, ec(elliptic.P256(), 98))))
		}
	}
	if strings.Contains(shown.String(), d[:10]) {
		t.Error(shown.String())
	}
}

func TestParseRefuses(t *testing.T) {
	for data, want := range map[string]string{
		"": "empty", " \n": "empty", "\xef\xbb\xbf": "empty",
		"-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n": "PEM",
		"-----BEGIN CERTIFICATE-----\n":                                "PEM",
		"<!doctype html><title>Sign in</title>":                        "web page",
		string(file(t, "rfc7515-a2.token")):                            "a token",
		"ssh-ed25519 AAAA":                                             "not JSON",
		`{"keys":[`:                                                    "not JSON",
		`{"keys":[]} x`:                                                "not JSON",
		`[]`:                                                           "not a JSON object",
		`null`:                                                         "not a JSON object",
		`"x"`:                                                          "not a JSON object",
		`{}`:                                                           `no "keys"`,
		`{"KEYS":[{"kty":"RSA"}]}`:                                     `no "keys"`,
		`{"keys":null}`:                                                "not a list",
		`{"keys":{"kty":"RSA"}}`:                                       "not a list",
		`{"keys":[]}`:                                                  "has no keys",
		`{"issuer":"https://i.example.org","jwks_uri":"https://i.example.org/jwk"}`: "discovery document",
		`{"keys":[` + strings.Repeat("1,", 1000) + `1]}`:                            "1001 keys",
		strings.Repeat("[", 1<<20):                                                  "not JSON",
		`{"keys":` + strings.Repeat("[", 1<<20):                                     "not JSON",
	} {
		if _, err := Parse([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v", data, err)
		}
	}
}

// Damaged and malicious keys are rejected quickly, and with a reason.
func TestUnusable(t *testing.T) {
	ones := func(n int) string { return b64(bytes.Repeat([]byte{0xff}, n)) }
	n := b64(rsaTestKey().N.Bytes())
	x, y := b64(bytes.Repeat([]byte{1}, 32)), b64(bytes.Repeat([]byte{2}, 32))
	for members, want := range map[string]string{
		`"kty":"RSA"`:                                        `no "n"`,
		`"kty":"RSA","n":7,"e":"AQAB"`:                       `no "n"`,
		`"kty":"RSA","n":"` + n + `"`:                        `no "e"`,
		`"kty":"RSA","n":"+/","e":"AQAB"`:                    `"n" is not base64url`,
		`"kty":"RSA","n":"AA","e":"AQAB"`:                    "has 0 bits",
		`"kty":"RSA","n":"` + ones(64) + `","e":"AQAB"`:      "has 512 bits",
		`"kty":"RSA","n":"` + ones(2049) + `","e":"AQAB"`:    "longer than 16384 bits",
		`"kty":"RSA","n":"` + ones(700_000) + `","e":"AQAB"`: "longer than 16384 bits",
		`"kty":"RSA","n":"` + b64(append(bytes.Repeat([]byte{0xff}, 255), 0)) + `","e":"AQAB"`: "even",
		`"kty":"RSA","n":"` + n + `","e":"AA"`:                                                 "exponent",
		`"kty":"RSA","n":"` + n + `","e":"AQ"`:                                                 "exponent",
		`"kty":"RSA","n":"` + n + `","e":"AQAA"`:                                               "exponent",
		`"kty":"RSA","n":"` + n + `","e":"gAAAAQ"`:                                             "exponent",
		`"kty":"RSA","n":"` + n + `","e":"` + ones(9) + `"`:                                    "exponent",
		`"kty":"RSA","n":"` + n + `","e":"` + ones(500_000) + `"`:                              "exponent",
		`"kty":"EC","x":"` + x + `","y":"` + y + `"`:                                           `curve ""`,
		`"kty":"EC","crv":"secp256k1","x":"` + x + `","y":"` + y + `"`:                         `curve "secp256k1"`,
		`"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"`:                             "not a point on the curve P-256",
		`"kty":"EC","crv":"P-256","x":"AA","y":"AA"`:                                           "not a point",
		`"kty":"EC","crv":"P-256","x":"` + ones(32) + `","y":"` + ones(32) + `"`:               "not a point",
		`"kty":"EC","crv":"P-256","x":"` + ones(33) + `","y":"` + y + `"`:                      `"x" is longer`,
		`"kty":"EC","crv":"P-256","x":"` + x + `"`:                                             `no "y"`,
		`"kty":"OKP","crv":"Ed25519"`:                                                          `no "x"`,
		`"kty":"OKP","crv":"Ed25519","x":"AAAA"`:                                               "not have 32 bytes",
		`"kty":"OKP","crv":"X25519","x":"` + x + `"`:                                           `curve "X25519"`,
		`"kty":"AKP","alg":"RS256"`:                                                            `type "AKP"`,
		`"kty":"rsa"`:                                                                          `type "rsa"`,
		`"kty":["RSA"]`:                                                                        "no key type",
		`"x":"AA"`:                                                                             "no key type",
	} {
		set := parse(t, keySet("{"+members+"}"))
		got := verify(t, set, b64([]byte(`{"alg":"RS256"}`))+".e30.AAAA")
		if code(t, got) != "key-unusable" || !strings.Contains(got[0].Message, "the only key of the set cannot be used: it") || !strings.Contains(got[0].Message, want) {
			t.Errorf("%.80s: %.300v", members, got)
		}
	}
	// An Ed25519 key may be any 32 bytes: one that is not a point verifies nothing.
	set := parse(t, `{"kty":"OKP","crv":"Ed25519","x":"`+ones(32)+`"}`)
	if c := code(t, verify(t, set, b64([]byte(`{"alg":"EdDSA"}`))+".e30."+b64(make([]byte, 64)))); c != "signature-invalid" {
		t.Error(c)
	}
	// The longest modulus and exponent that are accepted.
	set = parse(t, `{"kty":"RSA","n":"`+ones(2048)+`","e":"f____w"}`)
	if c := code(t, verify(t, set, b64([]byte(`{"alg":"PS512"}`))+".e30."+b64(make([]byte, 2048)))); c != "signature-invalid" {
		t.Error(c)
	}
}

// For any set and token, Verify does not panic, its findings are complete, and it accepts
// only signatures that golang-jwt's parser also accepts with one of the keys.
func FuzzVerify(f *testing.F) {
	names, err := filepath.Glob("testdata/*.token")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		for _, keys := range []string{"rfc7515-a1", "rfc7515-a2", "rfc7515-a4", "rfc7520", "rfc8037-a4", "scitokens-demo"} {
			raw, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(file(f, keys+".jwks"), string(bytes.TrimSpace(raw)))
		}
	}
	f.Add([]byte(`{"keys":[null,{},{"kty":"EC","crv":"P-521","x":"AA","y":"AA"},{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"a"}]}`), "eyJhbGciOiJFUzUxMiJ9.e30.AAAA")
	f.Fuzz(func(t *testing.T, keys []byte, raw string) {
		set, err := Parse(keys)
		if err != nil {
			if set != nil || len(err.Error()) > 200 {
				t.Fatalf("%v %v", set, err)
			}
			return
		}
		set.HoldsSecret()
		for _, k := range set.keys {
			if kind, size := k.kind(); (k.public == nil) != (k.flaw != "") || (k.public == nil) != (kind == "") || (kind == "") != (size == 0) {
				t.Fatalf("%+v", k)
			}
		}
		j, err := token.Decode([]byte(raw))
		if err != nil {
			return
		}
		if code(t, set.Verify(raw, j)) != "" {
			return
		}
		p := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}))
		accepted := false
		for _, k := range set.keys {
			_, err := p.Parse(raw, func(*jwt.Token) (any, error) { return k.public, nil })
			accepted = accepted || err == nil
		}
		if !accepted {
			t.Fatal("golang-jwt verifies with none of the keys")
		}
	})
}
