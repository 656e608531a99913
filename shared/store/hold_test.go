//go:build linux

package store

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Typed once, the passphrase is held by the kernel for as long as was asked for.
func TestPassphraseIsHeld(t *testing.T) {
	w := newWorld(t)
	w.o.UnlockFor = time.Minute
	s := w.store(file, "pw", "pw")
	name := (&fileRing{s: s, dir: w.path(".local/share/token-helpers/keyring")}).holdName()
	if err := hold(name, []byte("probe"), time.Minute); err != nil {
		t.Skipf("the kernel's key store is not to be had here: %v", err)
	}
	unhold(name)
	t.Cleanup(func() { unhold(name) })
	ctx := context.Background()
	must(t, s.Save(ctx, login()))
	if got := string(held(name)); got != "pw" {
		t.Fatalf("held: %q", got)
	}
	// The next run is asked nothing; "asked too often" would be the answer.
	l, err := w.store(file).Load(ctx, login().Issuer, "")
	must(t, err)
	if l.RefreshToken != login().RefreshToken {
		t.Error("another login came back")
	}
	// What is held and opens nothing is dropped, and the question asked.
	must(t, hold(name, []byte("stale"), time.Minute))
	_, err = w.store(file, "pw").Load(ctx, login().Issuer, "")
	must(t, err)
	if got := string(held(name)); got != "pw" {
		t.Errorf("held: %q", got)
	}
	// 0 takes nothing from there, and holds nothing.
	w.o.UnlockFor = 0
	_, err = w.store(file).Load(ctx, login().Issuer, "")
	wantErr(t, err, ErrNobodyToAsk)
	// With the last login goes what opened it.
	w.o.UnlockFor = time.Minute
	must(t, w.store(file).Delete(ctx, login().Issuer, login().ClientID))
	if got := held(name); got != nil {
		t.Errorf("held: %q", got)
	}
}

// Where the kernel does not hold it (here because it is longer than a key may be;
// in containers always), the user is told, and is asked each time.
func TestPassphraseIsNotHeld(t *testing.T) {
	w := newWorld(t)
	w.o.UnlockFor = time.Minute
	long := strings.Repeat("x", maxHeld+1)
	ctx := context.Background()
	must(t, w.store(file, long, long).Save(ctx, login()))
	if len(w.notes) == 0 || !strings.Contains(w.notes[len(w.notes)-1], "asked for each time") {
		t.Errorf("notes %q", w.notes)
	}
	_, err := w.store(file).Load(ctx, login().Issuer, "")
	wantErr(t, err, ErrNobodyToAsk)
	_, err = w.store(file, long).Load(ctx, login().Issuer, "")
	must(t, err)
}
