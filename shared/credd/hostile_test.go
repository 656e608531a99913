//go:build linux

package credd

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/store"
)

// Whatever a user puts into the credential directory, no user gets another user's token,
// links are not followed, and the other users get their tokens.
func TestHostileDirectory(t *testing.T) {
	p := newPoint(t, issuertest.Options{Rotate: true})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	outside := filepath.Join(filepath.Dir(p.dir), "outside")
	if err := os.Mkdir(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(outside, "victim")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	write(victim, "untouched")
	eve := filepath.Join(p.dir, "eve")
	if err := os.Mkdir(eve, 0o700); err != nil {
		t.Fatal(err)
	}
	link("alice", filepath.Join(p.dir, "mallory"))
	link(outside, filepath.Join(p.dir, "outsider"))
	link(victim, filepath.Join(p.dir, "alice", "mysvc.use")) // where the token is written
	link(victim, filepath.Join(p.dir, "."+pidName+".tmp"))
	write(filepath.Join(eve, "garbage.top"), "{")
	write(filepath.Join(eve, "huge.top"), strings.Repeat(" ", maxTop+1))
	link("../alice/mysvc.top", filepath.Join(eve, "link.top"))
	if err := unix.Mkfifo(filepath.Join(eve, "pipe.top"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(eve, "directory.top"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(p.dir, "alice", "mysvc.top"), filepath.Join(outside, "second")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(outside, "second"), filepath.Join(eve, "hardlink.top")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(p.dir, "alice", "mysvc.top")); err != nil {
		t.Fatal(err)
	}
	p.putHandle("alice", "mysvc", "compute.read", "a")
	write(filepath.Join(eve, "elsewhere.top"), `{"token_helpers":"1","login":"../alice/`+loginName+`","scopes":"read:/"}`)
	write(filepath.Join(eve, "other.top"), `{"token_helpers":"1","login":"`+loginName+`","scopes":"compute.read","audience":"a"}`)
	write(filepath.Join(eve, "vault.top"), `{"vault_token":"x"}`)
	write(filepath.Join(eve, "wide.top"), `{"token_helpers":"1","login":"`+loginName+`","scopes":"compute.read"}`)
	if err := os.Chmod(filepath.Join(eve, "wide.top"), 0o666); err != nil {
		t.Fatal(err)
	}
	p.run()
	p.run()
	p.use("alice", "mysvc")
	if b, err := os.ReadFile(victim); err != nil || string(b) != "untouched" {
		t.Errorf("the target of a link was written: %q %v", b, err)
	}
	if uses, err := filepath.Glob(filepath.Join(eve, "*.use")); err != nil || len(uses) > 0 {
		t.Errorf("tokens for planted files: %q %v", uses, err)
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) != 2 {
		t.Errorf("outside of the credential directory: %v %v", names, err)
	}
	for _, want := range []string{
		"user eve, service huge: ignored: the file is longer than",
		"user eve, service link: ignored: the file is a symbolic link",
		"user eve, service pipe: ignored: it is not a regular file",
		"user eve, service directory: ignored: it is not a regular file",
		"user eve, service hardlink: ignored: the file has several names",
		"user eve, service elsewhere: ignored: it does not name a login",
		"user eve, service wide: ignored: other users can write the file",
		"user eve, service other: there is no login for it",
	} {
		if strings.Count(p.logged(), want) != 1 {
			t.Errorf("the log does not contain %q once:\n%s", want, p.logged())
		}
	}
	if strings.Contains(p.logged(), "vault") {
		t.Errorf("another credmon's credential was read:\n%s", p.logged())
	}
	// The directory with the logins is replaced by a symbolic link.
	logins := filepath.Join(p.dir, "alice", loginsDir)
	if err := os.Rename(logins, filepath.Join(outside, "moved")); err != nil {
		t.Fatal(err)
	}
	link(filepath.Join(outside, "moved"), logins)
	before := p.refreshes()
	p.clock.add(32 * time.Minute)
	p.run()
	if p.refreshes() != before {
		t.Error("logins were read through a symbolic link")
	}
	p.noSecrets()
}

// A login that was moved to another user's directory cannot be decrypted.
func TestMovedLogin(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	if err := os.Rename(filepath.Join(p.dir, "alice"), filepath.Join(p.dir, "bob")); err != nil {
		t.Fatal(err)
	}
	before := p.refreshes()
	p.clock.add(32 * time.Minute)
	p.start()
	p.run()
	if p.refreshes() != before || !strings.Contains(p.logged(), "user bob, service mysvc: load the login: bob/.logins/data/token-helpers/keyring/") ||
		!strings.Contains(p.logged(), "is encrypted with another key") {
		t.Errorf("%d refreshes:\n%s", p.refreshes()-before, p.logged())
	}
}

// The user chooses the issuer in a .top file. Nothing is sent to an issuer that the host does
// not accept, and registrations are managed only at the endpoint in its discovery document.
func TestForeignIssuer(t *testing.T) {
	t.Parallel() // it waits for device flows
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	p := newPoint(t, issuertest.Options{})
	p.accepts = func(url string) error {
		if url != p.srv.URL() {
			return errors.New("the configuration of this host does not name the issuer " + url)
		}
		return nil
	}
	p.putLogin("eve", &store.Login{Issuer: other.URL + "/", ClientID: "c", RefreshToken: "r"})
	p.putHandle("eve", "mysvc", "compute.read", "a")
	lg := p.issue()
	lg.RegistrationURI = other.URL + "/admin/delete-everything"
	p.putLogin("alice", lg)
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	p.use("alice", "mysvc")
	p.leave("alice")
	p.leave("eve")
	p.run()
	if _, err := os.Stat(filepath.Join(p.dir, "alice")); err == nil {
		t.Errorf("alice's directory still exists:\n%s", p.logged())
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests to a server that a user chose", n)
	}
	if n := p.srv.Requests()["revocation"]; n != 1 {
		t.Errorf("%d revocations", n)
	}
}

// leave marks a user as having no jobs, as condor_credd does, and advances the clock past the
// delay.
func (p *point) leave(user string) {
	p.t.Helper()
	path := filepath.Join(p.dir, user+".mark")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.clock.add(time.Minute) // files written until now have the time of the system's clock
	if err := os.Chtimes(path, p.clock.now(), p.clock.now()); err != nil {
		p.t.Fatal(err)
	}
	p.clock.add(time.Hour)
}

// All logins of a user without jobs are removed here and at the issuer. Those of a user who
// has jobs again stay, and so do the files of other credmons.
func TestSweep(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{Rotate: true})
	for _, u := range []string{"alice", "bob", "carol"} {
		p.putLogin(u, p.issue())
		p.putHandle(u, "mysvc", "compute.read", "a")
	}
	p.putRaw("carol", "vault.top", []byte(`{"vault_token":"x"}`))
	p.putRaw("alice", "pushed.use", []byte("x"))
	p.run()
	// A second login that was never taken over is revoked, too.
	p.putLogin("carol", p.issue())
	for _, u := range []string{"alice", "bob", "carol"} {
		p.leave(u)
	}
	p.putHandle("bob", "again", "compute.read", "b")
	p.run()
	if _, err := os.Stat(filepath.Join(p.dir, "alice")); err == nil {
		t.Errorf("alice's directory still exists:\n%s", p.logged())
	}
	if _, err := os.Stat(filepath.Join(p.dir, "alice.mark")); err == nil {
		t.Error("alice's mark still exists")
	}
	p.use("bob", "mysvc")
	names, err := os.ReadDir(filepath.Join(p.dir, "carol"))
	if err != nil || len(names) != 1 || names[0].Name() != "vault.top" {
		t.Errorf("carol: %v %v", names, err)
	}
	// The logins are alice's and both of carol's.
	if r := p.srv.Requests(); r["revocation"] != 3 || r["client"] != 3 {
		t.Errorf("%v\n%s", r, p.logged())
	}
	p.noSecrets()
}

// If the issuer is down when a user has no more jobs, the logins are revoked later.
func TestSweepWhileTheIssuerIsDown(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	down := errors.New("down")
	p.m.s.Issuer = func(string) (IssuerSettings, error) { return IssuerSettings{}, down }
	p.leave("alice")
	p.run()
	if p.refreshToken("alice") == "" {
		t.Error("the login is gone")
	}
	p.start()
	p.run()
	if r := p.srv.Requests(); r["revocation"] != 1 || r["client"] != 1 {
		t.Errorf("%v\n%s", r, p.logged())
	}
	if _, err := os.Stat(filepath.Join(p.dir, "alice")); err == nil {
		t.Error("alice's directory still exists")
	}
}

// While an issuer is down, requests become less and less frequent, and valid tokens stay.
// Afterwards all users get their tokens.
func TestOutage(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{Rotate: true})
	const users = 12
	p.many(users, 2)
	p.run()
	valid := p.use("user0", "mysvc_h0")
	if err := p.srv.SetMode("server-error"); err != nil {
		t.Fatal(err)
	}
	p.clock.add(31*time.Minute + time.Minute)
	p.srv.ResetRequests()
	p.run()
	first := p.refreshes()
	for range 60 {
		p.clock.add(5 * time.Second)
		p.run()
	}
	// After 5 s, 10 s, ... 160 s, one user's request tests whether the issuer works again. Each
	// is repeated at most twice.
	if n := p.refreshes() - first; n < 5 || n > 18 {
		t.Errorf("%d requests in five minutes, and %d at first", n, first)
	}
	if p.use("user0", "mysvc_h0").Raw() != valid.Raw() {
		t.Error("a valid token was removed or replaced")
	}
	if err := p.srv.SetMode(""); err != nil {
		t.Fatal(err)
	}
	p.clock.add(10 * time.Minute)
	p.srv.ResetRequests()
	p.run()
	if n := p.refreshes(); n != 2*users {
		t.Errorf("%d requests after the outage, want %d\n%s", n, 2*users, p.logged())
	}
	p.noSecrets()
}

// A login that the issuer no longer accepts is kept for a while. The valid tokens stay, and a
// new login replaces it.
func TestRejectedLogin(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{Rotate: true})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	valid := p.use("alice", "mysvc")
	if err := p.srv.SetMode("invalid-grant"); err != nil {
		t.Fatal(err)
	}
	p.clock.add(32 * time.Minute)
	p.run()
	if p.use("alice", "mysvc").Raw() != valid.Raw() {
		t.Error("the valid token is gone")
	}
	if !strings.Contains(p.logged(), "the user must log in again") {
		t.Errorf("%s", p.logged())
	}
	// The .top file must be gone, so that the storer asks the user to log in.
	if _, err := os.Stat(filepath.Join(p.dir, "alice", loginName+".top")); err == nil {
		t.Error("the .top file of the rejected login still exists")
	}
	if err := p.srv.SetMode(""); err != nil {
		t.Fatal(err)
	}
	p.putLogin("alice", p.issue())
	p.run()
	if p.use("alice", "mysvc").Raw() == valid.Raw() {
		t.Errorf("the new login is not used\n%s", p.logged())
	}
	p.noSecrets()
}

// No token for the old request is written for a credential that was replaced or removed since
// the scan.
func TestCredentialReplacedMeanwhile(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.putHandle("alice", "removed", "compute.read", "a")
	if err := p.m.Scan(); err != nil {
		t.Fatal(err)
	}
	p.clock.add(time.Second)
	p.putHandle("alice", "mysvc", "compute.read", "b")
	if err := os.Remove(filepath.Join(p.dir, "alice", "removed.top")); err != nil {
		t.Fatal(err)
	}
	for p.m.Dispatch(context.Background()); p.m.active > 0; p.m.Dispatch(context.Background()) {
		p.m.Wait()
	}
	if files, _ := filepath.Glob(filepath.Join(p.dir, "alice", "*.use")); len(files) > 0 {
		t.Errorf("tokens for old requests: %q", files)
	}
	p.run()
	if got := p.use("alice", "mysvc").Audiences; len(got) != 1 || got[0] != "b" {
		t.Errorf("the audience is %q\n%s", got, p.logged())
	}
	if _, err := os.Stat(filepath.Join(p.dir, "alice", "removed.use")); err == nil {
		t.Error("the removed credential has a token")
	}
}

// The .top file of a login that is missing or damaged is removed, so that the storer asks the
// user to log in. The new login replaces the old one.
func TestLostLogin(t *testing.T) {
	t.Parallel() // it waits for device flows
	for name, lose := range map[string]func(t *testing.T, logins string){
		"removed": func(t *testing.T, logins string) {
			if err := os.RemoveAll(logins); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(t *testing.T, logins string) {
			files, err := filepath.Glob(filepath.Join(logins, "data/token-helpers/keyring/token-helpers-*"))
			if err != nil || len(files) == 0 {
				t.Fatal("no login is stored", err)
			}
			for _, f := range files {
				if err := os.Truncate(f, 100); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoint(t, issuertest.Options{})
			p.putLogin("alice", p.issue())
			p.putHandle("alice", "mysvc", "compute.read", "a")
			p.run()
			lost := p.use("alice", "mysvc")
			lose(t, filepath.Join(p.dir, "alice", loginsDir))
			p.clock.add(32 * time.Minute)
			p.run()
			if _, err := os.Stat(filepath.Join(p.dir, "alice", loginName+".top")); err == nil {
				t.Errorf("the .top file of the lost login still exists\n%s", p.logged())
			}
			p.putLogin("alice", p.issue())
			p.run()
			if p.use("alice", "mysvc").Raw() == lost.Raw() {
				t.Errorf("the new login is not used\n%s", p.logged())
			}
			p.clock.add(32 * time.Minute)
			p.run()
			p.start() // the lost login must not leave anything to remove
			before := p.logged()
			p.run()
			if added := strings.TrimPrefix(p.logged(), before); strings.Contains(added, "ERROR") {
				t.Errorf("%s", added)
			}
			p.noSecrets()
		})
	}
}

// After a restart, a token that was written before the clock was set back is renewed at once,
// because its time is not valid.
func TestClockSetBack(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	tomorrow := p.clock.now().Add(24 * time.Hour)
	if err := os.Chtimes(filepath.Join(p.dir, "alice", "mysvc.use"), tomorrow, tomorrow); err != nil {
		t.Fatal(err)
	}
	before := p.refreshes()
	p.start()
	p.run()
	if n := p.refreshes() - before; n != 1 {
		t.Errorf("%d requests\n%s", n, p.logged())
	}
}

// If a user has two logins, the later one stays, and the earlier one is revoked.
func TestReplacedLogin(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	p.run()
	p.clock.add(time.Second)
	p.putLogin("alice", p.issue())
	p.run()
	p.run()
	p.use("alice", "mysvc")
	if r := p.srv.Requests(); r["revocation"] != 1 || r["client"] != 1 {
		t.Errorf("%v\n%s", r, p.logged())
	}
}

// A robot's tokens identify its client. The client is not deleted with the login.
func TestRobot(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	lg := p.issue()
	lg.RefreshToken, lg.Registered = "", false
	secret, err := lg.Handover()
	if err != nil {
		t.Fatal(err)
	}
	p.put("robot", loginName+".top", top{Issuer: lg.Issuer, ClientID: lg.ClientID, Grant: robotGrant, Secret: secret})
	p.putHandle("robot", "mysvc", "compute.read", "a")
	p.run()
	p.use("robot", "mysvc")
	if n := p.srv.Requests()["token:client_credentials"]; n != 1 {
		t.Errorf("%d requests\n%s", n, p.logged())
	}
	p.noSecrets()

	// The secret is replaced: the .top file must be removed, so that the storer hands over the
	// new secret.
	right := lg.ClientSecret
	lg.ClientSecret, lg.Origin = "replaced", "another"
	hand := func() {
		t.Helper()
		secret, err := lg.Handover()
		if err != nil {
			t.Fatal(err)
		}
		p.clock.add(time.Second)
		p.put("robot", loginName+".top", top{Issuer: lg.Issuer, ClientID: lg.ClientID, Grant: robotGrant, Secret: secret})
		p.run()
	}
	hand()
	if _, err := os.Stat(filepath.Join(p.dir, "robot", loginName+".top")); err == nil {
		t.Errorf("the .top file of the rejected login still exists\n%s", p.logged())
	}
	valid := p.use("robot", "mysvc")
	lg.ClientSecret, lg.Origin = right, "a third"
	hand()
	if p.use("robot", "mysvc").Raw() == valid.Raw() {
		t.Errorf("the new secret is not used\n%s", p.logged())
	}
	p.leave("robot")
	p.run()
	if n := p.srv.Requests()["client"]; n != 0 {
		t.Errorf("%d requests about the client", n)
	}
}

// A file that is replaced while the credmon works on it is not overwritten.
func TestExchange(t *testing.T) {
	d, err := openDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	spare, err := d.private("spare")
	if err != nil {
		t.Fatal(err)
	}
	defer spare.close()
	put := func(s string) {
		t.Helper()
		if err := d.write(spare, "f.top", []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	_, seen, err := d.read("f.top", 10)
	if err != nil {
		t.Fatal(err)
	}
	put("newer")
	if err := d.exchange(spare, "f.top", seen, []byte("mine")); !errors.Is(err, errChanged) {
		t.Error(err)
	}
	b, seen, err := d.read("f.top", 10)
	if err != nil || string(b) != "newer" {
		t.Errorf("%q %v", b, err)
	}
	if err := d.removeVersion(spare, "f.top", stamp{}); !errors.Is(err, errChanged) {
		t.Error(err)
	}
	if err := d.exchange(spare, "f.top", seen, []byte("mine")); err != nil {
		t.Error(err)
	}
	if b, seen, err = d.read("f.top", 10); err != nil || string(b) != "mine" {
		t.Errorf("%q %v", b, err)
	}
	if err := d.removeVersion(spare, "f.top", seen); err != nil {
		t.Error(err)
	}
	// The file may be changed in place, or its inode be used again.
	put("first")
	if _, seen, err = d.read("f.top", 10); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path()+"/f.top", []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.removeVersion(spare, "f.top", seen); !errors.Is(err, errChanged) {
		t.Error(err)
	}
	if b, _, err := d.read("f.top", 10); err != nil || string(b) != "second" {
		t.Errorf("%q %v", b, err)
	}
	if names, err := spare.names(); err != nil || len(names) > 0 {
		t.Errorf("files left: %q %v", names, err)
	}
}

// rounds does all work that is due, without a scan, and returns how often there was some, at
// most 10.
func (p *point) rounds() int {
	for n := range 10 {
		if p.m.Dispatch(context.Background()); p.m.active == 0 {
			return n
		}
		p.m.Wait()
	}
	return 10
}

// A login that cannot be taken over because of this host is tried again later, not at once.
func TestAdoptionFailsHere(t *testing.T) {
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	logins := filepath.Join(p.dir, "alice", loginsDir)
	if err := os.Mkdir(logins, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(logins, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.m.Scan(); err != nil {
		t.Fatal(err)
	}
	if n := p.rounds(); n > 3 {
		t.Errorf("tried again at once\n%s", p.logged())
	}
	if err := os.Chmod(logins, 0o700); err != nil {
		t.Fatal(err)
	}
	p.clock.add(time.Minute)
	p.run()
	p.use("alice", "mysvc")
}

// A login that was replaced by that of another client since the scan waits for the next scan.
func TestLoginReplacedMeanwhile(t *testing.T) {
	t.Parallel() // it waits for device flows
	p := newPoint(t, issuertest.Options{})
	first, second := p.issue(), p.issue()
	p.putLogin("alice", first)
	p.putHandle("alice", "mysvc", "compute.read", "a")
	if err := p.m.Scan(); err != nil {
		t.Fatal(err)
	}
	p.putLogin("alice", second)
	if n := p.rounds(); n > 3 {
		t.Errorf("tried again at once\n%s", p.logged())
	}
	p.run()
	p.use("alice", "mysvc")
}

// A cancelled context cancels waiting jobs, and Wait returns. The work is done later.
func TestCancelled(t *testing.T) {
	p := newPoint(t, issuertest.Options{})
	p.putLogin("alice", p.issue())
	p.putHandle("alice", "mysvc", "compute.read", "a")
	if err := p.m.Scan(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.m.Dispatch(ctx)
	p.m.Wait()
	p.run()
	p.use("alice", "mysvc")
}
