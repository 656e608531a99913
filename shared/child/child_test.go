//go:build unix

package child

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"example.org/token-helpers/shared/private"
)

// A background process that keeps the output open neither delays the result nor makes it an
// error. The process waits for a writer of the pipe, and so ends with the test.
func TestBackgroundProcess(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = syscall.Close(fd)
		}
	})
	for status, script := range map[int]string{0: "cat <$0 & echo out", 3: "cat <$0 & echo out; exit 3"} {
		b, err := Output(exec.Command("sh", "-c", script, pipe))
		var ee *exec.ExitError
		if errors.As(err, &ee) != (status != 0) || status != 0 && ee.ExitCode() != status || string(b) != "out\n" {
			t.Errorf("status %d: %q, %v", status, b, err)
		}
	}
}

func TestOutput(t *testing.T) {
	for script, want := range map[string]error{
		"head -c 1048576 /dev/zero":                 nil,
		"head -c 1048577 /dev/zero":                 private.ErrTooLong,
		"trap '' PIPE; cat /dev/zero; exec cat <$0": private.ErrTooLong, // would never end
	} {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Output(exec.Command("sh", "-c", script, pipe))
		if err != want || want == nil && len(b) != private.MaxRead {
			t.Errorf("%s: %d bytes, %v", script, len(b), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cmd := exec.CommandContext(ctx, "true")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := Run(cmd); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
