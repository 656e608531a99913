package testscripts

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

// user runs the real binaries with a home directory and a login at a test issuer.
type user struct {
	t   *testing.T
	ctx context.Context // limits the time of all commands
	srv *issuertest.Server
	bin string
	env []string
	dir string
}

func newUser(t *testing.T, opts issuertest.Options) *user {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts hundreds of processes")
	}
	opts.Interval = 1
	srv, err := issuertest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	srv.AutoApprove(true)
	dir := t.TempDir()
	for _, d := range []string{"home", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pass := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(pass, []byte("open sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	u := &user{t: t, ctx: ctx, srv: srv, bin: build(t), dir: dir, env: []string{
		"HOME=" + filepath.Join(dir, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"TOKEN_HELPER_PASSPHRASE_FILE=" + pass, "TOKEN_HELPER_KEYRING=file",
		"TOKEN_HELPER_ISSUER=" + srv.URL(), "TOKEN_HELPER_CAFILE=" + srv.CAFile(),
	}}
	u.login()
	return u
}

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(u.ctx, filepath.Join(u.bin, "condor-token-helper"), args...)
	cmd.Env = u.env
	return cmd
}

func (u *user) login() {
	u.t.Helper()
	if out, err := u.command("login").CombinedOutput(); err != nil {
		u.t.Fatalf("login: %v\n%s", err, out)
	}
}

// get runs the command get, and returns its exit code and its output.
func (u *user) get(args ...string) (code int, stdout, stderr string) {
	var out, diag bytes.Buffer
	cmd := u.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		u.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), diag.String()
}

// TestAllAtOnce starts many processes at the same time that request tokens, with an empty cache,
// at an issuer that rotates refresh tokens and revokes the login if one is used twice.
// kubelogin#389 and aws-vault#1275 describe what happens without a lock.
func TestAllAtOnce(t *testing.T) {
	const processes, audiences = 1000, 50
	u := newUser(t, issuertest.Options{Rotate: true})
	u.srv.ResetRequests()
	var wg sync.WaitGroup
	failures := make(chan string, processes)
	start := make(chan struct{})
	for i := range processes {
		wg.Go(func() {
			ce := fmt.Sprintf("ce%d.example.org:9619", i%audiences)
			<-start
			code, stdout, stderr := u.get("--ce", ce)
			if code != 0 {
				failures <- fmt.Sprintf("exit %d: %s", code, stderr)
				return
			}
			tok := token.New(strings.TrimSpace(stdout))
			if len(tok.Audiences) != 1 || tok.Audiences[0] != ce || !tok.Expires.After(time.Now()) {
				failures <- fmt.Sprintf("a token for %q that expires at %v", tok.Audiences, tok.Expires)
			}
		})
	}
	began := time.Now()
	close(start)
	wg.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	n := u.srv.Requests()["token"]
	t.Logf("%d processes, %d audiences: %d refreshes in %v", processes, audiences, n, time.Since(began).Round(time.Millisecond))
	if n != audiences {
		t.Errorf("the issuer counted %d token requests, not %d", n, audiences)
	}
	if code, _, stderr := u.get("--ce", "after.example.org"); code != 0 {
		t.Errorf("the login does not work afterwards: exit %d: %s", code, stderr)
	}
}

// TestKilled kills processes at different moments of a refresh. The login must work afterwards,
// unless the issuer replaced the refresh token and the process was killed before it saved the new
// one. Requests, responses and lines of the trace determine the moments, so that each of them is
// reached on any machine.
func TestKilled(t *testing.T) {
	for _, tt := range []struct {
		grace bool
		// rounds is how often each moment is tested, because the exact time varies.
		rounds int
	}{
		{true, 6},
		{false, 2}, // each lost login is replaced with a device flow
	} {
		t.Run(fmt.Sprintf("grace %v", tt.grace), func(t *testing.T) {
			t.Parallel()
			k := &killer{}
			u := newUser(t, issuertest.Options{Rotate: true, Grace: tt.grace, Wrap: k.wrap})
			code, _, trace := u.get(traced...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, trace)
			}
			moments := allMoments(strings.Count(trace, "\n"))
			lost := map[moment]int{}
			for range tt.rounds {
				for _, m := range moments {
					if u.killedAt(m, k, tt.grace) {
						lost[m]++
						u.login()
					}
					u.checkFiles()
				}
			}
			t.Logf("%d runs killed, at %d moments; logins lost: %v", tt.rounds*len(moments), len(moments), lost)
		})
	}
}

// traced are the arguments of the runs that are killed.
var traced = []string{"-v", "--force-new", "--ce", "ce.example.org"}

// moment is when a run is killed: at a request, or after a line of its trace.
type moment struct {
	path, when string
	line       int
}

const (
	unseen   = "before the issuer gets it"
	unsent   = "before the answer"
	halfSent = "in the answer"
	sent     = "after the answer"
)

func allMoments(lines int) []moment {
	var out []moment
	for _, path := range []string{"/.well-known/openid-configuration", tokenPath} {
		for _, when := range []string{unseen, unsent, halfSent, sent} {
			out = append(out, moment{path: path, when: when})
		}
	}
	for i := range lines {
		out = append(out, moment{line: i + 1})
	}
	return out
}

const tokenPath = "/token"

// killer wraps the issuer's handler and kills a run at one of its requests.
type killer struct {
	mu  sync.Mutex
	run *victim // the run to kill, or nil
}

// victim is a run to kill.
type victim struct {
	moment
	process        *os.Process
	started, ended chan struct{}
	killed         bool // set when the run is killed at a request
	handled        int  // the number of token requests that the issuer handled
}

// kill kills the run at a request. When it returns, the run can no longer read the answer.
func (v *victim) kill() {
	<-v.started
	_ = v.process.Kill()
	<-v.ended
}

func (k *killer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		v := k.run
		kill := v != nil && r.URL.Path == v.path && !v.killed
		if kill {
			v.killed = true
		}
		if v != nil && r.URL.Path == tokenPath && !(kill && v.when == unseen) {
			v.handled++
		}
		k.mu.Unlock()
		if !kill {
			next.ServeHTTP(w, r)
			return
		}
		if v.when == unseen {
			v.kill()
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		maps.Copy(w.Header(), rec.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		switch v.when {
		case unsent:
			body = nil
		case halfSent:
			body = body[:len(body)/2]
		}
		if body != nil {
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
			_ = http.NewResponseController(w).Flush()
		}
		v.kill()
	})
}

// killedAt kills a run and reports whether the login is lost. The test fails if it is lost
// although the issuer did not replace the refresh token, or although the token was printed.
func (u *user) killedAt(m moment, k *killer, grace bool) (lost bool) {
	u.t.Helper()
	var out bytes.Buffer
	cmd := u.command(traced...)
	cmd.Stdout = &out
	trace, err := cmd.StderrPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	v := &victim{moment: m, started: make(chan struct{}), ended: make(chan struct{})}
	k.mu.Lock()
	k.run = v
	k.mu.Unlock()
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	v.process = cmd.Process
	close(v.started)
	lines := bufio.NewScanner(trace)
	reached := false
	for n := 1; lines.Scan(); n++ {
		if n == m.line {
			_ = cmd.Process.Kill()
			reached = true
		}
	}
	_ = cmd.Wait()
	close(v.ended)
	u.srv.Drain()
	k.mu.Lock()
	k.run = nil
	k.mu.Unlock()
	if !reached && !v.killed {
		u.t.Fatalf("%v: the run never reached this moment", m)
	}
	code, _, stderr := u.get(traced...)
	if code == 0 {
		return false
	}
	if grace || code != 3 || v.handled == 0 || out.Len() > 0 {
		u.t.Fatalf("%v: the login is lost, after %d token requests, with %d bytes on stdout; exit %d: %s", m, v.handled, out.Len(), code, stderr)
	}
	return true
}

// checkFiles fails the test if a file that has its final name is incomplete.
func (u *user) checkFiles() {
	u.t.Helper()
	check := func(pattern string, complete func([]byte) bool) {
		names, err := filepath.Glob(filepath.Join(u.dir, pattern))
		if err != nil || len(names) == 0 {
			u.t.Fatalf("%s: %v, %d files", pattern, err, len(names))
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil || !complete(b) {
				u.t.Fatalf("%s is incomplete: %v: %q", name, err, b)
			}
		}
	}
	check("home/.local/state/token-helpers/logins.json", json.Valid)
	check("home/.local/share/token-helpers/keyring/token-helpers-*", func(b []byte) bool { return bytes.Count(b, []byte(".")) == 4 })
	check("run/token-helpers/*.token", json.Valid)
}
