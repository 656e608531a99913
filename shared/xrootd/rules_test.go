package xrootd

import (
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/service"
)

const (
	xrdAud = "https://x.example.org:1094"
)

func TestRules(t *testing.T) {
	type codes struct{ read, write, create string }
	ok := codes{}
	for _, tt := range []struct {
		name, url, profile, scope string
		version                   service.Version
		want                      codes
	}{
		{"all", "root://x.example.org//store/user/f", "wlcg", "storage.read:/ storage.modify:/", service.Version{}, ok},
		{"all, SciTokens", "root://x.example.org//store/user/f", "scitokens", "read:/ write:/", service.Version{}, ok},
		{"read", "https://x.example.org:1094/store/f", "scitokens", "read:/", service.Version{}, codes{"", "scope-missing", "scope-missing"}},
		{"write", "root://x.example.org/", "scitokens", "write:/", service.Version{}, codes{"scope-missing", "(write-without-read)", "(write-without-read)"}},
		{"write, older", "root://x.example.org/", "scitokens", "write:/", service.Version{Major: 5, Minor: 6, Patch: 8}, codes{"scope-missing", "write-without-read", "write-without-read"}},
		{"write, older, https", "https://x.example.org:1094/", "scitokens", "write:/", service.Version{Major: 5, Minor: 6, Patch: 8}, codes{"scope-missing", "", ""}},
		{"create", "https://x.example.org:1094/", "wlcg", "storage.create:/", service.Version{}, codes{"scope-missing", "create-not-overwrite", ""}},
		{"stage", "https://x.example.org:1094/", "wlcg", "storage.stage:/", service.Version{}, codes{"scope-missing", "scope-missing", "scope-missing"}},
		{"storage in SciTokens", "https://x.example.org:1094/", "scitokens", "storage.read:/ storage.modify:/", service.Version{}, codes{"storage-without-wlcg", "storage-without-wlcg", "storage-without-wlcg"}},
		{"path", "https://x.example.org:1094/store/user/f", "scitokens", "read:/store/user write:/store/user", service.Version{}, ok},
		{"path beside", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", service.Version{}, codes{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"path beside, older", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", service.Version{Major: 5, Minor: 5, Patch: 3}, codes{"(path-prefix)", "(path-prefix)", "(path-prefix)"}},
		{"path above", "https://x.example.org:1094/store", "scitokens", "read:/store/user write:/store/user", service.Version{}, codes{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"no path", "https://x.example.org:1094/store", "wlcg", "storage.read storage.modify", service.Version{}, codes{"(path-missing)", "(path-missing)", "(path-missing)"}},
		{"encoded", "https://x.example.org:1094/a%20b/f", "scitokens", "read:/a%20b write:/a%20b", service.Version{Major: 5, Minor: 8, Patch: 1}, codes{"path-mismatch (path-encoded)", "path-mismatch (path-encoded)", "path-mismatch (path-encoded)"}},
		{"encoded, decoded since 1.4.1", "https://x.example.org:1094/a%20b/f", "scitokens", "read:/a%20b write:/a%2520b", service.Version{}, codes{"(path-encoded)", "(path-encoded)", "(path-encoded)"}},
		{"an encoded slash", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/ storage.modify:/ x:/a%2fb", service.Version{}, codes{"path-encoded", "path-encoded", "path-encoded"}},
		{"dots", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/ storage.modify:/ x:/a/../b", service.Version{}, codes{"path-dots", "path-dots", "path-dots"}},
		{"dots, older", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/a/../store storage.modify:/", service.Version{Major: 5, Minor: 8, Patch: 1}, codes{"(path-dots)", "(path-dots)", "(path-dots)"}},
		{"dots above the root, older", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/../ storage.modify:/", service.Version{Major: 5, Minor: 5, Patch: 3}, codes{"path-dots", "path-dots", "path-dots"}},
		{"doubled slashes", "https://x.example.org:1094//store//f", "scitokens", "read://store/ write:/./store", service.Version{}, ok},
	} {
		for access, want := range map[string]string{"read": tt.want.read, "write": tt.want.write, "create": tt.want.create} {
			s, err := New(tt.url, Options{Access: access, Version: tt.version})
			if err != nil {
				t.Fatal(err)
			}
			list := servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims(tt.profile, xrdAud, tt.scope))
			list = slices.DeleteFunc(list, func(f finding.Finding) bool { return f.Code == finding.VersionVulnerable })
			if got := servicetest.Codes(t, list); got != want {
				t.Errorf("%s, %s: %q, want %q", tt.name, access, got, want)
			}
			for _, f := range list {
				if f.Message == "" || f.Source == "" || f.Hint == "" {
					t.Errorf("%s: %s lacks a message, a hint or a source", tt.name, f.Code)
				}
			}
		}
	}
}

// The checks of the root:// login, the header that curl sends, and rules of older servers.
func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name      string
		p         service.Presented
		want, web string
	}{
		{"4095 bytes", service.Presented{Size: 4095}, "", ""},
		{"4096 bytes", service.Presented{Size: 4096}, "too-long", ""},
		{"mode 0600", service.Presented{Mode: 0o600}, "", ""},
		{"mode 0400", service.Presented{Mode: 0o400}, "", ""},
		{"mode 0640", service.Presented{Mode: 0o640}, "file-mode", ""},
		{"Bearer in the file", service.Presented{Mode: 0o600, Form: service.Wrapped}, "file-form", "file-form"},
		{"the header in the file", service.Presented{Mode: 0o600, Form: service.Header}, "file-form", ""},
		{"white space before the token", service.Presented{Mode: 0o600, Form: service.Spaced}, "", "file-form"},
	} {
		tt.p.JWT, tt.p.Now = servicetest.JWT(t, servicetest.ES256, servicetest.Claims("wlcg", xrdAud, "storage.read:/")), servicetest.Now
		s, _ := New("root://x.example.org", Options{Access: "read"})
		if got := servicetest.Codes(t, s.Judge(tt.p)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		web, _ := New("https://x.example.org:1094", Options{Access: "read"})
		if got := servicetest.Codes(t, web.Judge(tt.p)); got != tt.web {
			t.Errorf("%s over https: %q, want %q", tt.name, got, tt.web)
		}
	}
	s, _ := New("root://x.example.org", Options{Access: "read"})
	noNBF := servicetest.Claims("wlcg", xrdAud, "storage.read:/", `"nbf"`, `"nbx"`)
	if got := servicetest.Codes(t, servicetest.Judge(t, s, servicetest.ES256, noNBF)); got != "(claim-missing)" {
		t.Errorf("no nbf: %q", got)
	}
	s, _ = New("root://x.example.org", Options{Access: "read", Version: service.Version{Major: 5, Minor: 5, Patch: 3}})
	if got := servicetest.Codes(t, servicetest.Judge(t, s, servicetest.ES256, noNBF)); got != "claim-missing (version-vulnerable)" {
		t.Errorf("no nbf on 5.5.3: %q", got)
	}
}

// prepare -s over root:// is authorized as reading (measured).
func TestStage(t *testing.T) {
	old := service.Version{Major: 5, Minor: 5, Patch: 3}
	for _, tt := range []struct {
		url, access, scope string
		version            service.Version
		want               string
	}{
		{"root://x.example.org", "stage", "storage.read:/", Newest, ""},
		{"root://x.example.org", "stage", "storage.stage:/", Newest, "scope-missing"},
		{"root://x.example.org", "stage", "storage.stage:/", old, "scope-missing"},
		{"root://x.example.org", "stage", "storage.modify:/", Newest, "scope-missing"},
		{"https://x.example.org:1094", "stage", "storage.stage:/", Newest, ""},
		{"https://x.example.org:1094", "poll", "storage.poll:/", Newest, ""},
		{"https://x.example.org:1094", "poll", "storage.read:/", Newest, "scope-missing"},
	} {
		s, err := New(tt.url, Options{Access: tt.access, Version: tt.version})
		if err != nil {
			t.Fatal(err)
		}
		list := slices.DeleteFunc(servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims("wlcg", xrdAud, tt.scope)), func(f finding.Finding) bool { return f.Code == finding.VersionVulnerable })
		if got := servicetest.Codes(t, list); got != tt.want {
			t.Errorf("%s %s %s on %s: %q, want %q", tt.url, tt.access, tt.scope, tt.version, got, tt.want)
		}
	}
}

// The scope to request for a path that needs encoding depends on whether the server decodes
// paths.
func TestEncodedPathToRequest(t *testing.T) {
	for version, want := range map[service.Version]string{
		{}: "request storage.read:/store/a%20b/x:", {Major: 5, Minor: 8, Patch: 1}: "request storage.read:/store:",
	} {
		s, err := New("https://x.example.org:1094", Options{Access: "read", Path: "/store/a b/x", Version: version})
		if err != nil {
			t.Fatal(err)
		}
		list := servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims("wlcg", xrdAud, "storage.read:/other"))
		if len(list) == 0 || !strings.HasPrefix(list[0].Hint, want) {
			t.Errorf("%v: %+v, want %q", version, list, want)
		}
	}
}

func TestVulnerableVersions(t *testing.T) {
	for _, tt := range []struct {
		scope            string
		version, library service.Version
		codes, says      string
	}{
		{"read:/john", service.Version{}, service.Version{}, "", ""},
		{"read:/john", Newest, service.Version{}, "", ""},
		{"read:/john", service.Version{Major: 5, Minor: 5, Patch: 3}, service.Version{}, "(version-vulnerable) (version-vulnerable)", "0.7.3 has a known vulnerability|read:/john also covers /johnathan"},
		{"read:/", service.Version{Major: 5, Minor: 6, Patch: 9}, service.Version{Major: 1, Minor: 4, Patch: 1}, "(version-vulnerable)", "5.6.9 has a bug: with base_path = /, read:/ covers / and nothing below"},
		{"read:/", Newest, service.Version{Major: 1, Minor: 4}, "(version-vulnerable)", "crashes or hangs the server"},
	} {
		s, err := New("https://x.example.org:1094/john/f", Options{Access: "read", Version: tt.version, Library: tt.library})
		if err != nil {
			t.Fatal(err)
		}
		servicetest.Find(t, servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims("scitokens", xrdAud, tt.scope)), tt.codes, tt.says)
	}
	// Because of the bug of 5.6.9, the token is refused with base_path = /.
	c, err := ParseSciTokensConfig([]byte("[Global]\naudience = "+xrdAud+"\nonmissing = deny\n[Issuer i]\nissuer = https://i.example.org\nbase_path = /\ndefault_user = x\n"), rootOnly)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := New("https://x.example.org:1094/john/f", Options{Access: "read", Version: rootOnly, Config: c})
	list := servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims("scitokens", xrdAud, "read:/"))
	if !finding.AnyRefuses(list) {
		t.Errorf("not refused: %s", servicetest.Codes(t, list))
	}
}

// The first rule of name_mapfile that matches determines the user.
func TestNameMap(t *testing.T) {
	const cfg = "[Global]\naudience = " + xrdAud + "\nonmissing = deny\n[Issuer i]\nissuer = https://i.example.org\nbase_path = /store\nname_mapfile = m.json\ndefault_user = nobody\n"
	for _, tt := range []struct{ rules, says string }{
		{`[]`, "the user is nobody: default_user; no rule of name_mapfile matches"},
		{`[{"sub":"u","result":"alice"}]`, "the user is alice: rule 1 of name_mapfile"},
		{`[{"sub":"x","result":"bob"},{"result":"carol"}]`, "the user is carol: rule 2"},
		{`[{"path":"/john","result":"john"}]`, "the user is john: rule 1"},
		{`[{"path":"/store/john","result":"john"}]`, "no rule of name_mapfile matches"},
		{`[{"path":"/jo","result":"john"}]`, "no rule of name_mapfile matches"},
		{`[{"group":"/cms","result":"cms"}]`, "the user is cms: rule 1"},
		{`[{"group":"/atlas","result":"atlas"}]`, "no rule"},
		{`[{"username":"nobody","result":"somebody"}]`, "the user is somebody: rule 1"},
		{`[{"sub":"u","result":"alice","ignore":"yes"},{"result":"carol"}]`, "the user is carol: rule 2"},
		{`[{"subject":"u","result":"alice"}]`, "the user is alice: rule 1|ignores the keys subject"},
		{`[{"result":"alice"}] rest`, "the user is alice"},
	} {
		c, err := ParseSciTokensConfig([]byte(cfg), service.Version{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseNameMap([]byte(tt.rules))
		if err != nil {
			t.Errorf("%s: %v", tt.rules, err)
			continue
		}
		s, _ := New("https://x.example.org:1094/store/john/f", Options{Access: "read", Config: c, Names: m})
		list := servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims("wlcg", xrdAud, "storage.read:/john", `"jti":"j"`, `"jti":"j","wlcg.groups":["/cms"]`))
		messages := ""
		for _, f := range list {
			messages += f.Message + "\n"
		}
		for want := range strings.SplitSeq(tt.says, "|") {
			if !strings.Contains(messages, want) {
				t.Errorf("%s: no %q in\n%s", tt.rules, want, messages)
			}
		}
	}
	for _, bad := range []string{"", "{}", "null", "[1]", "[null]", `[{"sub":1,"result":"x"}]`, `[{"path":"x","result":"x"}]`, `[{"result":"x"}`, `[{"sub":"u"}]`, `[{"result":""}]`} {
		if m, err := ParseNameMap([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, m)
		}
	}
}

func FuzzParseNameMap(f *testing.F) {
	f.Add([]byte(`[{"sub":"u","path":"/a//b","group":"g","username":"n","result":"r","x":1}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseNameMap(b); err == nil {
			m.user(requester{sub: "u"}, []string{"/", "/store"}, "/store/x", Newest)
		}
	})
}

// Long values of a token do not make long messages.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("x", 10000)
	srv, err := New("root://x.example.org//a", Options{Access: "write"})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{servicetest.ES256, `{"alg":"HS` + long + `"}`, `{"alg":"` + long + `"}`} {
		for _, scope := range []string{"read:" + long, "read:/" + long + "%20", "write:/" + long} {
			for _, edit := range [][]string{nil, {"https://i.example.org", long}, {`"1.0"`, `"` + long + `"`}, {`"wlcg.ver":"1.0"`, `"ver":"` + long + `"`}, {"https://x.example.org:1094", long}} {
				servicetest.Bounded(t, servicetest.Judge(t, srv, header, servicetest.Claims("wlcg", "https://x.example.org:1094", scope, edit...)), 20)
			}
		}
	}
}
