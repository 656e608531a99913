package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const lockPoll = 50 * time.Millisecond

// Lock keeps other processes, and other goroutines, from refreshing or replacing
// the login at the same issuer. It waits for LockTimeout at most; then the error
// is [ErrLockTimeout]. The lock ends with the process at the latest.
func (s *Store) Lock(ctx context.Context, issuer string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(sameIssuer(issuer)))
	unlock, err = s.lock(ctx, "issuer-"+hex.EncodeToString(sum[:16])+".lock")
	return unlock, wrap("lock the login at "+issuer, err)
}

// lock takes the lock file of that name, which is never removed: whoever waits on
// a removed file would share its lock with nobody.
func (s *Store) lock(ctx context.Context, name string) (func(), error) {
	dir, err := s.stateDir()
	if err != nil {
		return nil, err
	}
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	f := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(0o600))
	limited, cancel := context.WithTimeout(ctx, s.o.LockTimeout)
	defer cancel()
	got, err := f.TryLock()
	if err == nil && !got {
		s.o.Verbose("waiting for another process that holds %s", path)
		got, err = f.TryLockContext(limited, lockPoll)
	}
	switch {
	case ctx.Err() != nil:
		_ = f.Close()
		return nil, ctx.Err()
	case limited.Err() != nil && !got:
		_ = f.Close()
		return nil, &Error{
			Op: "wait for the lock", Err: fmt.Errorf("%w for more than %v", ErrLockTimeout, s.o.LockTimeout),
			Hint: "look who holds it: fuser " + path,
		}
	case err != nil:
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Unlock() }, nil
}
