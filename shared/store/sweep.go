package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/private"
)

// The time of a sweep grows with the number of tokens, and a user who gets a new token waits
// for it. So sweeps are infrequent, and one sweep checks only a part of a large cache.
const (
	// sweepEvery is the minimum time between sweeps.
	sweepEvery = 10 * time.Second
	// sweepAbout is about how many tokens one sweep checks.
	sweepAbout = 500
	// maxParts is the maximum number of parts of a cache. The first two hexadecimal digits of
	// a file name determine its part.
	maxParts = 256
)

// sweptFile is the file whose modification time is the time of the last sweep.
const sweptFile = ".swept"

// sweep removes expired tokens and the temporary files of killed processes, unless the last
// sweep was less than sweepEvery ago.
func (s *Store) sweep(dir string) {
	now := s.o.Now()
	if !due(filepath.Join(dir, sweptFile), now) {
		return
	}
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close()
	if err != nil {
		return
	}
	parts := 1
	for parts < maxParts && len(names)/parts > sweepAbout {
		parts *= 2
	}
	// The choice is random, because sweeps at regular times could always check the same parts.
	part := rand.IntN(parts)
	for _, name := range names {
		if !strings.HasSuffix(name, cacheSuffix) || len(name) < 2 {
			continue
		}
		if n, err := strconv.ParseUint(name[:2], 16, 8); err == nil && int(n)%parts != part {
			continue
		}
		path := filepath.Join(dir, name)
		b, err := private.Read(path)
		if err != nil && !errors.Is(err, private.ErrTooLong) {
			continue
		}
		if e, ok := decodeEntry(b); !ok || !e.Expires.After(now) {
			_ = os.Remove(path)
		}
	}
	private.SweepNames(dir, names, now)
}

// due reports whether a sweep is due. If so, it sets the time of the last sweep to now.
func due(path string, now time.Time) bool {
	fi, err := os.Lstat(path)
	if err == nil {
		// A clock that was set back must not prevent sweeps.
		if age := now.Sub(fi.ModTime()); age >= 0 && age < sweepEvery {
			return false
		}
		return os.Chtimes(path, now, now) == nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|private.NoFollow, 0o600)
	if err != nil {
		return false
	}
	_ = f.Close()
	return os.Chtimes(path, now, now) == nil
}
