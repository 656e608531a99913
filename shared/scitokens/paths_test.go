package scitokens

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/service/servicetest"
)

var (
	debian12 = service.Version{Minor: 7, Patch: 3}
	debian13 = service.Version{Major: 1, Minor: 1, Patch: 3}
)

// The paths were measured with the libraries.
func TestReadPath(t *testing.T) {
	for _, tt := range []struct {
		raw, old, today string // "" if the token is refused because of the path
	}{
		{"", "/", "/"}, {"/", "/", "/"}, {"b", "/b", "/b"}, {"//b//c/", "/b/c", "/b/c"}, {"/./b", "/b", "/b"}, {"/b:c", "/b:c", "/b:c"},
		{"/a/../b", "/b", ""}, {"/..", "", ""}, {"/../b", "", ""}, {"..", "", ""}, {"/a/..b", "/a/..b", "/a/..b"}, {"/...", "/...", "/..."},
		{"/a/%2e%2e/c", "/a/%2e%2e/c", ""}, {"/%2E./b", "/%2E./b", ""}, {"/a/%252e%252e/b", "/a/%252e%252e/b", ""},
		{"/a%20b", "/a%20b", "/a b"}, {"/a%2520b", "/a%2520b", "/a b"}, {"/%25252520", "/%25252520", "/ "}, {"/%2525252520", "/%2525252520", ""},
		{"/a%2fb", "/a%2fb", ""}, {"/a%5cb", "/a%5cb", ""}, {`/a\b`, `/a\b`, ""}, {"/a%00b", "/a%00b", ""}, {"/%zz", "/%zz", ""}, {"/%", "/%", ""}, {"/%4", "/%4", ""}, {"/a%25", "/a%25", ""},
		{"/%2e/b", "/%2e/b", "/b"}, {"/b%2e", "/b%2e", "/b."}, {"/%2e%2e%2e", "/%2e%2e%2e", "/..."}, {"/é", "/é", "/é"}, {"/%C3%A9", "/%C3%A9", "/é"}, {"/b%0a", "/b%0a", "/b\n"},
	} {
		for v, want := range map[service.Version]string{debian12: tt.old, debian13: tt.old, Newest: tt.today, {}: tt.today} {
			got, problem := readPath(tt.raw, v)
			if refused := problem == pathAbove || problem == pathCodes || problem == pathDots && !v.Before(pathsDecoded); refused != (want == "") || !refused && got != want {
				t.Errorf("%q with %s: %q, problem %d, want %q", tt.raw, v, got, problem, want)
			}
		}
	}
}

// Each line was measured with the libraries 0.7.3, 1.1.3 and 1.4.1.
func TestVersions(t *testing.T) {
	for _, tt := range []struct{ name, header, claims, want string }{
		{"exp with a fraction", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", "1767228600", "1767228600.25"), "refused refused ok"},
		{"exp with an exponent", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", "1767228600", "1.7672286e9"), "refused refused ok"},
		{"exp a string", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", "1767228600", `"1767228600"`), "refused refused refused"},
		{"exp that overflows when it is rounded", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", "1767228600", "9223372036.9"), "refused refused refused"},
		{"iat out of range", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"iat":1767225000`, `"iat":1e30`), "refused refused ok"},
		{"no nbf", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"nbf":1767225000,`, ""), "refused ok ok"},
		{"no nbf, at+jwt", `{"alg":"ES256","kid":"k","typ":"at+jwt"}`, servicetest.Claims("scitokens", "a", "read:/", `"nbf":1767225000,`, ""), "ok ok ok"},
		{"dots in a scope that does not matter", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/ x:/a/../b"), "ok ok refused"},
		{"dots without a path", servicetest.ES256, servicetest.Claims("wlcg", "a", "a/../b"), "ok ok ok"},
		{"null in the audiences", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"aud":"a"`, `"aud":["a",null]`), "refused refused refused"},
		{"typ a number", `{"alg":"ES256","kid":"k","typ":7}`, servicetest.Claims("wlcg", "a", "read:/"), "refused refused refused"},
		{"typ null", `{"alg":"ES256","kid":"k","typ":null}`, servicetest.Claims("wlcg", "a", "read:/"), "refused refused refused"},
		{"both versions", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"wlcg.ver"`, `"ver":"scitoken:2.0","wlcg.ver"`), "ok ok ok"},
		{"both versions, SciTokens 1.0", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"wlcg.ver"`, `"ver":"scitokens:1.0","wlcg.ver"`), "refused refused refused"},
		{"an extra claim that is null", servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"jti":"j"`, `"jti":"j","x":null`), "ok ok ok"},
	} {
		var got []string
		for _, v := range []service.Version{debian12, debian13, Newest} {
			list := Library{Version: v, Audiences: []string{"a"}}.Judge(service.Presented{JWT: servicetest.JWT(t, tt.header, tt.claims), Size: 500, Now: servicetest.Now, KeyChecked: true})
			verdict := "ok"
			for _, f := range list {
				if f.Refuses() {
					verdict = "refused"
				}
			}
			servicetest.Codes(t, list)
			got = append(got, verdict)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

func TestScopes(t *testing.T) {
	j := servicetest.JWT(t, servicetest.ES256, servicetest.Claims("wlcg", "a", `read:/a%20b foo condor:READ  x:/y\tz`))
	var got []string
	for _, s := range Scopes(j, Newest) {
		got = append(got, s.Authz+" "+s.Path)
	}
	if s := strings.Join(got, "|"); s != "read /a b|foo /|condor /READ|x /y\tz" {
		t.Errorf("%q", s)
	}
}

func FuzzReadPath(f *testing.F) {
	f.Add("/a/%2e%2e/%25252541")
	f.Fuzz(func(t *testing.T, raw string) {
		for _, v := range []service.Version{debian12, Newest} {
			if p, _ := readPath(raw, v); !strings.HasPrefix(p, "/") || strings.Contains(p, "/../") {
				t.Errorf("%q: %q", raw, p)
			}
		}
	})
}
