package condor

import (
	"errors"
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
)

func TestAudience(t *testing.T) {
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
		if got, err := Audience(in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "ce example", "https://ce", "condor://ce:9619", "ce/x", "ce:", "ce:0", "ce:65536", "ce:09619", "ce:+1", "ce:x", "ce:9619:9619",
		"2001:db8::1", "[2001:db8::1", "[ce]", "[fe80::1%eth0]", "[::1]x", "-ce", "ce-", "a..b", ".", "ce?x", "u@ce", "ce#", "ce\\x", "çe", "ce\n",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "ab",
	} {
		got, err := Audience(in)
		var ue *service.UsageError
		if !errors.As(err, &ue) || ue.Flag != "--ce" || !strings.Contains(ue.Form, "--ce HOST[:PORT]") {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func TestWant(t *testing.T) {
	all := "compute.read compute.modify compute.cancel compute.create"
	tests := []struct {
		name   string
		flags  Flags
		given  service.Given
		scopes string
	}{
		{"all four by default", Flags{}, service.Given{}, all},
		{"read", Flags{Read: true}, service.Given{}, "compute.read"},
		{"write", Flags{Write: true}, service.Given{}, "compute.modify compute.cancel compute.create"},
		{"both", Flags{Read: true, Write: true}, service.Given{}, all},
		{"--scope replaces the defaults", Flags{}, service.Given{Scope: true}, ""},
		{"--scope beside a flag", Flags{Read: true}, service.Given{Scope: true}, "compute.read"},
		{"scitokens", Flags{Profile: "scitokens"}, service.Given{}, "condor:/READ condor:/WRITE"},
		{"scitokens read", Flags{Profile: "scitokens", Read: true}, service.Given{}, "condor:/READ"},
		{"legacy", Flags{Write: true, Legacy: true, Profile: "scitokens"}, service.Given{}, "condor:/WRITE condor:/ALLOW"},
	}
	for _, tt := range tests {
		tt.flags.CE = []string{"ce"}
		w, err := tt.flags.Want(tt.given)
		if got := strings.Join(w.Scopes, " "); err != nil || got != tt.scopes {
			t.Errorf("%s: %q %v", tt.name, got, err)
		}
	}
	if _, err := new(Flags).Want(service.Given{}); err == nil {
		t.Error("Want accepts neither --ce nor --aud")
	}
	for _, g := range []service.Given{{Audiences: []string{"a"}}, {Login: true}} {
		if w, err := new(Flags).Want(g); err != nil || len(w.Audiences) > 0 {
			t.Errorf("%+v: %v %v", g, w, err)
		}
	}
}

func FuzzAudience(f *testing.F) {
	for _, s := range []string{"ce:9619", "[::1]:1", "CE.", "https://x", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Audience(s)
		if err != nil {
			return
		}
		// Audience does not change its own result, which needs no escaping in an HTTP form
		// or a shell.
		if again, err := Audience(a); err != nil || again != a {
			t.Fatalf("%q becomes %q, and this becomes %q %v", s, a, again, err)
		}
		if strings.ContainsAny(a, " \t\r\n/\"'\\") {
			t.Fatalf("%q", a)
		}
	})
}
