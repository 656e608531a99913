//go:build !windows

package testscripts

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.org/token-helpers/shared/issuertest"
)

// ownCommand matches a line of a page that runs one of the programs.
var ownCommand = regexp.MustCompile(`^(\w+=\$\()?(condor-token-helper|xrd-token-helper|jwt-inspect)( |$)`)

// commands returns the lines of a page that run the programs, in order. Lines in a block after
// an HTML comment "not run" are only counted.
func commands(page string) (run []string, skipped int) {
	skip := false
	for _, line := range strings.Split(page, "\n") {
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "<!-- not run"):
			skip = true
		case !isCode && line != "":
			skip = false
		case isCode && ownCommand.MatchString(code) && skip:
			skipped++
		case isCode && ownCommand.MatchString(code):
			run = append(run, code)
		}
	}
	return run, skipped
}

// TestCommandsOfThePages runs the commands in the pages, in order. The clients of services are
// replaced by a program that checks that it finds a token. The end-to-end tests run the real
// ones.
func TestCommandsOfThePages(t *testing.T) {
	t.Parallel()
	pages := []string{"quickstart.md", "htcondor-ce.md", "xrootd.md", "from-oidc-agent.md", "robots.md", "configuration.md", "jwt-inspect.md",
		"fresh.md", "causes.md", "log-messages.md", "../README.md"}
	total := 0
	for _, page := range pages {
		b, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		lines, skipped := commands(string(b))
		if total += len(lines); len(lines)+skipped == 0 {
			t.Errorf("%s shows no command", page)
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, issuertest.Options{Rotate: true})
			// One login for both helpers.
			login := exec.CommandContext(u.ctx, filepath.Join(u.bin, "xrd-token-helper"), "login", "--write")
			login.Env = u.env
			if out, err := login.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			const script = "#!/bin/sh\ntest -n \"$(cat \"${BEARER_TOKEN_FILE:?}\")\"\n"
			for _, name := range []string{"xrdcp", "condor_ce_trace", "curl", "transfer-everything"} {
				if err := os.WriteFile(filepath.Join(u.dir, name), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(u.dir, "jq"), []byte("#!/bin/sh\ngrep -q '\"causes\"'\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(u.dir, "tokens"), []byte("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			mapfile := filepath.Join(u.dir, "10-scitokens.conf")
			if err := os.WriteFile(mapfile, []byte("SCITOKENS /.*/ wlcg\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, line := range lines {
				// This file exists only on a CE.
				line = strings.ReplaceAll(line, "/etc/condor-ce/mapfiles.d/10-scitokens.conf", mapfile)
				cmd := exec.CommandContext(u.ctx, "sh", "-c", line)
				cmd.Dir = u.dir
				cmd.Env = append(u.env, "PATH="+u.bin+":"+u.dir+":"+os.Getenv("PATH"))
				var output bytes.Buffer
				cmd.Stdout, cmd.Stderr = &output, &output
				if err := cmd.Run(); err != nil && !verdictOnly(line, cmd) {
					t.Errorf("%s\n%v\n%s", line, err, output.String())
				}
			}
		})
	}
	if total < 25 {
		t.Errorf("only %d commands were found", total)
	}
}

// verdictOnly reports whether a command ran successfully, but found that a service refuses the
// token. Not every service in a page accepts the test issuer's tokens.
func verdictOnly(line string, cmd *exec.Cmd) bool {
	return strings.HasPrefix(line, "jwt-inspect ") && cmd.ProcessState.ExitCode() == 1
}
