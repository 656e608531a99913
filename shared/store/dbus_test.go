//go:build linux

package store

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary stand for a helper: its packages are initialised
// as a helper's are.
func TestMain(m *testing.M) {
	if os.Getenv("STORE_TEST_CHILD") != "" {
		err := New(Options{LookupEnv: os.LookupEnv, Now: time.Now, Backend: os.Getenv("STORE_TEST_BACKEND")}).try(context.Background(), secretService)
		_, _ = os.Stdout.WriteString("bus=" + os.Getenv("DBUS_SESSION_BUS_ADDRESS") + "\n" + err.Error() + "\n")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs a helper with that environment and returns what it says.
func child(t *testing.T, env []string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	// The race detector would sleep a second at the end.
	cmd.Env = append(env, "GORACE=atexit_sleep_ms=0", "STORE_TEST_CHILD=1", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func TestInitDoesNotLaunchABus(t *testing.T) {
	if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus"); err == nil {
		t.Skip("this machine has a session bus of its own")
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
			out := child(t, env, args...)
			if _, err := os.Stat(ran); err == nil {
				t.Fatalf("%v: dbus-launch ran", args)
			}
			if !strings.Contains(out, "bus="+address+"\n") || !strings.Contains(out, ErrNoBackend.Error()) {
				t.Errorf("%v: %s", args, out)
			}
		}
	}
}

func TestInitDoesNotWaitForAMuteBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer func() { _ = l.Close() }()
	address := "unix:path=" + path
	for _, args := range [][]string{{"--version"}, {"get"}, {"login", "--keyring", "secret-service"}} {
		start := time.Now()
		out := child(t, []string{"DBUS_SESSION_BUS_ADDRESS=" + address}, args...)
		// Without the guard it would never end: child has its own limit.
		t.Logf("%v: %v", args, time.Since(start))
		if !strings.Contains(out, "bus="+address+"\n") || !strings.Contains(out, ErrNoBackend.Error()) {
			t.Errorf("%v: %s", args, out)
		}
		if args[0] == "login" && !strings.Contains(out, "does not answer") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

func TestABusThatAnswersIsUsed(t *testing.T) {
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(daemon, "--session", "--nofork", "--print-address", "--address=unix:path="+filepath.Join(t.TempDir(), "bus"))
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	env := []string{"DBUS_SESSION_BUS_ADDRESS=" + strings.TrimSpace(address)}
	// No secret service lives there: the library registers it, and cannot open it.
	if out := child(t, env, "login", "--keyring", "secret-service"); !strings.Contains(out, "it does not open") {
		t.Error(out)
	}
	if out := child(t, env, "--version"); strings.Contains(out, "it does not open") {
		t.Error("dialled for --version: " + out)
	}
}
