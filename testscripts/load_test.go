package testscripts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

// user is a home of its own with the real binaries, logged in at an issuer.
type user struct {
	t   *testing.T
	srv *issuertest.Server
	bin string
	env []string
	dir string
}

func newUser(t *testing.T, opts issuertest.Options) *user {
	t.Helper()
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
	u := &user{t: t, srv: srv, bin: build(t), dir: dir, env: []string{
		"HOME=" + filepath.Join(dir, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"TOKEN_HELPER_PASSPHRASE_FILE=" + pass, "TOKEN_HELPER_KEYRING=file",
		"TOKEN_HELPER_ISSUER=" + srv.URL(), "TOKEN_HELPER_CAFILE=" + srv.CAFile(),
	}}
	u.login()
	return u
}

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(u.bin, "condor-token-helper"), args...)
	cmd.Env = u.env
	return cmd
}

func (u *user) login() {
	u.t.Helper()
	if out, err := u.command("login").CombinedOutput(); err != nil {
		u.t.Fatalf("login: %v\n%s", err, out)
	}
}

// get runs a get and returns its exit code and what it said.
func (u *user) get(args ...string) (code int, stdout, stderr string) {
	var out, said bytes.Buffer
	cmd := u.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		u.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// Hundreds of jobs and shells of one host that all want a token at once, at an
// issuer that rotates refresh tokens and ends the login when one is used twice.
// kubelogin#389 and aws-vault#1275 are what happens without a lock.
func TestAllAtOnce(t *testing.T) {
	const processes = 300
	for _, audiences := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d audiences", audiences), func(t *testing.T) {
			u := newUser(t, issuertest.Options{Rotate: true})
			u.srv.ResetRequests()
			var wg sync.WaitGroup
			faults := make(chan string, processes)
			start := make(chan struct{})
			for i := range processes {
				wg.Go(func() {
					ce := fmt.Sprintf("ce%d.example.org:9619", i%audiences)
					cmd := u.command("--ce", ce)
					var out, said bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &said
					<-start
					if err := cmd.Run(); err != nil {
						faults <- fmt.Sprintf("%v: %s", err, said.String())
						return
					}
					tok := token.New(strings.TrimSpace(out.String()))
					if len(tok.Audiences) != 1 || tok.Audiences[0] != ce || !tok.Expires.After(time.Now()) {
						faults <- fmt.Sprintf("a token for %q that ends at %v", tok.Audiences, tok.Expires)
					}
				})
			}
			close(start)
			wg.Wait()
			close(faults)
			for f := range faults {
				t.Error(f)
			}
			if n := u.srv.Requests()["token"]; n != audiences {
				t.Errorf("the issuer counted %d token requests, not %d", n, audiences)
			}
			if code, _, said := u.get("--ce", "after.example.org"); code != 0 {
				t.Errorf("the login does not work afterwards: exit %d: %s", code, said)
			}
		})
	}
}

// A run that is killed at any moment of a refresh leaves a login that works, but
// where the issuer had ended the old refresh token and its answer never came.
func TestKilled(t *testing.T) {
	for _, grace := range []bool{true, false} {
		t.Run(fmt.Sprintf("grace %v", grace), func(t *testing.T) {
			t.Parallel()
			u := newUser(t, issuertest.Options{Rotate: true, Grace: grace})
			began := time.Now()
			if code, _, said := u.get("--force-new", "--ce", "ce.example.org"); code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			whole := time.Since(began)
			runs := 300
			if !grace {
				// Each login that is lost takes a device flow, a second's wait, to replace.
				runs = 120
			}
			killed, lost := 0, 0
			for range runs {
				u.srv.ResetRequests()
				printed, dead := u.killedWithin(whole * 5 / 4)
				if dead {
					killed++
				}
				code, _, said := u.get("--force-new", "--ce", "ce.example.org")
				// A request may reach the issuer after who sent it is dead, so it is
				// counted now, without the one of the run above.
				asked := u.srv.Requests()["token"] - 1
				switch {
				case code == 0:
				case grace:
					t.Fatalf("the login is lost: exit %d: %s", code, said)
				case code != 3 || asked == 0 || printed:
					t.Fatalf("the login is lost though the issuer was asked %d times and a token was printed: %v; exit %d: %s", asked, printed, code, said)
				default:
					lost++
					u.login()
				}
				u.checkFiles()
			}
			t.Logf("%d of %d killed, %d logins lost", killed, runs, lost)
			if killed < runs/3 {
				t.Errorf("only %d runs were killed: it shows little", killed)
			}
		})
	}
}

// killedWithin kills a run at a random moment of span; printed says whether a token
// came out before.
func (u *user) killedWithin(span time.Duration) (printed, dead bool) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), rand.N(span))
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(u.bin, "condor-token-helper"), "--force-new", "--ce", "ce.example.org")
	cmd.Env = u.env
	out, _ := cmd.Output()
	return len(out) > 0, ctx.Err() != nil && (cmd.ProcessState == nil || !cmd.ProcessState.Exited())
}

// checkFiles looks that nothing is half written: what has its final name is whole.
func (u *user) checkFiles() {
	u.t.Helper()
	check := func(pattern string, whole func([]byte) bool) {
		names, err := filepath.Glob(filepath.Join(u.dir, pattern))
		if err != nil || len(names) == 0 {
			u.t.Fatalf("%s: %v, %d files", pattern, err, len(names))
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil || !whole(b) {
				u.t.Fatalf("%s is not whole: %v: %q", name, err, b)
			}
		}
	}
	check("home/.local/state/token-helpers/logins.json", json.Valid)
	check("home/.local/share/token-helpers/keyring/token-helpers-*", func(b []byte) bool { return bytes.Count(b, []byte(".")) == 4 })
	check("run/token-helpers/*.token", json.Valid)
}
