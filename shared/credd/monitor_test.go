//go:build linux

package credd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// clock is a clock that only add advances.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// point is an access point with a credential directory, an issuer and a log.
type point struct {
	t     *testing.T
	clock *clock
	srv   *issuertest.Server
	dir   string
	state string
	log   bytes.Buffer
	logMu sync.Mutex
	m     *Monitor
	// accepts is nil if every issuer is accepted.
	accepts func(url string) error
}

func (p *point) Write(b []byte) (int, error) {
	p.logMu.Lock()
	defer p.logMu.Unlock()
	return p.log.Write(b)
}

func (p *point) logged() string {
	p.logMu.Lock()
	defer p.logMu.Unlock()
	return p.log.String()
}

func newPoint(t *testing.T, opts issuertest.Options) *point {
	t.Helper()
	p := &point{t: t, clock: &clock{t: time.Now().Truncate(time.Second)}}
	opts.Now, opts.Interval = p.clock.now, 1
	if opts.DeviceLifetime == 0 {
		opts.DeviceLifetime = 24 * time.Hour // many advances the clock by seconds
	}
	srv, err := issuertest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	srv.AutoApprove(true)
	p.srv = srv
	root := quickDir(t)
	p.dir, p.state = filepath.Join(root, "creds"), filepath.Join(root, "state")
	for _, d := range []string{p.dir, p.state} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	return p
}

// quickDir returns a temporary directory, in memory if possible: every renewal waits for the
// disk several times.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "credd-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start starts a credmon, as after a reboot.
func (p *point) start() {
	p.t.Helper()
	key, err := loadKey("", "", p.state)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := NewMonitor(Settings{
		Dir: p.dir, StateDir: p.state, Key: key, SweepDelay: time.Hour, Owner: os.Geteuid(),
		Issuer: func(url string) (IssuerSettings, error) {
			if p.accepts != nil {
				return IssuerSettings{CAFile: p.srv.CAFile()}, p.accepts(url)
			}
			return IssuerSettings{CAFile: p.srv.CAFile()}, nil
		},
		NewClient: p.client, LookupEnv: func(string) (string, bool) { return "", false },
		Now: p.clock.now, Log: NewLog("", p, 0, p.clock.now), Jitter: func() float64 { return 0.5 },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.m = m
	p.t.Cleanup(m.Close)
}

func (p *point) client(caFile string) *issuer.Client {
	return issuer.NewClient(issuer.HTTPOptions{
		CAFile: caFile, Timeout: 20 * time.Second, UserAgent: func() string { return "test" },
		LookupEnv: func(string) (string, bool) { return "", false },
	})
}

// run scans once and does all work that is due.
func (p *point) run() {
	p.t.Helper()
	if err := p.m.Scan(); err != nil {
		p.t.Fatal(err)
	}
	for {
		p.m.Dispatch(context.Background())
		if p.m.active == 0 {
			return
		}
		p.m.Wait()
	}
}

// issue logs in as the storer does, and returns the login.
func (p *point) issue() *store.Login {
	p.t.Helper()
	var made *store.Login
	none := func() (string, error) { return "", nil }
	home := p.t.TempDir()
	l := &login.Logins{
		Store: store.New(store.Options{LookupEnv: func(k string) (string, bool) {
			return home, k == "HOME"
		}, Now: p.clock.now}),
		Issuer: p.client(p.srv.CAFile()), Prompt: &prompt.Terminal{Disabled: true, Fallback: p}, Now: time.Now,
		Getenv: func(string) string { return "" }, Note: func(string, ...any) {}, Verbose: func(string, ...any) {},
		Hold: func() func() { return func() {} }, ClientSecret: none, RegistrationToken: none,
		RegistrationScopes: []string{"offline_access", "wlcg", "compute.read", "compute.create", "storage.read:/"},
		Events:             func(login.Event) {},
	}
	req := token.Request{Issuer: p.srv.URL(), Scopes: []string{"compute.read", "compute.create", "storage.read:/"}}
	err := l.Issue(context.Background(), req, func(_ context.Context, lg *store.Login) error {
		made = lg
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return made
}

const loginName = loginService + "_0123456789ab"

// put writes a file into a user's directory as condor_credd does.
func (p *point) put(user, name string, t top) {
	p.t.Helper()
	t.Version = formatVersion
	b, err := json.Marshal(t)
	if err != nil {
		p.t.Fatal(err)
	}
	p.putRaw(user, name, b)
}

func (p *point) putRaw(user, name string, b []byte) {
	p.t.Helper()
	dir := filepath.Join(p.dir, user)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	temp := filepath.Join(dir, "new")
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chtimes(temp, p.clock.now(), p.clock.now()); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *point) putLogin(user string, lg *store.Login) {
	p.t.Helper()
	secret, err := lg.Handover()
	if err != nil {
		p.t.Fatal(err)
	}
	p.put(user, loginName+".top", top{Issuer: lg.Issuer, ClientID: lg.ClientID, Grant: refreshGrant, Secret: secret})
}

func (p *point) putHandle(user, name, scopes, audience string) {
	p.t.Helper()
	p.put(user, name+".top", top{Login: loginName, Scopes: scopes, Audience: audience})
}

// use returns the token in a .use file of the user.
func (p *point) use(user, name string) token.Token {
	p.t.Helper()
	path := filepath.Join(p.dir, user, name+".use")
	fi, err := os.Lstat(path)
	if err != nil {
		p.t.Fatalf("%s\n%s", err, p.logged())
	}
	if fi.Mode() != 0o600 {
		p.t.Errorf("%s has mode %v", path, fi.Mode())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	t := token.New(strings.TrimSpace(string(b)))
	if t.JWT() == nil {
		p.t.Fatalf("%s does not contain a token", path)
	}
	return t
}

func (p *point) refreshes() int { return p.srv.Requests()["token:refresh_token"] }

// noSecrets fails the test if the log or a file below the credential directory contains a
// secret of the issuer, except for the tokens in .use files.
func (p *point) noSecrets() {
	p.t.Helper()
	secrets := p.srv.Secrets()
	err := filepath.Walk(p.dir, func(path string, fi os.FileInfo, err error) error {
		if err != nil || !fi.Mode().IsRegular() || strings.HasSuffix(path, ".use") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, s := range secrets {
			if s != "" && bytes.Contains(b, []byte(s)) {
				p.t.Errorf("%s contains a secret", path)
			}
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(p.logged(), s) {
			p.t.Error("the log contains a secret")
		}
	}
}

func TestTwoHandlesOfOneLogin(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{Rotate: true, AccessLifetime: 20 * time.Minute})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc_ce", "compute.read,compute.create", "ce.example.org:9619")
	p.putHandle("alice", "mysvc_se", "storage.read:/", "https://x.example.org")
	p.run()
	ce, se := p.use("alice", "mysvc_ce"), p.use("alice", "mysvc_se")
	if got := fmt.Sprint(ce.Audiences, ce.Scopes, se.Audiences, se.Scopes); got != "[ce.example.org:9619] [compute.create compute.read] [https://x.example.org] [storage.read:/]" &&
		got != "[ce.example.org:9619] [compute.read compute.create] [https://x.example.org] [storage.read:/]" {
		t.Error(got)
	}
	p.noSecrets()
	if n := p.refreshes(); n != 2 {
		t.Errorf("%d refreshes for two tokens", n)
	}
	// Nothing is renewed before half of the lifetime, nor twice after it.
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {9 * time.Minute, 2}, {2 * time.Minute, 4}, {time.Minute, 4}, {9*time.Minute + 30*time.Second, 6}} {
		p.clock.add(step.after)
		p.run()
		if n := p.refreshes(); n != step.want {
			t.Errorf("%s later: %d refreshes, want %d\n%s", step.after, n, step.want, p.logged())
		}
	}
	if again := p.use("alice", "mysvc_ce"); again.Raw() == ce.Raw() {
		t.Error("the token was not replaced")
	}
	p.noSecrets()
	// A token whose credential is stored again is renewed once: the storer waits for it.
	before := p.refreshes()
	p.clock.add(time.Second)
	p.putHandle("alice", "mysvc_ce", "compute.read,compute.create", "ce.example.org:9619")
	p.run()
	p.run()
	if n := p.refreshes() - before; n != 1 {
		t.Errorf("%d refreshes for a token that was stored again\n%s", n, p.logged())
	}
}
