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

// A waiting process tries the lock often at first and then less often: a thousand processes
// that tried every few milliseconds would leave the holder no CPU time.
const (
	minPause = 10 * time.Millisecond
	maxPause = 500 * time.Millisecond
)

// lock is a lock file that this process holds. The file contains the process ID and a
// counter. If either changes, waiting processes know that the queue is moving.
type lock struct {
	s     *Store
	flock *flock.Flock
	ticks int
	once  sync.Once
}

// lockIssuer prevents other processes and goroutines from changing the login at the issuer.
func (s *Store) lockIssuer(ctx context.Context, issuer string) (*lock, error) {
	sum := sha256.Sum256([]byte(sameIssuer(issuer)))
	l, err := s.lock(ctx, "issuer-"+hex.EncodeToString(sum[:16])+".lock")
	return l, wrap("lock the login at "+issuer, err)
}

// LockRequest prevents other processes from requesting the same token at the same time: a
// process that waited finds the token in the cache. Requests share a fixed number of lock
// files, because a lock file must never be removed: a process that waits for a removed file
// would get a lock that no longer excludes others.
func (s *Store) LockRequest(ctx context.Context, key CacheKey) (unlock func(), err error) {
	l, err := s.lock(ctx, "request-"+key.file()[:2]+".lock")
	if err != nil {
		return nil, wrap("wait for another request for the same token", err)
	}
	return l.release, nil
}

// lock waits for the lock file of that name. The time limit restarts whenever the holder
// changes or makes progress.
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
	l.writeHolder()
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
	pause := minPause
	retry := time.NewTimer(pause)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-limit.C:
			return false, &Error{
				Op: "wait for the login", Err: fmt.Errorf("%w (%s) is using this login and did not finish within %v", ErrLocked, process(holder), l.s.o.LockTimeout),
				Hint: "wait for that process to finish, or terminate it, and run the command again",
			}
		case <-retry.C:
		}
		if got, err := l.flock.TryLock(); got || err != nil {
			return got, err
		}
		if now := readHolder(path); now != holder {
			holder = now
			limit.Reset(l.s.o.LockTimeout)
			// Processes that wait for this process wait for that queue, too.
			l.s.tick()
		}
		pause = min(pause*3/2, maxPause)
		retry.Reset(pause/2 + rand.N(pause))
	}
}

// writeHolder writes this process's ID and the next count into the lock file. It ignores
// errors, because the contents only inform waiting processes.
func (l *lock) writeHolder() {
	f, err := os.OpenFile(l.flock.Path(), os.O_WRONLY|private.NoFollow, 0)
	if err != nil {
		return
	}
	l.ticks++
	// The width is fixed, so that a longer line is overwritten completely.
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-20d %-10d\n", os.Getpid(), l.ticks), holderOffset)
	_ = f.Close()
}

// tick increments the counter in each lock file that this process holds, to show progress.
func (s *Store) tick() {
	s.locks.Lock()
	defer s.locks.Unlock()
	for _, l := range s.held {
		l.writeHolder()
	}
}

// release releases the lock. Calling it again does nothing.
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
	n, _ := f.ReadAt(b, holderOffset)
	return strings.TrimSpace(string(b[:n]))
}

// process returns the process that wrote the contents of a lock file, for messages.
func process(holder string) string {
	pid, _, _ := strings.Cut(holder, " ")
	if _, err := strconv.Atoi(pid); err != nil {
		return "pid unknown"
	}
	return "pid " + pid
}
