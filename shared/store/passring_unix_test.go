//go:build unix

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A login that another process is saving is read again. The fake pass fails like gpg for an
// empty entry, and then completes the entry as the other process would.
func TestPassReadsAgain(t *testing.T) {
	dir := t.TempDir()
	const script = `#!/bin/sh
echo read >>"$PASSWORD_STORE_DIR/calls"
f=$PASSWORD_STORE_DIR/$2.gpg
if [ -s "$f" ]; then
	cat "$f"
else
	[ -e "$PASSWORD_STORE_DIR/stays" ] || echo '{"Key":"k","Data":"bG9naW4="}' >"$f"
	echo 'gpg: decrypt_message failed: Unknown system error' >&2
	exit 2
fi
`
	must(t, os.WriteFile(filepath.Join(dir, "pass"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	store := filepath.Join(dir, "store")
	must(t, os.MkdirAll(filepath.Join(store, serviceName), 0o700))
	r := passRing{store, time.Minute}
	calls := func() int {
		b, err := os.ReadFile(filepath.Join(store, "calls"))
		must(t, err)
		must(t, os.Remove(filepath.Join(store, "calls")))
		return strings.Count(string(b), "read")
	}

	must(t, os.WriteFile(r.file("k"), nil, 0o600))
	b, err := r.get(context.Background(), "k")
	if err != nil || string(b) != "login" || calls() != 2 {
		t.Errorf("%q, %v", b, err)
	}

	// An old file that cannot be decrypted is read only once: gpg may prompt each time.
	must(t, os.WriteFile(filepath.Join(store, "stays"), nil, 0o600))
	must(t, os.WriteFile(r.file("k"), []byte("not JSON"), 0o600))
	must(t, os.Chtimes(r.file("k"), time.Time{}, time.Now().Add(-time.Hour)))
	if _, err := r.get(context.Background(), "k"); err == nil || calls() != 1 {
		t.Errorf("%v", err)
	}
}

// blocked returns the path of a pipe that has no writer until the test has ended. A process
// that a program leaves running reads it.
func blocked(t *testing.T) string {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	t.Cleanup(func() {
		if fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = syscall.Close(fd)
		}
	})
	return pipe
}

// pass succeeds even if gpg leaves a process running that keeps its output open: a login must
// not count as lost because of that.
func TestPassLeavesAProcess(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ncat <'" + blocked(t) + "' &\ncat >\"$PASSWORD_STORE_DIR/saved\"\n"
	must(t, os.WriteFile(filepath.Join(dir, "pass"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	must(t, passRing{dir, time.Minute}.set(context.Background(), "k", "label", []byte("login")))
	if b, err := os.ReadFile(filepath.Join(dir, "saved")); err != nil || !strings.Contains(string(b), "label") {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSecretFromCommand(t *testing.T) {
	for command, want := range map[string]string{
		"echo secret":                           "secret",
		"printf 'two\\nlines\\r\\n'":            "two\nlines",
		"cat <'" + blocked(t) + "' & echo left": "left",
	} {
		if got, err := SecretFromCommand(context.Background(), "V", command); err != nil || got != want {
			t.Errorf("%s: %q, %v", command, got, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := SecretFromCommand(ctx, "V", "echo secret"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
