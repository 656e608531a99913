package private

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A mounted secret belongs to root, but the service runs as another user. If all users can
// read the secret, which is the default in Kubernetes, the hint says how to mount it.
func TestMountedSecret(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "secret")
	write(t, path, "pw", 0o644)
	got := make(chan error)
	go func() {
		// Only the user of this thread changes. The thread exits with the goroutine.
		runtime.LockOSThread()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
			got <- errno
			return
		}
		_, err := ReadSecret(path)
		if e, ok := err.(*Error); ok && !strings.Contains(e.Hint(), "mode 0440") {
			t.Errorf("hint %q", e.Hint())
		}
		got <- err
	}()
	if err := <-got; err == nil || !strings.Contains(err.Error(), "can be used by other users (mode 0644)") {
		t.Errorf("%v", err)
	}
}
