//go:build !windows

package fresh

import (
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestNotifier(t *testing.T) {
	names := []string{filepath.Join(t.TempDir(), "s")}
	if runtime.GOOS == "linux" {
		names = append(names, "@token-helpers-test-"+filepath.Base(t.TempDir())+t.Name())
	}
	for _, name := range names {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		NewNotifier(func(string) string { return name }).Send("READY=1", "STATUS=fine")
		b := make([]byte, 100)
		n, err := l.Read(b)
		if err != nil || string(b[:n]) != "READY=1\nSTATUS=fine" {
			t.Errorf("%q, %v", b[:n], err)
		}
		_ = l.Close()
	}
	// These are ignored without waiting.
	for _, name := range []string{"", "vsock:2:1234", "/does/not/exist"} {
		NewNotifier(func(string) string { return name }).Send("READY=1")
	}
}

// A service manager that does not read its messages does not block the sender forever.
func TestNotifierOfBusyManager(t *testing.T) {
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("unixgram", name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err = c.Write([]byte("full"))
	}
	NewNotifier(func(string) string { return name }).Send("READY=1")
}
