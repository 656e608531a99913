package output

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

func TestFormats(t *testing.T) {
	tok := token.New("a.b'c")
	tok.Expires = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	tok.Audiences = []string{"ce:9619"}
	for format, want := range map[string]string{
		"token": "a.b'c\n", "header": "Authorization: Bearer a.b'c\n", "env": "export BEARER_TOKEN='a.b'\\''c'\n",
	} {
		if got, err := Format(format, tok, nil); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", format, got, err)
		}
	}
	b, err := Format("json", tok, nil)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["token"] != "a.b'c" || doc["apiVersion"] != "token-helpers/v1" || doc["expiresAt"] != "2026-01-02T02:04:05Z" {
		t.Errorf("%s", b)
	}
	if l, ok := doc["scopes"].([]any); !ok || len(l) != 0 {
		t.Errorf("without scopes the list is empty, not null: %s", b)
	}
	if _, err := Format("yaml", tok, nil); err == nil {
		t.Error("an unknown format is accepted")
	}
	for _, raw := range []string{"a b", "a\nb", "a\x00"} {
		if _, err := Format("header", token.New(raw), nil); err == nil {
			t.Errorf("%q is accepted, which would add a line to a header", raw)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "token")
	if err := os.WriteFile(name, []byte("old and open"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(name, []byte("new\n")); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Lstat(name)
	if err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if b, _ := os.ReadFile(name); string(b) != "new\n" {
		t.Errorf("%q", b)
	}
	// HTCondor's client reads no token through a link: it becomes a file.
	elsewhere, link := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("ours")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(elsewhere); string(b) != "theirs" {
		t.Errorf("written through the link: %q", b)
	}
	if fi, err := os.Lstat(link); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%v %v", fi, err)
	}
	if err := WriteFile(dir, []byte("x")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if err := WriteFile(filepath.Join(dir, "no", "such"), []byte("x")); err == nil {
		t.Error("a missing directory is accepted")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
