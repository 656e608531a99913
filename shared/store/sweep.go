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

// A sweep takes time for each token that is cached, and whoever gets a new token waits for
// it. So there is one in a while, and it looks only at a part of a large cache.
const (
	// sweepEvery is how long it takes until there is another sweep.
	sweepEvery = 10 * time.Second
	// sweepAbout is about how many tokens a sweep looks at.
	sweepAbout = 500
	// maxParts is in how many parts a cache is looked at: names begin with two hexadecimal
	// digits.
	maxParts = 256
)

// sweptFile was changed when there was a sweep.
const sweptFile = ".swept"

// sweep removes expired tokens, and files that processes that were killed left behind,
// unless there was a sweep a short time ago.
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
	// At random, because sweeps at regular times would look at some parts only.
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

// due reports whether the last sweep was long ago, and says that there is one now.
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
