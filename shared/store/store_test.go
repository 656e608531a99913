package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/token"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a home directory, a clock and a user who answers prompts.
type world struct {
	t       *testing.T
	home    string
	env     map[string]string
	now     time.Time
	answers []string // what the user will type; nil if there is no terminal
	prompts []string
	notes   []string
	o       Options
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, home: t.TempDir(), now: epoch}
	w.env = map[string]string{"HOME": w.home}
	w.o = Options{
		LookupEnv: func(k string) (string, bool) { v, ok := w.env[k]; return v, ok },
		Now:       func() time.Time { return w.now },
		Note:      func(f string, a ...any) { w.notes = append(w.notes, fmt.Sprintf(f, a...)) },
		Verbose:   func(f string, a ...any) { t.Logf(f, a...) },
	}
	return w
}

func (w *world) store(backend string, answers ...string) *Store {
	o := w.o
	o.Backend = backend
	w.answers = answers
	if answers != nil {
		o.Passphrase = func(prompt string) (string, error) {
			w.prompts = append(w.prompts, prompt)
			if len(w.answers) == 0 {
				return "", errors.New("asked too often")
			}
			a := w.answers[0]
			w.answers = w.answers[1:]
			return a, nil
		}
	}
	return New(o)
}

func (w *world) path(p string) string { return filepath.Join(w.home, p) }

func (w *world) passphraseFile(content string, mode fs.FileMode) {
	w.t.Helper()
	p := w.path("passphrase")
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(p, mode); err != nil {
		w.t.Fatal(err)
	}
	w.env[passphraseVariable] = p
}

func login() *Login {
	return &Login{
		Issuer: "https://issuer.example/", ClientID: "client", ClientSecret: "SECRET-c", AuthMethod: "client_secret_basic",
		Registered: true, RegistrationURI: "https://issuer.example/r/1", RegistrationToken: "SECRET-r",
		RegisteredScopes: []string{"a", "b"}, RefreshToken: "SECRET-t", Scopes: []string{"a"},
		Created: epoch, Refreshed: epoch.Add(time.Minute), RefreshExpires: epoch.Add(time.Hour),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// save saves a login with the steps of the helpers: the keyring is opened before the lock is
// acquired, and the save is prepared before the request to the issuer.
func save(s *Store, l *Login) error {
	ctx := context.Background()
	if err := s.Unlock(ctx, l.Issuer, l.ClientID); err != nil {
		return err
	}
	tx, err := s.Begin(ctx, l.Issuer)
	if err != nil {
		return err
	}
	defer tx.End()
	if err := tx.Prepare(ctx, l.ClientID); err != nil {
		return err
	}
	return tx.Save(ctx, l)
}

func load(s *Store, issuer, clientID string) (*Login, error) {
	ctx := context.Background()
	if err := s.Unlock(ctx, issuer, clientID); err != nil {
		return nil, err
	}
	tx, err := s.Begin(ctx, issuer)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	return tx.Load(ctx, clientID)
}

func remove(s *Store, issuer, clientID string) error {
	ctx := context.Background()
	tx, err := s.Begin(ctx, issuer)
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.Delete(ctx, clientID)
}

// wantErr also checks that the error is an [Error].
func wantErr(t *testing.T, err, want error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, want) || !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want %v in an Error", err, err, want)
	}
}

func TestLoginIsAlwaysRedacted(t *testing.T) {
	l := login()
	j, err := json.Marshal(struct{ L *Login }{l})
	must(t, err)
	j2, err := json.Marshal(*l)
	must(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "login", l, "value", *l)
	for _, s := range []string{
		fmt.Sprint(l), fmt.Sprint(*l), fmt.Sprintf("%v %+v %#v %s %q %x %d", l, *l, l, *l, l, l, *l), l.String(), l.GoString(), string(j), string(j2), log.String(),
	} {
		if strings.Contains(s, "SECRET") || strings.Contains(s, "5345435245") {
			t.Errorf("not redacted: %s", s)
		}
	}
}

func TestLoginRoundTrip(t *testing.T) {
	b, err := encodeLogin(login())
	must(t, err)
	got, err := decodeLogin(b)
	must(t, err)
	if !reflect.DeepEqual(*got, *login()) {
		t.Errorf("%s", b)
	}
	if _, err := decodeLogin([]byte(`{"refresh_token":7,"x":"SECRET"`)); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error %v", err)
	}
}

func TestSaveLoadDelete(t *testing.T) {
	w := newWorld(t)
	must(t, save(w.store("file", "pw", "pw"), login()))
	if len(w.prompts) != 2 || !strings.Contains(w.prompts[1], "Repeat") {
		t.Errorf("prompts %q", w.prompts)
	}
	// Another helper, without the option for the backend.
	for _, issuer := range []string{"https://issuer.example/", "https://issuer.example"} {
		for _, client := range []string{"client", ""} {
			got, err := load(w.store("", "pw"), issuer, client)
			must(t, err)
			if !reflect.DeepEqual(*got, *login()) {
				t.Error("a different login was loaded")
			}
		}
	}
	idx, err := w.store("").Index()
	must(t, err)
	want := IndexEntry{
		Issuer: "https://issuer.example/", ClientID: "client", Registered: true, Backend: "file", Scopes: []string{"a"},
		Created: epoch, Refreshed: epoch.Add(time.Minute), RefreshExpires: epoch.Add(time.Hour),
	}
	if len(idx) != 1 || !reflect.DeepEqual(idx[0], want) {
		t.Errorf("index %+v", idx)
	}
	// The refresh token has been rotated, and the issuer is written without its slash.
	l := login()
	l.Issuer, l.RefreshToken = "https://issuer.example", "SECRET-2"
	must(t, save(w.store("auto", "pw"), l))
	got, err := load(w.store("", "pw"), "https://issuer.example/", "")
	must(t, err)
	if got.RefreshToken != "SECRET-2" {
		t.Error("the old refresh token was loaded")
	}
	if idx, _ := w.store("").Index(); len(idx) != 1 {
		t.Errorf("index %+v", idx)
	}
	checkFiles(t, w.home)

	must(t, remove(w.store(""), "https://issuer.example/", "client"))
	must(t, remove(w.store(""), "https://issuer.example/", "client"))
	_, err = load(w.store("", "pw"), "https://issuer.example/", "client")
	wantErr(t, err, ErrNoLogin)
}

// checkFiles checks that the files below home are private and contain no plain-text secrets,
// and that no temporary files remain.
func checkFiles(t *testing.T, home string) {
	t.Helper()
	must(t, filepath.WalkDir(home, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == home {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, fi.Mode())
		}
		if strings.HasPrefix(d.Name(), ".tmp-") || strings.HasPrefix(d.Name(), ".keyring-") {
			t.Errorf("%s was left behind", p)
		}
		if !d.IsDir() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			if strings.Contains(string(b), "SECRET") {
				t.Errorf("%s contains a secret", p)
			}
		}
		return nil
	}))
}

func TestNoLogin(t *testing.T) {
	w := newWorld(t)
	s := w.store("file", []string{}...)
	_, ok, err := s.Find("https://issuer.example", "")
	must(t, err)
	items, err := os.ReadDir(w.home)
	must(t, err)
	if ok || len(items) != 0 {
		t.Errorf("Find: %v, created %v", ok, items)
	}
	tx, err := s.Begin(context.Background(), "https://issuer.example")
	must(t, err)
	defer tx.End()
	_, err = tx.Load(context.Background(), "")
	wantErr(t, err, ErrNoLogin)
	if _, err := os.Lstat(w.path(".local/share")); !errors.Is(err, fs.ErrNotExist) || len(w.prompts) != 0 {
		t.Errorf("the keyring's directory: %v; prompts %q", err, w.prompts)
	}
}

func TestFind(t *testing.T) {
	entry := func(id string, registered bool, age time.Duration, scopes ...string) IndexEntry {
		return IndexEntry{Issuer: "https://i/", ClientID: id, Registered: registered, Backend: "file", Scopes: scopes, Refreshed: epoch.Add(-age)}
	}
	other := IndexEntry{Issuer: "https://j/", ClientID: "j", Registered: true, Backend: "file", Scopes: []string{"s"}, Refreshed: epoch}
	for _, c := range []struct {
		name   string
		in     []IndexEntry
		client string
		want   string
	}{
		{"no login", nil, "", ""},
		{"a registered client is preferred to a given one", []IndexEntry{entry("a", false, 0, "s"), entry("b", true, time.Hour, "s")}, "", "b"},
		{"the most recently refreshed registered client", []IndexEntry{entry("a", true, time.Hour, "s"), entry("b", true, 0, "s"), entry("c", true, time.Minute, "s")}, "", "b"},
		{"the only login of a given client", []IndexEntry{entry("a", false, 0, "s")}, "", "a"},
		{"two given clients are ambiguous", []IndexEntry{entry("a", false, time.Hour, "s"), entry("b", false, 0, "s")}, "", ""},
		{"a given login is preferred to a client that waits for approval", []IndexEntry{entry("a", false, time.Hour, "s"), entry("b", true, 0)}, "", "a"},
		{"an older registered login is preferred to a client that waits", []IndexEntry{entry("a", true, time.Hour, "s"), entry("b", true, 0)}, "", "a"},
		{"a client that waits is found if there is no other", []IndexEntry{entry("b", true, 0)}, "", "b"},
		{"a client that waits is preferred to two given ones", []IndexEntry{entry("a", false, 0, "s"), entry("b", true, 0), entry("c", false, 0, "s")}, "", "b"},
		{"a named client", []IndexEntry{entry("a", false, time.Hour, "s"), entry("b", true, 0, "s")}, "a", "a"},
		{"a named client that is not logged in", []IndexEntry{entry("a", true, 0, "s")}, "c", ""},
		{"the login of another issuer", []IndexEntry{other}, "", ""},
		{"a named client of another issuer", []IndexEntry{other}, "j", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newWorld(t).store("")
			must(t, s.updateIndex(context.Background(), nil, func([]IndexEntry) []IndexEntry { return c.in }))
			for _, issuer := range []string{"https://i", "https://i/"} {
				e, ok, err := s.Find(issuer, c.client)
				must(t, err)
				if e.ClientID != c.want || ok != (c.want != "") {
					t.Errorf("%s: found %q", issuer, e.ClientID)
				}
			}
		})
	}
}

func TestPassphrase(t *testing.T) {
	first := func(w *world) { must(w.t, save(w.store("file", "pw", "pw"), login())) }
	t.Run("wrong at load", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		_, err := load(w.store("", "other", "another", "third", "pw"), login().Issuer, "")
		wantErr(t, err, ErrWrongPassphrase)
		if len(w.answers) != 1 {
			t.Errorf("%d answers were not used, want 1", len(w.answers))
		}
	})
	t.Run("mistyped twice", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		_, err := load(w.store("", "other", "another", "pw"), login().Issuer, "")
		must(t, err)
		if n := len(w.notes); n < 2 || !strings.Contains(w.notes[n-1], "try again") {
			t.Errorf("notes %q", w.notes)
		}
	})
	t.Run("wrong at save changes nothing", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		l := login()
		l.RefreshToken = "SECRET-new"
		wantErr(t, save(w.store("", "other", "other", "other"), l), ErrWrongPassphrase)
		l.ClientID = "another"
		wantErr(t, save(w.store("file", "other", "other", "other"), l), ErrWrongPassphrase)
		got, err := load(w.store("", "pw"), login().Issuer, "")
		must(t, err)
		if got.RefreshToken != "SECRET-t" {
			t.Error("changed")
		}
	})
	t.Run("wrong and the probe is missing", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		must(t, os.Remove(w.path(".local/share/token-helpers/keyring/"+probeKey)))
		l := login()
		l.ClientID = "another"
		wantErr(t, save(w.store("", "other", "other", "other"), l), ErrWrongPassphrase)
		must(t, save(w.store("", "pw"), l))
	})
	t.Run("differs when repeated", func(t *testing.T) {
		w := newWorld(t)
		err := save(w.store("file", "pw", "wp", "pw", "wp", "pw", "wp"), login())
		if err == nil || !strings.Contains(err.Error(), "the two passphrases differ") {
			t.Fatal(err)
		}
		if idx, _ := w.store("").Index(); len(idx) != 0 {
			t.Error("listed")
		}
		if _, err := os.Stat(w.path(".local/state/token-helpers/keyring")); err == nil {
			t.Error("remembered")
		}
		must(t, save(w.store("file", "pw", "wp", "pw", "pw"), login()))
	})
	t.Run("no terminal", func(t *testing.T) {
		w := newWorld(t)
		wantErr(t, save(w.store("file"), login()), ErrNobodyToAsk)
		first(w)
		_, err := load(w.store(""), login().Issuer, "")
		wantErr(t, err, ErrNobodyToAsk)
	})
	t.Run("empty", func(t *testing.T) {
		err := save(newWorld(t).store("file", "", "", ""), login())
		if err == nil || !strings.Contains(err.Error(), "the passphrase is empty") {
			t.Error(err)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		p := w.path(".local/share/token-helpers/keyring/" + keyOf(login().Issuer, "client"))
		b, err := os.ReadFile(p)
		must(t, err)
		flipped := []byte(string(b))
		flipped[len(b)-30] ^= 1
		for _, bad := range []string{"", "x", "a.b.c.d.e", string(b[:len(b)/2]), string(flipped)} {
			must(t, os.WriteFile(p, []byte(bad), 0o600))
			_, err := load(w.store("", "pw"), login().Issuer, "")
			if err == nil || errors.Is(err, ErrWrongPassphrase) || errors.Is(err, ErrNoLogin) {
				t.Errorf("%.20q: %v", bad, err)
			}
		}
	})
	t.Run("item missing", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		must(t, os.Remove(w.path(".local/share/token-helpers/keyring/"+keyOf(login().Issuer, "client"))))
		_, err := load(w.store("", "pw"), login().Issuer, "")
		wantErr(t, err, ErrNoLogin)
		must(t, remove(w.store(""), login().Issuer, "client"))
	})
	t.Run("readable by others", func(t *testing.T) {
		w := newWorld(t)
		first(w)
		must(t, os.Chmod(w.path(".local/share/token-helpers/keyring/"+keyOf(login().Issuer, "client")), 0o640))
		_, err := load(w.store("", "pw"), login().Issuer, "")
		wantPermission(t, err)
	})
}

func TestPassphraseFile(t *testing.T) {
	for _, c := range []struct {
		content string
		mode    fs.FileMode
		ok      bool
	}{
		{"pw\n", 0o600, true},
		{"pw", 0o400, true},
		{"pw\r\n", 0o600, true},
		{"pw\n", 0o640, false},
		{"pw\n", 0o604, false},
		{"", 0o600, false},
		{"\n", 0o600, false},
	} {
		t.Run(fmt.Sprintf("%q %o", c.content, c.mode), func(t *testing.T) {
			w := newWorld(t)
			w.passphraseFile(c.content, c.mode)
			err := save(w.store("file", "never", "never"), login())
			if (err == nil) != c.ok || len(w.prompts) != 0 {
				t.Fatalf("error %v, prompts %q", err, w.prompts)
			}
			if c.ok {
				delete(w.env, passphraseVariable)
				_, err := load(w.store("", "pw"), login().Issuer, "")
				must(t, err)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		w := newWorld(t)
		w.env[passphraseVariable] = w.path("none")
		wantErr(t, save(w.store("file"), login()), fs.ErrNotExist)
	})
}

func wantPermission(t *testing.T, err error) {
	t.Helper()
	var pe *private.Error
	var e *Error
	if !errors.As(err, &pe) || !errors.As(err, &e) || e.Hint == "" {
		t.Fatalf("error %v (%T)", err, err)
	}
}

func TestBackendChoice(t *testing.T) {
	ctx := context.Background()
	t.Run("auto remembers", func(t *testing.T) {
		w := newWorld(t)
		w.passphraseFile("pw", 0o600)
		s := w.store("auto")
		backend, err := s.choose(ctx, "")
		must(t, err)
		if len(w.notes) != 1 || !strings.Contains(w.notes[0], backend) {
			t.Errorf("notes %q", w.notes)
		}
		b, err := os.ReadFile(w.path(".local/state/token-helpers/keyring"))
		must(t, err)
		if string(b) != backend+"\n" {
			t.Errorf("remembered %q", b)
		}
		if again, err := w.store("").choose(ctx, ""); err != nil || again != backend || len(w.notes) != 1 {
			t.Errorf("%q, %v, notes %q", again, err, w.notes)
		}
	})
	t.Run("no fallback", func(t *testing.T) {
		w := newWorld(t)
		w.passphraseFile("pw", 0o600)
		must(t, w.store("").remember("wincred"))
		wantErr(t, save(w.store("auto"), login()), ErrNoBackend)
	})
	t.Run("unknown", func(t *testing.T) {
		wantErr(t, save(newWorld(t).store("vault"), login()), ErrNoBackend)
	})
	t.Run("unknown name remembered", func(t *testing.T) {
		w := newWorld(t)
		must(t, w.store("").remember("nonsense"))
		var e *Error
		if err := save(w.store(""), login()); !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("pass not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir()) // the real environment, which exec.LookPath uses
		wantErr(t, save(newWorld(t).store("pass"), login()), ErrNoBackend)
	})
	t.Run("keyctl works or is not available", func(t *testing.T) {
		w := newWorld(t)
		s := w.store("keyctl")
		l := login()
		l.Issuer = "https://" + filepath.Base(w.home) + ".example/" + t.Name()
		err := save(s, l)
		if err != nil {
			wantErr(t, err, ErrNoBackend)
			t.Skip(err)
		}
		_, err = load(w.store(""), l.Issuer, "")
		must(t, err)
		must(t, remove(s, l.Issuer, l.ClientID))
		if _, err = load(s, l.Issuer, ""); !errors.Is(err, ErrNoLogin) {
			t.Error(err)
		}
	})
}

// memory is a keyring in memory.
type memory map[string][]byte

func (m memory) get(_ context.Context, k string) ([]byte, error) {
	if b, ok := m[k]; ok {
		return b, nil
	}
	return nil, errNotFound
}

func (m memory) set(_ context.Context, k, _ string, b []byte) error { m[k] = b; return nil }

func (m memory) remove(_ context.Context, k string) error {
	if _, ok := m[k]; !ok {
		return errNotFound
	}
	delete(m, k)
	return nil
}

func TestLoginMoves(t *testing.T) {
	w := newWorld(t)
	from, to := memory{}, memory{}
	s := w.store("pass")
	s.rings = map[string]ring{"pass": from, "keyctl": to}
	must(t, save(s, login()))
	if len(from) != 1 {
		t.Errorf("the keyring has %d items: the probe was not removed", len(from))
	}
	s.o.Backend = "keyctl"
	must(t, save(s, login()))
	if len(from) != 0 || len(to) != 1 || len(w.notes) != 1 {
		t.Errorf("%d left, %d moved, notes %q", len(from), len(to), w.notes)
	}
	// The item must be the login that was requested.
	for k := range to {
		to[k] = []byte(`{"issuer":"https://other/","client_id":"client"}`)
	}
	if _, err := load(s, login().Issuer, ""); err == nil {
		t.Error("the login of another issuer was accepted")
	}
}

func TestNoHome(t *testing.T) {
	w := newWorld(t)
	delete(w.env, "HOME")
	s := w.store("file", "pw", "pw")
	_, err := s.Index()
	wantErr(t, err, ErrNoHome)
	_, err = load(s, "https://i", "")
	wantErr(t, err, ErrNoHome)
	wantErr(t, save(s, login()), ErrNoHome)
	_, _, err = s.CachedToken(CacheKey{})
	wantErr(t, err, ErrNoHome)
	_, err = s.Begin(context.Background(), "https://i")
	wantErr(t, err, ErrNoHome)
	_, err = s.LockRequest(context.Background(), CacheKey{})
	wantErr(t, err, ErrNoHome)
	if _, ok := s.Document("https://i"); ok {
		t.Error("a document was returned")
	}
	w.env["XDG_STATE_HOME"] = "relative"
	_, err = s.Index()
	wantErr(t, err, ErrNoHome)
	w.env["XDG_STATE_HOME"] = w.home
	_, err = s.Index()
	must(t, err)
}

func TestIndexDamaged(t *testing.T) {
	w := newWorld(t)
	s := w.store("")
	p := w.path(".local/state/token-helpers/logins.json")
	for _, bad := range []string{"", "{", "[]", `{"version":2}`, strings.Repeat("x", private.MaxRead+1)} {
		must(t, writeIn(p, []byte(bad)))
		var e *Error
		if _, err := s.Index(); !errors.As(err, &e) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	must(t, os.Remove(p))
	must(t, os.Symlink("/etc/passwd", p))
	_, err := s.Index()
	wantPermission(t, err)
}

func TestLock(t *testing.T) {
	w := newWorld(t)
	w.o.LockTimeout = 120 * time.Millisecond
	s := w.store("")
	tx, err := s.Begin(context.Background(), "https://i/")
	must(t, err)
	_, err = w.store("").Begin(context.Background(), "https://i")
	wantErr(t, err, ErrLocked)
	if !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("the holder is not named: %v", err)
	}
	other, err := s.Begin(context.Background(), "https://j")
	must(t, err)
	other.End()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.Begin(ctx, "https://i")
	wantErr(t, err, context.Canceled)
	tx.End()
	again, err := s.Begin(context.Background(), "https://i")
	must(t, err)
	again.End()
	again.End() // does nothing
}

func TestParallelSaves(t *testing.T) {
	w := newWorld(t)
	s := w.store("file", "pw", "pw")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			l := login()
			l.ClientID = fmt.Sprint(i)
			if err := save(s, l); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if idx, err := s.Index(); err != nil || len(idx) != 6 {
		t.Errorf("%d entries, %v", len(idx), err)
	}
}

func opaque(expires time.Time) token.Token {
	t := token.New("SECRET-access")
	t.Issuer, t.Expires, t.Scopes, t.Audiences, t.Source = "https://i/", expires, []string{"s"}, []string{"a"}, "device"
	return t
}

func TestTokenCache(t *testing.T) {
	w := newWorld(t)
	s := w.store("")
	k := CacheKey{Issuer: "https://i/", ClientID: "c", Audiences: []string{"a", "b"}, Scopes: []string{"s", "t"}}
	if _, ok, err := s.CachedToken(k); ok || err != nil {
		t.Fatal(ok, err)
	}
	want := opaque(epoch.Add(time.Hour))
	must(t, s.PutToken(k, want))
	same := CacheKey{Issuer: "https://i", ClientID: "c", Audiences: []string{"b", "a", "b"}, Scopes: []string{"t", "s"}}
	got, ok, err := s.CachedToken(same)
	if err != nil || !ok || !reflect.DeepEqual(got, want) || got.Raw() != "SECRET-access" {
		t.Fatal(ok, err)
	}
	for name, other := range map[string]CacheKey{
		"client":   {Issuer: "https://i/", ClientID: "d", Audiences: k.Audiences, Scopes: k.Scopes},
		"account":  {Issuer: "https://i/", ClientID: "c", Account: "x", Audiences: k.Audiences, Scopes: k.Scopes},
		"audience": {Issuer: "https://i/", ClientID: "c", Audiences: []string{"a b"}, Scopes: k.Scopes},
		"shifted":  {Issuer: "https://i/", ClientID: "c", Audiences: []string{"a", "b", "s"}, Scopes: []string{"t"}},
	} {
		if _, ok, _ := s.CachedToken(other); ok {
			t.Errorf("another %s: the token was returned", name)
		}
	}
	info, err := s.Tokens()
	must(t, err)
	if len(info) != 1 || info[0].ClientID != "c" || strings.Contains(fmt.Sprintf("%+v", info), "SECRET") {
		t.Errorf("%+v", info)
	}
	w.now = epoch.Add(time.Hour)
	if _, ok, _ := s.CachedToken(k); ok {
		t.Error("an expired token was returned")
	}
	must(t, s.PutToken(CacheKey{Issuer: "https://j"}, opaque(w.now.Add(time.Hour))))
	if n := w.cached(); n != 1 {
		t.Errorf("not swept: %d", n)
	}
	must(t, s.ForgetTokens("https://j/"))
	if info, _ := s.Tokens(); len(info) != 0 {
		t.Errorf("not forgotten: %+v", info)
	}
}

// After a login, the client's cached tokens of other users are removed.
func TestForgetOthers(t *testing.T) {
	// Unsigned JWTs with the claims {"sub":"u1"} and {"sub":"u2"}.
	jwt := func(claims string) token.Token {
		tok := token.New("eyJhbGciOiJub25lIn0." + claims + ".")
		tok.Expires = epoch.Add(time.Hour)
		return tok
	}
	u1, u2, unknown := jwt("eyJzdWIiOiJ1MSJ9"), jwt("eyJzdWIiOiJ1MiJ9"), opaque(epoch.Add(time.Hour))
	for _, tt := range []struct {
		name           string
		cached         token.Token
		source, client string
		fresh          token.Token
		kept           bool
	}{
		{"the same user", u1, "login", "", u1, true},
		{"another user", u1, "login", "", u2, false},
		{"another user, with the client named", u1, "device", "c", u2, false},
		{"another client", u1, "login", "other", u2, true},
		{"another source", u1, "client-credentials", "", u2, true},
		{"an opaque token", unknown, "login", "", u1, false},
		{"an opaque new token", u1, "login", "", unknown, false},
	} {
		w := newWorld(t)
		w.now = epoch
		s := w.store(file)
		tt.cached.Source = tt.source
		for _, issuer := range []string{"https://i/", "https://j/"} {
			must(t, s.PutToken(CacheKey{Issuer: issuer, ClientID: tt.client}, tt.cached))
		}
		must(t, s.ForgetOthers("https://i", "c", []string{"login", "device"}, tt.fresh))
		if info, err := s.Tokens(); err != nil || (len(info) == 2) != tt.kept || len(info) == 0 {
			t.Errorf("%s: %+v, %v", tt.name, info, err)
		}
	}
}

func TestNotCached(t *testing.T) {
	for name, tok := range map[string]token.Token{
		"unknown expiry": opaque(time.Time{}),
		"expired":        opaque(epoch),
		"too long":       opaque(epoch.Add(maxLifetime + time.Second)),
		"none":           {},
	} {
		s := newWorld(t).store("")
		must(t, s.PutToken(CacheKey{}, tok))
		if _, ok, err := s.CachedToken(CacheKey{}); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	s := newWorld(t).store("")
	must(t, s.PutToken(CacheKey{}, opaque(epoch.Add(maxLifetime))))
	if _, ok, _ := s.CachedToken(CacheKey{}); !ok {
		t.Error("a lifetime of exactly 1,000,000 seconds is rejected")
	}
}

func TestCacheDirectory(t *testing.T) {
	w := newWorld(t)
	run := t.TempDir()
	must(t, os.Chmod(run, 0o700))
	s := w.store("")
	for _, c := range []struct {
		value string
		mode  fs.FileMode
		want  string
	}{
		{run, 0o700, filepath.Join(run, "token-helpers")},
		{run, 0o777, w.path(".cache/token-helpers/tokens")},
		{w.path("none"), 0o700, w.path(".cache/token-helpers/tokens")},
		{"relative", 0o700, w.path(".cache/token-helpers/tokens")},
		{"", 0o700, w.path(".cache/token-helpers/tokens")},
	} {
		w.env["XDG_RUNTIME_DIR"] = c.value
		must(t, os.Chmod(run, c.mode))
		if got, err := s.tokenDir(); err != nil || got != c.want {
			t.Errorf("%q %o: %q, %v", c.value, c.mode, got, err)
		}
	}
}

func TestCacheRejectsUnsafeFiles(t *testing.T) {
	k := CacheKey{Issuer: "https://i"}
	tok := opaque(epoch.Add(time.Hour))
	for name, spoil := range map[string]func(dir, file string) error{
		"open directory": func(dir, _ string) error { return os.Chmod(dir, 0o750) },
		"open file":      func(_, file string) error { return os.Chmod(file, 0o644) },
		"directory is a link": func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
		},
		"file is a link": func(_, file string) error {
			return errors.Join(os.Rename(file, file+"2"), os.Symlink(file+"2", file))
		},
		"file is a directory": func(_, file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.store("")
			must(t, s.PutToken(k, tok))
			dir := w.path(".cache/token-helpers/tokens")
			must(t, spoil(dir, filepath.Join(dir, k.file())))
			_, _, err := s.CachedToken(k)
			wantPermission(t, err)
		})
	}
	t.Run("a link is replaced, not followed", func(t *testing.T) {
		w := newWorld(t)
		s := w.store("")
		victim := w.path("victim")
		must(t, os.WriteFile(victim, []byte("keep"), 0o600))
		dir := w.path(".cache/token-helpers/tokens")
		must(t, os.MkdirAll(dir, 0o700))
		must(t, os.Symlink(victim, filepath.Join(dir, k.file())))
		must(t, s.PutToken(k, tok))
		if b, _ := os.ReadFile(victim); string(b) != "keep" {
			t.Error("the link was followed")
		}
		if _, ok, err := s.CachedToken(k); !ok || err != nil {
			t.Error(ok, err)
		}
	})
	t.Run("damaged is a miss", func(t *testing.T) {
		w := newWorld(t)
		s := w.store("")
		p := filepath.Join(w.path(".cache/token-helpers/tokens"), k.file())
		for _, bad := range []string{"", "{", "null", `{"token":"x"}`, `{"expires":"2030-01-01T00:00:00Z"}`, strings.Repeat(" ", private.MaxRead+1)} {
			must(t, writeIn(p, []byte(bad)))
			if _, ok, err := s.CachedToken(k); ok || err != nil {
				t.Errorf("%.10q: %v, %v", bad, ok, err)
			}
		}
	})
}

func TestDocument(t *testing.T) {
	w := newWorld(t)
	s := w.store("")
	must(t, s.PutDocument("https://i/", []byte("{}"), time.Hour))
	if b, ok := s.Document("https://i"); !ok || string(b) != "{}" {
		t.Errorf("%q %v", b, ok)
	}
	for name, now := range map[string]time.Time{"stale": epoch.Add(time.Hour), "clock set back": epoch.Add(-time.Second)} {
		w.now = now
		if _, ok := s.Document("https://i"); ok {
			t.Error(name)
		}
	}
	w.now = epoch
	must(t, s.PutDocument("https://i", nil, 0))
	must(t, s.PutDocument("https://i", nil, 0))
	if _, ok := s.Document("https://i"); ok {
		t.Error("not forgotten")
	}
	must(t, s.PutDocument("https://i", make([]byte, private.MaxRead), time.Hour))
	if _, ok := s.Document("https://i"); ok {
		t.Error("a document that is too long was cached")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"logins":[{"issuer":"i","backend":"file"}]}`))
	f.Add([]byte(`{"token":"t","expires":"2030-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"issuer":"i","body":"e30=","expires":"2030-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := decodeEntry(b); ok && (e.Token == "" && e.Rejected == "" || e.Expires.IsZero()) {
			t.Error("an entry without token or expiry")
		}
		_, _ = decodeIndex(b)
		_, _ = decodeLogin(b)
		_, _ = decodeDocument(b, "i", epoch)
		_ = sealed(b, "A256KW")
	})
}

// Old temporary files of killed processes are removed. A recent one may be in use by another
// process. Earlier versions left directories beside the keyring's.
func TestSweepTemps(t *testing.T) {
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	s := w.store(file)
	must(t, save(s, login()))
	dir := w.path(".local/share/token-helpers")
	old, recent := filepath.Join(dir, ".keyring-old"), filepath.Join(dir, "keyring", ".tmp-recent")
	must(t, os.Mkdir(old, 0o700))
	must(t, os.WriteFile(filepath.Join(old, "x"), nil, 0o600))
	must(t, os.WriteFile(recent, nil, 0o600))
	must(t, os.Chtimes(old, epoch.Add(-2*time.Hour), epoch.Add(-2*time.Hour)))
	must(t, os.Chtimes(recent, epoch, epoch))
	must(t, save(s, login()))
	if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", old, err)
	}
	if _, err := os.Lstat(recent); err != nil {
		t.Error(err)
	}
}

func TestEntryRoundTrip(t *testing.T) {
	full := cacheEntry{
		Token: "a.b.c", Issuer: "https://i/?a&b", Expires: epoch.Add(1234567 * time.Microsecond), Scopes: []string{"read:/<x>", "\"q\"\\"}, Audiences: []string{"é\u2028"}, Source: "login",
	}
	full.For.Issuer, full.For.ClientID, full.For.Account = "https://i/", "c", "a\tb"
	for _, e := range []cacheEntry{full, {Token: "t", Expires: epoch}, {Rejected: hash("t"), Expires: epoch}} {
		b, err := json.Marshal(e)
		must(t, err)
		if got, ok := decodeEntry(b); !ok || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: %+v, %v", b, got, ok)
		}
	}
	for _, bad := range []string{`{"token":7}`, `{"token":"t","expires":"x"}`, `{"token":"t","expires":"2030-01-01T00:00:00Z","scopes":"x"}`, `{"token":"t","expires":"2030-01-01T00:00:00Z","for":{"issuer":7}}`} {
		if e, ok := decodeEntry([]byte(bad)); ok {
			t.Errorf("%s: %+v", bad, e)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"token":"t","expires":"2026-01-02T03:04:05Z","for":{"issuer":"https://i/"}}`))
	f.Add([]byte(`{"token":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := decodeEntry(b); ok && (e.Token == "" && e.Rejected == "" || e.Expires.IsZero()) {
			t.Fatal("an entry without token or expiry")
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"version":1,"logins":[{"issuer":"https://i/","client_id":"c","backend":"file"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if in, err := decodeIndex(b); err != nil && len(in) > 0 {
			t.Fatal("logins and an error")
		}
	})
}

func FuzzLogin(f *testing.F) {
	b, err := encodeLogin(login())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"refresh_token":"SECRET"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeLogin(b); err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Fatal(err)
		}
		_ = sealed(b, "A256KW")
	})
}

func TestHome(t *testing.T) {
	for _, tt := range []struct{ goos, home, profile, want string }{
		{"linux", "/home/me", `C:\Users\me`, "/home/me"},
		{"linux", "", `C:\Users\me`, ""},
		{"windows", "", `C:\Users\me`, `C:\Users\me`},
		{"windows", `D:\me`, `C:\Users\me`, `D:\me`},
	} {
		env := map[string]string{"HOME": tt.home, "USERPROFILE": tt.profile}
		if got := Home(tt.goos, func(k string) string { return env[k] }); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
