package service

import (
	"encoding/base64"
	"reflect"
	"testing"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

var now = time.Unix(1_767_225_600, 0)

func jwtOf(claims string) token.Token {
	b64 := base64.RawURLEncoding.EncodeToString
	return token.New(b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte(claims)) + ".c2ln")
}

func TestCheck(t *testing.T) {
	const good = `{"iss":"https://i/","aud":"ce:9619","scope":"compute.read read:/a","iat":1767225500,"nbf":1767225500,"exp":1767226600}`
	tests := []struct {
		name   string
		claims string
		want   Required
		codes  []string
	}{
		{"no requirements", `{}`, Required{}, nil},
		{"all requirements are met", good, Required{Issuer: "https://i", Audiences: []string{"ce:9619"}, Scopes: []string{"compute.read", "read:/a/b", "openid", "wlcg", "offline_access", "wlcg.groups:/x"}, MinLifetime: 1000 * time.Second}, nil},
		{"another issuer", good, Required{Issuer: "https://j/"}, []string{"iss-mismatch"}},
		{"no issuer", `{}`, Required{Issuer: "https://j/"}, []string{"iss-mismatch"}},
		{"another audience", good, Required{Audiences: []string{"CE:9619"}}, []string{"aud-mismatch"}},
		{"one of two audiences", good, Required{Audiences: []string{"ce:9619", "x"}}, []string{"aud-mismatch"}},
		{"no audience", `{}`, Required{Audiences: []string{"x"}}, []string{"aud-missing"}},
		{"the any-value instead of the audience", `{"aud":"https://wlcg.cern.ch/jwt/v1/any"}`, Required{Audiences: []string{"x"}}, []string{"aud-mismatch"}},
		{"a missing scope", good, Required{Scopes: []string{"compute.create", "read:/ab"}}, []string{"scope-missing"}},
		{"expired", `{"exp":1767225600}`, Required{}, []string{"expired"}},
		{"expired within the skew", `{"exp":1767225600}`, Required{Skew: time.Second}, nil},
		{"too short", good, Required{MinLifetime: 1001 * time.Second}, []string{"lifetime-short"}},
		{"nbf in the future", `{"nbf":1767225601}`, Required{}, []string{"not-yet-valid"}},
		{"nbf in the future, within the skew", `{"nbf":1767225601}`, Required{Skew: time.Second}, nil},
		{"iat in the future", `{"iat":1767225601}`, Required{}, []string{"not-yet-valid"}},
		{"exp a string", `{"exp":"1767225700"}`, Required{}, []string{"time-not-integer"}},
		{"scopes joined by a tab", `{"scope":"a\tb"}`, Required{Scopes: []string{"a"}}, []string{"scope-missing"}},
		{"null among the audiences", `{"aud":["x",null]}`, Required{Audiences: []string{"x"}}, []string{"aud-missing"}},
		{"in the order of a service", `{"exp":1,"nbf":1767225700}`, Required{Issuer: "https://i", Audiences: []string{"x"}, Scopes: []string{"s"}},
			[]string{"iss-mismatch", "aud-missing", "scope-missing", "expired", "not-yet-valid"}},
	}
	for _, tt := range tests {
		var codes []string
		for _, f := range Check(jwtOf(tt.claims), tt.want, now) {
			codes = append(codes, string(f.Code))
			if f.Message == "" {
				t.Errorf("%s: %s has no message", tt.name, f.Code)
			}
		}
		if !reflect.DeepEqual(codes, tt.codes) {
			t.Errorf("%s: %q, want %q", tt.name, codes, tt.codes)
		}
	}
}

func TestUnsigned(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	for raw, code := range map[string]finding.Code{
		b64([]byte(`{"alg":"none"}`)) + ".e30.":     finding.Unsigned,
		b64([]byte(`{"alg":"None"}`)) + ".e30.c2ln": finding.Unsigned,
		b64([]byte(`{"alg":"ES256"}`)) + ".e30.":    finding.SignatureMissing,
	} {
		if f := Check(token.New(raw), Required{}, now); len(f) != 1 || f[0].Code != code {
			t.Errorf("%s: %v", raw, f)
		}
	}
}

// An opaque token is checked only against what the issuer's response said about it.
func TestOpaqueToken(t *testing.T) {
	tok := token.New("opaque")
	tok.Scopes, tok.Expires = []string{"compute.read"}, now.Add(time.Hour)
	if f := Check(tok, Required{Issuer: "https://i", Audiences: []string{"x"}, Scopes: []string{"compute.read"}}, now); len(f) > 0 {
		t.Errorf("%v", f)
	}
	f := Check(tok, Required{Scopes: []string{"compute.create"}, MinLifetime: 2 * time.Hour}, now)
	if len(f) != 2 || f[0].Code != "scope-missing" || !reflect.DeepEqual(f[0].Missing, []string{"compute.create"}) || f[1].Code != "lifetime-short" {
		t.Errorf("%v", f)
	}
}

// The skew decides whether a token expired, but not when.
func TestSkewedTimes(t *testing.T) {
	list := Check(jwtOf(`{"exp":1767225510}`), Required{Skew: time.Minute}, now)
	if want := "the token expired on 2025-12-31T23:58:30Z, 1m30s ago"; len(list) != 1 || list[0].Message != want {
		t.Errorf("%+v, want %q", list, want)
	}
	list = Check(jwtOf(`{"exp":1767225610}`), Required{Skew: time.Minute, MinLifetime: 2 * time.Minute}, now)
	if want := "the token expires in 10s, but 2m00s are required"; len(list) != 1 || list[0].Message != want {
		t.Errorf("%+v, want %q", list, want)
	}
}
