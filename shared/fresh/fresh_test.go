package fresh

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

var begin = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// jwt returns a token that was issued at iat and expires at exp.
func jwt(iat, exp time.Time) token.Token {
	b64 := base64.RawURLEncoding.EncodeToString
	return token.New(b64([]byte(`{"alg":"none"}`)) + "." + b64(fmt.Appendf(nil, `{"iat":%d,"exp":%d}`, iat.Unix(), exp.Unix())) + ".c2ln")
}

// world simulates a clock, an issuer and a token file. Time passes only while the keeper sleeps.
type world struct {
	now time.Time
	// life is the lifetime of new tokens.
	life time.Duration
	// down reports whether the issuer fails at that time, and full whether the disk is full.
	down, full func(time.Time) bool
	// drift is added to the clock at each sleep, for a machine that was suspended.
	drift func(slept time.Duration) time.Duration
	// ahead is how far this machine's clock is ahead of the issuer's.
	ahead time.Duration
	// jitter is what Keeper.Jitter returns.
	jitter float64

	gets, puts []time.Time
	events     []string
	file       token.Token
	enough     []time.Duration
	end        time.Time
}

func (w *world) since(t time.Time) time.Duration { return t.Sub(begin).Round(time.Millisecond) }

// issue returns a token issued now.
func (w *world) issue() token.Token {
	now := w.now.Add(-w.ahead)
	return jwt(now, now.Add(w.life))
}

// run keeps a token fresh for span.
func (w *world) run(span time.Duration) {
	w.now, w.end = begin, begin.Add(span)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.file = w.issue()
	k := &Keeper{
		Now: func() time.Time { return w.now }, Jitter: func() float64 { return w.jitter },
		Sleep: func(ctx context.Context, d time.Duration) error {
			if d <= 0 || d > maxSleep {
				panic(fmt.Sprint("sleeps for ", d))
			}
			w.now = w.now.Add(d)
			if w.drift != nil {
				w.now = w.now.Add(w.drift(d))
			}
			if !w.now.Before(w.end) {
				cancel()
			}
			return ctx.Err()
		},
		Get: func(_ context.Context, enough time.Duration) (token.Token, error) {
			w.gets, w.enough = append(w.gets, w.now), append(w.enough, enough)
			if w.down != nil && w.down(w.now) {
				return token.Token{}, errors.New("the issuer is down")
			}
			return w.issue(), nil
		},
		Put: func(t token.Token) error {
			w.puts = append(w.puts, w.now)
			if w.full != nil && w.full(w.now) {
				return errors.New("no space left on device")
			}
			w.file = t
			return nil
		},
		Report: func(e Event) {
			name := []string{"renewed", "failed", "expired", "recovered", "damaged"}[e.Kind]
			w.events = append(w.events, fmt.Sprintf("%s at %v", name, w.since(w.now)))
		},
	}
	k.Run(ctx, w.file)
}

func between(from, to time.Duration) func(time.Time) bool {
	return func(t time.Time) bool { return t.Sub(begin) >= from && t.Sub(begin) < to }
}

func TestRenewsAtTwoThirds(t *testing.T) {
	w := &world{life: time.Hour}
	w.run(3 * time.Hour)
	want := []string{"renewed at 40m0s", "renewed at 1h20m0s", "renewed at 2h0m0s", "renewed at 2h40m0s"}
	if !slices.Equal(w.events, want) || len(w.gets) != len(want) {
		t.Errorf("%q, %d requests", w.events, len(w.gets))
	}
	if w.enough[0] != 40*time.Minute {
		t.Errorf("required lifetime %v, want the remaining lifetime and a third", w.enough[0])
	}
}

// A token is replaced when a third to two fifths of its lifetime remain, whatever its source.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		name   string
		t      token.Token
		jitter float64
		want   time.Duration
	}{
		{"just issued", jwt(begin, begin.Add(time.Hour)), 0, 40 * time.Minute},
		{"maximum jitter", jwt(begin, begin.Add(time.Hour)), 1, 36 * time.Minute},
		{"from the cache", jwt(begin.Add(-30*time.Minute), begin.Add(30*time.Minute)), 0, 10 * time.Minute},
		{"from the cache, late", jwt(begin.Add(-50*time.Minute), begin.Add(10*time.Minute)), 0, -10 * time.Minute},
		{"issued by a clock that is ahead", jwt(begin.Add(time.Hour), begin.Add(2*time.Hour)), 0, 40 * time.Minute},
		{"20 seconds", jwt(begin, begin.Add(20*time.Second)), 0, 13333333333},
		{"opaque, with an expiry", func() token.Token { o := token.New("opaque"); o.Expires = begin.Add(time.Hour); return o }(), 0, 40 * time.Minute},
		{"opaque, without an expiry", token.New("opaque"), 0, 10 * time.Minute},
	} {
		k := &Keeper{Jitter: func() float64 { return c.jitter }}
		if got := k.due(c.t, begin).Sub(begin); got.Round(time.Microsecond) != c.want.Round(time.Microsecond) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// If the issuer fails for a while, the token is renewed soon after it works again.
func TestIssuerDown(t *testing.T) {
	w := &world{life: 20 * time.Second, down: between(10*time.Second, 18*time.Second)}
	w.run(30 * time.Second)
	if want := []string{"failed at 13.333s", "recovered at 18.333s"}; !slices.Equal(w.events[:2], want) {
		t.Errorf("%q", w.events)
	}

	w = &world{life: 20 * time.Second, down: between(20*time.Second, 50*time.Second)}
	w.run(55 * time.Second)
	if len(w.events) != 4 || w.events[0] != "renewed at 13.333s" || w.events[1][:6] != "failed" || w.events[2] != "expired at 33s" || w.events[3][:9] != "recovered" {
		t.Errorf("%q", w.events)
	}
	if last := w.since(w.gets[len(w.gets)-1]); last < 50*time.Second || last > 52*time.Second {
		t.Errorf("renewed at %v, not within two seconds of the issuer's return", last)
	}

	// If the issuer never recovers, only the first failure and the expiry are reported.
	w = &world{life: time.Hour, down: func(time.Time) bool { return true }}
	w.run(24 * time.Hour)
	if want := []string{"failed at 40m0s", "expired at 1h0m0s"}; !slices.Equal(w.events, want) {
		t.Errorf("%q", w.events)
	}
	if n := len(w.gets); n > 24*60+10 || n < 23*60 {
		t.Errorf("%d requests in a day", n)
	}
}

// A token that cannot be written is not requested again.
func TestDiskFull(t *testing.T) {
	w := &world{life: time.Hour, full: between(0, 50*time.Minute)}
	w.run(time.Hour)
	if len(w.gets) != 1 || len(w.events) != 2 || w.events[0] != "failed at 40m0s" || w.events[1][:9] != "recovered" {
		t.Errorf("%d requests, %q", len(w.gets), w.events)
	}
	// Unless it expires before it can be written.
	w = &world{life: time.Hour, full: between(0, 2*time.Hour)}
	w.run(150 * time.Minute)
	if len(w.gets) != 3 || w.file.Expires.Before(w.now) {
		t.Errorf("%d requests, %q, a token until %v at %v", len(w.gets), w.events, w.file.Expires, w.now)
	}
}

// While a machine is suspended, Go's timers stop, but the wall clock does not.
func TestSuspend(t *testing.T) {
	slept := false
	w := &world{life: time.Hour}
	w.drift = func(time.Duration) time.Duration {
		if !slept && w.since(w.now) >= 10*time.Minute {
			slept = true
			return time.Hour
		}
		return 0
	}
	w.run(2 * time.Hour)
	if want := []string{"renewed at 1h10m0s", "renewed at 1h50m0s"}; !slices.Equal(w.events, want) {
		t.Errorf("%q", w.events)
	}
}

// until also works with times that have a monotonic reading. (Package time does not allow
// simulating a wall clock that is set back.)
func TestUntilMonotonic(t *testing.T) {
	start := time.Now()
	wall, elapsed := start, time.Duration(0)
	k := &Keeper{Now: func() time.Time {
		return start.Add(elapsed)
	}, Sleep: func(_ context.Context, d time.Duration) error { elapsed += d; return nil }}
	if !k.until(context.Background(), wall.Round(0).Add(time.Hour)) || elapsed != time.Hour {
		t.Errorf("%v", elapsed)
	}
}

// If this machine's clock is so far ahead that a new token is due immediately, the number of
// requests is still limited, and no failure is reported.
func TestClockAhead(t *testing.T) {
	for ahead, most := range map[time.Duration]int{45 * time.Minute: 18, 59 * time.Minute: 241, 59*time.Minute + 59*time.Second: 60 * 60} {
		w := &world{life: time.Hour, ahead: ahead}
		w.run(time.Hour)
		if n := len(w.gets); n > most || n < most/2 {
			t.Errorf("%v ahead: %d requests in an hour", ahead, n)
		}
		for i, e := range w.events {
			if e[:7] != "renewed" {
				t.Errorf("%v ahead: %s", ahead, w.events[i])
			}
		}
	}
}

func TestSameToken(t *testing.T) {
	old := jwt(begin, begin.Add(time.Hour))
	for name, next := range map[string]token.Token{"the same": old, "an older one": jwt(begin.Add(-time.Minute), begin.Add(30*time.Minute)), "a newer one with the same expiry": jwt(begin.Add(time.Minute), begin.Add(time.Hour))} {
		k := &Keeper{Get: func(context.Context, time.Duration) (token.Token, error) { return next, nil }}
		if got, err := k.get(context.Background(), old, 0); !errors.Is(err, ErrSame) || !got.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// If the issuer starts to grant shorter lifetimes, no failure is reported.
func TestShorterLifetimes(t *testing.T) {
	w := &world{life: time.Hour}
	w.down = func(now time.Time) bool {
		if w.since(now) >= 30*time.Minute {
			w.life = 10 * time.Minute
		}
		return false
	}
	w.run(time.Hour)
	if want := []string{"renewed at 40m0s", "renewed at 46m40s", "renewed at 53m20s"}; !slices.Equal(w.events, want) {
		t.Errorf("%q", w.events)
	}
}

// If Get returns both a token and an error, the token is used and the error is reported.
func TestDamaged(t *testing.T) {
	var kinds []Kind
	k := &Keeper{
		Now: func() time.Time { return begin }, Put: func(token.Token) error { return nil },
		Get: func(context.Context, time.Duration) (token.Token, error) {
			return jwt(begin, begin.Add(time.Hour)), errors.New("the login is lost")
		},
		Report: func(e Event) { kinds = append(kinds, e.Kind) },
	}
	if _, ok := k.renew(context.Background(), jwt(begin.Add(-time.Hour), begin)); !ok || !slices.Equal(kinds, []Kind{Damaged, Renewed}) {
		t.Errorf("%v", kinds)
	}
}

// Tokens that are valid for an hour are renewed every 36 to 40 minutes. make bench prints the
// average number in a day.
func TestADayOfRenewals(t *testing.T) {
	for jitter, want := range map[float64]int{0: 35, 0.5: 37, 1: 39} {
		w := &world{life: time.Hour, jitter: jitter}
		w.run(24 * time.Hour)
		if n := len(w.gets); n != want {
			t.Errorf("jitter %v: %d renewals in a day, want %d", jitter, n, want)
		} else if jitter == 0.5 {
			t.Logf("%d renewals in a day", n)
		}
	}
}
