package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"example.org/token-helpers/shared/private"
)

// A waiting process looks for the lock often at first and then less often: a thousand
// processes that looked every few milliseconds would leave the holder no processor.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// lock is a lock file that this process holds. The file contains the process ID and a
// counter. A waiter sees from a change of either that the queue moves.
type lock struct {
	s     *Store
	flock *flock.Flock
	ticks int
	once  sync.Once
}

// lockIssuer keeps other processes, and other goroutines, from changing the login at
// the issuer.
func (s *Store) lockIssuer(ctx context.Context, issuer string) (*lock, error) {
	sum := sha256.Sum256([]byte(sameIssuer(issuer)))
	l, err := s.lock(ctx, "issuer-"+hex.EncodeToString(sum[:16])+".lock")
	return l, wrap("lock the login at "+issuer, err)
}

// LockRequest keeps other processes from asking an issuer for the same token at the
// same time: whoever waited finds the token in the cache. Requests share a fixed
// number of lock files, as a lock file can never be removed: a process that waits on
// a removed file would share its lock with nobody.
func (s *Store) LockRequest(ctx context.Context, key CacheKey) (unlock func(), err error) {
	l, err := s.lock(ctx, "request-"+key.file()[:2]+".lock")
	if err != nil {
		return nil, wrap("wait for another request for the same token", err)
	}
	return l.release, nil
}

// lock waits for the lock file of that name. The time limit restarts whenever the
// holder changes, since a queue that moves is no reason to give up.
func (s *Store) lock(ctx context.Context, name string) (*lock, error) {
	dir, err := s.stateDir()
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	l := &lock{s: s, flock: flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|private.NoFollow), flock.SetPermissions(0o600))}
	got, err := l.flock.TryLock()
	if err == nil && !got {
		got, err = l.wait(ctx, path)
	}
	if err != nil || !got {
		_ = l.flock.Close()
		return nil, err
	}
	l.sign()
	s.locks.Lock()
	s.held = append(s.held, l)
	s.locks.Unlock()
	return l, nil
}

func (l *lock) wait(ctx context.Context, path string) (bool, error) {
	holder := readHolder(path)
	l.s.o.Verbose("waiting for %s, which holds %s", process(holder), path)
	limit := time.NewTimer(l.s.o.LockTimeout)
	defer limit.Stop()
	pause := firstLook
	look := time.NewTimer(pause)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-limit.C:
			return false, &Error{
				Op: "wait for the login", Err: fmt.Errorf("%w (%s) is using this login and did not finish within %v", ErrLocked, process(holder), l.s.o.LockTimeout),
				Hint: "wait for that process to finish, or end it, and run the command again",
			}
		case <-look.C:
		}
		if got, err := l.flock.TryLock(); got || err != nil {
			return got, err
		}
		if now := readHolder(path); now != holder {
			holder = now
			limit.Reset(l.s.o.LockTimeout)
			// Whoever waits for this process waits for that queue, too.
			l.s.tick()
		}
		pause = min(pause*3/2, lastLook)
		look.Reset(pause/2 + rand.N(pause))
	}
}

// sign writes who holds the lock. That is information for those who wait: a failure
// changes nothing for this process.
func (l *lock) sign() {
	f, err := os.OpenFile(l.flock.Path(), os.O_WRONLY|private.NoFollow, 0)
	if err != nil {
		return
	}
	l.ticks++
	// Of a fixed width, so that nothing remains of a longer line.
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-20d %-10d\n", os.Getpid(), l.ticks), signOffset)
	_ = f.Close()
}

// tick shows in each lock that this process holds that it makes progress.
func (s *Store) tick() {
	s.locks.Lock()
	defer s.locks.Unlock()
	for _, l := range s.held {
		l.sign()
	}
}

// release gives the lock back. Calling it again does nothing.
func (l *lock) release() {
	l.once.Do(func() {
		l.s.locks.Lock()
		l.s.held = slices.DeleteFunc(l.s.held, func(h *lock) bool { return h == l })
		l.s.locks.Unlock()
		if l.flock.Unlock() != nil {
			_ = l.flock.Close() // which releases the lock as well
		}
	})
}

func readHolder(path string) string {
	f, err := private.OpenOwn(path, 0o077)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, signOffset)
	return strings.TrimSpace(string(b[:n]))
}

// process names the process that wrote the contents of a lock file.
func process(holder string) string {
	pid, _, _ := strings.Cut(holder, " ")
	if _, err := strconv.Atoi(pid); err != nil {
		return "pid unknown"
	}
	return "pid " + pid
}
