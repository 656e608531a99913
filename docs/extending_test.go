package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

const (
	exampleDir = "examples/davs-token-helper"
	tableFile  = "../shared/ecosystems/ecosystems.go"
	// The changes to the table: an import and a line.
	tableImport = "\t\"example.org/token-helpers/docs/examples/davs-token-helper/davs\"\n"
	tableLine   = "\tdavs.Ecosystem,\n"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// extended writes the table of ecosystems with the example, and an overlay that makes the
// go command use it.
func extended(t *testing.T) (overlay string) {
	t.Helper()
	table := read(t, tableFile)
	edited := strings.Replace(table, "\t\"example.org/token-helpers/shared/condor\"\n", tableImport+"\t\"example.org/token-helpers/shared/condor\"\n", 1)
	edited = strings.Replace(edited, "\txrootd.Ecosystem,\n", "\txrootd.Ecosystem,\n"+tableLine, 1)
	if len(edited) != len(table)+len(tableImport)+len(tableLine) {
		t.Fatal("the table of ecosystems has another form")
	}
	dir := t.TempDir()
	original, err := filepath.Abs(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	replacement := filepath.Join(dir, "ecosystems.go")
	if err := os.WriteFile(replacement, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// A new ecosystem is one file, one main and one line in the table, fewer than 50 lines in
// all, and the walk-through shows exactly these files.
func TestEcosystemExampleIsSmall(t *testing.T) {
	page := read(t, "extending.md")
	lines := strings.Count(tableImport+tableLine, "\n")
	for _, name := range []string{"davs/davs.go", "main.go"} {
		code := read(t, filepath.Join(exampleDir, name))
		lines += strings.Count(code, "\n")
		if !strings.Contains(page, "```go\n"+code+"```\n") {
			t.Errorf("extending.md does not show %s as it is", name)
		}
	}
	for _, l := range []string{tableImport, tableLine} {
		if !strings.Contains(page, "+"+l) {
			t.Errorf("extending.md does not show the line %q", l)
		}
	}
	if lines >= 50 {
		t.Errorf("the example has %d lines", lines)
	}
	t.Logf("the example has %d lines", lines)
}

// The helper in the walk-through gets a token from an issuer, names its own flags in
// errors, and jwt-inspect judges its tokens.
func TestEcosystemExample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-overlay", extended(t), "-o", bin+string(filepath.Separator), "./"+exampleDir, "../cmd/jwt-inspect")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv, err := issuertest.Start(issuertest.Options{Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	srv.AutoApprove(true)
	home := t.TempDir()
	passphrase := filepath.Join(home, "passphrase")
	if err := os.WriteFile(passphrase, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(code int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, diag bytes.Buffer
		cmd := exec.Command(filepath.Join(bin, args[0]), args[1:]...)
		cmd.Stdout, cmd.Stderr = &out, &diag
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME=",
			"TOKEN_HELPER_ISSUER="+srv.URL(), "TOKEN_HELPER_CAFILE="+srv.CAFile(), "TOKEN_HELPER_KEYRING=file", "TOKEN_HELPER_PASSPHRASE_FILE="+passphrase)
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("%q: exit code %d, want %d\n%s", args, got, code, diag.String())
		}
		return out.String(), strings.Join(strings.Fields(diag.String()), " ")
	}

	file := filepath.Join(home, "token")
	_, _ = run(0, "davs-token-helper", "--from", "device", "--davs", "davs://SE.example.org/dir", "--file", file)
	j, err := token.Decode([]byte(strings.TrimSpace(read(t, file))))
	if err != nil {
		t.Fatal(err)
	}
	aud, _ := j.Audiences()
	scope, _ := j.String("scope")
	if strings.Join(aud, " ") != "https://se.example.org" || scope != "storage.read:/" {
		t.Errorf("aud %q, scope %q", aud, scope)
	}

	_, _ = run(0, "jwt-inspect", "--davs", "https://se.example.org", file)
	for flag, code := range map[string]string{"--write": "scope-missing", "--aud=https://other.example.org": "aud-mismatch"} {
		if out, _ := run(1, "jwt-inspect", "-o", "ndjson", "--davs", "https://se.example.org", flag, file); !strings.Contains(out, `"code":"`+code+`"`) {
			t.Errorf("%s: %s", flag, out)
		}
	}

	for _, args := range [][]string{{"davs-token-helper", "--davs", "ftp://se.example.org"}, {"jwt-inspect", "--davs", "ftp://se.example.org", file}} {
		if _, diag := run(2, args...); !strings.Contains(diag, `error: --davs: unknown scheme "ftp"`) || strings.Contains(diag, "--server") || strings.Contains(diag, "--xrd") {
			t.Errorf("%q: %s", args, diag)
		}
	}
	if _, diag := run(2, "jwt-inspect", "--davs", "https://se.example.org", "--ce", "ce.example.org", file); !strings.Contains(diag, "--ce and --davs cannot be combined") {
		t.Error(diag)
	}
}
