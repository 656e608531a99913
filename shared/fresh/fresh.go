// Package fresh keeps a token fresh: it renews the token before it expires, and retries after
// failures.
package fresh

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"example.org/token-helpers/shared/token"
)

// ErrSame means that a source returned a token that does not expire later than the one to
// replace.
var ErrSame = errors.New("the source returned a token that does not expire later than the current one")

// Event is what a [Keeper] reports.
type Event struct {
	Kind Kind
	// Token is the current token.
	Token token.Token
	// Err is the reason why the renewal failed.
	Err error
	// Left is the remaining lifetime of the current token.
	Left time.Duration
}

// Kind is the kind of an [Event].
type Kind int

// The kinds of events. Failed is reported for the first of several failures, and Expired once
// if they continue until the token has expired. Recovered replaces Renewed after a failure.
// Damaged means that a new token was obtained, but with an error about something else, such as
// a lost login.
const (
	Renewed Kind = iota
	Failed
	Expired
	Recovered
	Damaged
)

// Keeper keeps one token fresh. All fields but Sleep and Jitter are required.
type Keeper struct {
	// Get gets a token. It may return a stored one whose remaining lifetime is at least enough.
	// If it returns both a token and an error, the token is used and the error is reported.
	Get func(ctx context.Context, enough time.Duration) (token.Token, error)
	// Put replaces the old token with the new one. If it fails, it must not change anything.
	Put    func(token.Token) error
	Report func(Event)
	// Now is the wall clock.
	Now func() time.Time
	// Sleep waits for at most d. It returns an error if ctx is canceled. Nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a number in [0, 1) that spreads the renewals of several processes. Nil
	// means a random number.
	Jitter func() float64
}

const (
	// maxSleep is the longest single sleep. Go's timers stop while the machine is suspended,
	// so the wall clock is read at least this often.
	maxSleep = 10 * time.Second
	// defaultLifetime is the assumed lifetime of a token whose expiry is unknown.
	defaultLifetime = 15 * time.Minute
	// firstRetry and lastRetry are the upper limits of the first and the longest pause between
	// attempts, which are fractions of the token's lifetime. shortestRetry is the lower limit.
	firstRetry, lastRetry = 10 * time.Second, time.Minute
	shortestRetry         = time.Second
)

// Run keeps the token fresh until ctx is canceled. t is the current token, which has already
// been stored.
func (k *Keeper) Run(ctx context.Context, t token.Token) {
	pause := shortestRetry
	for k.until(ctx, k.next(t, pause)) {
		var ok bool
		if t, ok = k.renew(ctx, t); !ok {
			return
		}
		left, _ := t.Lifetime(k.Now())
		pause = max(left/4, shortestRetry)
	}
}

// next returns when to replace the token, not earlier than after pause: if this machine's clock
// is ahead of the issuer's, even a new token may be due immediately.
func (k *Keeper) next(t token.Token, pause time.Duration) time.Time {
	now := k.Now()
	at, earliest := k.due(t, now), now.Add(pause)
	if at.Before(earliest) {
		return earliest
	}
	return at
}

// Lifetime returns the whole lifetime of a token that was obtained at got.
func Lifetime(t token.Token, got time.Time) time.Duration {
	left, known := t.Lifetime(got)
	if !known {
		return defaultLifetime
	}
	if j := t.JWT(); j != nil {
		if iat, ok := j.Time("iat"); ok && t.Expires.After(iat) {
			return t.Expires.Sub(iat)
		}
	}
	return max(left, 0)
}

// due returns when to replace the token: after two thirds of its lifetime, or up to a fifteenth
// of the lifetime earlier, so that at least a third remains. It is never later than two thirds
// of the lifetime after the token was obtained, in case this machine's clock is behind the
// issuer's.
func (k *Keeper) due(t token.Token, got time.Time) time.Time {
	whole := Lifetime(t, got)
	at := got.Add(whole / 3 * 2)
	if !t.Expires.IsZero() {
		if limit := t.Expires.Add(-whole / 3); limit.Before(at) {
			at = limit
		}
	}
	jitter := k.Jitter
	if jitter == nil {
		jitter = rand.Float64
	}
	return at.Add(-time.Duration(jitter() * float64(whole/15)))
}

// until waits until the wall clock reaches at or the same time has passed on the monotonic
// clock, whichever is first, because the wall clock may be set back. It returns false if ctx is
// canceled.
func (k *Keeper) until(ctx context.Context, at time.Time) bool {
	start := k.Now()
	span := at.Round(0).Sub(start.Round(0))
	for {
		now := k.Now()
		left := min(at.Round(0).Sub(now.Round(0)), span-now.Sub(start))
		if ctx.Err() != nil {
			return false
		}
		if left <= 0 {
			return true
		}
		if k.sleep(ctx, min(left, maxSleep)) != nil {
			return false
		}
	}
}

func (k *Keeper) sleep(ctx context.Context, d time.Duration) error {
	if k.Sleep != nil {
		return k.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew replaces the token. It retries until it succeeds, or until ctx is canceled, in which
// case it returns false.
func (k *Keeper) renew(ctx context.Context, old token.Token) (token.Token, bool) {
	whole := Lifetime(old, k.Now())
	delay := min(max(whole/60, shortestRetry), firstRetry)
	maxDelay := min(max(whole/20, 2*shortestRetry), lastRetry)
	var (
		next              token.Token // obtained, but not yet stored
		reported, expired bool
	)
	for {
		left, _ := old.Lifetime(k.Now())
		var err error
		if next.IsZero() {
			next, err = k.get(ctx, old, max(left, 0)+whole/3)
		}
		if !next.IsZero() {
			if err != nil {
				k.Report(Event{Kind: Damaged, Token: next, Err: err})
			}
			if err = k.Put(next); err == nil {
				kind := Renewed
				if reported {
					kind = Recovered
				}
				k.Report(Event{Kind: kind, Token: next})
				return next, true
			}
			if left, known := next.Lifetime(k.Now()); known && left <= 0 {
				next = token.Token{}
			}
		}
		if ctx.Err() != nil {
			return old, false
		}
		left, known := old.Lifetime(k.Now())
		if !reported {
			reported = true
			k.Report(Event{Kind: Failed, Token: old, Err: err, Left: left})
		}
		wait := delay
		switch {
		case !known || expired:
		case left <= 0:
			expired = true
			k.Report(Event{Kind: Expired, Token: old, Err: err})
		default:
			wait = min(wait, left) // to report the expiry in time
		}
		if !k.until(ctx, k.Now().Add(wait)) {
			return old, false
		}
		delay = min(2*delay, maxDelay)
	}
}

// get calls Get. It returns [ErrSame] unless the token expires later than old, or was issued
// later with a shorter lifetime.
func (k *Keeper) get(ctx context.Context, old token.Token, enough time.Duration) (token.Token, error) {
	t, err := k.Get(ctx, enough)
	if err == nil && (t.Raw() == old.Raw() || !old.Expires.IsZero() && !t.Expires.IsZero() && !t.Expires.After(old.Expires) && !shorter(t, old)) {
		return token.Token{}, ErrSame
	}
	return t, err
}

// shorter reports whether t was issued later than old but expires earlier, which means that the
// issuer now grants shorter lifetimes.
func shorter(t, old token.Token) bool {
	if t.JWT() == nil || old.JWT() == nil {
		return false
	}
	oldIssued, known := old.JWT().Time("iat")
	issued, ok := t.JWT().Time("iat")
	return known && ok && issued.After(oldIssued) && t.Expires.Before(old.Expires)
}
