//go:build linux

package store

import (
	"math"
	"strings"
	"testing"
	"time"
)

// The kernel holds a typed passphrase for the requested time.
func TestPassphraseIsHeld(t *testing.T) {
	w := newWorld(t)
	w.o.UnlockFor = time.Minute
	s := w.store(file, "pw", "pw")
	name := (&fileRing{s: s, dir: w.path(".local/share/token-helpers/keyring")}).holdName()
	if err := hold(name, []byte("probe"), time.Minute); err != nil {
		t.Skipf("the kernel's key store cannot be used here: %v", err)
	}
	unhold(name)
	t.Cleanup(func() { unhold(name) })
	must(t, save(s, login()))
	if got := string(held(name)); got != "pw" {
		t.Fatalf("held: %q", got)
	}
	// The next run has no terminal and does not need one.
	l, err := load(w.store(file), login().Issuer, "")
	must(t, err)
	if l.RefreshToken != login().RefreshToken {
		t.Error("a different login was loaded")
	}
	// A held passphrase that is wrong is dropped, and the user is asked.
	must(t, hold(name, []byte("stale"), time.Minute))
	_, err = load(w.store(file, "pw"), login().Issuer, "")
	must(t, err)
	if got := string(held(name)); got != "pw" {
		t.Errorf("held: %q", got)
	}
	// With 0 the key store is not used.
	w.o.UnlockFor = 0
	_, err = load(w.store(file), login().Issuer, "")
	wantErr(t, err, ErrNobodyToAsk)
	// The passphrase is dropped with the last login.
	w.o.UnlockFor = time.Minute
	must(t, remove(w.store(file), login().Issuer, login().ClientID))
	if got := held(name); got != nil {
		t.Errorf("held: %q", got)
	}
}

// If the kernel cannot hold the passphrase (here because it is too long for a key; always
// in containers), a note is printed and the user is asked each time.
func TestPassphraseIsNotHeld(t *testing.T) {
	w := newWorld(t)
	w.o.UnlockFor = time.Minute
	long := strings.Repeat("x", maxHeld+1)
	must(t, save(w.store(file, long, long), login()))
	if len(w.notes) == 0 || !strings.Contains(w.notes[len(w.notes)-1], "asked for it each time") {
		t.Errorf("notes %q", w.notes)
	}
	_, err := load(w.store(file), login().Issuer, "")
	wantErr(t, err, ErrNobodyToAsk)
	_, err = load(w.store(file, long), login().Issuer, "")
	must(t, err)
}

// The kernel counts whole seconds, and 0 means that the passphrase is held forever.
func TestHoldSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{
		time.Nanosecond: 1, time.Second - 1: 1, time.Second: 1, 90 * time.Second: 90, 12 * time.Hour: 43200, math.MaxInt64: math.MaxInt32,
	} {
		if got := holdSeconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}
