package condor

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

const (
	ceAud   = "ce.example.org:9619"
	compute = "compute.read compute.modify compute.cancel compute.create"
)

func TestRules(t *testing.T) {
	wlcg := func(edit ...string) string { return servicetest.Claims("wlcg", ceAud, compute, edit...) }
	scoped := func(profile, scope string) string { return servicetest.Claims(profile, ceAud, scope) }
	for _, tt := range []struct {
		name, header, claims string
		read, write          string
	}{
		{"good", servicetest.ES256, wlcg(), "", ""},
		{"good SciTokens", servicetest.ES256, scoped("scitokens", "condor:/READ condor:/WRITE"), "", ""},
		{"aud https", servicetest.ES256, wlcg(ceAud, "https://"+ceAud), "aud-mismatch", "aud-mismatch"},
		{"aud list", servicetest.ES256, wlcg(`"`+ceAud+`"`, `["x","`+ceAud+`"]`), "", ""},
		{"aud empty list", servicetest.ES256, wlcg(`"`+ceAud+`"`, `[]`), "aud-mismatch", "aud-mismatch"},
		{"aud number", servicetest.ES256, wlcg(`"`+ceAud+`"`, `1`), "claim-missing", "claim-missing"},
		{"aud any", servicetest.ES256, wlcg(ceAud, token.AnyAudience), "(aud-any)", "(aud-any)"},
		{"aud ANY", servicetest.ES256, wlcg(ceAud, "ANY"), "aud-mismatch", "aud-mismatch"},
		{"no aud", servicetest.ES256, wlcg(`"aud"`, `"aux"`), "aud-missing", "aud-missing"},
		{"version 1.2", servicetest.ES256, wlcg(`"1.0"`, `"1.2"`), "version-unknown", "version-unknown"},
		{"version a number", servicetest.ES256, wlcg(`"1.0"`, `1.0`), "version-unknown", "version-unknown"},
		{"both versions", servicetest.ES256, wlcg(`"wlcg.ver"`, `"ver":"scitoken:2.0","wlcg.ver"`), "(version-both) compute-without-wlcg", "(version-both) compute-without-wlcg"},
		{"no version, extra claim", servicetest.ES256, scoped("", `condor:/WRITE","client_id":"c`), "version-missing", "version-missing"},
		{"scitokens:1.0, extra claim", servicetest.ES256, scoped("", `condor:/WRITE","ver":"scitokens:1.0","x":"c`), "version-missing", "version-missing"},
		{"no version, at+jwt", `{"alg":"ES256","kid":"k","typ":"at+jwt"}`, scoped("", `condor:/WRITE","client_id":"c`), "", ""},
		{"no iss", servicetest.ES256, wlcg(`"iss"`, `"isx"`), "claim-missing", "claim-missing"},
		{"iss http", servicetest.ES256, wlcg("https://i", "http://i"), "iss-not-https", "iss-not-https"},
		{"iss slash", servicetest.ES256, wlcg("i.example.org", "i.example.org/"), "(iss-slash)", "(iss-slash)"},
		{"no exp", servicetest.ES256, wlcg(`"exp"`, `"exx"`), "claim-missing", "claim-missing"},
		{"exp fraction", servicetest.ES256, wlcg("1767228600", "1767228600.5"), "", ""},
		{"exp a string", servicetest.ES256, wlcg("1767228600", `"1767228600"`), "time-not-integer", "time-not-integer"},
		{"exp in milliseconds", servicetest.ES256, wlcg("1767228600", "1767228600000"), "time-range", "time-range"},
		{"exp 1e10", servicetest.ES256, wlcg("1767228600", "10000000000"), "time-range (lifetime-range)", "time-range (lifetime-range)"},
		{"exp beyond 64 bits", servicetest.ES256, wlcg("1767228600", "99999999999999999999"), "time-range", "time-range"},
		{"expired", servicetest.ES256, wlcg("1767228600", "1767225600"), "expired (lifetime-range)", "expired (lifetime-range)"},
		{"iat in the future", servicetest.ES256, wlcg(`"iat":1767225000`, `"iat":1767225601`), "not-yet-valid", "not-yet-valid"},
		{"nbf in the future", servicetest.ES256, wlcg(`"nbf":1767225000`, `"nbf":1767225601`), "not-yet-valid", "not-yet-valid"},
		{"no nbf", servicetest.ES256, wlcg(`"nbf"`, `"nbx"`), "(claim-missing)", "(claim-missing)"},
		{"no sub", servicetest.ES256, wlcg(`"sub"`, `"sux"`), "claim-missing", "claim-missing"},
		{"sub not ASCII", servicetest.ES256, wlcg(`"u"`, `"ü"`), "(sub-form)", "(sub-form)"},
		{"no jti", servicetest.ES256, wlcg(`"jti"`, `"jtx"`), "(claim-missing)", "(claim-missing)"},
		{"jti number", servicetest.ES256, wlcg(`"j"`, `1`), "claim-missing", "claim-missing"},
		{"no scope", servicetest.ES256, wlcg(`"scope"`, `"scopx"`), "claim-missing", "claim-missing"},
		{"only groups", servicetest.ES256, wlcg(`"scope"`, `"wlcg.groups":["/x"],"scopx"`), "groups-only", "groups-only"},
		{"scope list", servicetest.ES256, wlcg(`"`+compute+`"`, `["compute.read"]`), "scope-not-string", "scope-not-string"},
		{"lifetime of a day", servicetest.ES256, wlcg("1767228600", "1767312000"), "(lifetime-range)", "(lifetime-range)"},
		{"unsigned", `{"alg":"none"}`, wlcg(), "unsigned", "unsigned"},
		{"HS256", `{"alg":"HS256","kid":"k"}`, wlcg(), "alg-refused", "alg-refused"},
		{"PS256", `{"alg":"PS256","kid":"k"}`, wlcg(), "alg-refused", "alg-refused"},
		{"no kid", `{"alg":"RS256"}`, wlcg(), "(kid-missing)", "(kid-missing)"},
		{"compute.read", servicetest.ES256, scoped("wlcg", "compute.read"), "", "scope-missing"},
		{"compute write", servicetest.ES256, scoped("wlcg", "compute.modify compute.cancel compute.create"), "", ""},
		{"compute with a path", servicetest.ES256, scoped("wlcg", "compute.modify:/ compute.cancel:/ compute.create:/"), "", ""},
		{"no cancel", servicetest.ES256, scoped("wlcg", "compute.modify compute.create"), "scope-missing", "write-incomplete"},
		{"compute in SciTokens", servicetest.ES256, scoped("scitokens", compute), "compute-without-wlcg", "compute-without-wlcg"},
		{"ALLOW", servicetest.ES256, scoped("scitokens", "condor:/ALLOW"), "condor-allow", "condor-allow"},
		{"levels", servicetest.ES256, scoped("scitokens", "condor:ADVERTISE_STARTD"), "", "scope-missing"},
		{"storage", servicetest.ES256, scoped("wlcg", "storage.read:/"), "scope-missing", "scope-missing"},
	} {
		for _, write := range []bool{false, true} {
			s, err := New("CE.example.org", Options{Write: write})
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSpace(tt.read + " (read-open)")
			if write {
				want = tt.write
			}
			list := servicetest.Judge(t, s, tt.header, tt.claims)
			if got := servicetest.Codes(t, list); got != want {
				t.Errorf("%s, write %v: %q, want %q", tt.name, write, got, want)
			}
			for _, f := range list {
				if f.Message == "" || f.Source == "" || f.Hint == "" && !f.Remark {
					t.Errorf("%s: %s lacks a message, a hint or a source: %+v", tt.name, f.Code, f)
				}
			}
		}
	}
	before, _ := New("ce.example.org", Options{Write: true, Version: service.Version{Major: 23, Minor: 9, Patch: 6}})
	if got := servicetest.Codes(t, servicetest.Judge(t, before, servicetest.ES256, wlcg("1767228600", "1767228600.5"))); got != "time-not-integer (version-vulnerable)" {
		t.Errorf("a fraction on 23.9.6: %q", got)
	}
	old, _ := New("ce.example.org", Options{Write: true, Version: service.Version{Major: 8, Minor: 9, Patch: 6}})
	if got := servicetest.Codes(t, servicetest.Judge(t, old, servicetest.ES256, scoped("scitokens", "condor:/ALLOW"))); got != "(version-vulnerable)" {
		t.Errorf("condor:/ALLOW on 8.9.6: %q", got)
	}
}
