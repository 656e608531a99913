//go:build !windows

package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/keyring"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/private"
)

const (
	keyringDir = ".local/share/token-helpers/keyring"
	stateDir   = ".local/state/token-helpers"
)

// rotated is the login after the issuer replaced its refresh token.
func rotated() *Login {
	l := login()
	l.RefreshToken, l.Refreshed = "SECRET-new", epoch.Add(time.Hour)
	return l
}

// begin saves a login and begins a transaction, up to the request to the issuer.
func begin(t *testing.T) (*world, *Tx) {
	t.Helper()
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	must(t, save(w.store(file), login()))
	w.notes = nil
	return w, prepareTx(t, w)
}

func prepareTx(t *testing.T, w *world) *Tx {
	t.Helper()
	ctx := context.Background()
	s := w.store("")
	must(t, s.Unlock(ctx, login().Issuer, ""))
	tx, err := s.Begin(ctx, login().Issuer)
	must(t, err)
	t.Cleanup(tx.End)
	l, err := tx.Load(ctx, "")
	must(t, err)
	must(t, tx.Prepare(ctx, l.ClientID))
	return tx
}

// wantLogin checks the refresh token of the login that another process would load.
func wantLogin(t *testing.T, w *world, refreshToken string) {
	t.Helper()
	l, err := load(w.store(""), login().Issuer, "")
	must(t, err)
	if l.RefreshToken != refreshToken {
		t.Errorf("the refresh token is %q, want %q", l.RefreshToken, refreshToken)
	}
}

// temps lists the temporary files below home.
func temps(t *testing.T, w *world) []string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(w.home, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") {
			out = append(out, p)
		}
		return err
	}))
	return out
}

func TestPrepare(t *testing.T) {
	w, tx := begin(t)
	ctx := context.Background()
	if got := temps(t, w); len(got) != 2 {
		t.Errorf("prepared %q, want the login and the index", got)
	}
	for _, p := range temps(t, w) {
		if fi, err := os.Lstat(p); err != nil || fi.Size() < 20<<10 || fi.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", p, fi, err)
		}
	}
	must(t, tx.Prepare(ctx, login().ClientID))
	if got := temps(t, w); len(got) != 2 {
		t.Errorf("prepared twice: %q", got)
	}
	must(t, tx.Save(ctx, rotated()))
	wantNone := func() {
		t.Helper()
		if got := temps(t, w); len(got) != 0 {
			t.Errorf("left behind: %q", got)
		}
	}
	wantNone()
	// A second save in the same transaction must be prepared again.
	must(t, tx.Prepare(ctx, login().ClientID))
	l := rotated()
	l.RefreshToken = "SECRET-third"
	must(t, tx.Save(ctx, l))
	must(t, tx.Prepare(ctx, login().ClientID))
	tx.End()
	wantNone()
	tx.End()
	wantLogin(t, w, "SECRET-third")
	checkFiles(t, w.home)
}

func TestSaveNeedsPrepare(t *testing.T) {
	w := newWorld(t)
	s := w.store(file, "pw", "pw")
	tx, err := s.Begin(context.Background(), login().Issuer)
	must(t, err)
	defer tx.End()
	var e *Error
	if err := tx.Save(context.Background(), login()); !errors.As(err, &e) || !strings.Contains(err.Error(), "not prepared") {
		t.Error(err)
	}
	// Logins of other issuers cannot be saved.
	must(t, tx.Prepare(context.Background(), login().ClientID))
	other := login()
	other.Issuer = "https://other.example/"
	if err := tx.Save(context.Background(), other); err == nil {
		t.Error("the login of another issuer was saved")
	}
	other = login()
	other.ClientID = ""
	if err := tx.Save(context.Background(), other); err == nil {
		t.Error("a login without a client was saved")
	}
}

// A client that is about to be registered has no ID yet.
func TestPrepareNewClient(t *testing.T) {
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	ctx := context.Background()
	s := w.store(file)
	must(t, s.Unlock(ctx, login().Issuer, ""))
	tx, err := s.Begin(ctx, login().Issuer)
	must(t, err)
	must(t, tx.Prepare(ctx, ""))
	must(t, tx.Save(ctx, login()))
	tx.End()
	wantLogin(t, w, "SECRET-t")
	checkFiles(t, filepath.Join(w.home, ".local"))
	items, err := os.ReadDir(w.path(keyringDir))
	must(t, err)
	if len(items) != 2 { // the login and the probe
		t.Errorf("%v", items)
	}
}

// After the request to the issuer, one thing that the save needs fails. The login is still
// saved where that is possible.
func TestSaveDespiteFailures(t *testing.T) {
	removeTemps := func(t *testing.T, w *world, dir string) {
		for _, p := range temps(t, w) {
			if filepath.Dir(p) == w.path(dir) {
				must(t, os.Remove(p))
			}
		}
	}
	index := stateDir + "/logins.json"
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, w *world)
		login *Login
		saved bool   // the new refresh token is saved
		note  string // if the save succeeded only in part
	}{
		{"nothing", func(*testing.T, *world) {}, rotated(), true, ""},
		{"the prepared login", func(t *testing.T, w *world) { removeTemps(t, w, keyringDir) }, rotated(), true, ""},
		{"the prepared index", func(t *testing.T, w *world) { removeTemps(t, w, stateDir) }, rotated(), true, ""},
		{"everything prepared", func(t *testing.T, w *world) { removeTemps(t, w, stateDir); removeTemps(t, w, keyringDir) }, rotated(), true, ""},
		{"the index", func(t *testing.T, w *world) {
			must(t, os.Rename(w.path(index), w.path(index+"-away")))
			must(t, os.MkdirAll(w.path(index+"/x"), 0o700))
		}, rotated(), true, "the login was saved, but the list of logins was not updated"},
		{"the index is damaged", func(t *testing.T, w *world) {
			must(t, os.Rename(w.path(index), w.path(index+"-away")))
			must(t, os.WriteFile(w.path(index), []byte("{"), 0o600))
		}, rotated(), true, "the login was saved, but the list of logins was not updated"},
		{"the lock of the index", func(t *testing.T, w *world) {
			_ = os.Remove(w.path(stateDir + "/logins.lock"))
			must(t, os.Mkdir(w.path(stateDir+"/logins.lock"), 0o700))
		}, rotated(), true, "the login was saved, but the list of logins was not updated"},
		{"the index, with other scopes", func(t *testing.T, w *world) {
			must(t, os.Rename(w.path(index), w.path(index+"-away")))
			must(t, os.MkdirAll(w.path(index+"/x"), 0o700))
		}, func() *Login { l := rotated(); l.Scopes = []string{"a", "b"}; return l }(), false, ""},
		{"the keyring's directory", func(t *testing.T, w *world) {
			must(t, os.Rename(w.path(keyringDir), w.path(keyringDir+"-away")))
		}, rotated(), false, ""},
		{"a directory in place of the login's file", func(t *testing.T, w *world) {
			p := w.path(keyringDir + "/" + keyOf(login().Issuer, login().ClientID))
			must(t, os.Remove(p))
			must(t, os.MkdirAll(p+"/x", 0o700))
		}, rotated(), false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, tx := begin(t)
				tt.spoil(t, w)
				err := tx.Save(context.Background(), tt.login)
				tx.End()
				if !tt.saved {
					var e *Error
					if !errors.As(err, &e) || e.ExitCode() != cli.StoreFailed || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), ".tmp-") {
						t.Fatalf("%T %v", err, err)
					}
					return
				}
				must(t, err)
				if tt.note == "" && len(w.notes) > 0 || tt.note != "" && (len(w.notes) != 1 || !strings.HasPrefix(w.notes[0], tt.note)) {
					t.Errorf("notes %q", w.notes)
				}
				if _, err := os.Lstat(w.path(index + "-away")); err == nil {
					must(t, os.RemoveAll(w.path(index)))
					must(t, os.Rename(w.path(index+"-away"), w.path(index)))
				}
				_ = os.Remove(w.path(stateDir + "/logins.lock"))
				wantLogin(t, w, "SECRET-new")
			})
		})
	}
}

// A failure that lasts less than a second does not lose the login.
func TestSaveIsRetried(t *testing.T) {
	for _, broken := range []string{keyringDir, stateDir + "/logins.json"} {
		t.Run(broken, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, tx := begin(t)
				must(t, os.Rename(w.path(broken), w.path(broken+"-away")))
				if broken != keyringDir {
					must(t, os.Mkdir(w.path(broken), 0o700))
				}
				go func() {
					time.Sleep(time.Second)
					_ = os.Remove(w.path(broken))
					if err := os.Rename(w.path(broken+"-away"), w.path(broken)); err != nil {
						t.Error(err)
					}
				}()
				must(t, tx.Save(context.Background(), rotated()))
				synctest.Wait()
				tx.End()
				if len(w.notes) > 0 {
					t.Errorf("notes %q", w.notes)
				}
				wantLogin(t, w, "SECRET-new")
			})
		})
	}
}

// Saving an existing login does not need the remembered keyring.
func TestDamagedRememberedKeyring(t *testing.T) {
	path := stateDir + "/keyring"
	for name, damage := range map[string]func(t *testing.T, path string){
		"missing":         func(*testing.T, string) {},
		"empty":           func(t *testing.T, p string) { must(t, os.WriteFile(p, nil, 0o600)) },
		"unknown":         func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("vault\n"), 0o600)) },
		"another keyring": func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("wincred\n"), 0o600)) },
		"auto":            func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("auto\n"), 0o600)) },
		"binary":          func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte{0, 0xff, 0x1b}, 0o600)) },
		"two lines":       func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("file\nfile\n"), 0o600)) },
		"too long":        func(t *testing.T, p string) { must(t, os.WriteFile(p, make([]byte, private.MaxRead+1), 0o600)) },
		"world-writable": func(t *testing.T, p string) {
			must(t, os.WriteFile(p, []byte("file\n"), 0o600))
			must(t, os.Chmod(p, 0o666))
		},
		"directory":     func(t *testing.T, p string) { must(t, os.MkdirAll(p+"/x", 0o700)) },
		"link":          func(t *testing.T, p string) { must(t, os.Symlink("/etc/passwd", p)) },
		"dangling link": func(t *testing.T, p string) { must(t, os.Symlink("none", p)) },
		"named pipe":    func(t *testing.T, p string) { must(t, syscall.Mkfifo(p, 0o600)) },
	} {
		for _, asked := range []string{"", auto, file} {
			t.Run(name+", requested "+strconv.Quote(asked), func(t *testing.T) {
				w := newWorld(t)
				w.passphraseFile("pw", 0o600)
				must(t, save(w.store(file), login()))
				must(t, os.Remove(w.path(path)))
				damage(t, w.path(path))
				must(t, save(w.store(asked), rotated()))
				wantLogin(t, w, "SECRET-new")
			})
		}
		if name == "missing" || name == "empty" || name == "another keyring" {
			continue
		}
		t.Run(name+", new login", func(t *testing.T) {
			w := newWorld(t)
			w.passphraseFile("pw", 0o600)
			must(t, os.MkdirAll(w.path(stateDir), 0o700))
			damage(t, w.path(path))
			err := w.store("").Unlock(context.Background(), login().Issuer, "")
			var e *Error
			if !errors.As(err, &e) || e.Hint == "" || strings.ContainsAny(err.Error(), "\x1b\x00") {
				t.Errorf("%T %v", err, err)
			}
		})
	}
}

// The user is asked for the passphrase before the lock is acquired, so that no other process
// waits for the user.
func TestUnlockHoldsNoLock(t *testing.T) {
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	must(t, save(w.store(file), login()))
	delete(w.env, passphraseVariable)
	w.o.LockTimeout = 50 * time.Millisecond
	asked := 0
	o := w.o
	o.Passphrase = func(string) (string, error) {
		asked++
		for _, issuer := range []string{login().Issuer, "https://other.example/"} {
			tx, err := New(w.o).Begin(context.Background(), issuer)
			if err != nil {
				t.Error(err)
				continue
			}
			tx.End()
		}
		for _, name := range []string{"keyring.lock", "logins.lock"} {
			l, err := New(w.o).lock(context.Background(), name)
			if err != nil {
				t.Error(err)
				continue
			}
			l.release()
		}
		return "pw", nil
	}
	s := New(o)
	must(t, s.Unlock(context.Background(), login().Issuer, ""))
	// The user is not asked again in the transaction.
	tx, err := s.Begin(context.Background(), login().Issuer)
	must(t, err)
	defer tx.End()
	_, err = tx.Load(context.Background(), "")
	must(t, err)
	must(t, tx.Prepare(context.Background(), login().ClientID))
	must(t, tx.Save(context.Background(), rotated()))
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestNote(t *testing.T) {
	w, tx := begin(t)
	ctx := context.Background()
	must(t, tx.Note(ctx, login().ClientID, func(e *IndexEntry) { e.Ended, e.ClientGone = "invalid_grant", true }))
	must(t, tx.Note(ctx, "other", func(e *IndexEntry) { t.Errorf("changed %q", e.ClientID) }))
	tx.End()
	in, err := w.store("").Index()
	must(t, err)
	if len(in) != 1 || in[0].Ended != "invalid_grant" || !in[0].ClientGone || len(in[0].Scopes) != 1 {
		t.Errorf("%+v", in)
	}
	if got := temps(t, w); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	// A login that works again is no longer marked as invalid.
	must(t, save(w.store(""), rotated()))
	if in, _ := w.store("").Index(); len(in) != 1 || in[0].Ended != "" || in[0].ClientGone {
		t.Errorf("%+v", in)
	}
}

// A waiting process sees from the lock file that the queue is moving, and continues to wait.
func TestLockTimeoutRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		holder, waiter := w.store(""), w.store("")
		ctx := context.Background()
		tx, err := holder.Begin(ctx, "https://i/")
		must(t, err)
		path := tx.lock.flock.Path()
		got := make(chan error)
		start := time.Now()
		go func() {
			other, err := waiter.Begin(ctx, "https://i/")
			if err == nil {
				other.End()
			}
			got <- err
		}()
		const each = 59 * time.Second // the limit is a minute
		for pid := 1000; pid < 1010; pid++ {
			time.Sleep(each)
			must(t, os.WriteFile(path, fmt.Appendf(nil, "%-20d %-10d\n", pid, 1), 0o600))
		}
		// The same process, which makes progress.
		for n := 2; n < 5; n++ {
			time.Sleep(each)
			must(t, os.WriteFile(path, fmt.Appendf(nil, "%-20d %-10d\n", 1009, n), 0o600))
		}
		time.Sleep(each)
		tx.End()
		must(t, <-got)
		if took := time.Since(start); took < 14*each || took > 14*each+time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestLockTimeout(t *testing.T) {
	for contents, want := range map[string]string{"4711 1": "(pid 4711)", "": "(pid unknown)", "\x1b[2J": "(pid unknown)", "pid\nhint: x": "(pid unknown)"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			tx, err := w.store("").Begin(context.Background(), "https://i/")
			must(t, err)
			defer tx.End()
			must(t, os.WriteFile(tx.lock.flock.Path(), []byte(contents), 0o600))
			start := time.Now()
			_, err = w.store("").Begin(context.Background(), "https://i/")
			wantErr(t, err, ErrLocked)
			if took := time.Since(start); took != time.Minute {
				t.Errorf("gave up after %v", took)
			}
			if !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\x1b\n") || cli.Explain(err).Code != cli.TimedOut {
				t.Error(err)
			}
		})
	}
}

// If a waiting process sees progress, so do the processes that wait for it.
func TestProgressIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx := context.Background()
		front, err := w.store("").Begin(ctx, "https://i/")
		must(t, err)
		// The second process holds the lock of its request, and waits for the first one.
		second := w.store("")
		unlock, err := second.LockRequest(ctx, CacheKey{Issuer: "https://i/"})
		must(t, err)
		got := make(chan error, 2)
		go func() {
			tx, err := second.Begin(ctx, "https://i/")
			if err == nil {
				tx.End()
			}
			unlock()
			got <- err
		}()
		go func() {
			unlock, err := w.store("").LockRequest(ctx, CacheKey{Issuer: "https://i/"})
			if err == nil {
				unlock()
			}
			got <- err
		}()
		for n := 1; n < 6; n++ {
			time.Sleep(50 * time.Second)
			must(t, os.WriteFile(front.lock.flock.Path(), fmt.Appendf(nil, "%-20d %-10d\n", 1, n), 0o600))
		}
		front.End()
		must(t, <-got)
		must(t, <-got)
	})
}

func TestLockFile(t *testing.T) {
	w := newWorld(t)
	tx, err := w.store("").Begin(context.Background(), "https://i/")
	must(t, err)
	path := tx.lock.flock.Path()
	if got := process(readHolder(path)); got != fmt.Sprintf("pid %d", os.Getpid()) {
		t.Error(got)
	}
	tx.End()
	// A lock file that another user could have created is not used.
	must(t, os.Remove(path))
	must(t, os.WriteFile(w.path("victim"), []byte("keep"), 0o600))
	must(t, os.Symlink(w.path("victim"), path))
	if _, err := w.store("").Begin(context.Background(), "https://i/"); err == nil {
		t.Error("a link was followed")
	}
	if b, _ := os.ReadFile(w.path("victim")); string(b) != "keep" {
		t.Errorf("%q", b)
	}
	must(t, os.Chmod(w.path(stateDir), 0o777))
	_, err = w.store("").Begin(context.Background(), "https://j/")
	wantPermission(t, err)
}

// oldLogin is an item as the first version wrote it.
const oldLogin = `{"issuer":"https://issuer.example/","client_id":"client","client_secret":"SECRET-c","token_endpoint_auth_method":"client_secret_basic","registered":true,"registration_client_uri":"https://issuer.example/r/1","registration_access_token":"SECRET-r","registered_scopes":["a","b"],"refresh_token":"SECRET-t","scopes":["a"],"created":"2026-03-01T12:00:00Z","refreshed":"2026-03-01T12:01:00Z","refresh_expires":"2026-03-01T13:00:00Z"}`

const oldIndex = `{
  "version": 1,
  "logins": [
    {
      "issuer": "https://issuer.example/",
      "client_id": "client",
      "registered": true,
      "backend": "file",
      "scopes": ["a"],
      "created": "2026-03-01T12:00:00Z",
      "refreshed": "2026-03-01T12:01:00Z",
      "refresh_expires": "2026-03-01T13:00:00Z"
    }
  ]
}
`

// library opens the encrypted files with the library's file backend.
func library(t *testing.T, dir, passphrase string) keyring.Keyring {
	t.Helper()
	kr, err := keyring.Open(keyring.Config{
		AllowedBackends: []keyring.BackendType{keyring.FileBackend}, ServiceName: serviceName,
		FileDir: dir, FilePasswordFunc: keyring.FixedStringPrompt(passphrase),
	})
	must(t, err)
	return kr
}

func TestReadsOldLogins(t *testing.T) {
	for _, probe := range []bool{true, false} {
		t.Run(fmt.Sprintf("probe %v", probe), func(t *testing.T) {
			w := newWorld(t)
			w.passphraseFile("pw", 0o600)
			must(t, os.MkdirAll(w.path(stateDir), 0o700))
			must(t, os.MkdirAll(w.path(keyringDir), 0o700))
			must(t, os.WriteFile(w.path(stateDir+"/logins.json"), []byte(oldIndex), 0o600))
			must(t, os.WriteFile(w.path(stateDir+"/keyring"), []byte("file\n"), 0o600))
			kr := library(t, w.path(keyringDir), "pw")
			must(t, kr.Set(keyring.Item{Key: keyOf(login().Issuer, "client"), Label: "token-helpers: login at https://issuer.example/", Data: []byte(oldLogin)}))
			if probe {
				must(t, kr.Set(keyring.Item{Key: "token-helpers-probe", Data: []byte("probe 2026")}))
			}
			l, err := load(w.store(""), login().Issuer, "")
			must(t, err)
			if got, want := fmt.Sprintf("%+v", loginJSON(*l)), fmt.Sprintf("%+v", loginJSON(*login())); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			must(t, save(w.store(""), rotated()))
			wantLogin(t, w, "SECRET-new")
			w.passphraseFile("other", 0o600)
			_, err = load(w.store(""), login().Issuer, "")
			wantErr(t, err, ErrWrongPassphrase)
		})
	}
}

func TestOldVersionsReadNewLogins(t *testing.T) {
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	must(t, save(w.store(file), login()))
	kr := library(t, w.path(keyringDir), "pw")
	it, err := kr.Get(keyOf(login().Issuer, "client"))
	must(t, err)
	if it.Key != keyOf(login().Issuer, "client") || string(it.Data) != oldLogin {
		t.Errorf("%s", it.Data)
	}
	if _, err := kr.Get("token-helpers-probe"); err != nil {
		t.Error(err)
	}
	if _, err := library(t, w.path(keyringDir), "other").Get(it.Key); err == nil {
		t.Error("another passphrase opens it")
	}
	b, err := os.ReadFile(w.path(stateDir + "/logins.json"))
	must(t, err)
	var got, want any
	must(t, json.Unmarshal(b, &got))
	must(t, json.Unmarshal([]byte(oldIndex), &want))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s", b)
	}
}

// The names of files must not change, or the next version would not find them.
func TestFileNames(t *testing.T) {
	if got := keyOf("https://issuer.example/", "client"); got != keyOf("https://issuer.example", "client") || len(got) != len("token-helpers-")+32 {
		t.Error(got)
	}
	for name, got := range map[string]string{
		"token-helpers-" + sum(t, `["https://issuer.example","client"]`, 16): keyOf("https://issuer.example/", "client"),
		sum(t, `v24;9:https://i1:c3:acc0:2;1:a1:b1;1:s`, 32) + ".token":      CacheKey{Issuer: "https://i/", ClientID: "c", Account: "acc", Audiences: []string{"b", "a", "b"}, Scopes: []string{"s"}}.file(),
		sum(t, `v24;9:https://i0:0:0:0;0;`, 32) + ".token":                   CacheKey{Issuer: "https://i/"}.file(),
		sum(t, `v24;9:https://i0:0:10:exchange:x0;0;`, 32) + ".token":        CacheKey{Issuer: "https://i/", Subject: "exchange:x"}.file(),
	} {
		if got != name {
			t.Errorf("%s, want %s", got, name)
		}
	}
}

// sum returns the first n bytes of the SHA-256 of s, computed by sha256sum.
func sum(t *testing.T, s string, n int) string {
	t.Helper()
	cmd := exec.Command("sha256sum")
	cmd.Stdin = strings.NewReader(s)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("sha256sum: %v", err)
	}
	b, err := hex.DecodeString(strings.Fields(string(out))[0])
	must(t, err)
	return hex.EncodeToString(b[:n])
}

func TestCacheSubject(t *testing.T) {
	w := newWorld(t)
	s := w.store("")
	base := CacheKey{Issuer: "https://i/", ClientID: "c", Audiences: []string{"a"}, Scopes: []string{"s"}}
	subjects := []string{"", "client-credentials", "exchange:A", "exchange:B", "oidc-agent:", "oidc-agent:x"}
	for n, subject := range subjects {
		k := base
		k.Subject = subject
		for m, other := range subjects {
			o := base
			o.Subject = other
			if _, ok, err := s.CachedToken(o); ok != (m < n) || err != nil {
				t.Errorf("before %q: %q is cached: %v, %v", subject, other, ok, err)
			}
		}
		must(t, s.PutToken(k, opaque(epoch.Add(time.Duration(n+1)*time.Minute))))
	}
	for n, subject := range subjects {
		k := base
		k.Subject = subject
		got, ok, err := s.CachedToken(k)
		if err != nil || !ok || !got.Expires.Equal(epoch.Add(time.Duration(n+1)*time.Minute)) {
			t.Errorf("%q: %v, %v, %v", subject, got.Expires, ok, err)
		}
	}
	must(t, s.ForgetTokens("https://i"))
	if in, err := s.Tokens(); err != nil || len(in) != 0 {
		t.Errorf("%+v, %v", in, err)
	}
}

// fakePass is a password manager without encryption. It logs its process group.
const fakePass = `#!/bin/sh
read -r _ _ _ _ group _ <"/proc/$$/stat"
echo "$1 $$ $group" >>"$PASSWORD_STORE_DIR/log"
case $1 in
show)
	[ -e "$PASSWORD_STORE_DIR/locked" ] && { echo "gpg: starting" >&2; echo "gpg: decryption failed: No secret key" >&2; exit 2; }
	cat "$PASSWORD_STORE_DIR/$2.gpg" ;;
insert)
	mkdir -p "$PASSWORD_STORE_DIR/token-helpers"
	cat >"$PASSWORD_STORE_DIR/$4.gpg" ;;
rm) rm "$PASSWORD_STORE_DIR/$3.gpg" ;;
esac
`

func passWorld(t *testing.T) *world {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("the fake pass needs /proc")
	}
	w := newWorld(t)
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "pass"), []byte(fakePass), 0o700))
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	must(t, os.Mkdir(w.path("passwords"), 0o700))
	w.env["PASSWORD_STORE_DIR"] = w.path("passwords")
	return w
}

func TestPass(t *testing.T) {
	w := passWorld(t)
	must(t, save(w.store(pass), login()))
	wantLogin(t, w, "SECRET-t")
	if got := temps(t, w); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	// The library and the store can read each other's items.
	kr, err := keyring.Open(keyring.Config{AllowedBackends: []keyring.BackendType{keyring.PassBackend}, PassPrefix: serviceName, PassDir: w.path("passwords")})
	must(t, err)
	it, err := kr.Get(keyOf(login().Issuer, "client"))
	must(t, err)
	if string(it.Data) != oldLogin {
		t.Errorf("%s", it.Data)
	}
	it.Data = []byte(strings.Replace(oldLogin, "SECRET-t", "SECRET-lib", 1))
	must(t, kr.Set(it))
	wantLogin(t, w, "SECRET-lib")
	// An entry that was changed by hand does not prevent a new login.
	entry := w.path("passwords/token-helpers/" + keyOf(login().Issuer, "client") + ".gpg")
	b, err := os.ReadFile(entry)
	must(t, err)
	must(t, os.WriteFile(entry, []byte("mine"), 0o600))
	must(t, os.Chtimes(entry, time.Now(), time.Now().Add(-time.Hour)))
	must(t, w.store("").Unlock(context.Background(), login().Issuer, ""))
	_, err = load(w.store(""), login().Issuer, "")
	wantErr(t, err, ErrDamaged)
	must(t, os.WriteFile(entry, b, 0o600))
	// gpg's reason is shown, with a hint.
	must(t, os.WriteFile(w.path("passwords/locked"), nil, 0o600))
	_, err = load(w.store(""), login().Issuer, "")
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "gpg: decryption failed: No secret key") || !strings.Contains(e.Hint, "GPG_TTY") {
		t.Errorf("%T %v", err, err)
	}
	must(t, os.Remove(w.path("passwords/locked")))
	// If there is no store, pass prints an error of several lines, and the last one does not
	// contain the reason.
	t.Setenv("PATH", w.path("without")+":"+os.Getenv("PATH"))
	must(t, os.Mkdir(w.path("without"), 0o700))
	must(t, os.WriteFile(w.path("without/pass"), []byte("#!/bin/sh\nprintf 'Error: You must run:\\n    pass init your-gpg-id\\nbefore you may use the password store.\\n' >&2\nexit 1\n"), 0o700))
	if _, err = load(w.store(""), login().Issuer, ""); err == nil || !strings.Contains(err.Error(), "there is no password store in "+w.path("passwords")) {
		t.Error(err)
	}
	must(t, os.Remove(w.path("without/pass")))
	must(t, remove(w.store(""), login().Issuer, "client"))
	if items, _ := os.ReadDir(w.path("passwords/token-helpers")); len(items) != 0 {
		t.Errorf("left %v", items)
	}
	_, err = load(w.store(""), login().Issuer, "client")
	wantErr(t, err, ErrNoLogin)
}

// Until the save, space for it is reserved in the password store.
func TestPassReserves(t *testing.T) {
	w := passWorld(t)
	must(t, save(w.store(pass), login()))
	tx := prepareTx(t, w)
	if got := temps(t, w); len(got) != 2 {
		t.Errorf("prepared %q", got)
	}
	must(t, tx.Save(context.Background(), rotated()))
	if got := temps(t, w); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	must(t, tx.Prepare(context.Background(), "client"))
	tx.End()
	if got := temps(t, w); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	wantLogin(t, w, "SECRET-new")
}

// In a transaction, Ctrl-C on the terminal, which signals the foreground process group, must
// not interrupt pass.
func TestPassProcessGroup(t *testing.T) {
	w := passWorld(t)
	r := passRing{w.path("passwords"), keyringTimeout}
	ctx := context.Background()
	must(t, r.set(ctx, "k", "label", []byte("x")))
	must(t, r.set(Guarded(ctx), "k", "label", []byte("x")))
	if b, err := r.get(Guarded(context.WithoutCancel(ctx)), "k"); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	log, err := os.ReadFile(w.path("passwords/log"))
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	foreground := strconv.Itoa(syscall.Getpgrp())
	for n, line := range lines {
		f := strings.Fields(line)
		if want := map[bool]string{false: foreground, true: f[1]}[n > 0]; f[2] != want {
			t.Errorf("%s: process group %s, want %s", line, f[2], want)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%q", lines)
	}
}
