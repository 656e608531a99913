package xrootd

import (
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/service"
)

const (
	xrdAud = "https://x.example.org:1094"
)

func TestRules(t *testing.T) {
	type answers struct{ read, write, create string }
	ok := answers{}
	for _, tt := range []struct {
		name, url, profile, scope string
		version                   service.Version
		want                      answers
	}{
		{"all", "root://x.example.org//store/user/f", "wlcg", "storage.read:/ storage.modify:/", service.Version{}, ok},
		{"all, SciTokens", "root://x.example.org//store/user/f", "scitokens", "read:/ write:/", service.Version{}, ok},
		{"read", "https://x.example.org:1094/store/f", "scitokens", "read:/", service.Version{}, answers{"", "scope-missing", "scope-missing"}},
		{"write", "root://x.example.org/", "scitokens", "write:/", service.Version{}, answers{"scope-missing", "(write-without-read)", "(write-without-read)"}},
		{"write, older", "root://x.example.org/", "scitokens", "write:/", service.Version{Major: 5, Minor: 6, Patch: 8}, answers{"scope-missing", "write-without-read", "write-without-read"}},
		{"write, older, https", "https://x.example.org:1094/", "scitokens", "write:/", service.Version{Major: 5, Minor: 6, Patch: 8}, answers{"scope-missing", "", ""}},
		{"create", "https://x.example.org:1094/", "wlcg", "storage.create:/", service.Version{}, answers{"scope-missing", "create-not-overwrite", ""}},
		{"stage", "https://x.example.org:1094/", "wlcg", "storage.stage:/", service.Version{}, answers{"scope-missing", "scope-missing", "scope-missing"}},
		{"storage in SciTokens", "https://x.example.org:1094/", "scitokens", "storage.read:/ storage.modify:/", service.Version{}, answers{"storage-without-wlcg", "storage-without-wlcg", "storage-without-wlcg"}},
		{"path", "https://x.example.org:1094/store/user/f", "scitokens", "read:/store/user write:/store/user", service.Version{}, ok},
		{"path beside", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", service.Version{}, answers{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"path beside, older", "https://x.example.org:1094/store/user2/f", "scitokens", "read:/store/user write:/store/user", service.Version{Major: 5, Minor: 5, Patch: 3}, answers{"(path-prefix)", "(path-prefix)", "(path-prefix)"}},
		{"path above", "https://x.example.org:1094/store", "scitokens", "read:/store/user write:/store/user", service.Version{}, answers{"path-mismatch", "path-mismatch", "path-mismatch"}},
		{"no path", "https://x.example.org:1094/store", "wlcg", "storage.read storage.modify", service.Version{}, answers{"(path-missing)", "(path-missing)", "(path-missing)"}},
		{"encoded", "https://x.example.org:1094/a%20b/f", "scitokens", "read:/a%20b write:/a%20b", service.Version{Major: 5, Minor: 8, Patch: 1}, answers{"path-mismatch (path-encoded)", "path-mismatch (path-encoded)", "path-mismatch (path-encoded)"}},
		{"encoded, decoded since 1.4.1", "https://x.example.org:1094/a%20b/f", "scitokens", "read:/a%20b write:/a%2520b", service.Version{}, answers{"(path-encoded)", "(path-encoded)", "(path-encoded)"}},
		{"what encodes a slash", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/ storage.modify:/ x:/a%2fb", service.Version{}, answers{"path-encoded", "path-encoded", "path-encoded"}},
		{"dots", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/ storage.modify:/ x:/a/../b", service.Version{}, answers{"path-dots", "path-dots", "path-dots"}},
		{"dots, older", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/a/../store storage.modify:/", service.Version{Major: 5, Minor: 8, Patch: 1}, answers{"(path-dots)", "(path-dots)", "(path-dots)"}},
		{"dots above the root, older", "https://x.example.org:1094/store/f", "wlcg", "storage.read:/../ storage.modify:/", service.Version{Major: 5, Minor: 5, Patch: 3}, answers{"path-dots", "path-dots", "path-dots"}},
		{"doubled slashes", "https://x.example.org:1094//store//f", "scitokens", "read://store/ write:/./store", service.Version{}, ok},
	} {
		for access, want := range map[string]string{"read": tt.want.read, "write": tt.want.write, "create": tt.want.create} {
			s, err := New(tt.url, Options{Access: access, Version: tt.version})
			if err != nil {
				t.Fatal(err)
			}
			list := servicetest.Judge(t, s, servicetest.ES256, servicetest.Claims(tt.profile, xrdAud, tt.scope))
			if got := servicetest.Codes(t, list); got != want {
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
func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    service.Presented
		want string
	}{
		{"4095 bytes", service.Presented{Size: 4095}, ""},
		{"4096 bytes", service.Presented{Size: 4096}, "too-long"},
		{"mode 0600", service.Presented{Mode: 0o600}, ""},
		{"mode 0400", service.Presented{Mode: 0o400}, ""},
		{"mode 0640", service.Presented{Mode: 0o640}, "file-mode"},
		{"Bearer in the file", service.Presented{Mode: 0o600, Wrapped: true}, "file-form"},
	} {
		tt.p.JWT, tt.p.Now = servicetest.JWT(t, servicetest.ES256, servicetest.Claims("wlcg", xrdAud, "storage.read:/")), servicetest.Now
		s, _ := New("root://x.example.org", Options{Access: "read"})
		if got := servicetest.Codes(t, s.Judge(tt.p)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		web, _ := New("https://x.example.org:1094", Options{Access: "read"})
		if got := servicetest.Codes(t, web.Judge(tt.p)); got != "" {
			t.Errorf("%s over https: %q", tt.name, got)
		}
	}
	s, _ := New("root://x.example.org", Options{Access: "read"})
	noNBF := servicetest.Claims("wlcg", xrdAud, "storage.read:/", `"nbf"`, `"nbx"`)
	if got := servicetest.Codes(t, servicetest.Judge(t, s, servicetest.ES256, noNBF)); got != "(claim-missing)" {
		t.Errorf("no nbf: %q", got)
	}
	s, _ = New("root://x.example.org", Options{Access: "read", Version: service.Version{Major: 5, Minor: 5, Patch: 3}})
	if got := servicetest.Codes(t, servicetest.Judge(t, s, servicetest.ES256, noNBF)); got != "claim-missing" {
		t.Errorf("no nbf on 5.5.3: %q", got)
	}
}
