package condor

import (
	"fmt"
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/service/servicetest"
)

const testMap = `SCITOKENS /^https:\/\/i\.example\.org,u$/ `

// The verdicts of an HTCondor-CE's default rules were measured on HTCondor 23.9.6 and
// 25.14.1.
func TestDefaultRules(t *testing.T) {
	for user, want := range map[string]struct{ read, write string }{
		"tester":                  {"(mapped) (authorized)", "(mapped) (authorized)"},
		"x@users.htcondor.org":    {"(mapped) (authorized)", "(mapped) (authorized)"},
		"x@banned.htcondor.org":   {"(mapped) (authorized)", "(mapped) denied"},
		"x@unmapped":              {"(mapped) (authorized)", "(mapped) denied"},
		"x@unmapped.htcondor.org": {"(mapped) (authorized)", "(mapped) denied"},
		"anonymous":               {"(mapped) (authorized)", "(mapped) denied"},
		"alice@fnal.gov":          {"(mapped) (authorized)", "(mapped) denied"},
	} {
		for _, write := range []bool{false, true} {
			ce, err := New("ce.example.org", Options{Write: write, MapFile: []byte(testMap + user)})
			if err != nil {
				t.Fatal(err)
			}
			expect := "(read-open) " + want.read
			if write {
				expect = want.write
			}
			list := servicetest.Judge(t, ce, servicetest.ES256, servicetest.Claims("wlcg", ceAud, compute))
			if got := servicetest.Codes(t, list); got != expect {
				t.Errorf("%s, write %v: %q, want %q", user, write, got, expect)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	all := "SEC_READ_AUTHENTICATION = REQUIRED\nSCITOKENS_SERVER_AUDIENCE = $(COLLECTOR_HOST)\nCOLLECTOR_HOST=ce.example.org:9619\nUID_DOMAIN = users.htcondor.org\nCERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = True\nALLOW_READ = *\nALLOW_WRITE = *\n"
	for _, tt := range []struct {
		name, config  string
		version       service.Version
		profile, edit string
		write         bool
		codes, says   string
	}{
		{"everybody", all, Newest, "wlcg", "", true, "(mapped) (authorized)", "ALLOW_WRITE = *"},
		{"a list", all + "ALLOW_WRITE = x@y,u@*  z@z\n", Newest, "wlcg", "", true, "(mapped) denied", "add this line: ALLOW_WRITE = $(ALLOW_WRITE) tester@users.htcondor.org"},
		{"for the daemon", all + "SCHEDD.ALLOW_WRITE = x@y\n", Newest, "wlcg", "", true, "(mapped) denied", ""},
		{"for the schedd only", all + "ALLOW_WRITE_SCHEDD = x@y\n", Newest, "wlcg", "", true, "(mapped) denied", "add this line: ALLOW_WRITE_SCHEDD = $(ALLOW_WRITE_SCHEDD) tester@users.htcondor.org"},
		{"reading is not set", strings.Replace(all, "SEC_READ", "X_READ", 1), Newest, "wlcg", "", false, "(read-open) (mapped) (authorized)", "SEC_READ_AUTHENTICATION is not set, so it is OPTIONAL: a client"},
		{"a value of several lines", "X @=end\n  a = 1,\n  b\n@end\n" + all + "ALLOW_WRITE @=x\n  x@y\n  tester@*\n@x\n", Newest, "wlcg", "", true, "(mapped) (authorized)", "ALLOW_WRITE = tester@*"},
		{"denied by a rule", all + "DENY_WRITE = tester@*\n", Newest, "wlcg", "", true, "(mapped) denied", "(DENY_WRITE = tester@*)"},
		{"the host decides", all + "ALLOW_WRITE = */192.0.2.0/24\n", Newest, "wlcg", "", true, "(mapped) (authorized)", "depends on the client's host"},
		{"writing implies reading", all + "ALLOW_READ = x@y\n", Newest, "wlcg", "", false, "(mapped) (authorized)", "ALLOW_WRITE = *"},
		{"two stars", all + "ALLOW_WRITE = t*@*.org\n", Newest, "wlcg", "", true, "(mapped) denied", ""},
		{"no audience", all + "SCITOKENS_SERVER_AUDIENCE =\n", Newest, "wlcg", "", true, "aud-mismatch (mapped) (authorized)", "add this line to the server's configuration: SCITOKENS_SERVER_AUDIENCE = ce.example.org:9619."},
		{"another audience", all + "SCITOKENS_SERVER_AUDIENCE = x:1 y:2\n", Newest, "wlcg", "", true, "aud-mismatch (mapped) (authorized)", "(SCITOKENS_SERVER_AUDIENCE = x:1 y:2)"},
		{"methods", all + "SEC_DEFAULT_AUTHENTICATION_METHODS = FS, SCITOKNES\n", Newest, "wlcg", "", true, "method-off (mapped) (authorized)", "write SCITOKENS instead of SCITOKNES in SEC_DEFAULT_AUTHENTICATION_METHODS"},
		{"the alias", all + "SEC_DEFAULT_AUTHENTICATION_METHODS = FS, scitoken\n", Newest, "wlcg", "", true, "(mapped) (authorized)", ""},
		{"reading is open", all + "SEC_READ_AUTHENTICATION = OPTIONAL\n", Newest, "wlcg", "", false, "(read-open) (mapped) (authorized)", "SEC_READ_AUTHENTICATION = OPTIONAL: a client that does not insist"},
		{"reading was not open", all + "SEC_READ_AUTHENTICATION = OPTIONAL\n", service.Version{Major: 23, Minor: 9, Patch: 6}, "wlcg", "", false, "(version-vulnerable) (mapped) (authorized)", ""},
		{"foreign", all + "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = https://i.example.org\n", Newest, "", `"x":1,`, true, "(foreign-issuer) (mapped) (authorized)", "for any audience"},
		{"foreign is off", all + "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = https://i.example.org\nSEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = false\n", Newest, "", `"x":1,`, true, "version-missing compute-without-wlcg (mapped) (authorized)", ""},
		{"a broken line", "what is this\n" + all, Newest, "wlcg", "", true, "(config-line) (mapped) (authorized)", "line 1 of the configuration"},
	} {
		c, err := ParseConfig([]byte(tt.config))
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Write: tt.write, Config: c, MapFile: []byte(testMap + "tester")}
		if tt.version != Newest {
			o.Version = tt.version
		}
		ce, err := New("ce.example.org", o)
		if err != nil {
			t.Fatal(err)
		}
		claims := strings.Replace(servicetest.Claims(tt.profile, ceAud, compute), "{", "{"+tt.edit, 1)
		list := servicetest.Judge(t, ce, servicetest.ES256, claims)
		t.Run(tt.name, func(t *testing.T) { servicetest.Find(t, list, tt.codes, tt.says) })
	}
	for _, bad := range []string{"", "hello", "a\x00=b", "# only a comment\n"} {
		if c, err := ParseConfig([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, c)
		}
	}
}

func TestLetsAllIn(t *testing.T) {
	c, err := ParseConfig([]byte("SEC_READ_AUTHENTICATION = OPTIONAL\nALLOW_READ = *\n"))
	if err != nil {
		t.Fatal(err)
	}
	ce, _ := New("ce.example.org", Options{Config: c})
	if got := ce.LetsAllIn(); got != "SEC_READ_AUTHENTICATION = OPTIONAL" {
		t.Errorf("%q", got)
	}
	ce, _ = New("ce.example.org", Options{Config: c, Write: true})
	if got := ce.LetsAllIn(); got != "" {
		t.Errorf("writing: %q", got)
	}
}

// In tokens of foreign types, compute.* counts without a version claim.
func TestForeignScopes(t *testing.T) {
	ce, err := New("ce.example.org", Options{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]struct{ codes, says string }{
		"compute.read":   {"scope-missing (foreign-issuer)", "the token lacks compute.modify compute.cancel compute.create"},
		"compute.create": {"write-incomplete (foreign-issuer)", "the token lacks compute.modify and compute.cancel"},
	} {
		list := servicetest.Judge(t, ce, servicetest.ES256, servicetest.Claims("", ceAud, scope, "https://i.example.org", foreignIssuers[0]))
		servicetest.Find(t, list, want.codes, want.says)
		for _, f := range list {
			if f.Refuses() && f.Command != "condor-token-helper --ce ce.example.org:9619" {
				t.Errorf("%s: %s", scope, f.Command)
			}
		}
	}
}

// The cost of a malicious configuration is bounded, even if its references expand to nothing.
func TestMaliciousConfig(t *testing.T) {
	var nested strings.Builder
	for i := range 15 {
		fmt.Fprintf(&nested, "A%d = %s\n", i, strings.Repeat(fmt.Sprintf("$(A%d)", i+1), 10))
	}
	for _, text := range []string{
		nested.String() + "ALLOW_WRITE = $(A0)\n",
		"ALLOW_WRITE = " + strings.Repeat("$(A:*", 200_000) + strings.Repeat(")", 200_000),
		"X @=end\n" + strings.Repeat("a\n", 500_000) + "@end\nALLOW_WRITE = x@y\n",
	} {
		c, err := ParseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := c.value("ALLOW_WRITE"); len(v) > 4*maxExpanded {
			t.Errorf("%.40q: %d bytes", text, len(v))
		}
	}
}

// What PCRE2 10.42 says of each expression.
func TestExpressionsThatOnlyGoAccepts(t *testing.T) {
	const badRange, collating = "invalid range in character class", "POSIX collating elements are not supported"
	for want, list := range map[string][]string{
		badRange:  {`[\w-.]`, `[\d-_a]`, `[[:alnum:]-_.]`, `[a-\d]`, `[\d-a-z]`, `[\p{L}-x]`, `[\w--]`, `[a-[:alpha:]]`, `[\s-a]`, `[\w-\.]`, `x[\h-x]y`, `[[:alpha:]-z]`},
		collating: {`[[.a.]]`, `[[=a=]]`, `[a[.x.]]`, `[[.a\.]]`, `[[. a.]]`, `[[.a.b.]]`, `[[.\].]]`},
		"":        {`[\w-]`, `[-\w]`, `[\w\-.]`, `[[:alnum:]-]`, `[a-c-e]`, `[a-c-\d]`, `[]-a]`, `[^]a]`, `\[\w-.]`, `\Q[\w-.]\E`, `a-\d`, `[\x41-\x43]`, `[`, `[\`, `[[:foo]`, `[a-`, `[[.a]]`, `[[=a]`, `[[.a]b.]]`, `[[.].]]`, `[[=]=]`, `[\[.a.]`, `[[.]]`, `(?<a>x)(?<b1>y)(z)(z)`},
		"two named subpatterns have the same name":    {`(?P<n>a)(?P<n>b)`, `(?<n>a)|(?<n>b)`},
		"subpattern name must start with a non-digit": {`(?<1>a)`},
	} {
		for _, p := range list {
			_, got, bad := compile(p, "")
			if want == "" {
				// Some of them are invalid in Go, too.
				bad, got = bad && (got == badRange || got == collating), ""
			}
			if got != want || bad != (want != "") {
				t.Errorf("%s: %q, %v; want %q", p, got, bad, want)
			}
		}
	}
}

// PCRE2 10.42 rejects or reads differently some expressions that Go accepts, and accepts others
// that Go rejects.
func TestExpressionsThatDiffer(t *testing.T) {
	for _, p := range []string{`\p{L&}`, `[^\p{Xan}]`, `[[:<:]]a`, `\p{Letter}`, `(?i)\p{Lu}`, `\x{100}`, `a^*`, `\b+`, `x$?`, `(a*)*x`, `(|a){2}`, `(a?)+`, `(?:(b)?)*`, `a(?i)?b`, `a\v`, `a{,2}`} {
		if re, unknown, bad := compile(p, ""); re != nil || unknown == "" || bad {
			t.Errorf("%s: %v, %q, %v", p, re, unknown, bad)
		}
	}
	for _, p := range []string{`(a)?`, `(x*)?y`, `(?:a*)*`, `(a)*`, `(a|b)+`, `\\p`, `\x41`, `(?i)a?`, `^(.*)$`} {
		if re, unknown, bad := compile(p, ""); re == nil || bad {
			t.Errorf("%s: %q, %v", p, unknown, bad)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("ALLOW_WRITE = $(A:$(B))\nA=$(A)\nB = $(A)$(A)\nUID_DOMAIN=x\n", `[\w-.]`)
	f.Fuzz(func(t *testing.T, text, pattern string) {
		_, _, _ = compile(pattern, "")
		c, err := ParseConfig([]byte(text))
		if err != nil {
			return
		}
		ce, err := New("ce.example.org", Options{Write: true, Config: c, MapFile: []byte(testMap + "tester")})
		if err != nil {
			t.Fatal(err)
		}
		servicetest.Bounded(t, servicetest.Judge(t, ce, servicetest.ES256, servicetest.Claims("wlcg", ceAud, compute)), 30)
	})
}
