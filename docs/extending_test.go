package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

const (
	sourceFile  = "examples/_source-command/command.go"
	sourceTable = "../shared/source/source.go"
	// sourceLine is inserted before sourceBefore.
	sourceBefore = "\t{name: \"plugin\", "
	sourceLine   = "\t{name: \"command\", arg: \"COMMAND\", help: \"a token that a command prints\", open: newCommand, shared: true},\n"
)

const (
	exampleDir = "examples/davs-token-helper"
	tableFile  = "../shared/ecosystems/ecosystems.go"
	// tableImport and tableLine are the changes to the table.
	tableImport = "\t\"example.org/token-helpers/docs/examples/davs-token-helper/davs\"\n"
	tableLine   = "\tdavs.Ecosystem,\n"
)

// read returns the contents of a file.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// overlay writes a file for go build -overlay, and returns its name. files maps names of files
// to the contents that replace theirs.
func overlay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for name, content := range files {
		original, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(replace[original], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// build builds packages with an overlay, and returns the directory with the programs.
func build(t *testing.T, overlay string, packages ...string) string {
	t.Helper()
	bin := t.TempDir()
	args := append([]string{"build", "-overlay", overlay, "-o", bin + string(filepath.Separator)}, packages...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// program runs a program that must exit with code. It returns stdout, and the messages on stderr
// with wrapped lines joined.
type program func(code int, args ...string) (stdout, stderr string)

// programs starts a test issuer. It returns the issuer, a new home directory, and a function that
// runs the programs in bin with both.
func programs(t *testing.T, bin string) (*issuertest.Server, string, program) {
	t.Helper()
	srv, err := issuertest.Start(issuertest.Options{Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	srv.AutoApprove(true)
	home := t.TempDir()
	passphrase := filepath.Join(home, "passphrase")
	if err := os.WriteFile(passphrase, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv, home, func(code int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, diag bytes.Buffer
		cmd := exec.Command(filepath.Join(bin, args[0]), args[1:]...)
		cmd.Stdout, cmd.Stderr = &out, &diag
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "XDG_DATA_HOME=",
			"TOKEN_HELPER_ISSUER="+srv.URL(), "TOKEN_HELPER_CAFILE="+srv.CAFile(), "TOKEN_HELPER_KEYRING=file", "TOKEN_HELPER_PASSPHRASE_FILE="+passphrase)
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("%q: exit code %d, want %d\n%s", args, got, code, diag.String())
		}
		messages := strings.ReplaceAll(diag.String(), "\n"+args[0]+":", "")
		return out.String(), strings.Join(strings.Fields(messages), " ")
	}
}

// extended returns the table of ecosystems with the example.
func extended(t *testing.T) string {
	t.Helper()
	table := read(t, tableFile)
	edited := strings.Replace(table, "\t\"example.org/token-helpers/shared/condor\"\n", tableImport+"\t\"example.org/token-helpers/shared/condor\"\n", 1)
	edited = strings.Replace(edited, "\txrootd.Ecosystem,\n", "\txrootd.Ecosystem,\n"+tableLine, 1)
	if len(edited) != len(table)+len(tableImport)+len(tableLine) {
		t.Fatal("the lines could not be inserted into the table of ecosystems")
	}
	return edited
}

// TestEcosystemExampleIsSmall checks that a new ecosystem needs one file, one main and one line
// in the table, with fewer than 50 lines in total, and that extending.md shows exactly these.
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

// TestEcosystemExample checks that the helper of the walk-through gets a token and names its own
// flags in errors, and that jwt-inspect judges its tokens.
func TestEcosystemExample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	bin := build(t, overlay(t, map[string]string{tableFile: extended(t)}), "./"+exampleDir, "../cmd/jwt-inspect")
	_, home, run := programs(t, bin)

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

// TestSourceExampleIsShown checks that extending.md shows the example of a source exactly.
func TestSourceExampleIsShown(t *testing.T) {
	page, code := read(t, "extending.md"), read(t, sourceFile)
	if !strings.Contains(page, "```go\n"+code+"```\n") {
		t.Errorf("extending.md does not show %s as it is", sourceFile)
	}
	if !strings.Contains(page, "+"+sourceLine) {
		t.Errorf("extending.md does not show the line %q", sourceLine)
	}
	if sentence := fmt.Sprintf("The file has %d lines", strings.Count(code, "\n")); !strings.Contains(page, sentence) {
		t.Errorf("extending.md does not say: %s", sentence)
	}
}

// TestSourceExample checks that the tokens of the source in the walk-through are checked and
// cached, and that the help, the sources command and the exit codes include the source.
func TestSourceExample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	table := read(t, sourceTable)
	edited := strings.Replace(table, sourceBefore, sourceLine+sourceBefore, 1)
	if edited == table {
		t.Fatal("the line could not be inserted into the table of sources")
	}
	bin := build(t, overlay(t, map[string]string{sourceTable: edited, "../shared/source/command.go": read(t, sourceFile)}), "../cmd/condor-token-helper")
	srv, home, run := programs(t, bin)
	const helper = "condor-token-helper"
	file := filepath.Join(home, "token")
	_, _ = run(0, helper, "--from", "device", "--ce", "ce.example.org", "--file", file)
	want := read(t, file)
	srv.ResetRequests()

	line := `echo "$TOKEN_ISSUER $TOKEN_AUDIENCES $TOKEN_SCOPES" >> "$HOME/requests"; cat "$HOME/token"`
	for range 2 { // the second time from the cache
		if got, _ := run(0, helper, "--read", "--from", "cache", "--from", "command:"+line, "--ce", "ce.example.org"); got != want {
			t.Errorf("got %q", got)
		}
	}
	if got := read(t, filepath.Join(home, "requests")); got != srv.URL()+" ce.example.org:9619 compute.read\n" {
		t.Errorf("the command was run with %q", got)
	}
	// Another command is another subject, so the cached token is not used.
	if _, diag := run(3, helper, "--read", "--from", "cache", "--from", "command:true", "--ce", "ce.example.org"); !strings.Contains(diag, "the command printed no token") {
		t.Error(diag)
	}
	if _, diag := run(6, helper, "--from", "command:cat "+file, "--ce", "other.example.org"); !strings.Contains(diag, "not other.example.org:9619") {
		t.Error(diag)
	}
	if _, diag := run(4, helper, "--from", "command:exit 9", "--ce", "ce.example.org"); !strings.Contains(diag, "the command failed: exit status 9") {
		t.Error(diag)
	}
	if _, diag := run(7, helper, "--timeout", "100ms", "--from", "command:exec tail -f /dev/null", "--ce", "ce.example.org"); !strings.Contains(diag, "did not finish within 200ms") {
		t.Error(diag)
	}
	if _, diag := run(2, helper, "--from", "command", "--ce", "ce.example.org"); !strings.Contains(diag, "the source command needs an argument: write it as command:COMMAND") {
		t.Error(diag)
	}
	if out, _ := run(0, helper, "sources", "--from", "command:true", "--ce", "ce.example.org"); !strings.Contains(out, "the command would be run: true") {
		t.Error(out)
	}
	if out, _ := run(0, helper, "--help-all"); !strings.Contains(strings.Join(strings.Fields(out), " "), "command:COMMAND") {
		t.Error(out)
	}
	if n := srv.Requests()["token"]; n != 0 {
		t.Errorf("%d tokens were requested from the issuer", n)
	}
}
