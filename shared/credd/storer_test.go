//go:build linux

package credd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
)

func TestParseRequest(t *testing.T) {
	services := map[string]helper.Service{
		"mysvc": {}, "Upper": {}, "fixed": {Scopes: []string{"compute.read", "compute.create"}, Audience: []string{"ce.example.org:9619"}},
	}
	for _, c := range []struct{ arg, name, scopes, audience, err string }{
		{"mysvc&handle=ce&scopes=a,b&audience=X", "mysvc_ce", "a,b", "X", ""},
		{"mysvc&scopes=read:/", "mysvc", "read:/", "", ""},
		{"mysvc&scopes=a&audience=https://x.example.org:1094&options=-v", "mysvc", "a", "https://x.example.org:1094", ""},
		{"upper&scopes=a", "upper", "a", "", ""},
		{"fixed", "fixed", "compute.read,compute.create", "ce.example.org:9619", ""},
		{"fixed&handle=h&scopes=compute.read", "fixed_h", "compute.read", "ce.example.org:9619", ""},
		{"mysvc", "", "", "", "no scopes are requested for mysvc"},
		{"mysvc&handle=ce&scopes=", "", "", "", "no scopes are requested for mysvc_ce"},
		{"mysvx&scopes=a", "", "", "", `no service "mysvx" is configured`},
		{"mysvc&handle", "", "", "", `"handle" has no value`},
		{"mysvc&scop=a", "", "", "", `unknown word "scop"`},
		{"mysvc&handle=../x&scopes=a", "", "", "", "not the name of a service"},
		{"../x&scopes=a", "", "", "", "not the name of a service"},
		{"token-helpers&handle=0123456789ab&scopes=a", "", "", "", "not the name of a service"},
		{"", "", "", "", "not the name of a service"},
	} {
		w, err := parseRequest(c.arg, services, "config.toml")
		if c.err != "" {
			var e *cli.Error
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.As(err, &e) || e.Code != cli.Usage || len(e.Hints()) == 0 {
				t.Errorf("%s: %v", c.arg, err)
			}
			continue
		}
		if err != nil || w.name != c.name || w.scopes != c.scopes || w.audience != c.audience {
			t.Errorf("%s: %+v %v", c.arg, w, err)
		}
	}
}

func TestClash(t *testing.T) {
	services := map[string]helper.Service{"my": {}, "my_svc": {}}
	parse := func(arg string) request {
		w, err := parseRequest(arg, services, "config.toml")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	groups := []*group{{requests: []request{parse("my&handle=svc_h&scopes=a")}}}
	for arg, want := range map[string]bool{
		"my_svc&handle=h&scopes=a": true, "my&handle=svc_h&scopes=a": false, "my&handle=svc_h&scopes=b": true, "my_svc&scopes=a": false,
	} {
		if other, ok := clash(groups, parse(arg)); ok != want || ok && other.service != "my" {
			t.Errorf("%s: %+v %t", arg, other, ok)
		}
	}
}

// The form is the output of condor_store_cred query-oauth of HTCondor 25.14.1.
func TestOutdated(t *testing.T) {
	const form = "Account: <current> (bob)\nCredType: oauth\n\nA credential was stored and is valid.\n\nCredential info:\nTopmysvc_hTime = %s\nfully_qualified_user = \"bob@local\"\nmysvc_h = %s\n\n"
	for times, want := range map[[2]string]bool{
		{"1795660781", "1795660767"}: true, {"1795660767", "1795660781"}: false, {"1795660767", "1795660767"}: false,
		{"1795660767", "soon"}: false, {"", ""}: false,
	} {
		if got := outdated(fmt.Sprintf(form, times[0], times[1]), "mysvc_h"); got != want {
			t.Errorf("%v: %t", times, got)
		}
	}
	if outdated(fmt.Sprintf(form, "2", "1"), "mysvc") {
		t.Error("the times of another credential were read")
	}
}

func TestParseTop(t *testing.T) {
	for in, want := range map[string]string{
		`{`:                                errForeign.Error(),
		`[]`:                               errForeign.Error(),
		`{"vault_token":"x"}`:              errForeign.Error(),
		`{"token_helpers":null}`:           "", // counts as absent
		`{"token_helpers":"2"}`:            "another version",
		`{"token_helpers":"1","scopes":7}`: "cannot be read",
		`{"token_helpers":"1","login":"token-helpers_0"}`: "",
	} {
		_, err := parseTop([]byte(in))
		if in == `{"token_helpers":null}` {
			if err == nil {
				t.Errorf("%s is accepted", in)
			}
			continue
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzParseTop(f *testing.F) {
	f.Add([]byte(`{"token_helpers":"1","login":"token-helpers_0","scopes":"a,b","audience":"x"}`))
	f.Add([]byte(`{"token_helpers":"1","issuer":"https://i.example.org/","client_id":"c","grant":"refresh_token","secret":{"refresh_token":"r"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		top, err := parseTop(b)
		if err != nil {
			return
		}
		if lg, err := top.handed(); err == nil && (lg.Issuer != top.Issuer || lg.ClientID != top.ClientID) {
			t.Error("the login has another issuer or client")
		}
		_, _ = top.request("https://i.example.org/")
		_ = top.checkLogin()
	})
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	state := dir + "/state"
	first, err := loadKey("", "", state)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKey("", dir, state) // without a credential of systemd
	if err != nil || again != first {
		t.Errorf("the key changed: %v", err)
	}
	if string(first.forUser("alice")) == string(first.forUser("bob")) || len(first.forUser("alice")) != keySize {
		t.Error("users share a key")
	}
	if first.String() != "[key redacted]" {
		t.Error("String returns the key")
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keyName, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
	if loaded, err := loadKey("", dir, state); err != nil || loaded == first {
		t.Errorf("the credential of systemd is not used: %v", err)
	}
	for _, bad := range []string{"short\n", "MDEyMw==\n", "!\n"} {
		write("bad", bad)
		if _, err := loadKey(dir+"/bad", "", state); err == nil || !strings.Contains(err.Error(), "does not contain 32 bytes in base64") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
