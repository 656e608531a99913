package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// cached returns the number of cached tokens.
func (w *world) cached() int {
	w.t.Helper()
	list, err := filepath.Glob(w.path(".cache/token-helpers/tokens/*" + cacheSuffix))
	must(w.t, err)
	return len(list)
}

// Sweeps are infrequent, and one sweep checks only a part of a large cache.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	s := w.store("")
	dir := w.path(".cache/token-helpers/tokens")
	put := func(name string) {
		t.Helper()
		must(t, s.PutToken(CacheKey{Issuer: name}, opaque(w.now.Add(time.Minute))))
	}
	put("a")
	w.now = w.now.Add(2 * time.Minute)
	put("b")
	if n := w.cached(); n != 1 {
		t.Errorf("%d tokens after a sweep, want 1", n)
	}
	// A damaged token, and an old temporary file.
	must(t, os.WriteFile(filepath.Join(dir, "damaged"+cacheSuffix), []byte("x"), 0o600))
	temp := filepath.Join(dir, ".tmp-1")
	must(t, os.WriteFile(temp, nil, 0o600))
	must(t, os.Chtimes(temp, w.now.Add(-2*time.Hour), w.now.Add(-2*time.Hour)))
	w.now = w.now.Add(sweepEvery - time.Second)
	put("c")
	if n := w.cached(); n != 3 {
		t.Errorf("%d tokens, want 3: the next sweep is not due yet", n)
	}
	w.now = w.now.Add(time.Second)
	put("d")
	if n := w.cached(); n != 3 { // b, c and d
		t.Errorf("%d tokens, want 3 without the damaged one", n)
	}
	if _, err := os.Lstat(temp); err == nil {
		t.Error("the temporary file was not removed")
	}
	// The clock is set back.
	w.now = w.now.Add(-time.Hour)
	must(t, os.WriteFile(filepath.Join(dir, "damaged"+cacheSuffix), []byte("x"), 0o600))
	put("e")
	if n := w.cached(); n != 4 {
		t.Errorf("%d tokens, want 4", n)
	}

	const many = 3000
	for i := range many {
		name := fmt.Sprintf("%02x%04d%s", i%maxParts, i, cacheSuffix)
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(`{"token":"t","expires":"2020-01-01T00:00:00Z"}`), 0o600))
	}
	before := w.cached()
	for range 1000 { // the parts are chosen at random
		w.now = w.now.Add(sweepEvery)
		put("f")
		n := w.cached()
		if removed := before - n; removed > 2*sweepAbout {
			t.Fatalf("one sweep removed %d tokens", removed)
		}
		if before = n; n < 10 {
			return
		}
	}
	t.Errorf("%d tokens remain", before)
}

// A long list of logins can be read.
func TestManyLogins(t *testing.T) {
	w := newWorld(t)
	w.passphraseFile("pw", 0o600)
	s := w.store(file)
	must(t, save(s, login()))
	path, err := s.indexPath()
	must(t, err)
	list, err := s.Index()
	must(t, err)
	for i := range 10000 {
		e := list[0]
		e.ClientID = fmt.Sprintf("client-%05d-%0100d", i, i)
		list = append(list, e)
	}
	writeIndex(t, path, list)
	if list, err = s.Index(); err != nil || len(list) != 10001 {
		t.Fatalf("%d logins, %v", len(list), err)
	}
	l := login()
	l.RefreshToken = "SECRET-2"
	must(t, save(s, l))
	if l, err = load(s, l.Issuer, l.ClientID); err != nil || l.RefreshToken != "SECRET-2" {
		t.Fatal(err)
	}
}

func writeIndex(t *testing.T, path string, list []IndexEntry) {
	t.Helper()
	b, err := json.Marshal(index{Version: 1, Logins: list})
	must(t, err)
	must(t, os.WriteFile(path, b, 0o600))
}
