package ecosystem

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

// The clock of these tests, 2026-01-01 00:00:00 UTC.
var ruleNow = time.Unix(1_767_225_600, 0)

func decode(t *testing.T, header, claims string) *token.JWT {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	j, err := token.Decode([]byte(b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64([]byte("sig"))))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// good is a token that the service takes; edit replaces pieces of its JSON, in pairs.
func good(profile, aud, scope string, edit ...string) string {
	version := map[string]string{"wlcg": `,"wlcg.ver":"1.0"`, "scitokens": `,"ver":"scitoken:2.0"`}[profile]
	claims := `{"iss":"https://i.example.org","sub":"u","aud":"` + aud + `","iat":1767225000,"nbf":1767225000,"exp":1767228600,"jti":"j","scope":"` + scope + `"` + version + `}`
	return strings.NewReplacer(edit...).Replace(claims)
}

const (
	es256   = `{"alg":"ES256","kid":"k","typ":"JWT"}`
	ceAud   = "ce.example.org:9619"
	xrdAud  = "https://x.example.org:1094"
	compute = "compute.read compute.modify compute.cancel compute.create"
)

// codes are the codes of what refuses, those of remarks in brackets.
func codes(list []Finding) string {
	var out []string
	for _, f := range list {
		c := f.Code
		if f.Remark {
			c = "(" + c + ")"
		}
		out = append(out, c)
	}
	return strings.Join(out, " ")
}

// mustFind compares the codes of what was found, and looks for each of the words, which
// stand with | between them, in what is said of it.
func mustFind(t *testing.T, list []Finding, want, says string) {
	t.Helper()
	if got := codes(list); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	text := ""
	for _, f := range list {
		text += f.Message + "\n" + f.Hint + "\n" + f.Command + "\n"
	}
	for w := range strings.SplitSeq(says, "|") {
		if !strings.Contains(text, w) {
			t.Errorf("does not say %q:\n%s", w, text)
		}
	}
}

func judge(t *testing.T, s *Service, header, claims string) []Finding {
	t.Helper()
	return s.Judge(Presented{JWT: decode(t, header, claims), Size: 500, Now: ruleNow})
}

func TestCondorRules(t *testing.T) {
	wlcg := func(edit ...string) string { return good("wlcg", ceAud, compute, edit...) }
	scoped := func(profile, scope string) string { return good(profile, ceAud, scope) }
	for _, tt := range []struct {
		name, header, claims string
		read, write          string
	}{
		{"good", es256, wlcg(), "", ""},
		{"good SciTokens", es256, scoped("scitokens", "condor:/READ condor:/WRITE"), "", ""},
		{"aud https", es256, wlcg(ceAud, "https://"+ceAud), "aud-mismatch", "aud-mismatch"},
		{"aud list", es256, wlcg(`"`+ceAud+`"`, `["x","`+ceAud+`"]`), "", ""},
		{"aud empty list", es256, wlcg(`"`+ceAud+`"`, `[]`), "aud-mismatch", "aud-mismatch"},
		{"aud number", es256, wlcg(`"`+ceAud+`"`, `1`), "claim-missing", "claim-missing"},
		{"aud any", es256, wlcg(ceAud, AnyAudience), "(aud-any)", "(aud-any)"},
		{"aud ANY", es256, wlcg(ceAud, "ANY"), "aud-mismatch", "aud-mismatch"},
		{"no aud", es256, wlcg(`"aud"`, `"aux"`), "aud-missing", "aud-missing"},
		{"version 1.2", es256, wlcg(`"1.0"`, `"1.2"`), "version-unknown", "version-unknown"},
		{"version a number", es256, wlcg(`"1.0"`, `1.0`), "version-unknown", "version-unknown"},
		{"both versions", es256, wlcg(`"wlcg.ver"`, `"ver":"scitoken:2.0","wlcg.ver"`), "(version-both) compute-without-wlcg", "(version-both) compute-without-wlcg"},
		{"no version, extra claim", es256, scoped("", `condor:/WRITE","client_id":"c`), "version-missing", "version-missing"},
		{"scitokens:1.0, extra claim", es256, scoped("", `condor:/WRITE","ver":"scitokens:1.0","x":"c`), "version-missing", "version-missing"},
		{"no version, at+jwt", `{"alg":"ES256","kid":"k","typ":"at+jwt"}`, scoped("", `condor:/WRITE","client_id":"c`), "", ""},
		{"no iss", es256, wlcg(`"iss"`, `"isx"`), "claim-missing", "claim-missing"},
		{"iss http", es256, wlcg("https://i", "http://i"), "iss-not-https", "iss-not-https"},
		{"iss slash", es256, wlcg("i.example.org", "i.example.org/"), "(iss-slash)", "(iss-slash)"},
		{"no exp", es256, wlcg(`"exp"`, `"exx"`), "claim-missing", "claim-missing"},
		{"exp fraction", es256, wlcg("1767228600", "1767228600.5"), "time-not-integer", "time-not-integer"},
		{"exp in milliseconds", es256, wlcg("1767228600", "1767228600000"), "time-range", "time-range"},
		{"exp 1e10", es256, wlcg("1767228600", "10000000000"), "time-range (lifetime-range)", "time-range (lifetime-range)"},
		{"exp beyond 64 bits", es256, wlcg("1767228600", "99999999999999999999"), "time-not-integer", "time-not-integer"},
		{"ended", es256, wlcg("1767228600", "1767225600"), "expired (lifetime-range)", "expired (lifetime-range)"},
		{"iat to come", es256, wlcg(`"iat":1767225000`, `"iat":1767225601`), "not-yet-valid", "not-yet-valid"},
		{"nbf to come", es256, wlcg(`"nbf":1767225000`, `"nbf":1767225601`), "not-yet-valid", "not-yet-valid"},
		{"no nbf", es256, wlcg(`"nbf"`, `"nbx"`), "(claim-missing)", "(claim-missing)"},
		{"no sub", es256, wlcg(`"sub"`, `"sux"`), "claim-missing", "claim-missing"},
		{"sub not ASCII", es256, wlcg(`"u"`, `"ü"`), "(sub-form)", "(sub-form)"},
		{"no jti", es256, wlcg(`"jti"`, `"jtx"`), "(claim-missing)", "(claim-missing)"},
		{"jti number", es256, wlcg(`"j"`, `1`), "claim-missing", "claim-missing"},
		{"no scope", es256, wlcg(`"scope"`, `"scopx"`), "claim-missing", "claim-missing"},
		{"groups alone", es256, wlcg(`"scope"`, `"wlcg.groups":["/x"],"scopx"`), "groups-only", "groups-only"},
		{"scope list", es256, wlcg(`"`+compute+`"`, `["compute.read"]`), "scope-not-string", "scope-not-string"},
		{"lifetime of a day", es256, wlcg("1767228600", "1767312000"), "(lifetime-range)", "(lifetime-range)"},
		{"unsigned", `{"alg":"none"}`, wlcg(), "unsigned", "unsigned"},
		{"HS256", `{"alg":"HS256","kid":"k"}`, wlcg(), "alg-refused", "alg-refused"},
		{"PS256", `{"alg":"PS256","kid":"k"}`, wlcg(), "alg-refused", "alg-refused"},
		{"no kid", `{"alg":"RS256"}`, wlcg(), "(kid-missing)", "(kid-missing)"},
		{"compute.read", es256, scoped("wlcg", "compute.read"), "", "scope-missing"},
		{"compute write", es256, scoped("wlcg", "compute.modify compute.cancel compute.create"), "", ""},
		{"compute with a path", es256, scoped("wlcg", "compute.modify:/ compute.cancel:/ compute.create:/"), "", ""},
		{"no cancel", es256, scoped("wlcg", "compute.modify compute.create"), "scope-missing", "write-incomplete"},
		{"compute in SciTokens", es256, scoped("scitokens", compute), "compute-without-wlcg", "compute-without-wlcg"},
		{"ALLOW", es256, scoped("scitokens", "condor:/ALLOW"), "condor-allow", "condor-allow"},
		{"levels", es256, scoped("scitokens", "condor:ADVERTISE_STARTD"), "", "scope-missing"},
		{"storage", es256, scoped("wlcg", "storage.read:/"), "scope-missing", "scope-missing"},
	} {
		for _, write := range []bool{false, true} {
			s, err := NewCE("CE.example.org", write)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.read
			if write {
				want = tt.write
			}
			list := judge(t, s, tt.header, tt.claims)
			if got := codes(list); got != want {
				t.Errorf("%s, write %v: %q, want %q", tt.name, write, got, want)
			}
			for _, f := range list {
				if f.Message == "" || f.Source == "" || f.Hint == "" && !f.Remark {
					t.Errorf("%s: %s lacks a message, a remedy or a source: %+v", tt.name, f.Code, f)
				}
			}
		}
	}
	old, _ := NewCE("ce.example.org", true)
	old.Version = Version{8, 9, 6}
	if got := codes(judge(t, old, es256, scoped("scitokens", "condor:/ALLOW"))); got != "" {
		t.Errorf("condor:/ALLOW on 8.9.6: %q", got)
	}
}

func TestXRootDRules(t *testing.T) {
	type answers struct{ read, write, create string }
	ok := answers{}
	for _, tt := range []struct {
		name, url, profile, scope string
		version                   Version
		want                      answers
	}{
		{"all", "root://x.example.org//store/user/f", "wlcg", "storage.read:/ storage.modify:/", Version{}, ok},
		{"all, SciTokens", "root://x.example.org//store/user/f", "scitokens", "read:/ write:/", Version{}, ok},
		{"read", "https://x.example.org:1094/store/f", "scitokens", "read:/", Version{}, answers{"", "scope-missing", "scope-missing"}},
		{"write", "root://x.example.org/", "scitokens", "write:/", Version{}, answers{"scope-missing", "(write-without-read)", "(write-without-read)"}},
		{"write, older", "root://x.example.org/", "scitokens", "write:/", Version{5, 6, 8}, answers{"scope-missing", "write-without-read", "write-without-read"}},
		{"write, older, https", "https://x.example.org:1094/", "scitokens", "write:/", Version{5, 6, 8}, answers{"scope-missing", "", ""}},
		{"create", "https://x.example.org:1094/", "wlcg", "storage.create:/", Version{}, answers{"scope-missing", "create-not-overwrite", ""}},
		{"stage", "https://x.example.org:1094/", "wlcg", "storage.stage:/", Version{}, answers{"scope-missing", "scope-missing", "scope-missing"}},
		{"storage in SciTokens", "https://x.example.org:1094/", "scitokens", "storage.read:/ storage.modify:/", Version{}, answers{"storage-without-wlcg", "storage-without-wlcg", "storage-without-wlcg"}},
		{"path", "https://x.example.org:1094/store/user/f", "scitokens", "read:/store/user write:/store/user", Version{}, ok},
		{"path beside", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", Version{}, answers{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"path beside, older", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", Version{5, 5, 3}, answers{"(path-prefix)", "(path-prefix)", "(path-prefix)"}},
		{"path above", "https://x.example.org:1094/store", "scitokens", "read:/store/user write:/store/user", Version{}, answers{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"no path", "https://x.example.org:1094/store", "wlcg", "storage.read storage.modify", Version{}, answers{"(path-missing)", "(path-missing)", "(path-missing)"}},
		{"encoded", "https://x.example.org:1094/a%20b/f", "scitokens", "read:/a%20b write:/a%20b", Version{}, answers{"path-mismatch (path-encoded)", "path-mismatch (path-encoded)", "path-mismatch (path-encoded)"}},
		{"doubled slashes", "https://x.example.org:1094//store//f", "scitokens", "read://store/ write:/./store", Version{}, ok},
	} {
		for access, want := range map[string]string{"read": tt.want.read, "write": tt.want.write, "create": tt.want.create} {
			s, err := NewXRootD(tt.url, access, "")
			if err != nil {
				t.Fatal(err)
			}
			s.Version = tt.version
			list := judge(t, s, es256, good(tt.profile, xrdAud, tt.scope))
			if got := codes(list); got != want {
				t.Errorf("%s, %s: %q, want %q", tt.name, access, got, want)
			}
			for _, f := range list {
				if f.Message == "" || f.Source == "" || f.Hint == "" {
					t.Errorf("%s: %s lacks a message, a remedy or a source", tt.name, f.Code)
				}
			}
		}
	}
}

// What only the root:// login looks at, and what only older servers do.
func TestXRootDLogin(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    Presented
		want string
	}{
		{"4095 bytes", Presented{Size: 4095}, ""},
		{"4096 bytes", Presented{Size: 4096}, "too-long"},
		{"mode 0600", Presented{Mode: 0o600}, ""},
		{"mode 0400", Presented{Mode: 0o400}, ""},
		{"mode 0640", Presented{Mode: 0o640}, "file-mode"},
		{"Bearer in the file", Presented{Mode: 0o600, Wrapped: true}, "file-form"},
	} {
		tt.p.JWT, tt.p.Now = decode(t, es256, good("wlcg", xrdAud, "storage.read:/")), ruleNow
		s, _ := NewXRootD("root://x.example.org", "read", "")
		if got := codes(s.Judge(tt.p)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		web, _ := NewXRootD("https://x.example.org:1094", "read", "")
		if got := codes(web.Judge(tt.p)); got != "" {
			t.Errorf("%s over https: %q", tt.name, got)
		}
	}
	s, _ := NewXRootD("root://x.example.org", "read", "")
	noNBF := good("wlcg", xrdAud, "storage.read:/", `"nbf"`, `"nbx"`)
	if got := codes(judge(t, s, es256, noNBF)); got != "(claim-missing)" {
		t.Errorf("no nbf: %q", got)
	}
	s.Version = Version{5, 5, 3}
	if got := codes(judge(t, s, es256, noNBF)); got != "claim-missing" {
		t.Errorf("no nbf on 5.5.3: %q", got)
	}
}

func TestNearMiss(t *testing.T) {
	right := "the host is right, and only this differs: "
	for got, want := range map[string]string{
		"https://ce.example.org:9619":  right + "the scheme (the token has https://, the service none)",
		"ce.example.org:9619/":         right + "what follows the host",
		"CE.example.org:9619":          right + "upper and lower case",
		"ce.example.org:443":           right + "the port (the token has 443, the service 9619)",
		"ce.example.org":               right + "the port (the token has none, the service 9619)",
		"https://CE.example.org:9619/": right + "the scheme (the token has https://, the service none), upper and lower case, what follows the host",
		"ce.example.org.:9619":         right + "a dot at the host's end",
		" ce.example.org:9619":         "only white space around it differs",
		"ce:9619":                      "the host's short name is not its full name",
		"ce.example.org.uk:9619":       "the token is for the host's full name: was ce.example.org.uk meant?",
		"x ce.example.org:9619":        "several audiences stand in one string: they have to be a list",
		"ANY":                          "ANY counts with ver scitoken:2.0 alone, in capitals",
		AnyAudience:                    "the any-value of WLCG counts with wlcg.ver 1.0 alone",
		"ce2.example.org:9619":         "",
		"":                             "",
	} {
		if hint := nearMiss(got, "ce.example.org:9619"); hint != want {
			t.Errorf("%q: %q, want %q", got, hint, want)
		}
	}
	if hint := nearMiss("https://[2001:db8::1]", "[2001:db8::1]:9619"); !strings.HasPrefix(hint, right) {
		t.Errorf("an IPv6 address: %q", hint)
	}
	if hint := nearMiss("10:9619", "10.0.0.1:9619"); hint != "" {
		t.Errorf("an IPv4 address: %q", hint)
	}
}

func TestVersion(t *testing.T) {
	for in, want := range map[string]Version{"5.6.9": {5, 6, 9}, "v5.6.9-1": {5, 6, 9}, "23": {23, 0, 0}, "5.6.9.1": {5, 6, 9}, "5.6.9rc1": {5, 6, 9}, "1:5.5.3+git": {5, 5, 3}} {
		if v, err := ParseVersion(in); err != nil || v != want {
			t.Errorf("%s: %v %v", in, v, err)
		}
	}
	for _, in := range []string{"", "x", "0", "5..1", "x5", "-1"} {
		if v, err := ParseVersion(in); err == nil {
			t.Errorf("%q is %v", in, v)
		}
	}
	if (Version{}).Before(Version{99, 0, 0}) || !(Version{5, 6, 8}).Before(prefixFixed) || prefixFixed.Before(prefixFixed) {
		t.Error("the order of versions")
	}
}

func TestProfile(t *testing.T) {
	for _, tt := range []struct{ profile, claims, want string }{
		{"wlcg", good("wlcg", "a", "s"), ""},
		{"scitokens", good("scitokens", "a", "s"), ""},
		{"scitokens", good("wlcg", "a", "s"), "profile-mismatch"},
		{"wlcg", good("", "a", "s", `"jti"`, `"jtx"`), "profile-mismatch claim-missing"},
		{"scitokens", good("scitokens", "a", "s", `"nbf"`, `"nbx"`), "claim-missing"},
	} {
		if got := codes(Profile(decode(t, es256, tt.claims), tt.profile)); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.profile, tt.claims, got, tt.want)
		}
	}
}
