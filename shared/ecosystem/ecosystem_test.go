package ecosystem

import (
	"errors"
	"strings"
	"testing"
)

func TestCEAudience(t *testing.T) {
	good := map[string]string{
		"ce.example.org":        "ce.example.org:9619",
		"CE.Example.org.":       "ce.example.org:9619",
		"ce.example.org.:9620":  "ce.example.org:9620",
		"ce.example.org:1":      "ce.example.org:1",
		"ce.example.org:65535":  "ce.example.org:65535",
		"localhost":             "localhost:9619",
		"192.0.2.1":             "192.0.2.1:9619",
		"[2001:DB8::1]":         "[2001:db8::1]:9619",
		"[2001:db8:0:0::1]:443": "[2001:db8::1]:443",
		"ce_1.example.org":      "ce_1.example.org:9619",
	}
	for in, want := range good {
		if got, err := CEAudience(in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "ce example", "https://ce", "condor://ce:9619", "ce/x", "ce:", "ce:0", "ce:65536", "ce:09619", "ce:+1", "ce:x", "ce:9619:9619",
		"2001:db8::1", "[2001:db8::1", "[ce]", "[fe80::1%eth0]", "[::1]x", "-ce", "ce-", "a..b", ".", "ce?x", "u@ce", "ce#", "ce\\x", "çe", "ce\n",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "ab",
	} {
		got, err := CEAudience(in)
		var ue *UsageError
		if !errors.As(err, &ue) || ue.Flag != "--ce" || !strings.Contains(ue.Form, "--ce HOST[:PORT]") {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func TestXRootDAudience(t *testing.T) {
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
		if got, err := XRootDAudience(in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "http://x", "ftp://x", "https://", "https://u@x", "https://u:p@x", "x/y", "root://x:0", "https://x y", "://x"} {
		if got, err := XRootDAudience(in); err == nil {
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
		if got, err := ScopePath(in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "store", "./x", "/a%2Fb", "/a%2fb", "/%", "/%zz", "/a\x00", "/a\nb", "/%0a", "/\xff"} {
		if got, err := ScopePath(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestCondorWants(t *testing.T) {
	all := "compute.read compute.modify compute.cancel compute.create"
	tests := []struct {
		name   string
		flags  Condor
		given  Given
		scopes string
	}{
		{"all four by default", Condor{}, Given{}, all},
		{"read", Condor{Read: true}, Given{}, "compute.read"},
		{"write", Condor{Write: true}, Given{}, "compute.modify compute.cancel compute.create"},
		{"both", Condor{Read: true, Write: true}, Given{}, all},
		{"--scope replaces the defaults", Condor{}, Given{Scope: true}, ""},
		{"--scope beside a flag", Condor{Read: true}, Given{Scope: true}, "compute.read"},
		{"scitokens", Condor{Profile: "scitokens"}, Given{}, "condor:/READ condor:/WRITE"},
		{"scitokens read", Condor{Profile: "scitokens", Read: true}, Given{}, "condor:/READ"},
		{"legacy", Condor{Write: true, Legacy: true, Profile: "scitokens"}, Given{}, "condor:/WRITE condor:/ALLOW"},
	}
	for _, tt := range tests {
		tt.flags.CE = []string{"ce"}
		w, err := tt.flags.Want(tt.given)
		if got := strings.Join(w.Scopes, " "); err != nil || got != tt.scopes {
			t.Errorf("%s: %q %v", tt.name, got, err)
		}
	}
	if _, err := new(Condor).Want(Given{}); err == nil {
		t.Error("no --ce and no --aud passes")
	}
	for _, g := range []Given{{Audience: true}, {Login: true}} {
		if w, err := new(Condor).Want(g); err != nil || len(w.Audiences) > 0 {
			t.Errorf("%+v: %v %v", g, w, err)
		}
	}
}

func TestXRootDWants(t *testing.T) {
	tests := []struct {
		name   string
		flags  XRootD
		scopes string
	}{
		{"read by default", XRootD{}, "read:/"},
		{"xrdcp looks before it writes", XRootD{Write: true}, "read:/ write:/"},
		{"write only", XRootD{WriteOnly: true}, "write:/"},
		{"paths", XRootD{Write: true, Path: []string{"/a", "/b/"}}, "read:/a read:/b write:/a write:/b"},
		{"wlcg", XRootD{Profile: "wlcg", Write: true}, "storage.read:/ storage.modify:/"},
		{"wlcg create and stage", XRootD{Profile: "wlcg", Create: true, Stage: true}, "storage.create:/ storage.stage:/"},
		{"wlcg create and read", XRootD{Profile: "wlcg", Create: true, Read: true, Path: []string{"/x"}}, "storage.read:/x storage.create:/x"},
	}
	for _, tt := range tests {
		w, err := tt.flags.Want(Given{})
		if got := strings.Join(w.Scopes, " "); err != nil || got != tt.scopes || len(w.Audiences) > 0 {
			t.Errorf("%s: %q %q %v", tt.name, got, w.Audiences, err)
		}
	}
	for _, x := range []XRootD{{Create: true}, {Stage: true}, {WriteOnly: true, Write: true}, {WriteOnly: true, Read: true}, {Path: []string{"x"}}, {Server: "ftp://x"}} {
		if w, err := x.Want(Given{}); err == nil {
			t.Errorf("%+v: %v", x, w)
		}
	}
	if _, err := (&XRootD{Path: []string{"/a"}}).Want(Given{Scope: true}); err == nil {
		t.Error("--path with nothing to narrow passes")
	}
}

// What a client is registered with must cover whatever a helper can ask for.
func TestRegistrationCoversEveryWant(t *testing.T) {
	all := RegistrationScopes()
	has := func(s string) bool {
		for _, r := range all {
			if r == s {
				return true
			}
		}
		return false
	}
	for _, e := range []Ecosystem{
		&Condor{}, &Condor{Profile: "scitokens", Legacy: true},
		&XRootD{Write: true}, &XRootD{Profile: "wlcg", Write: true, Create: true, Stage: true},
	} {
		w, err := e.Want(Given{Login: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Scopes {
			if !has(s) {
				t.Errorf("%T asks for %s, which no client is registered with", e, s)
			}
		}
	}
	if !has("wlcg") || !has("offline_access") || has("iam") {
		t.Error("wlcg selects the profile at INDIGO IAM, and iam would undo it")
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
		if got := (&XRootD{Profile: tt.profile}).Alternative(tt.supported); got != tt.want {
			t.Errorf("%s with %q: %q", tt.profile, tt.supported, got)
		}
	}
}

func FuzzCEAudience(f *testing.F) {
	for _, s := range []string{"ce:9619", "[::1]:1", "CE.", "https://x", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := CEAudience(s)
		if err != nil {
			return
		}
		// What comes out is a fixed point, and nothing that an HTTP form or a shell
		// would have to escape.
		if again, err := CEAudience(a); err != nil || again != a {
			t.Fatalf("%q gives %q gives %q %v", s, a, again, err)
		}
		if strings.ContainsAny(a, " \t\r\n/\"'\\") {
			t.Fatalf("%q", a)
		}
	})
}

func FuzzScopePath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%41", "/a b", "/%25"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ScopePath(s)
		if err != nil {
			return
		}
		if again, err := ScopePath(p); err != nil || again != p {
			t.Fatalf("%q gives %q gives %q %v", s, p, again, err)
		}
		if p[0] != '/' || strings.ContainsAny(p, " \t\r\n") || strings.Contains(p, "/../") {
			t.Fatalf("%q", p)
		}
	})
}
