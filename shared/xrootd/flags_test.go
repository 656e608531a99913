package xrootd

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
)

func TestAudience(t *testing.T) {
	good := map[string]string{
		"root://X.example.org":                "https://x.example.org:1094",
		"root://x.example.org//store/f":       "https://x.example.org:1094",
		"roots://x.example.org:2094/":         "https://x.example.org:2094",
		"xroot://x.example.org?a=b":           "https://x.example.org:1094",
		"https://x.example.org":               "https://x.example.org",
		"https://x.example.org:443/":          "https://x.example.org",
		"HTTPS://x.example.org:1094/store/me": "https://x.example.org:1094",
		"davs://x.example.org:8443":           "https://x.example.org:8443",
		"x.example.org":                       "https://x.example.org:1094",
		"x.example.org:11094":                 "https://x.example.org:11094",
		"[2001:db8::1]":                       "https://[2001:db8::1]:1094",
		"root://x.example.org:443":            "https://x.example.org",
	}
	for in, want := range good {
		if got, err := Audience("--server", in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "http://x", "ftp://x", "https://", "https://u@x", "https://u:p@x", "x/y", "root://x:0", "https://x y", "://x"} {
		if got, err := Audience("--server", in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestScopePath(t *testing.T) {
	good := map[string]string{
		"/": "/", "//": "/", "/store/./user//me/": "/store/user/me", "/a/../b": "/b", "/../..": "/",
		"/with space": "/with%20space", "/%7Eme": "/~me", "/100%25": "/100%25", "/é": "/%C3%A9", "/a+b": "/a+b", "/a,b": "/a,b",
	}
	for in, want := range good {
		if got, err := ScopePath("--path", in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "store", "./x", "/a%2Fb", "/a%2fb", "/%", "/%zz", "/a\x00", "/a\nb", "/%0a", "/\xff"} {
		if got, err := ScopePath("--path", in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestWant(t *testing.T) {
	tests := []struct {
		name   string
		flags  Flags
		scopes string
	}{
		{"read by default", Flags{}, "read:/"},
		{"xrdcp looks before it writes", Flags{Write: true}, "read:/ write:/"},
		{"write only", Flags{WriteOnly: true}, "write:/"},
		{"paths", Flags{Write: true, Path: []string{"/a", "/b/"}}, "read:/a read:/b write:/a write:/b"},
		{"wlcg", Flags{Profile: "wlcg", Write: true}, "storage.read:/ storage.modify:/"},
		{"wlcg create and stage", Flags{Profile: "wlcg", Create: true, Stage: true}, "storage.create:/ storage.stage:/"},
		{"wlcg create and read", Flags{Profile: "wlcg", Create: true, Read: true, Path: []string{"/x"}}, "storage.read:/x storage.create:/x"},
	}
	for _, tt := range tests {
		w, err := tt.flags.Want(service.Given{})
		if got := strings.Join(w.Scopes, " "); err != nil || got != tt.scopes || len(w.Audiences) > 0 {
			t.Errorf("%s: %q %q %v", tt.name, got, w.Audiences, err)
		}
	}
	for _, x := range []Flags{{Create: true}, {Stage: true}, {WriteOnly: true, Write: true}, {WriteOnly: true, Read: true}, {Path: []string{"x"}}, {Server: "ftp://x"}} {
		if w, err := x.Want(service.Given{}); err == nil {
			t.Errorf("%+v: %v", x, w)
		}
	}
	if _, err := (&Flags{Path: []string{"/a"}}).Want(service.Given{Scope: true}); err == nil {
		t.Error("--path with nothing to narrow passes")
	}
}

func TestAlternative(t *testing.T) {
	wlcg, plain := []string{"storage.read:/"}, []string{"read:/"}
	tests := []struct {
		profile   string
		supported []string
		want      string
	}{
		{"scitokens", wlcg, "--profile wlcg"},
		{"scitokens", plain, ""},
		{"wlcg", plain, "--profile scitokens"},
		{"wlcg", append(wlcg, plain...), ""},
		{"scitokens", nil, ""},
	}
	for _, tt := range tests {
		if got := (&Flags{Profile: tt.profile}).Alternative(tt.supported); got != tt.want {
			t.Errorf("%s with %q: %q", tt.profile, tt.supported, got)
		}
	}
}

func FuzzScopePath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%41", "/a b", "/%25"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ScopePath("--path", s)
		if err != nil {
			return
		}
		if again, err := ScopePath("--path", p); err != nil || again != p {
			t.Fatalf("%q gives %q gives %q %v", s, p, again, err)
		}
		if p[0] != '/' || strings.ContainsAny(p, " \t\r\n") || strings.Contains(p, "/../") {
			t.Fatalf("%q", p)
		}
	})
}
