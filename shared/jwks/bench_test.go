package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/token"
)

// BenchmarkVerify verifies a valid signature with this package, and with crypto only.
func BenchmarkVerify(b *testing.B) {
	b64 := base64.RawURLEncoding.EncodeToString
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for _, alg := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		jwk    map[string]string
		verify func(digest, sig []byte) bool
	}{
		{"ES256", jwt.SigningMethodES256, ec, map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}, func(digest, sig []byte) bool {
			return ecdsa.Verify(&ec.PublicKey, digest, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
		}},
		{"RS256", jwt.SigningMethodRS256, private, map[string]string{"kty": "RSA", "n": b64(private.N.Bytes()), "e": "AQAB"}, func(digest, sig []byte) bool {
			return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest, sig) == nil
		}},
	} {
		alg.jwk["kid"] = "k"
		t := jwt.NewWithClaims(alg.method, jwt.MapClaims{"iss": "https://i", "sub": "u"})
		t.Header["kid"] = "k"
		raw, err := t.SignedString(alg.key)
		if err != nil {
			b.Fatal(err)
		}
		data, err := json.Marshal(map[string]any{"keys": []any{alg.jwk}})
		if err != nil {
			b.Fatal(err)
		}
		set, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		j, err := token.Decode([]byte(raw))
		if err != nil {
			b.Fatal(err)
		}
		b.Run("alg="+alg.name+"/by=jwks", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f := set.Verify(raw, j); len(f) != 0 {
					b.Fatal(f)
				}
			}
		})
		b.Run("alg="+alg.name+"/by=crypto", func(b *testing.B) {
			b.ReportAllocs()
			signed := raw[:len(raw)-len(j.Signature)-1]
			for b.Loop() {
				digest := sha256.Sum256([]byte(signed))
				if !alg.verify(digest[:], j.SignatureBytes) {
					b.Fatal("the signature is not valid")
				}
			}
		})
	}
}
