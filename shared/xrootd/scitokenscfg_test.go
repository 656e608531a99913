package xrootd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

const cfgIssuer = "https://i.example.org"

// cfg returns a scitokens.cfg with one issuer, and lines in its section.
func cfg(lines ...string) string {
	return "[Global]\naudience = " + xrdAud + "\nonmissing = deny\n[Issuer local]\nissuer = " + cfgIssuer + "\n" + strings.Join(lines, "\n") + "\n"
}

func parseConfig(t *testing.T, text string, v service.Version) *SciTokensConfig {
	t.Helper()
	c, err := ParseSciTokensConfig([]byte(text), v)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// configured returns a server with the configuration, for access to a path.
func configured(t *testing.T, text, access, requested string, v service.Version) *Server {
	t.Helper()
	s, err := New(xrdAud, Options{Access: access, Path: requested, Version: v, Config: parseConfig(t, text, v)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each row was measured with XRootD 5.5.3 and 5.8.1 over https.
func TestSciTokensConfigVerdict(t *testing.T) {
	for _, tt := range []struct {
		name, cfg, scope, place string
		old, today              bool
	}{
		{"base /", cfg("base_path = /"), "read:/ write:/", "/store/f", true, true},
		{"base / and a narrower scope", cfg("base_path = /"), "read:/user", "/store/f", false, false},
		{"base /store", cfg("base_path = /store"), "read:/user", "/store/user/f", true, true},
		{"base /store, by the prefix bug", cfg("base_path = /store"), "read:/user", "/store/user2/f", true, false},
		{"base /store and beside the scope", cfg("base_path = /store"), "read:/user", "/store/f", false, false},
		{"base /store and outside", cfg("base_path = /store"), "read:/ write:/", "/other/f", false, false},
		{"base /store and the whole path in the scope", cfg("base_path = /store"), "read:/store", "/store/f", false, false},
		{"three paths with slashes and dots", cfg("base_path = /store/,/other//./x/.. /store/user"), "read:/", "/other/f", true, true},
		{"three paths and outside", cfg("base_path = /store/,/other//./x/.. /store/user"), "read:/", "/f", false, false},
		{"relative", cfg("base_path = store"), "read:/", "/store/f", false, false},
		{"only a comma", cfg("base_path = ,"), "read:/", "/f", false, false},
		{"a # inside a line does not begin a comment", cfg("base_path = /store # not a comment"), "read:/", "/store/f", true, true},
		{"continued", cfg("base_path = /store", "   /other"), "read:/", "/store/f", false, false},
		{"continued, the later line", cfg("base_path = /store", "   /other"), "read:/", "/other/f", true, true},
		{"twice, the later", cfg("base_path = /store", "base_path = /other"), "read:/", "/other/f", true, true},
		{"twice, the earlier", cfg("base_path = /store", "base_path = /other"), "read:/", "/store/f", false, false},
		{"restricted, broader scope", cfg("base_path = /store", "restricted_path = /user"), "read:/", "/store/user/f", false, true},
		{"restricted, broader scope beside", cfg("base_path = /store", "restricted_path = /user"), "read:/", "/store/f", false, false},
		{"restricted, the same", cfg("base_path = /store", "restricted_path = /user"), "read:/user", "/store/user/f", true, true},
		{"restricted, by the prefix bug", cfg("base_path = /store", "restricted_path = /user"), "read:/user2", "/store/user2/f", true, false},
		{"restricted with base_path in it", cfg("base_path = /store", "restricted_path = /store/user /other"), "read:/", "/store/user/f", false, false},
		{"restricted, relative: not at all", cfg("base_path = /store", "restricted_path = user"), "read:/", "/store/f", true, true},
		{"restricted to /", cfg("base_path = /store", "restricted_path = /"), "read:/user", "/store/user/f", true, false},
		{"restricted to two", cfg("base_path = /store", "restricted_path = /user,/f"), "read:/user", "/store/user/f", true, true},
		{"strategy without capability and a claim", cfg("base_path = /", "username_claim = sub", "authorization_strategy = group"), "read:/", "/f", true, false},
		{"strategy without capability", cfg("base_path = /", "authorization_strategy = group mapping"), "read:/", "/f", true, false},
		{"strategy with a comma", cfg("base_path = /", "authorization_strategy = capability,group"), "read:/", "/f", true, false},
		{"keys in capitals, colons, comments", "; c\n# c\n[global]\nAUDIENCE : " + xrdAud + " ; c\n\n[issuer  local]   junk\nIssuer=" + cfgIssuer + "   ; yes\nBASE_PATH=/store\n", "read:/", "/store/f", true, true},
		{"BOM and CRLF", "\ufeffstray = 1\r\n[Global]\r\naudience = " + xrdAud + "\r\n[Issuer a]\r\nissuer = " + cfgIssuer + "\r\nbase_path = /store\r\n", "read:/", "/store/f", true, true},
		{"two sections of one issuer: the first by name", "[Global]\naudience = " + xrdAud + "\n[Issuer zz]\nissuer = " + cfgIssuer + "\nbase_path = /other\n[Issuer aa]\nissuer = " + cfgIssuer + "\nbase_path = /store\n", "read:/", "/store/f", true, true},
		{"two sections of one issuer: not the other", "[Global]\naudience = " + xrdAud + "\n[Issuer zz]\nissuer = " + cfgIssuer + "\nbase_path = /other\n[Issuer aa]\nissuer = " + cfgIssuer + "\nbase_path = /store\n", "read:/", "/other/f", false, false},
		{"one section in two parts and cases", "[Globals]\naudience = " + xrdAud + "\n[Issuer aa]\nissuer = " + cfgIssuer + "\nbase_path = /other\n[Issuer AA]\nbase_path = /store\n", "read:/", "/store/f", true, true},
		{"long names are the same after truncation", "[Global]\naudience = " + xrdAud + "\n[Issuer " + strings.Repeat("s", 48) + "a]\nissuer = https://one.example.org\nbase_path = /store\n[Issuer " + strings.Repeat("s", 48) + "b]\nissuer = " + cfgIssuer + "\nbase_path = /other\n", "read:/", "/other/f", true, true},
		{"a tab after Issuer", "[Global]\naudience = " + xrdAud + "\n[Issuer\ta]\nissuer = " + cfgIssuer + "\nbase_path = /\n[Issuer  b]\nissuer=" + cfgIssuer + "\nbase_path=/store\n", "read:/", "/f", false, false},
		{"no audience", "[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", false, false},
		{"audiences with blanks and commas", "[Global]\naudience = a b, c  d," + xrdAud + "\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", true, true},
		{"both kinds of audience", "[Global]\naudience = " + xrdAud + "\naudience_json = [\"a b\"] x\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", true, true},
		{"; without a blank is part of the value", "[Global]\naudience = " + xrdAud + ";x\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", false, false},
		{"issuer with a slash", strings.Replace(cfg("base_path = /"), cfgIssuer, cfgIssuer+"/", 1), "read:/", "/f", false, false},
		{"issuer in capitals", strings.Replace(cfg("base_path = /"), cfgIssuer, "HTTPS://i.example.org", 1), "read:/", "/f", false, false},
		{"issuer in quotes", strings.Replace(cfg("base_path = /"), cfgIssuer, `"`+cfgIssuer+`"`, 1), "read:/", "/f", false, false},
		{"no base_path", cfg("base_path ="), "read:/", "/f", false, false},
		{"no [ ] at the end", cfg("base_path = /", "[Issuer x"), "read:/", "/f", false, false},
		{"no key", cfg("base_path = /", "hello"), "read:/", "/f", false, false},
		{"onmissing unknown", strings.Replace(cfg("base_path = /"), "deny", "DENY", 1), "read:/", "/f", false, false},
		{"audience_json a string", "[Global]\naudience_json = \"a\"\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", false, false},
		{"audience_json with a number", "[Global]\naudience_json = [\"" + xrdAud + "\", 1]\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", "read:/", "/f", false, false},
		{"a long line", cfg("base_path = /" + strings.Repeat("x", 180) + " /store /other"), "read:/", "/store/f", false, true},
		{"a long comment", cfg("base_path = /", "; "+strings.Repeat("x", 540)), "read:/", "/f", false, true},
		{"a comment of 1023 bytes", cfg("base_path = /", ";"+strings.Repeat("x", 1022)), "read:/", "/f", false, true},
		{"a comment of 1024 bytes", cfg("base_path = /", ";"+strings.Repeat("x", 1023)), "read:/", "/f", false, false},
		{"a long comment with a key in it", cfg("base_path = /", "; "+strings.Repeat("x", 360)+"unknown = 1"), "read:/", "/f", true, true},
	} {
		for v, want := range map[service.Version]bool{{Major: 5, Minor: 5, Patch: 3}: tt.old, {Major: 5, Minor: 8, Patch: 1}: tt.today, {}: tt.today} {
			t.Run(tt.name+" "+v.String(), func(t *testing.T) {
				s := configured(t, tt.cfg, "read", tt.place, v)
				p := service.Presented{JWT: servicetest.JWT(t, servicetest.ES256, servicetest.Claims("scitokens", xrdAud, tt.scope)), Size: 500, Now: servicetest.Now}
				list := s.Judge(p)
				if granted := !slices.ContainsFunc(list, func(f finding.Finding) bool { return !f.Remark }); granted != want {
					t.Errorf("granted %v, found %s", granted, servicetest.Codes(t, list))
					for _, f := range list {
						t.Logf("%+v", f)
					}
				}
			})
		}
	}
}

func TestSciTokensConfigFindings(t *testing.T) {
	for _, tt := range []struct {
		name, cfg, claims, place string
		version                  service.Version
		codes, says              string
	}{
		{"accepted", cfg("base_path = /store", "default_user = tester"), servicetest.Claims("scitokens", xrdAud, "read:/user"), "/store/user/f", service.Version{},
			"(cfg-match) (cfg-user)", "[Issuer local] in line 4 is for this issuer: read:/user covers /store/user|the user is tester: default_user"},
		{"WLCG", cfg("base_path = /store,/other", "map_subject = TRUE"), servicetest.Claims("wlcg", xrdAud, "storage.read:/user"), "/other/user", service.Version{},
			"(cfg-match) (cfg-user)", "storage.read:/user covers /store/user and /other/user|the user is u: the token's subject"},
		{"the subject before the default", cfg("base_path = /", "map_subject = 1", "default_user = tester"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-match) (cfg-user)", "the user is u: the token's subject"},
		{"neither true nor false", cfg("base_path = /", "map_subject = y", "default_user = tester"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-value) (cfg-match) (cfg-user)", "line 7: map_subject = y|the user is tester"},
		{"a name map", cfg("base_path = /", "name_mapfile = /etc/x.json"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-match) (cfg-user)", "/etc/x.json was not read"},
		{"a claim", cfg("base_path = /", "username_claim = jti"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-match) (cfg-user)", "the user is j: the token's jti"},
		{"a claim, in a version without username_claim", cfg("base_path = /", "username_claim = uid", "default_user = tester"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{Major: 5, Minor: 5, Patch: 3},
			"(cfg-match) (cfg-user)", "the user is tester"},
		{"a claim that is missing", cfg("base_path = /", "username_claim = uid"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-match) claim-missing", "no uid claim"},
		{"outside", cfg("base_path = /store"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/other", service.Version{}, "(cfg-match) (cfg-user) path-outside-base", "/other is outside base_path /store"},
		{"doubled", cfg("base_path = /store"), servicetest.Claims("scitokens", xrdAud, "read:/store"), "/store/user", service.Version{}, "(cfg-match) (cfg-user) path-base",
			"read:/store covers /store/store|read:/store covers /store/store on this server|request read:/user"},
		{"restricted", cfg("base_path = /store", "restricted_path = /user"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/store/other", service.Version{}, "(cfg-match) (cfg-user) path-restricted",
			"read:/ covers /store/user|does not let this issuer give access to /store/other"},
		{"restricted, broader, old", cfg("base_path = /store", "restricted_path = /user"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/store/user/f", service.Version{Major: 5, Minor: 5, Patch: 3}, "(cfg-match) (cfg-user) path-restricted",
			"covers nothing, because of restricted_path|request read:/user/f"},
		{"not restricted", cfg("base_path = /store", "restricted_path = user"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/store/f", service.Version{}, "(cfg-value) (cfg-restriction) (cfg-match) (cfg-user)", "not restricted at all"},
		{"another issuer", cfg("base_path = /"), servicetest.Claims("scitokens", xrdAud, "read:/", "i.example.org", "j.example.org"), "/f", service.Version{}, "iss-not-configured", "no section for the issuer https://j.example.org|[Issuer NAME]"},
		{"slash", cfg("base_path = /"), servicetest.Claims("scitokens", xrdAud, "read:/", "i.example.org", "i.example.org/"), "/f", service.Version{}, "iss-not-configured", "[Issuer local] in line 4|only the slash at the end differs"},
		{"case", cfg("base_path = /"), servicetest.Claims("scitokens", xrdAud, "read:/", "i.example.org", "I.example.org"), "/f", service.Version{}, "iss-not-configured", "only upper and lower case differ"},
		{"quotes", strings.Replace(cfg("base_path = /"), cfgIssuer, `"`+cfgIssuer+`"`, 1), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-value) iss-not-configured", "quotes are part of the value"},
		{"comment", strings.Replace(cfg("base_path = /"), cfgIssuer, cfgIssuer+" # ours", 1), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-value) iss-not-configured", "what follows the issuer"},
		{"dropped", cfg("base_path = /") + "[Issuer b]\nissuer = https://j.example.org\n", servicetest.Claims("scitokens", xrdAud, "read:/", "i.example.org", "j.example.org"), "/f", service.Version{},
			"(cfg-ignored) iss-not-configured", "section [Issuer b] is ignored: it has no base_path|check line 8"},
		{"no issuer", "[Global]\naudience = a\n", servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "cfg-empty", "no issuer is configured"},
		{"sections that do not count", "[Issuer]\nissuer = x\n[Issuer ]\nissuer = " + cfgIssuer + "\nbase_path = /\n[Issuer c]\nbase_path = /\n[Foo]\na = b\n", servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"cfg-empty (cfg-ignored) (cfg-ignored) (cfg-ignored) (cfg-ignored)", "line 1: section [Issuer]|it has no name|it has no issuer|section [Foo]"},
		{"broken", cfg("base_path = /", "hello", "[x"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "cfg-broken", "line 7: neither a section nor key = value: no server starts with this file"},
		{"indented", "[Global]\n  audience = " + xrdAud + "\n  onmissing = deny\n[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-line) (cfg-match) (cfg-user)", "line 3: the indented line is a new value of audience and replaces " + xrdAud},
		{"unknown keys", cfg("base_path = /", "basepath = /x", "required_authorization = all"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-ignored) (cfg-ignored) (cfg-match) (cfg-user)", "line 7: basepath is not a key|builds for Pelican"},
		{"no audience", "[Issuer a]\nissuer = " + cfgIssuer + "\nbase_path = /\n", servicetest.Claims("scitokens", "ANY", "read:/"), "/f", service.Version{}, "(cfg-audience) (cfg-match) (cfg-user)", "has no audience"},
		{"allow", strings.Replace(cfg("base_path = /"), "deny", "allow", 1), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-match) (cfg-user) (onmissing-allow)", "admits requests that it did not authorize"},
		{"passthrough", strings.Replace(cfg("base_path = /"), "deny", "passthrough", 1), servicetest.Claims("scitokens", xrdAud, "openid"), "/f", service.Version{}, "(cfg-match) (cfg-user) (onmissing-next)", "no scope for storage|next plugin"},
		{"strategy, next", strings.Replace(cfg("base_path = /", "authorization_strategy = Group"), "deny", "passthrough", 1), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-match) (cfg-user) (strategy-no-capability) (onmissing-next)", `is "group", which ignores scopes`},
		{"strategy, deny", cfg("base_path = /", "authorization_strategy = group"), servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{}, "(cfg-match) (cfg-user) strategy-no-capability", ""},
		{"one issuer twice", cfg("base_path = /") + "[Issuer zz]\nissuer = " + cfgIssuer + "\nbase_path = /other\n", servicetest.Claims("scitokens", xrdAud, "read:/"), "/f", service.Version{},
			"(cfg-duplicate) (cfg-match) (cfg-user)", "line 8: [Issuer local] in line 4 has the same issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := configured(t, tt.cfg, "read", tt.place, tt.version)
			list := s.explain(service.Presented{JWT: servicetest.JWT(t, servicetest.ES256, tt.claims)})
			servicetest.Find(t, list, tt.codes, tt.says)
			for _, f := range list {
				if f.Source == "" {
					t.Errorf("%s has no source", f.Code)
				}
			}
		})
	}
}

func TestScopePaths(t *testing.T) {
	c := parseConfig(t, cfg("base_path = /store /store/user /"), service.Version{})
	for place, want := range map[string][]string{
		"/store/user/f": {"/user/f", "/f", "/store/user/f"},
		"/store":        {"/", "/store"},
		"/store2":       {"/store2"},
	} {
		if got := c.ScopePaths(cfgIssuer, place); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", place, got, want)
		}
	}
	if got := c.ScopePaths("https://j.example.org", "/"); got != nil {
		t.Errorf("another issuer: got %q", got)
	}
}

func TestNotSciTokensConfig(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "issuer = x\n", "a\x00b"} {
		if c, err := ParseSciTokensConfig([]byte(text), service.Version{}); err == nil {
			t.Errorf("%q: got %+v", text, c)
		}
	}
}

func TestManyMistakes(t *testing.T) {
	s := configured(t, cfg("base_path = /")+strings.Repeat("x = 1\n", 500)+"broken\n", "read", "/", service.Version{})
	list := s.explain(service.Presented{JWT: servicetest.JWT(t, servicetest.ES256, servicetest.Claims("scitokens", xrdAud, "read:/"))})
	if len(list) > maxMistakes+2 || list[0].Code != "cfg-broken" {
		t.Errorf("%d findings, the first %s", len(list), list[0].Code)
	}
}

func FuzzParseSciTokensConfig(f *testing.F) {
	f.Add(cfg("base_path = /store", "restricted_path = /user", "authorization_strategy = group"), cfgIssuer, "read:/", "/store")
	f.Add("[Global]\naudience_json = [\"a\"]\n[Issuer \x1b]\n a:b ; c\n[", "x", "storage.read:/a/../b", "/")
	f.Add("\ufeff[Issuer "+strings.Repeat("s", 60)+"]\nissuer="+strings.Repeat("i", 300)+"\nbase_path=,/ \n", "x", "write:", "/a")
	f.Fuzz(func(t *testing.T, text, iss, scope, place string) {
		for _, v := range []service.Version{{}, {Major: 5, Minor: 5, Patch: 3}} {
			c, err := ParseSciTokensConfig([]byte(text), v)
			if err != nil {
				return
			}
			s := &Server{access: "read", path: "/" + place, version: v, config: c}
			claims := fmt.Sprintf(`{"iss":%s,"scope":%s,"ver":"scitoken:2.0"}`, quoteJSON(t, iss), quoteJSON(t, scope))
			servicetest.Bounded(t, s.explain(service.Presented{JWT: servicetest.JWT(t, servicetest.ES256, claims)}), maxMistakes+10)
			c.ScopePaths(iss, s.path)
		}
	})
}

func quoteJSON(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
