package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func jwtOf(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64([]byte("sig"))
}

func TestFormattingIsRedacted(t *testing.T) {
	tok := New("SECRET")
	j, err := json.Marshal(map[string]any{"t": tok, "p": &tok})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "t", tok, "p", &tok)
	for _, s := range []string{
		fmt.Sprint(tok, &tok), fmt.Sprintf("%v %+v %#v %s %q %x %d", tok, tok, tok, tok, tok, tok, tok),
		fmt.Sprintf("%v", struct{ T Token }{tok}), fmt.Errorf("%w: %v", errors.New("x"), tok).Error(), string(j), log.String(),
	} {
		if strings.Contains(s, "SECRET") || strings.Contains(s, "534543524554") {
			t.Errorf("the token is visible: %s", s)
		}
	}
	if tok.Raw() != "SECRET" {
		t.Error("Raw does not return the token")
	}
}

func TestNormalized(t *testing.T) {
	a := Request{Scopes: []string{"b", "a", "b"}, Audiences: []string{"y", "x"}}
	got := a.Normalized()
	if !reflect.DeepEqual(got.Scopes, []string{"a", "b"}) || !reflect.DeepEqual(got.Audiences, []string{"x", "y"}) {
		t.Errorf("%v", got)
	}
	if a.Scopes[0] != "b" {
		t.Error("the original was changed")
	}
}

// The example of RFC 7519 section 3.1.
func TestDecodeRFCExample(t *testing.T) {
	const raw = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." +
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	j, err := Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if alg, _ := j.HeaderString("alg"); alg != "HS256" {
		t.Errorf("alg %q", alg)
	}
	if iss, _ := j.String("iss"); iss != "joe" {
		t.Errorf("iss %q", iss)
	}
	if exp, ok := j.Time("exp"); !ok || exp.Unix() != 1300819380 {
		t.Errorf("exp %v", exp)
	}
	var names []string
	for _, m := range j.Members() {
		names = append(names, m.Name)
	}
	if !reflect.DeepEqual(names, []string{"iss", "exp", "http://example.com/is_root"}) {
		t.Errorf("members %q", names)
	}
	if want := "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"; string(j.Claims) != want {
		t.Errorf("claims %q", j.Claims)
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"", "empty"},
		{"\xff\xfe", "binary"},
		{"a\x00b", "binary"},
		{strings.Repeat("a", MaxSize+1), "longer than"},
		{"opaque", "opaque"},
		{"a.b", "2 parts"},
		{"a.b.c.d", "4 parts"},
		{"a.b.c.d.e", "five parts, but not"},
		{base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + ".a.b.c.d", "JWE"},
		{"!.e30.", "header is not base64url"},
		{"e30.!.", "payload is not base64url"},
		{"e30=.e30=.", "header is not base64url"},
		{"e30.e30.!", "signature is not base64url"},
		{"e3\n0.e30.", "header is not base64url"},
		{jwtOf(`[]`, `{}`), "header is not a JSON object"},
		{jwtOf(`{}`, `null`), "payload is not a JSON object"},
		{jwtOf(`{}`, `{"a":`), "payload is not a JSON object"},
		{jwtOf(`{}`, "{\"a\":\"\xff\"}"), "payload is not a JSON object"},
	}
	for _, tt := range tests {
		if _, err := Decode([]byte(tt.raw)); !errors.Is(err, ErrNotToken) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %q", tt.raw, err, tt.want)
		}
	}
	if _, err := Decode([]byte("e30.e30.")); err != nil {
		t.Errorf("an unsigned token does not decode: %v", err)
	}
}

func TestTime(t *testing.T) {
	tests := []struct {
		exp  string
		want int64
		ok   bool
	}{
		{"1300819380", 1300819380, true},
		{"1.3e9", 1300000000, true},
		{"1300819380.9", 1300819380, true},
		{"-5", -5, true},
		{"0", 0, true},
		{`"1300819380"`, 0, false},
		{"1e300", 0, false},
		{"-1e300", 0, false},
		{"253402300800", 0, false},
		{"1e-999999999", 0, true},
		{"null", 0, false},
		{"[1]", 0, false},
	}
	for _, tt := range tests {
		j, err := Decode([]byte(jwtOf(`{}`, `{"exp":`+tt.exp+`}`)))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := j.Time("exp"); ok != tt.ok || ok && got.Unix() != tt.want {
			t.Errorf("%s: %v %v", tt.exp, got, ok)
		}
	}
}

func TestClaimsThatAreLists(t *testing.T) {
	tests := []struct {
		claims     string
		aud, scope []string
	}{
		{`{"aud":"a","scope":"x  y"}`, []string{"a"}, []string{"x", "y"}},
		{`{"aud":["a","b"],"scope":""}`, []string{"a", "b"}, nil},
		{`{"aud":[1],"scope":["x"]}`, nil, nil},
		{`{"aud":7}`, nil, nil},
		{`{}`, nil, nil},
	}
	for _, tt := range tests {
		tok := New(jwtOf(`{}`, tt.claims))
		if !reflect.DeepEqual(tok.Audiences, tt.aud) || len(tok.Scopes) != len(tt.scope) || len(tt.scope) > 0 && !reflect.DeepEqual(tok.Scopes, tt.scope) {
			t.Errorf("%s: %q %q", tt.claims, tok.Audiences, tok.Scopes)
		}
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		granted string
		want    string
		ok      bool
	}{
		{"compute.read", "compute.read", true},
		{"compute.modify", "compute.read", false},
		{"read:/", "read:/", true},
		{"read:/", "read:/store/me", true},
		{"read:/", "write:/", false},
		{"read:/foo", "read:/foo/bar", true},
		{"read:/foo/", "read:/foo/bar", true},
		{"read:/foo", "read:/foobar", false},
		{"read:/foo", "read:/", false},
		{"read", "read:/", false},
		{"read:/", "read", false},
		{"storage.modify:/", "storage.create:/x", true},
		{"storage.create:/", "storage.modify:/", false},
		{"storage.modify:/", "storage.read:/", false},
		{"storage.stage:/", "storage.read:/", false},
		{"condor:/", "condor:/READ", false},
		{"a compute.read b", "compute.read", true},
		{"", "x", false},
	}
	for _, tt := range tests {
		if got := Covers(SplitScopes(tt.granted), tt.want); got != tt.ok {
			t.Errorf("%q covers %q: %v", tt.granted, tt.want, got)
		}
	}
}

func TestSameIssuer(t *testing.T) {
	if !SameIssuer("https://a/", "https://a") || SameIssuer("https://a//", "https://a") || SameIssuer("https://a", "https://A") {
		t.Error("only one trailing slash must be ignored")
	}
}

func TestLifetime(t *testing.T) {
	now := time.Unix(1000, 0)
	if _, known := (Token{}).Lifetime(now); known {
		t.Error("known without an expiry")
	}
	if left, known := (Token{Expires: now.Add(time.Minute)}).Lifetime(now); !known || left != time.Minute {
		t.Errorf("%v %v", left, known)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"", "a.b.c", "e30.e30.", jwtOf(`{"alg":"ES256"}`, `{"exp":1e10,"aud":["a"],"scope":"x y","a":1,"a":2}`),
		jwtOf(`{}`, `{"exp":1e-999999999}`), jwtOf(`{}`, `{"\u0000":"\u202e"}`), "a.b.c.d.e",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		j, err := Decode(raw)
		if err != nil {
			if !errors.Is(err, ErrNotToken) {
				t.Fatalf("%v is not ErrNotToken", err)
			}
			return
		}
		// Members must return the claims unchanged: each value occurs in the payload, in
		// this order.
		rest := j.Claims
		for _, m := range j.Members() {
			i := bytes.Index(rest, m.Value)
			if i < 0 {
				t.Fatalf("the value of %q is not in the claims", m.Name)
			}
			rest = rest[i+len(m.Value):]
			if !j.Has(m.Name) {
				t.Fatalf("Has does not find the claim %q", m.Name)
			}
			j.Time(m.Name)
		}
		New(string(raw))
	})
}
