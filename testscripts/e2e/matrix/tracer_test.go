//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tracees are the programs that the tests trace. The test binary runs one of them, which its
// environment names. Each works on the files in the current directory.
var tracees = map[string]func(){
	"save": func() {
		say := func(what string, err error) {
			if err != nil {
				fmt.Println(what, err)
			}
		}
		lock, err := os.Create("login.lock")
		say("lock", err)
		say("flock", unix.Flock(int(lock.Fd()), unix.LOCK_EX))
		f, err := os.Create(".tmp-1234567")
		say("create", err)
		_, err = f.WriteString("contents")
		say("write", err)
		say("sync", f.Sync())
		say("close", f.Close())
		say("rename", os.Rename(".tmp-1234567", "login"))
		say("sync", syncDir("."))
		say("close", lock.Close())
		fmt.Println("end")
	},
	"defer": func() {
		c := make(chan os.Signal, 2)
		signal.Notify(c, unix.SIGTERM)
		go func() {
			<-c
			<-c
			os.Exit(9)
		}()
		_ = os.Mkdir("held", 0o700)
	},
	"ignore": func() {
		signal.Ignore(unix.SIGTERM)
		_ = os.Mkdir("held", 0o700)
	},
	"print": func() {
		_ = os.Mkdir("before", 0o700)
		fmt.Println("printed")
		_ = os.Mkdir("after", 0o700)
	},
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

const traceeVariable = "MATRIX_TEST_TRACEE"

func TestMain(m *testing.M) {
	if f := tracees[os.Getenv(traceeVariable)]; f != nil {
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runTracee traces a tracee in a new directory, which it returns.
func runTracee(t *testing.T, name string, pauses []time.Duration, at func(*call) action) (*outcome, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var o *outcome
	onThread(func() {
		o, err = trace(command{
			argv: []string{self}, dir: dir,
			// Without this, the race detector waits for a second at exit.
			env:   []string{traceeVariable + "=" + name, "GORACE=atexit_sleep_ms=0"},
			roots: roots{{dir, "dir"}}, limit: time.Minute, pauses: pauses, at: at,
		})
	})
	if err == unix.EPERM {
		t.Skip("ptrace is not permitted here")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o, dir
}

func TestCallsAreNamed(t *testing.T) {
	var got []string
	o, _ := runTracee(t, "save", nil, func(c *call) action {
		got = append(got, fmt.Sprint(c.point, " ", len(c.held)))
		return action{}
	})
	if o.exit != 0 || o.stdout != "end\n" {
		t.Fatalf("%s: %s%s", o, o.stdout, o.stderr)
	}
	want := []string{
		"open dir/login.lock #1 0",
		"lock dir/login.lock #1 0",
		"open dir/.tmp-* #1 1",
		"write dir/.tmp-* #1 1",
		"sync dir/.tmp-* #1 1",
		"close dir/.tmp-* #1 1",
		"stat dir/login #1 1",
		"rename dir/.tmp-* -> dir/login #1 1",
		"open dir #1 1",
		"sync dir #1 1",
		"close dir #1 1",
		"close dir/login.lock #1 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The process gets the error of the call, and no other call fails.
func TestCallFails(t *testing.T) {
	for _, test := range []struct {
		at    point
		errno syscall.Errno
		want  string
		saved bool
	}{
		{point{"sync", "dir/.tmp-*", 1}, unix.EIO, "sync sync .tmp-1234567: input/output error\n", true},
		{point{"write", "dir/.tmp-*", 1}, unix.ENOSPC, "write write .tmp-1234567: no space left on device\n", true},
		{point{"close", "dir/.tmp-*", 1}, unix.EIO, "close close .tmp-1234567: input/output error\n", true},
		{point{"rename", "dir/.tmp-* -> dir/login", 1}, unix.EIO, "rename rename .tmp-1234567 login: input/output error\n", false},
		{point{"lock", "dir/login.lock", 1}, unix.ENOLCK, "flock no locks available\n", true},
		{point{"open", "dir", 1}, unix.EMFILE, "sync open .: too many open files\n", true},
	} {
		o, dir := runTracee(t, "save", nil, func(c *call) action {
			if c.point == test.at {
				return action{fail: test.errno}
			}
			return action{}
		})
		if o.exit != 0 || o.stdout != test.want+"end\n" || o.failed != 1 {
			t.Errorf("%s: %s, %d failed:\n%s%s", test.at, o, o.failed, o.stdout, o.stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "login")); (err == nil) != test.saved {
			t.Errorf("%s: the file: %v", test.at, err)
		}
	}
}

// With kill the call is not made, with signal it is.
func TestKillAndSignal(t *testing.T) {
	at := point{"rename", "dir/.tmp-* -> dir/login", 1}
	for _, test := range []struct {
		action action
		signal syscall.Signal
		saved  bool
	}{
		{action{kill: true}, unix.SIGKILL, false},
		{action{signal: unix.SIGTERM}, unix.SIGTERM, true},
	} {
		o, dir := runTracee(t, "save", nil, func(c *call) action {
			if c.point == at {
				return test.action
			}
			return action{}
		})
		if o.signal != test.signal || o.exit != -1 {
			t.Errorf("%s: %s", test.signal, o)
		}
		if _, err := os.Stat(filepath.Join(dir, "login")); (err == nil) != test.saved {
			t.Errorf("%s: the file: %v", test.signal, err)
		}
	}
}

func TestHangUp(t *testing.T) {
	o, dir := runTracee(t, "print", nil, func(c *call) action {
		return action{hangUp: c.role == "dir/before"}
	})
	if o.signal != unix.SIGPIPE || o.stdout != "" {
		t.Errorf("%s: %q", o, o.stdout)
	}
	if _, err := os.Stat(filepath.Join(dir, "after")); err == nil {
		t.Error("the process continued after a write to a closed pipe")
	}
}

func TestTwoSignals(t *testing.T) {
	twice := func(*call) action { return action{twice: unix.SIGTERM} }
	// The pauses are long enough for the process to exit before it is killed.
	o, _ := runTracee(t, "defer", []time.Duration{100 * time.Millisecond, 5 * time.Second, 30 * time.Second}, twice)
	if o.exit != 9 || !o.ended || o.sends < 2 {
		t.Errorf("a process that exits at the second signal: %s, ended %t, %d sent", o, o.ended, o.sends)
	}
	o, _ = runTracee(t, "ignore", []time.Duration{time.Millisecond, time.Millisecond}, twice)
	if o.signal != unix.SIGKILL || o.ended || o.sends != 2 {
		t.Errorf("a process that does not exit: %s, ended %t, %d sent", o, o.ended, o.sends)
	}
}
