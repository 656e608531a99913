//go:build linux

package credd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
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
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// TestMain runs a credmon if CREDD_TEST_DIR is set: tests start and kill it. The other tests
// mostly wait for device flows, so that more of them run in parallel than there are CPUs.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CREDD_TEST_DIR"); dir != "" {
		childCredmon(dir)
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func childCredmon(dir string) {
	p := &point{dir: dir}
	state, ca := os.Getenv("CREDD_TEST_STATE"), os.Getenv("CREDD_TEST_CA")
	key, err := loadKey("", "", state)
	if err != nil {
		panic(err)
	}
	m, err := NewMonitor(Settings{
		Dir: dir, StateDir: state, Key: key, SweepDelay: time.Hour, Owner: os.Geteuid(),
		Issuer:    func(string) (IssuerSettings, error) { return IssuerSettings{CAFile: ca}, nil },
		NewClient: p.client, LookupEnv: os.LookupEnv, Now: time.Now, Log: NewLog("", os.Stderr, 0, time.Now),
	})
	if err == nil {
		err = m.Run(context.Background())
	}
	if err != nil {
		panic(err)
	}
}

// child starts a credmon in a separate process.
func (p *point) child() *exec.Cmd {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "CREDD_TEST_DIR="+p.dir, "CREDD_TEST_STATE="+p.state, "CREDD_TEST_CA="+p.srv.CAFile(), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = p
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd
}

// answers records the issuer's last answer for each user. The user is the first part of the
// audience.
type answers struct {
	mu   sync.Mutex
	n    int
	last map[string][2]string // access and refresh token by user
	hit  chan int
}

func (a *answers) add(access, refresh string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	aud := token.New(access).Audiences
	if len(aud) != 1 || refresh == "" {
		return
	}
	user, _, _ := strings.Cut(aud[0], ".")
	a.last[user] = [2]string{access, refresh}
	a.n++
	select {
	case a.hit <- a.n:
	default:
	}
}

// refreshToken returns the refresh token that the credmon has saved for a user.
func (p *point) refreshToken(user string) string {
	p.t.Helper()
	h, err := p.m.openHome(user)
	if err != nil {
		p.t.Fatal(err)
	}
	defer h.close()
	tx, err := h.store.Begin(context.Background(), p.srv.URL())
	if err != nil {
		p.t.Fatal(err)
	}
	defer tx.End()
	lg, err := tx.Load(context.Background(), "")
	if err != nil {
		p.t.Fatalf("%s: %s\n%s", user, err, p.logged())
	}
	return lg.RefreshToken
}

// A credmon can be killed at any moment without the loss of a login, except if the issuer has
// sent a new refresh token that is not saved yet. Here the issuer still accepts the previous
// one, as the WLCG profile recommends, so that even then all users get tokens again.
func TestKilledAtRandomMoments(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 10
	}
	seen := &answers{last: map[string][2]string{}, hit: make(chan int, 1000)}
	p := newPoint(t, issuertest.Options{Rotate: true, Grace: true, Answered: seen.add})
	users := []string{"u0", "u1", "u2"}
	for _, u := range users {
		p.putLogin(u, p.issue())
	}
	window := 0
	for i := range kills {
		p.clock.add(time.Second)
		for _, u := range users {
			for _, handle := range []string{"ce", "se"} {
				p.putHandle(u, "mysvc_"+handle, "compute.read", fmt.Sprintf("%s.%s.%d", u, handle, i))
			}
		}
		seen.mu.Lock()
		until := seen.n + 1 + rand.IntN(6)
		seen.mu.Unlock()
		cmd := p.child()
		for n := range seen.hit {
			if n >= until {
				break
			}
		}
		// The process is killed at a random moment while it processes the answer.
		<-time.After(rand.N(20 * time.Millisecond))
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		for len(seen.hit) > 0 {
			<-seen.hit
		}
		window += p.checkAfterKill(seen, users)
	}
	t.Logf("%d kills; in %d cases a new refresh token had been sent but not saved", kills, window)
	p.clock.t = time.Now()
	p.start()
	p.run()
	for _, u := range users {
		for _, handle := range []string{"ce", "se"} {
			if aud := p.use(u, "mysvc_"+handle).Audiences; len(aud) != 1 || aud[0] != fmt.Sprintf("%s.%s.%d", u, handle, kills-1) {
				t.Errorf("%s, %s: the token is for %q", u, handle, aud)
			}
		}
	}
	p.noSecrets()
}

// checkAfterKill checks the files that a killed process left, and returns for how many logins
// the last refresh token was not saved.
func (p *point) checkAfterKill(seen *answers, users []string) (behind int) {
	p.t.Helper()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, u := range users {
		last, ok := seen.last[u]
		if _, err := os.Stat(filepath.Join(p.dir, u, loginsDir)); !ok || err != nil {
			continue
		}
		if p.refreshToken(u) == last[1] {
			continue
		}
		behind++
		uses, err := filepath.Glob(filepath.Join(p.dir, u, "*.use"))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, path := range uses {
			b, err := os.ReadFile(path)
			if err != nil {
				p.t.Fatal(err)
			}
			if strings.TrimSpace(string(b)) == last[0] {
				p.t.Errorf("%s: the token was delivered, but the refresh token that came with it was not saved", path)
			}
			if token.New(strings.TrimSpace(string(b))).JWT() == nil {
				p.t.Errorf("%s contains a truncated token", path)
			}
		}
	}
	return behind
}

// Many SIGHUPs cause a few scans only. After SIGTERM the credmon finishes its exchange and
// removes its process ID.
func TestSignals(t *testing.T) {
	answered := make(chan struct{}, 100)
	p := newPoint(t, issuertest.Options{Rotate: true, Answered: func(string, string) { answered <- struct{}{} }})
	p.putLogin("alice", p.issue())
	<-answered // the device flow's
	p.putHandle("alice", "mysvc", "compute.read", "a")
	cmd := p.child()
	<-answered
	for range 1000 {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	p.clock.add(time.Second)
	p.putHandle("alice", "another", "compute.read", "b")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-answered
	b, err := os.ReadFile(filepath.Join(p.dir, pidName))
	if err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(cmd.Process.Pid) {
		t.Errorf("pid: %q %v", b, err)
	}
	second := p.child()
	if err := second.Wait(); err == nil || !strings.Contains(p.logged(), "another credmon watches") {
		t.Errorf("a second credmon: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.logged())
	}
	for _, name := range []string{"mysvc", "another"} {
		p.use("alice", name)
	}
	if _, err := os.Stat(filepath.Join(p.dir, pidName)); err == nil {
		t.Error("the process ID was not removed")
	}
}

// many puts users with one login each into the credential directory.
func (p *point) many(users, handles int) {
	p.t.Helper()
	logins := make([]*store.Login, users)
	var running sync.WaitGroup
	for i := range logins {
		running.Go(func() { logins[i] = p.issue() })
	}
	// The issuer answers slow_down to a second request in the same second of its clock.
	done := make(chan struct{})
	go func() {
		defer close(done)
		running.Wait()
	}()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-tick.C:
			p.clock.add(time.Second)
			continue
		case <-done:
			tick.Stop()
		}
		break
	}
	for i, lg := range logins {
		if lg == nil {
			p.t.Fatal("a login was not made")
		}
		user := fmt.Sprintf("user%d", i)
		p.putLogin(user, lg)
		for h := range handles {
			p.putHandle(user, fmt.Sprintf("mysvc_h%d", h), "compute.read", fmt.Sprintf("ce%d.example.org:9619", h))
		}
	}
}

func openDescriptors() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(names)
}

// For a hundred users with ten credentials each, the issuer gets one request for each token
// in half of its lifetime.
func TestManyUsers(t *testing.T) {
	users, handles, rounds := 100, 10, 3
	if testing.Short() || raceDetector {
		users, handles = 10, 5
	}
	p := newPoint(t, issuertest.Options{Rotate: true, AccessLifetime: 20 * time.Minute, RefreshLifetime: 30 * 24 * time.Hour})
	p.many(users, handles)
	var fds []int
	for round := 1; round <= rounds; round++ {
		p.run()
		p.run() // there is nothing to do
		if n, want := p.refreshes(), users*handles*round; n != want {
			t.Fatalf("round %d: %d requests for tokens, want %d\n%s", round, n, want, p.logged())
		}
		fds = append(fds, openDescriptors())
		p.clock.add(10*time.Minute + 31*time.Second)
	}
	if first, last := fds[0], fds[len(fds)-1]; last > first+atOnce {
		t.Errorf("open descriptors after each round: %v", fds)
	}
	if p.m.stats.users != users || p.m.stats.credentials != users*handles || p.m.stats.renewals != int64(users*handles*rounds) || p.m.stats.failures != 0 {
		t.Errorf("%+v", p.m.stats)
	}
	p.noSecrets()
}

// BenchmarkScan scans 10,000 credentials that have not changed.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	expires := time.Now().Add(time.Hour).Unix()
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	raw := part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"iss":"https://i.example.org","aud":"ce","scope":"compute.read","iat":%d,"exp":%d}`, expires-3600, expires)) + "."
	for u := range 1000 {
		user := filepath.Join(dir, fmt.Sprintf("user%d", u))
		if err := os.Mkdir(user, 0o700); err != nil {
			b.Fatal(err)
		}
		for h := range 10 {
			c, _ := json.Marshal(top{Version: formatVersion, Login: loginName, Scopes: "compute.read", Audience: "ce"})
			for ext, content := range map[string]string{".top": string(c), ".use": raw} {
				if err := os.WriteFile(filepath.Join(user, fmt.Sprintf("mysvc_h%d%s", h, ext)), []byte(content), 0o600); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	m, err := NewMonitor(Settings{Dir: dir, Owner: os.Geteuid(), Now: time.Now, Issuer: func(string) (IssuerSettings, error) { return IssuerSettings{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	if err := m.Scan(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := m.Scan(); err != nil {
			b.Fatal(err)
		}
	}
	if m.stats.credentials != 10000 {
		b.Errorf("%+v", m.stats)
	}
}
