//go:build !windows

package testscripts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

// TestWatchersShareALogin runs watchers with different audiences that share one login at an
// issuer that rotates refresh tokens. TEST_SOAK is the duration. The test does not run by
// default, because it takes real time, and renewals can be late on an overloaded machine.
func TestWatchersShareALogin(t *testing.T) {
	if os.Getenv("TEST_SOAK") == "" {
		t.Skip("it takes a minute of real time: run make soak, or set TEST_SOAK=1m")
	}
	span, err := time.ParseDuration(os.Getenv("TEST_SOAK"))
	if err != nil {
		t.Fatal(err)
	}
	const watchers, life = 20, 10 * time.Second
	u := newUser(t, issuertest.Options{Rotate: true, AccessLifetime: life})
	u.ctx = t.Context() // without the time limit of the other tests
	type watcher struct {
		cmd    *exec.Cmd
		file   string
		stderr bytes.Buffer
	}
	var all []*watcher
	for n := range watchers {
		w := &watcher{file: filepath.Join(u.dir, fmt.Sprintf("token%d", n))}
		w.cmd = u.command("--ce", fmt.Sprintf("ce%d.example.org", n), "--watch", "--file", w.file)
		w.cmd.Stderr = &w.stderr
		if err := w.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	t.Cleanup(func() {
		for _, w := range all {
			_ = w.cmd.Process.Kill()
		}
	})
	var (
		mu      sync.Mutex
		seen    = map[string]bool{}
		expired int
		reading sync.WaitGroup
	)
	end := time.Now().Add(span)
	for _, w := range all {
		reading.Go(func() {
			for started := false; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				b, err := os.ReadFile(w.file)
				if errors.Is(err, os.ErrNotExist) && !started {
					continue
				}
				started = true
				tok := token.New(strings.TrimSpace(string(b)))
				left, known := tok.Lifetime(time.Now())
				mu.Lock()
				if err != nil || !known || left <= 0 {
					expired++
				}
				seen[tok.Raw()] = true
				mu.Unlock()
			}
		})
	}
	reading.Wait()
	for _, w := range all {
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("a watcher has exited: %v; %s", err, w.stderr.String())
		}
		_ = w.cmd.Wait()
		if strings.Contains(w.stderr.String(), "warning: ") {
			t.Errorf("%s: %s", w.file, w.stderr.String())
		}
	}
	if expired > 0 {
		t.Errorf("%d reads found no valid token", expired)
	}
	if least := watchers * int(span/life); len(seen) < least {
		t.Errorf("%d different tokens, want at least %d", len(seen), least)
	}
	if code, _, stderr := u.get("--ce", "last.example.org", "--min-lifetime", "1s"); code != 0 {
		t.Errorf("the login is lost: %s", stderr)
	}
	t.Logf("%d watchers, %d tokens in %v, %d requests", watchers, len(seen), span, u.srv.Requests()["token"])
}

// TestNotifiesSystemd checks that a watcher notifies systemd of its start, its status and its
// end (sd_notify).
func TestNotifiesSystemd(t *testing.T) {
	u := newUser(t, issuertest.Options{AccessLifetime: 6 * time.Second})
	socket := filepath.Join(u.dir, "notify")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}); err != nil {
		t.Fatal(err)
	}
	messages := make(chan string, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			n, _, err := syscall.Recvfrom(fd, b, 0)
			if err != nil {
				return
			}
			messages <- string(b[:n])
		}
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-messages:
			if !strings.HasPrefix(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("no message %q", want)
		}
	}
	cmd := u.command("--ce", "ce.example.org", "--watch", "--file", filepath.Join(u.dir, "token"))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	expect("READY=1\nSTATUS=token valid until ")
	expect("STATUS=token valid until ")
	if err := u.srv.SetMode("wrong-audience"); err != nil {
		t.Fatal(err)
	}
	for failed := false; !failed; {
		select {
		case got := <-messages:
			failed = strings.Contains(got, "renewal failed: the token's audience is")
		case <-time.After(patience):
			t.Fatal("a failed renewal is not reported")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for stopping := false; !stopping; {
		select {
		case got := <-messages:
			stopping = strings.HasPrefix(got, "STOPPING=1\n")
		case <-time.After(patience):
			t.Fatal("the end is not reported")
		}
	}
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", ws)
	}
}

// TestWatchWithoutItsLogger checks that a watcher continues if the reader of its stderr exits.
func TestWatchWithoutItsLogger(t *testing.T) {
	u := newUser(t, issuertest.Options{AccessLifetime: 3 * time.Second})
	file := filepath.Join(u.dir, "token")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := u.command("-v", "--ce", "ce.example.org", "--watch", "--file", file)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_ = w.Close()
	// Read the messages until the first renewal.
	for lines := bufio.NewScanner(r); lines.Scan() && !strings.Contains(lines.Text(), "the token was replaced"); {
	}
	_ = r.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for renewals, late := 0, time.After(patience); renewals < 2; {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-late:
			t.Fatal("the token is not renewed")
		case <-time.After(20 * time.Millisecond):
		}
		if now, err := os.ReadFile(file); err == nil && !bytes.Equal(now, before) {
			before = now
			renewals++
		}
	}
}

// TestCommandsOfAllKinds checks that a command that closes its streams, forks, or never reads
// its token has its own exit status, and that its token is removed.
func TestCommandsOfAllKinds(t *testing.T) {
	u := newUser(t, issuertest.Options{})
	for name, c := range map[string]struct {
		script string
		status int
	}{
		"never reads its token":   {"exit 3", 3},
		"closes its streams":      {"exec <&- >&- 2>&-; exit 4", 4},
		"leaves a process behind": {"sleep 600 & echo $! >\"$HOME/pid\"; exit 6", 6},
		"removes its token":       {"rm \"$BEARER_TOKEN_FILE\"; exit 7", 7},
		"replaces its token":      {"echo x >\"$BEARER_TOKEN_FILE.x\"; mkdir \"$BEARER_TOKEN_FILE.d\"; exit 8", 8},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := u.command("--ce", "ce.example.org", "--", "sh", "-c", c.script)
			cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if l := leftovers(u); len(l) > 0 {
				t.Errorf("left behind: %q", l)
			}
		})
	}
	b, err := os.ReadFile(filepath.Join(u.dir, "home/pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("kill the process that the command left behind: %v", err)
	}
}
