//go:build !windows

package testscripts

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"example.org/token-helpers/shared/issuertest"
)

// The access token of a lost login is printed even if stderr is a closed pipe, as in
// "condor-token-helper -v 2>&1 > token | head -1".
func TestLostLoginWithAClosedPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	var keyring atomic.Value
	u := newUser(t, issuertest.Options{Rotate: true, Answered: func(_, _ string) {
		if dir, ok := keyring.Load().(string); ok {
			_ = r.Close()
			if err := os.Rename(dir, dir+"-away"); err != nil {
				t.Error(err)
			}
		}
	}})
	keyring.Store(filepath.Join(u.dir, "home/.local/share/token-helpers/keyring"))
	var out strings.Builder
	cmd := u.command("-v", "--from", "login", "--ce", "ce.example.org")
	cmd.Stdout, cmd.Stderr = &out, w
	err = cmd.Run()
	var ee *exec.ExitError
	if !errors.As(err, &ee) || ee.ExitCode() != 8 {
		t.Errorf("%v, signal %v", err, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	}
	if !strings.HasPrefix(out.String(), "eyJ") {
		t.Errorf("no token was printed: %q", out.String())
	}
}
