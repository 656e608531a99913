//go:build !windows

package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An open file is written to at its current position, and never replaced.
func TestWriteToADescriptor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	must(t, os.WriteFile(path, []byte("first\n"), 0o644))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer func() { _ = f.Close() }()
	names := []string{fmt.Sprintf("/dev/fd/%d", f.Fd()), fmt.Sprintf("/proc/self/fd/%d", f.Fd()), filepath.Join(dir, "link")}
	must(t, os.Symlink(names[0], names[2]))
	for n, name := range names {
		must(t, WriteFile(name, fmt.Appendf(nil, "token %d\n", n)))
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "first\ntoken 0\ntoken 1\ntoken 2\n" {
		t.Errorf("%q, %v", b, err)
	}
	if fi, err := os.Lstat(names[2]); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", fi, err)
	}
	// The descriptor itself stays open, at the end of what was written.
	if _, err := io.WriteString(f, "last\n"); err != nil {
		t.Error(err)
	}
	r, w, err := os.Pipe()
	must(t, err)
	name := fmt.Sprintf("/dev/fd/%d", w.Fd())
	must(t, WriteFile(name, []byte("token\n")))
	must(t, w.Close())
	if b, err := io.ReadAll(r); err != nil || string(b) != "token\n" {
		t.Errorf("%q, %v", b, err)
	}
	must(t, r.Close())
	var we *WriteError
	if err := WriteFile("/dev/fd/987654", []byte("token\n")); !errors.As(err, &we) || we.File != "/dev/fd/987654" || !errors.Is(err, syscall.EBADF) {
		t.Errorf("%T %v", err, err)
	}
}

func TestWriteToOtherKindsOfFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	got := make(chan string)
	go func() {
		b, err := os.ReadFile(pipe)
		got <- fmt.Sprintf("%q %v", b, err)
	}()
	must(t, WriteFile(pipe, []byte("token\n")))
	if s := <-got; s != `"token\n" <nil>` {
		t.Error(s)
	}
	if fi, err := os.Lstat(pipe); err != nil || fi.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe was replaced: %v, %v", fi, err)
	}
	must(t, WriteFile("/dev/null", []byte("token\n")))
	if fi, err := os.Lstat("/dev/null"); err != nil || fi.Mode()&fs.ModeDevice == 0 {
		t.Errorf("/dev/null was replaced: %v, %v", fi, err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	must(t, err)
	defer func() { _ = l.Close() }()
	for name, says := range map[string]string{socket: "not a regular file", dir: "not a regular file", filepath.Join(dir, "none", "x"): "no such file"} {
		var we *WriteError
		if err := WriteFile(name, []byte("token\n")); !errors.As(err, &we) || err.Error() != "write "+name+": "+we.Err.Error() || !strings.Contains(err.Error(), says) || we.ExitCode() != 1 || len(we.Hints()) != 1 {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(pipe, 12345, 12345))
		if err := WriteFile(pipe, []byte("token\n")); err == nil || !strings.Contains(err.Error(), "a named pipe of another user") {
			t.Error(err)
		}
	}
}
