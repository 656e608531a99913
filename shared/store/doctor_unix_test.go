//go:build !windows

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

// testStore returns a store with these variables, and its new home directory.
func testStore(t *testing.T, o Options, env map[string]string) (*Store, string) {
	t.Helper()
	home := t.TempDir()
	env["HOME"] = home
	o.LookupEnv = func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	o.Now = time.Now
	return New(o), home
}

func TestPlaces(t *testing.T) {
	s, home := testStore(t, Options{}, map[string]string{})
	for _, p := range s.Places() {
		if p.Exists || p.Err != nil || !strings.HasPrefix(p.Path, home) {
			t.Errorf("%+v", p)
		}
	}
	if made, err := os.ReadDir(home); err != nil || len(made) > 0 {
		t.Errorf("created %v, %v", made, err)
	}
	state := filepath.Join(home, ".local", "state", "token-helpers")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	// A parent of two directories is a file, and other users can access a third directory.
	if err := os.WriteFile(filepath.Join(home, ".cache"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(home, ".local", "share", "token-helpers", "keyring")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"list of logins": "", "encrypted logins": "can be used by other users", "discovery documents": "not a directory", "access tokens": "not a directory"}
	for _, p := range s.Places() {
		got := ""
		if p.Err != nil {
			got = p.Err.Error()
		}
		if w, ok := want[p.What]; !ok || (w == "") != (got == "") || !strings.Contains(got, w) {
			t.Errorf("%s: %q, want %q", p.What, got, w)
		}
		delete(want, p.What)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	none := New(Options{LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now})
	for _, p := range none.Places() {
		if !errors.Is(p.Err, ErrNoHome) {
			t.Errorf("without HOME: %+v", p)
		}
	}
}

func TestKeyringState(t *testing.T) {
	dir := t.TempDir()
	good, open := filepath.Join(dir, "good"), filepath.Join(dir, "open")
	for name, mode := range map[string]os.FileMode{good: 0o600, open: 0o644} {
		if err := os.WriteFile(name, []byte("secret\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	typed := func(string) (string, error) { t.Error("the user was asked"); return "", nil }
	for _, tt := range []struct {
		name       string
		o          Options
		env        map[string]string
		remembered string
		what, err  string
	}{
		{"a file", Options{Backend: file}, map[string]string{passphraseVariable: good}, "", "encrypted files (chosen with --keyring); the passphrase is read from " + good, ""},
		{"a file that others can read", Options{Backend: file}, map[string]string{passphraseVariable: open}, "", "", "read the passphrase: "},
		{"a command, which is not run", Options{Backend: file}, map[string]string{passphraseCommand: "false"}, "", "printed by the command in", ""},
		{"a terminal", Options{Backend: file, Passphrase: typed}, nil, "", "asked for on the terminal", ""},
		{"no terminal", Options{Backend: file}, nil, "", "", "there is no terminal to ask on"},
		{"remembered", Options{Passphrase: typed}, nil, file, "encrypted files (remembered from an earlier login)", ""},
		{"remembered, but auto", Options{Backend: auto, Passphrase: typed}, nil, file, "(remembered from an earlier login)", ""},
		{"chosen instead of the remembered one", Options{Backend: file, Passphrase: typed}, nil, keychain, "(chosen with --keyring)", ""},
		{"not on this system", Options{Backend: wincred}, nil, "", "", "keyring not available: not on"},
		{"damaged", Options{}, nil, "x y", "", `unknown keyring "x y"`},
	} {
		env := map[string]string{}
		for k, v := range tt.env {
			env[k] = v
		}
		s, _ := testStore(t, tt.o, env)
		if tt.remembered != "" {
			if err := s.remember(tt.remembered); err != nil {
				t.Fatal(err)
			}
		}
		what, err := s.KeyringState()
		switch {
		case tt.err == "" && (err != nil || !strings.Contains(what, tt.what)):
			t.Errorf("%s: %q, %v", tt.name, what, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %q, %v, want %q", tt.name, what, err, tt.err)
		}
		var own *Error
		if err != nil && (!errors.As(err, &own) || own.Hint == "") {
			t.Errorf("%s: no hint: %v", tt.name, err)
		}
	}
}

func testToken() token.Token {
	t := token.New("opaque")
	t.Expires = time.Now().Add(time.Hour)
	return t
}

func TestRejectToken(t *testing.T) {
	s, _ := testStore(t, Options{}, map[string]string{})
	key := CacheKey{Issuer: "https://i.example.org/", Scopes: []string{"a"}}
	put := func() {
		tok := testToken()
		if err := s.PutToken(key, tok); err != nil {
			t.Fatal(err)
		}
	}
	has := func() bool {
		_, ok, err := s.CachedToken(key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if err := s.RejectToken(key, ""); err != nil {
		t.Errorf("without a token: %v", err)
	}
	put()
	if err := s.RejectToken(key, "another"); err != nil || !has() {
		t.Errorf("a token that replaced the rejected one is gone: %v", err)
	}
	if err := s.RejectToken(key, testToken().Raw()); err != nil || has() {
		t.Errorf("the rejected token is still there: %v", err)
	}
	if !s.Rejected(key, testToken().Raw()) || s.Rejected(key, "another") {
		t.Error("the rejected token is not remembered, or another one is")
	}
	if list, err := s.Tokens(); err != nil || len(list) > 0 {
		t.Errorf("a rejected token is listed: %v, %v", list, err)
	}
	put()
	if !has() || s.Rejected(key, testToken().Raw()) {
		t.Error("a new token does not replace the rejected one")
	}
	if err := s.RejectToken(key, ""); err != nil || has() {
		t.Errorf("the cached token was not removed: %v", err)
	}
}
