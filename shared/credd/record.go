package credd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/private"
)

// record is what earlier submissions of the user on this host recorded. It contains no
// secrets.
type record struct {
	path   string
	Logins map[string]recorded `json:"logins"`
}

// recorded is a login that was handed over to the access point.
type recorded struct {
	ID     string   `json:"id"`
	Issuer string   `json:"issuer"`
	Scopes []string `json:"scopes"`
	// Credentials are the names of the credentials that come from the login. condor_credd
	// does not tell which login or credmon a credential belongs to.
	Credentials []string `json:"credentials,omitempty"`
}

// loadRecord reads the record for this host.
func loadRecord(env *cli.Env, host string) *record {
	r := &record{}
	dir := env.Getenv("XDG_STATE_HOME")
	if home := env.Getenv("HOME"); !filepath.IsAbs(dir) && filepath.IsAbs(home) {
		dir = filepath.Join(home, ".local", "state")
	}
	if filepath.IsAbs(dir) {
		sum := sha256.Sum256([]byte(host))
		r.path = filepath.Join(dir, "token-helpers", "access-point-"+hex.EncodeToString(sum[:6])+".json")
	}
	r.load()
	return r
}

// load reads the record again. A record that cannot be read counts as empty.
func (r *record) load() {
	r.Logins = map[string]recorded{}
	if r.path == "" {
		return
	}
	var read record
	if b, err := private.Read(r.path); err == nil && json.Unmarshal(b, &read) == nil && read.Logins != nil {
		r.Logins = read.Logins
	}
}

// lock locks the operation what against other submissions of the user. It calls wait if it
// must wait, and returns an error only if ctx is done. Without a home directory it does not
// lock anything.
func (r *record) lock(ctx context.Context, what string, wait func()) (unlock func(), err error) {
	if r.path == "" || private.MakeDir(filepath.Dir(r.path)) != nil {
		return func() {}, nil
	}
	name := strings.TrimSuffix(filepath.Base(r.path), ".json") + "-" + what + ".lock"
	l := flock.New(filepath.Join(filepath.Dir(r.path), name), flock.SetFlag(os.O_CREATE|os.O_RDWR|private.NoFollow), flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err == nil && !got {
		wait()
		_, err = l.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		_ = l.Close()
		return func() {}, ctx.Err()
	}
	return func() { _ = l.Close() }, nil
}

// keep records a login.
func (r *record) keep(ctx context.Context, login string, to recorded) error {
	return r.change(ctx, func() {
		to.Credentials = r.Logins[login].Credentials
		r.Logins[login] = to
	})
}

// stored records that the named credentials now come from a login.
func (r *record) stored(ctx context.Context, login string, names []string) error {
	return r.change(ctx, func() {
		for key, v := range r.Logins {
			v.Credentials = slices.DeleteFunc(v.Credentials, func(n string) bool { return slices.Contains(names, n) })
			if key == login {
				v.Credentials = append(v.Credentials, names...)
			}
			r.Logins[key] = v
		}
	})
}

// change locks the record, reads it again, calls change and saves it.
func (r *record) change(ctx context.Context, change func()) error {
	unlock, err := r.lock(ctx, "record", func() {})
	if err != nil {
		return err
	}
	defer unlock()
	r.load()
	change()
	return r.save()
}

func (r *record) save() error {
	if r.path == "" {
		return errors.New("there is no home directory")
	}
	if err := private.MakeDir(filepath.Dir(r.path)); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record the login: %w", err)
	}
	return private.Write(r.path, append(b, '\n'))
}
