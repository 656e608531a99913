//go:build unix

package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
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
