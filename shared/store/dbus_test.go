//go:build linux

package store

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary act as a helper: its packages are initialized in the same
// way.
func TestMain(m *testing.M) {
	switch os.Getenv("STORE_TEST_CHILD") {
	case "":
	case "idle":
		os.Exit(0)
	default:
		err := New(Options{LookupEnv: os.LookupEnv, Now: time.Now, Backend: os.Getenv("STORE_TEST_BACKEND")}).try(context.Background(), secretService)
		_, _ = os.Stdout.WriteString("bus=" + os.Getenv("DBUS_SESSION_BUS_ADDRESS") + "\n" + err.Error() + "\n")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs the test binary as a helper with env and returns its output.
func inChild(t *testing.T, env []string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	// The race detector would sleep for a second at exit.
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0", "STORE_TEST_CHILD=1", "HOME=" + t.TempDir()}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func TestInitDoesNotLaunchABus(t *testing.T) {
	if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		t.Skip("the machine has a session bus")
	}
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	must(t, os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n: > "+ran+"\nexit 1\n"), 0o700))
	for _, args := range [][]string{{"--version"}, {"get"}, {"login", "--keyring", "secret-service"}, {"login", "--keyring=kwallet"}} {
		for _, address := range []string{"", "autolaunch:"} {
			env := []string{"PATH=" + dir + ":/usr/bin:/bin"}
			if address != "" {
				env = append(env, "DBUS_SESSION_BUS_ADDRESS="+address)
			}
			out := inChild(t, env, args...)
			if _, err := os.Stat(ran); err == nil {
				t.Fatalf("%v: dbus-launch ran", args)
			}
			if !strings.Contains(out, "bus="+address+"\n") || !strings.Contains(out, ErrNoBackend.Error()) {
				t.Errorf("%v: %s", args, out)
			}
		}
	}
}

// A program that does not use a keyring does not connect to the bus.
func TestInitDoesNotDial(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer func() { _ = l.Close() }()
	_ = inChild(t, []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + path, "STORE_TEST_CHILD=idle"}, "get")
	raw, err := l.(*net.UnixListener).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		// A connection, if one was made, waits in the queue.
		if _, _, err := unix.Accept(int(fd)); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("the program connected to the bus: %v", err)
		}
	}))
}

func TestInitDoesNotWaitForSilentBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer func() { _ = l.Close() }()
	address := "unix:path=" + path
	for _, args := range [][]string{{"--version"}, {"get"}, {"login", "--keyring", "secret-service"}} {
		start := time.Now()
		out := inChild(t, []string{"DBUS_SESSION_BUS_ADDRESS=" + address}, args...)
		// Without dbusguard it would hang until the timeout in child.
		t.Logf("%v: %v", args, time.Since(start))
		if !strings.Contains(out, "bus="+address+"\n") || !strings.Contains(out, ErrNoBackend.Error()) {
			t.Errorf("%v: %s", args, out)
		}
		if !strings.Contains(out, "does not answer") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

// busConfig configures a session bus that starts no services. With the default
// configuration, the daemon would start an installed secret service.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

func TestAnsweringBusIsUsed(t *testing.T) {
	env := []string{"DBUS_SESSION_BUS_ADDRESS=" + startBus(t)}
	// The library connects to the bus but cannot open the keyring, because there is no
	// secret service.
	const opened = "it could not be opened"
	out := inChild(t, env, "login", "--keyring", "secret-service")
	if !strings.Contains(out, ErrNoBackend.Error()) || !strings.Contains(out, opened) || strings.Contains(out, "does not answer") {
		t.Error(out)
	}
}
