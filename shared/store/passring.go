package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/99designs/keyring"

	"example.org/token-helpers/shared/child"
	"example.org/token-helpers/shared/private"
)

// passRing stores logins in pass, the standard Unix password manager, in the format of the
// library's pass backend. The library is not used because it runs pass in the foreground
// process group, where Ctrl-C would interrupt pass while a login is being saved.
type passRing struct {
	dir   string
	limit time.Duration
}

func newPassRing(dir string, limit time.Duration) (ring, error) {
	if _, err := exec.LookPath("pass"); err != nil {
		return nil, &Error{Op: "open the keyring pass", Err: fmt.Errorf("%w: there is no program pass on PATH", ErrNoBackend), Hint: hintFor(pass)}
	}
	return passRing{dir, limit}, nil
}

// guarded marks the context of a change that a signal must not interrupt.
type guarded struct{}

// Guarded returns a context under which keyring programs run in a separate process group,
// where Ctrl-C on the terminal does not interrupt them.
func Guarded(ctx context.Context) context.Context {
	return context.WithValue(ctx, guarded{}, true)
}

// passSpare is the space reserved in the password store for replacing a login, in bytes.
const passSpare = 16 << 10

func (r passRing) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, "pass", args...)
	cmd.Env = append(os.Environ(), "PASSWORD_STORE_DIR="+r.dir)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if ctx.Value(guarded{}) != nil {
		setOwnGroup(cmd)
	}
	out, err := child.Output(cmd) // gpg may leave its agents running
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("pass did not finish within %v", r.limit)
	case err != nil:
		if strings.Contains(stderr.String(), "pass init") {
			return nil, fmt.Errorf("there is no password store in %s", r.dir)
		}
		// gpg's last line is the reason. It contains no secret: pass prints secrets to stdout.
		if last := lastLine(stderr.String()); last != "" {
			return nil, fmt.Errorf("pass: %s (%w)", last, err)
		}
		return nil, fmt.Errorf("pass: %w", err)
	}
	return out, nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

func passName(key string) string { return serviceName + "/" + key }

func (r passRing) file(key string) string { return filepath.Join(r.dir, passName(key)+".gpg") }

func (r passRing) exists(key string) bool {
	_, err := os.Stat(r.file(key))
	return err == nil
}

// get reads an entry. pass overwrites entries in place, so an entry may be incomplete while
// another process saves the login. In that case it is read again.
func (r passRing) get(ctx context.Context, key string) ([]byte, error) {
	const tries = 10
	for n := 1; ; n++ {
		before, err := os.Stat(r.file(key))
		if err != nil {
			return nil, errNotFound
		}
		data, err := r.show(ctx, key)
		if err == nil || n == tries || ctx.Err() != nil || !r.written(key, before) {
			return data, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r passRing) show(ctx context.Context, key string) ([]byte, error) {
	b, err := r.run(ctx, nil, "show", passName(key))
	if err != nil {
		return nil, err
	}
	var it keyring.Item
	if json.Unmarshal(b, &it) != nil {
		return nil, &damagedError{errors.New("the entry in pass was not written by these tools")}
	}
	return it.Data, nil
}

// written reports whether an entry may have been written while it was read: it has changed,
// is empty, or is so new that another change might not alter its modification time.
func (r passRing) written(key string, before fs.FileInfo) bool {
	now, err := os.Stat(r.file(key))
	if err != nil {
		return true
	}
	return now.Size() == 0 || now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) || time.Since(now.ModTime()) < time.Second
}

func (r passRing) set(ctx context.Context, key, label string, data []byte) error {
	b, err := json.Marshal(keyring.Item{Key: key, Label: label, Data: data})
	if err != nil {
		return err
	}
	_, err = r.run(ctx, b, "insert", "-m", "-f", passName(key))
	return err
}

func (r passRing) remove(ctx context.Context, key string) error {
	if !r.exists(key) {
		return errNotFound
	}
	_, err := r.run(ctx, nil, "rm", "-f", passName(key))
	return err
}

// reserve checks that gpg can encrypt, which fails with an expired key, and reserves space
// in the password store's file system until the login is saved.
func (r passRing) reserve(ctx context.Context, p *prepared, _ string) (err error) {
	probe := uniqueProbe()
	if err := r.set(ctx, probe, "token-helpers: probe", []byte("probe")); err != nil {
		return err
	}
	if err := r.remove(ctx, probe); err != nil {
		return err
	}
	dir := filepath.Join(r.dir, serviceName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if p.spare == nil {
		p.spare, err = private.Create(filepath.Join(dir, "spare"), passSpare)
	}
	return err
}
