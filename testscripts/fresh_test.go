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

// Watchers with different audiences share one login of an issuer that rotates refresh
// tokens. TEST_SOAK is how long they do it: real time passes, and a renewal can be late on
// a machine that is overloaded, so this is no test for every run.
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
	u.ctx = t.Context() // for longer than the other tests
	type watcher struct {
		cmd  *exec.Cmd
		file string
		said bytes.Buffer
	}
	var all []*watcher
	for n := range watchers {
		w := &watcher{file: filepath.Join(u.dir, fmt.Sprintf("token%d", n))}
		w.cmd = u.command("--ce", fmt.Sprintf("ce%d.example.org", n), "--watch", "--file", w.file)
		w.cmd.Stderr = &w.said
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
			t.Errorf("a watcher has ended: %v; %s", err, w.said.String())
		}
		_ = w.cmd.Wait()
		if strings.Contains(w.said.String(), "warning: ") {
			t.Errorf("%s: %s", w.file, w.said.String())
		}
	}
	if expired > 0 {
		t.Errorf("%d reads found no token that is valid", expired)
	}
	if least := watchers * int(span/life); len(seen) < least {
		t.Errorf("%d different tokens, want at least %d", len(seen), least)
	}
	if code, _, said := u.get("--ce", "last.example.org", "--min-lifetime", "1s"); code != 0 {
		t.Errorf("the login is lost: %s", said)
	}
	t.Logf("%d watchers, %d tokens in %v, %d requests", watchers, len(seen), span, u.srv.Requests()["token"])
}

// A watcher tells systemd when it is ready and how it is (sd_notify).
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

// A watcher goes on if the reader of its messages has gone.
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
	// The messages before the first renewal are as in any other run.
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

// A command that closes its streams, forks, or never reads its token ends as it does
// without the helper, and nothing is left.
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
		t.Errorf("the process that outlives its command: %v", err)
	}
}
