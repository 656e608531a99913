//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

// user is a user with a home directory and a login at a separate issuer. A fault may damage
// both; reset restores them.
type user struct {
	helper string
	dir    string // home and run are in it
	env    []string
	roots  roots
	port   int
	srv    *issuertest.Server
	login  string // the refresh token in a reset home

	answered atomic.Bool
	mu       sync.Mutex
	access   map[string]bool // all access tokens since the last reset
	refresh  string          // the newest refresh token
	at       time.Time       // time of the issuer's last answer
}

const (
	// limit is the maximum time of a run. A run takes 30 ms, but the machine may be busy, and the
	// program retries a failed save for some time.
	limit = 3 * time.Minute
	// timeout is the value of --timeout.
	timeout = 60 * time.Second
)

// pauses are the times after the signals to a process that must exit at the second one. A
// signal within a second of the first counts as the same one (cli.SameSignal). On a busy
// machine the program may handle the first signal late, so that the two are closer to each
// other. So there is a third signal, but a process that needs it is tried again.
var pauses = []time.Duration{1500 * time.Millisecond, 3 * time.Second, 3 * time.Second}

// newUser starts an issuer that rotates refresh tokens and rejects old ones, and logs in.
func newUser(helper, dir string) (*user, error) {
	u := &user{helper: helper, dir: dir, access: map[string]bool{}}
	var err error
	u.srv, err = issuertest.Start(issuertest.Options{
		Rotate: true, Interval: 1, Dir: filepath.Join(dir, "pki"), Answered: u.noteAnswer,
	})
	if err != nil {
		return nil, err
	}
	u.srv.AutoApprove(true)
	address, err := url.Parse(u.srv.URL())
	if err != nil {
		return nil, err
	}
	if u.port, err = strconv.Atoi(address.Port()); err != nil {
		return nil, err
	}
	home, run := filepath.Join(dir, "home"), filepath.Join(dir, "run")
	pass := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(pass, []byte("open sesame\n"), 0o600); err != nil {
		return nil, err
	}
	for _, d := range []string{home, run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	u.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + run,
		"TOKEN_HELPER_KEYRING=file", "TOKEN_HELPER_PASSPHRASE_FILE=" + pass, "TOKEN_HELPER_UNLOCK_FOR=0",
		"TOKEN_HELPER_ISSUER=" + u.srv.URL(), "TOKEN_HELPER_CAFILE=" + u.srv.CAFile(),
		"TOKEN_HELPER_TIMEOUT=" + timeout.String(),
	}
	u.roots = roots{
		{filepath.Join(home, ".local/state/token-helpers"), "state"},
		{filepath.Join(home, ".local/share/token-helpers"), "data"},
		{filepath.Join(home, ".cache/token-helpers"), "cache"},
		{filepath.Join(run, "token-helpers"), "run"},
		{home, "home"},
		{run, "rundir"},
	}
	for _, args := range [][]string{{"login"}, {"--force-new", "--no-prompt", "--ce", "first.example.org"}} {
		if r := u.plain(args...); r.exit != 0 {
			return nil, fmt.Errorf("%s %s: %s\n%s", helper, strings.Join(args, " "), r, r.stderr)
		}
	}
	u.login = u.refresh
	fresh := filepath.Join(dir, "fresh")
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return nil, err
	}
	for _, d := range []string{home, run} {
		if err := copyTree(d, filepath.Join(fresh, filepath.Base(d))); err != nil {
			return nil, err
		}
	}
	return u, u.reset()
}

func (u *user) close() error { return errors.Join(u.srv.Close(), os.RemoveAll(u.dir)) }

func (u *user) noteAnswer(access, refresh string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.at = time.Now()
	u.access[access] = true
	if refresh != "" {
		u.refresh = refresh
	}
	u.answered.Store(true)
}

// newest returns the refresh token that the issuer sent last.
func (u *user) newest() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refresh
}

// isToken reports whether s is one of the access tokens that the issuer sent.
func (u *user) isToken(s string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.access[strings.TrimSuffix(s, "\n")]
}

// reset restores the initial home and login.
func (u *user) reset() error {
	if err := u.srv.Reinstate(u.login); err != nil {
		return err
	}
	for _, name := range []string{"home", "run"} {
		to := filepath.Join(u.dir, name)
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := copyTree(filepath.Join(u.dir, "fresh", name), to); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.access)
	u.refresh = u.login
	u.answered.Store(false)
	return nil
}

// copyTree copies a directory of private files. os.CopyFS would make them readable for others.
func copyTree(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			if err := copyTree(src, dst); err != nil {
				return err
			}
			continue
		}
		b, err := os.ReadFile(src)
		if err != nil {
			return err
		}
		if err := os.WriteFile(dst, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// plain runs the program without tracing.
func (u *user) plain(args ...string) *outcome {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, u.helper, args...)
	cmd.Dir, cmd.Env = u.dir, u.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	o := &outcome{exit: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), hung: ctx.Err() != nil}
	if cmd.ProcessState == nil {
		o.stderr = err.Error()
	} else if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		o.signal = ws.Signal()
	}
	return o
}

// traced runs the program and calls at for each of its calls on the store.
func (u *user) traced(argv []string, at func(*call) action) (*outcome, error) {
	return trace(command{
		argv: argv, env: u.env, dir: u.dir, roots: u.roots, port: u.port,
		answered: u.answered.Load, limit: limit, pauses: pauses, at: at,
	})
}
