package helper

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
)

// issuerVariable makes the test binary an issuer, so that its memory is not measured. Its
// clock advances by two thirds of a token's lifetime with each token.
const issuerVariable = "TEST_SOAK_ISSUER"

func init() {
	if os.Getenv(issuerVariable) == "" {
		return
	}
	var issued atomic.Int64
	begin := time.Now()
	srv, err := issuertest.Start(issuertest.Options{
		Rotate: true, Interval: 1, RefreshLifetime: 100 * 365 * 24 * time.Hour, DeviceLifetime: 24 * time.Hour,
		Now:      func() time.Time { return begin.Add(time.Duration(issued.Load()) * 40 * time.Minute) },
		Answered: func(string, string) { issued.Add(1) },
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	srv.AutoApprove(true)
	fmt.Println(srv.URL(), srv.CAFile())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = srv.Close()
	os.Exit(0)
}

func startIssuer(t *testing.T) (url, ca string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), issuerVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ca, _ = strings.Cut(strings.TrimSpace(line), " ")
	return url, ca
}

// TestManyRenewals checks that 40 renewals in a row (10,000 if TEST_SOAK is set), each
// with a new refresh token, do not lose the login and do not leak resources.
func TestManyRenewals(t *testing.T) {
	renewals := 40
	if os.Getenv("TEST_SOAK") != "" {
		renewals = 10000
	}
	url, ca := startIssuer(t)
	dir := t.TempDir()
	pass := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(pass, []byte("open sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"HOME": dir, "TOKEN_HELPER_KEYRING": "file", "TOKEN_HELPER_PASSPHRASE_FILE": pass, "TOKEN_HELPER_ISSUER": url, "TOKEN_HELPER_CAFILE": ca}
	now := time.Now()
	var stderr bytes.Buffer
	env := func(args ...string) *cli.Env {
		return &cli.Env{
			Program: "condor-token-helper", Args: args, Stdout: io.Discard, Stderr: &stderr, Now: func() time.Time { return now },
			LookupEnv: func(k string) (string, bool) { v, ok := vars[k]; return v, ok }, Environ: func() []string { return nil },
		}
	}
	if code := Main(env("login", "--timeout", "60s"), new(condor.Flags)); code != 0 {
		t.Fatal(stderr.String())
	}
	a, g := parsed(t, env("--ce", "ce.example.org", "--watch", "--file", filepath.Join(dir, "token"), "--from", "login"))
	all, err := a.items(g)
	if err != nil {
		t.Fatal(err)
	}
	it := all[0]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var first, last usage
	done, failed := 0, 0
	k := &fresh.Keeper{
		Put:    func(tok token.Token) error { return a.write(tok, "token", it.file) },
		Now:    func() time.Time { return now },
		Jitter: func() float64 { return 0 },
		Sleep:  func(ctx context.Context, d time.Duration) error { now = now.Add(d); return ctx.Err() },
		Get: func(ctx context.Context, enough time.Duration) (token.Token, error) {
			// Follow the issuer's clock.
			tok, err := it.renewed(ctx, enough)
			if iat, ok := issuedAt(tok); ok {
				now = iat
			}
			return tok, err
		},
		Report: func(e fresh.Event) {
			if e.Kind != fresh.Renewed {
				failed++
				t.Errorf("renewal %d: %v %v", done, e.Kind, e.Err)
				cancel()
			}
			switch done++; done {
			case renewals / 10:
				first = measure(t)
			case renewals:
				last = measure(t)
				cancel()
			}
		},
	}
	now = now.Add(40 * time.Minute) // the login also issued a token
	tok, err := a.obtain(ctx, it, all)
	if err != nil {
		t.Fatal(err)
	}
	if iat, ok := issuedAt(tok); ok {
		now = iat
	}
	k.Run(ctx, tok)
	if done != renewals || failed > 0 {
		t.Fatalf("%d of %d renewals; %s", done, renewals, stderr.String())
	}
	t.Logf("%d renewals: %+v after a tenth, %+v at the end", renewals, first, last)
	if last.descriptors > first.descriptors+2 {
		t.Errorf("descriptors: %d, later %d", first.descriptors, last.descriptors)
	}
	if last.goroutines > first.goroutines+2 {
		t.Errorf("goroutines: %d, later %d", first.goroutines, last.goroutines)
	}
	if last.heap > first.heap+1<<20 {
		t.Errorf("bytes on the heap: %d, later %d", first.heap, last.heap)
	}
}

func issuedAt(t token.Token) (time.Time, bool) {
	if t.JWT() == nil {
		return time.Time{}, false
	}
	return t.JWT().Time("iat")
}

type usage struct {
	heap                    uint64
	descriptors, goroutines int
}

// measure returns the resources that the process uses.
func measure(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return usage{m.HeapAlloc, len(fds), runtime.NumGoroutine()}
}

// parsed returns the results of parsing a command line of get.
func parsed(t *testing.T, env *cli.Env) (*app, *getCmd) {
	t.Helper()
	a := &app{env: env, conf: &config{}, eco: new(condor.Flags), line: newLine()}
	g := newGet(a.eco).(*getCmd)
	a.line.Add(&a.common, "")
	a.line.Add(g, "")
	done, err := env.Parse(a.line, &a.common.HelpFlags, env.Args, nil)
	if err = errors.Join(err, env.Resolve(a.line, a.defaults)); err != nil || done {
		t.Fatal(errors.Join(err, fmt.Errorf("done: %v", done)))
	}
	return a, g
}
