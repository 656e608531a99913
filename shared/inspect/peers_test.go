package inspect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/cli"
)

// peer reads a published token. The tests of package jwks give the source of each.
func peer(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "jwks", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unwrapped joins the lines of messages.
func unwrapped(stderr string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(stderr, "jwt-inspect:", "")), " ")
}

const rfcClaims = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

// The published tokens of standards and of SciTokens are decoded without changes, and their
// signatures verify.
func TestPeersDecoded(t *testing.T) {
	const demo = `{"ver":"scitoken:2.0","aud":"https://demo.scitokens.org","iss":"https://demo.scitokens.org","exp":1697646030,"iat":1697645430,"nbf":1697645430,"jti":"7581d0f1-2faf-40d3-9d88-3454a082070a","scope":"storage.modify:/foo/bar"}`
	for _, tt := range []struct {
		source, file, claims, kind string
		// keys is the key set, now the time of the check, and cause the expected code.
		keys, now, cause string
	}{
		{"RFC 7515 A.1 and RFC 7519 3.1, HS256", "rfc7515-a1", rfcClaims, "JWT", "rfc7515-a1", "1300819379", "alg-refused"},
		{"RFC 7515 A.2, RS256", "rfc7515-a2", rfcClaims, "JWT", "rfc7515-a2", "1300819379", ""},
		{"RFC 7515 A.3, ES256", "rfc7515-a3", rfcClaims, "JWT", "rfc7515-a3", "1300819379", ""},
		{"RFC 7515 A.3 with the key of A.2", "rfc7515-a3", rfcClaims, "JWT", "rfc7515-a2", "1300819379", "alg-mismatch"},
		{"RFC 7515 A.2 with keys of others", "rfc7515-a2", rfcClaims, "JWT", "scitokens-demo", "1300819379", "kid-missing"},
		{"RFC 7515 A.2 in its time's last second", "rfc7515-a2", rfcClaims, "JWT", "rfc7515-a2", "1300819380", "expired"},
		{"demo.scitokens.org, RS256", "scitokens-demo-rs256", demo, "access token", "scitokens-demo", "1697645500", ""},
		{"demo.scitokens.org with keys of others", "scitokens-demo-rs256", demo, "access token", "rfc7520", "1697645500", "kid-unknown"},
		{
			"demo.scitokens.org, ES256", "scitokens-demo-es256",
			`{"iss":"https://demo.scitokens.org","exp":1546389592,"iat":1546388992,"nbf":1546388992,"jti":"4d336159-c101-4dac-bc29-b9447d4dcb1e"}`,
			"JWT", "scitokens-demo", "1546389000", "",
		},
		{
			// The decoded example in the document has another audience than the token.
			"SciTokens, Claims and Scopes Language, Example JWT", "scitokens-claims",
			`{"sub":"bbockelm","exp":1509991790,"iss":"https://scitokens.org/cms","iat":1509988190,"scope":"read:/store write:/store/user/bbockelm","nbf":1509988190,"ver":"scitoken:2.0","aud":"https://cms.example.com"}`,
			"access token", "scitokens-demo", "1509988200", "kid-missing",
		},
	} {
		t.Run(tt.source, func(t *testing.T) {
			raw := peer(t, tt.file+".token")
			code, out, stderr := inspect(raw)
			if code != cli.OK || out != tt.claims+"\n" || stderr != "" {
				t.Errorf("exit %d: %q %s", code, out, stderr)
			}
			code, out, stderr = inspect(raw, "-o", "json", "--now", tt.now, "--jwks", filepath.Join("..", "jwks", "testdata", tt.keys+".jwks"))
			// A shared secret is a JWK too (RFC 7515 A.1), and is reported.
			if !strings.Contains(out, `"claims":`+tt.claims) || strings.Contains(unwrapped(stderr), "contains a secret key") != (tt.keys == "rfc7515-a1") {
				t.Errorf("%s %s", out, stderr)
			}
			var doc struct {
				Kind, SignatureState, Verdict string
				Causes                        []struct{ Code string }
			}
			if err := json.Unmarshal([]byte(out), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Kind != tt.kind {
				t.Errorf("kind %q", doc.Kind)
			}
			switch {
			case tt.cause == "":
				if code != cli.OK || doc.SignatureState != "valid" || len(doc.Causes) > 0 || doc.Verdict != "ok" {
					t.Errorf("exit %d: %s", code, out)
				}
			case code != cli.Failed || len(doc.Causes) != 1 || doc.Causes[0].Code != tt.cause || doc.Verdict != "fail":
				t.Errorf("exit %d: %s", code, out)
			case (doc.SignatureState == "valid") != (tt.cause == "expired"):
				t.Errorf("the signature is %s", doc.SignatureState)
			}
		})
	}
}

// Input that is not a token is described, with exit code 3, and not repeated.
func TestPeersNotTokens(t *testing.T) {
	for _, tt := range []struct{ source, file, says string }{
		{"RFC 7515 A.4: the payload is a word", "rfc7515-a4", "not a JSON object"},
		{"RFC 7520 4.1: the payload is a sentence", "rfc7520-4.1", "not a JSON object"},
		{"RFC 7520 4.2", "rfc7520-4.2", "not a JSON object"},
		{"RFC 7520 4.3", "rfc7520-4.3", "not a JSON object"},
		{"RFC 8037 A.4", "rfc8037-a4", "not a JSON object"},
		{"RFC 7519 A.1: JWE", "rfc7519-a1", "an encrypted token (JWE)"},
		{"RFC 7519 6.1: unsecured", "rfc7519-6.1", "it is not signed (alg none)"},
		{"SciTokens' README: four parts, the last a private key", "scitokens-readme", "4 parts, but a JWT has three"},
	} {
		raw := peer(t, tt.file+".token")
		for _, args := range [][]string{nil, {"--jwks", filepath.Join("..", "jwks", "testdata", "rfc7520.jwks")}, {"--ce", "ce.example.org", "--write"}} {
			code, out, stderr := inspect(raw, args...)
			if code != cli.NeedLogin || out != "" || !strings.Contains(unwrapped(stderr), "not a token: ") || !strings.Contains(unwrapped(stderr), tt.says) {
				t.Errorf("%s %q: exit %d %q %s", tt.source, args, code, out, stderr)
			}
			if strings.Contains(stderr, "eyJ") {
				t.Errorf("%s is repeated: %s", tt.source, stderr)
			}
		}
	}
	// The other formats show the claims of an unsecured token, and fail too.
	for _, format := range []string{"json", "text"} {
		code, out, stderr := inspect(peer(t, "rfc7519-6.1.token"), "-o", format)
		want := "joe"
		if format == "json" {
			want = `"claims":` + rfcClaims + "}\n"
		}
		if code != cli.NeedLogin || !strings.Contains(out, want) || stderr != "" {
			t.Errorf("-o %s: exit %d: %s %s", format, code, out, stderr)
		}
	}
}

// The example claims of profiles and projects are printed without changes.
func TestPeersClaims(t *testing.T) {
	const (
		accessToken = "access token"
		idToken     = "ID token"
	)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 42))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	keys := filepath.Join(t.TempDir(), "jwks")
	if err := os.WriteFile(keys, []byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"test","x":"`+b64(pub[1:33])+`","y":"`+b64(pub[33:])+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ source, kind, now, claims string }{
		{"WLCG Common JWT Profiles v1.3, 5.3.2", accessToken, "1555060200", `{
  "wlcg.ver": "1.0",
  "jti": "a46ae991-6f1c-4e06-979b-967966740abb",
  "iss": "https://demo.scitokens.org",
  "sub": "joe",
  "nbf": 1555060120,
  "iat": 1555060120,
  "exp": 1555060720,
  "scope": "storage.read:/home/joe"
}`},
		{"WLCG Common JWT Profiles v1.3, 5.3.3, Example Identity Token", idToken, "1523363700", `{
    "wlcg.ver": "1.0",
    "sub": "e1eb758b-b73c-4761-bfff-adc793da409c",
    "iss": "https://dteam.wlcg.example",
    "wlcg.groups": [
      "/dteam/VO-Admin",
      "/dteam",
      "/dteam/itcms"
    ],
    "preferred_username": "aresearcher",
    "nonce": "334b0e05b65a3",
    "aud": "https://dteam-test-client.example.org",
    "auth_time": 1523363636,
    "name": "A Researcher",
    "exp": 1523365436,
    "iat": 1523363636,
    "jti": "aef94c8c-0fea-490f-9027-ff444dd66d8c",
    "email": "a.researcher@cern.ch",
    "eduperson_assurance" : [
      "https://refeds.org/assurance/profile/espresso"
    ],
    "acr": "https://refeds.org/profile/mfa"
}`},
		{"WLCG Common JWT Profiles v1.3, 5.3.4, Example Access Token with Groups", accessToken, "1555059800", `{
    "sub": "e1eb758b-b73c-4761-bfff-adc793da409c",
    "iss": "https://demo.scitokens.org",
    "nbf": 1555059791,
    "wlcg.ver": "1.0",
    "aud": "https://dteam-test-client.example.org",
    "exp": 1555060391,
    "iat": 1555059791,
    "jti": "aef94c8c-0fea-490f-9027-ff444dd66d8c",
    "wlcg.groups": [
      "/dteam/VO-Admin",
      "/dteam",
      "/dteam/itdteam"
    ],
    "eduperson_assurance": [
      "https://refeds.org/assurance/profile/espresso"
    ],
    "acr": "https://refeds.org/profile/mfa"
}`},
		{"WLCG Common JWT Profiles v1.3, 5.3.5, Example Access Token with Authorization Scopes", accessToken, "1555059800", `{
    "sub": "e1eb758b-b73c-4761-bfff-adc793da409c",
    "iss": "https://demo.scitokens.org",
    "nbf": 1555059791,
    "wlcg.ver": "1.0",
    "aud": "https://dteam-test-client.example.org",
    "exp": 1555060391,
    "iat": 1555059791,
    "jti": "aef94c8c-0fea-490f-9027-ff444dd66d8c",
    "scope": "storage.read:/dir storage.create:/dir/datasetA compute.create",
    "eduperson_assurance": [
      "https://refeds.org/assurance/profile/espresso"
    ],
    "acr": "https://refeds.org/profile/mfa"
}`},
		{"SciTokens, Claims and Scopes Language, Example JWT", accessToken, "1509988200", `{
  "sub": "bbockelm",
  "exp": 1509991790,
  "iss": "https://scitokens.org/cms",
  "iat": 1509988190,
  "scope": "read:/store write:/store/user/bbockelm",
  "nbf": 1509988190,
  "ver": "scitoken:2.0",
  "aud": "https://transfer-server.example.com"
}`},
		{"SciTokens, Claims and Scopes Language, a LIGO user", accessToken, "1509988200", `{
   "scope": "read:/",
   "iss":  "https://ligo.org/oauth"
}`},
		{"SciTokens, Claims and Scopes Language, the same in URI form", accessToken, "1509988200", `{
   "scope": "https://scitokens.org/v1/authz/read:/",
   "iss": "https://ligo.org/oauth"
}`},
		{"IGWN, what htdecodetoken shows of a SciToken by CILogon", accessToken, "1234567890", `{
  "aud": "ANY",
  "sub": "igwnconda-scitoken@ligo.org",
  "uid": "igwnconda-scitoken",
  "ver": "scitoken:2.0",
  "nbf": 1234567890,
  "scope": "read:/frames gwdatafind.read gracedb.read dqsegdb.read",
  "iss": "https://cilogon.org/igwn",
  "exp": 1234567899,
  "iat": 1234567890,
  "jti": "https://cilogon.org/oauth2/1234567890abcdefghijklmnopqrstuv?type=accessToken&ts=1234567890123&version=v2.0&lifetime=10800000"
}`},
	} {
		t.Run(tt.source, func(t *testing.T) {
			input := b64([]byte(`{"alg":"ES256","typ":"JWT","kid":"test"}`)) + "." + b64([]byte(tt.claims))
			sig, err := jwt.SigningMethodES256.Sign(input, key)
			if err != nil {
				t.Fatal(err)
			}
			raw := []byte(input + "." + b64(sig))
			args := []string{"--jwks", keys, "--now", tt.now}
			if code, out, stderr := inspect(raw, args...); code != cli.OK || out != tt.claims+"\n" || (stderr != "") != (tt.kind != accessToken) {
				t.Errorf("exit %d: %s %s", code, out, stderr)
			}
			code, out, stderr := inspect(raw, append(args, "-o", "json")...)
			if code != cli.OK || !strings.Contains(out, `"kind":"`+tt.kind+`"`) || !strings.Contains(out, `"signatureState":"valid"`) ||
				!strings.Contains(out, `"claims":`+tt.claims+"}\n") || stderr != "" {
				t.Errorf("exit %d: %s %s", code, out, stderr)
			}
			if code, _, stderr := inspect(raw[:len(raw)-4], args...); code != cli.Failed || !strings.Contains(unwrapped(stderr), "it has 61 bytes") {
				t.Errorf("cut: exit %d %s", code, stderr)
			}
		})
	}
	// SciTokens' stage-out example has a superfluous comma, so it is not JSON.
	raw := b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte("{\n   \"scope\": \"write:/store/user/bbockelm\",\n   \"iss\":   \"https://cms.cern/oauth\",\n}")) + ".AAAA"
	if code, out, stderr := inspect([]byte(raw)); code != cli.NeedLogin || out != "" || !strings.Contains(stderr, "not a token") {
		t.Errorf("exit %d: %s %s", code, out, stderr)
	}
}
