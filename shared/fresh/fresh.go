// Package fresh keeps a token fresh for as long as work needs it: it decides when a new
// token is needed, and keeps trying if it cannot get one.
package fresh

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"example.org/token-helpers/shared/token"
)

// ErrSame means that a source returned a token that lives no longer than the one that it
// was to replace.
var ErrSame = errors.New("the source returned a token that does not expire later than the current one")

// Event is what a [Keeper] reports.
type Event struct {
	Kind Kind
	// Token is the current token.
	Token token.Token
	// Err is why the renewal failed.
	Err error
	// Left is how long the current token still lives.
	Left time.Duration
}

// Kind says what happened.
type Kind int

// The kinds of events. Failed is reported at the first of several failures, and Expired
// once if they last until the token has expired. Recovered takes the place of Renewed
// after a failure. Damaged comes with a new token: it was obtained, and its error is
// about something else, such as a login that was lost.
const (
	Renewed Kind = iota
	Failed
	Expired
	Recovered
	Damaged
)

// Keeper keeps one token fresh. All fields but Sleep and Jitter are required.
type Keeper struct {
	// Get gets a token. One that is stored already is good enough if it lives for at
	// least enough. A token that comes with an error is used, and the error is reported.
	Get func(ctx context.Context, enough time.Duration) (token.Token, error)
	// Put puts the new token in the place of the old one, or changes nothing.
	Put    func(token.Token) error
	Report func(Event)
	// Now is the wall clock.
	Now func() time.Time
	// Sleep waits for at most d; it returns an error if ctx ended. Nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a number in [0, 1), by which renewals of several processes are
	// spread. Nil means a random one.
	Jitter func() float64
}

const (
	// slice is the longest single sleep. Go's timers stand still while the machine is
	// suspended, so the wall clock is read at least this often.
	slice = 10 * time.Second
	// unknown is the lifetime of a token that does not say when it expires.
	unknown = 15 * time.Minute
	// firstRetry and lastRetry bound the time between attempts, and so do fractions of
	// the token's lifetime.
	firstRetry, lastRetry = 10 * time.Second, time.Minute
	shortestRetry         = time.Second
)

// Run keeps the token fresh until ctx ends. t is the current token, which is in its place
// already.
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

// next is when the token is replaced, after pause at the earliest: if this machine's clock
// is ahead of the issuer's, a new token can be due at once.
func (k *Keeper) next(t token.Token, pause time.Duration) time.Time {
	now := k.Now()
	at, soonest := k.due(t, now), now.Add(pause)
	if at.Before(soonest) {
		return soonest
	}
	return at
}

// Lifetime is the whole lifetime of a token that was obtained at got.
func Lifetime(t token.Token, got time.Time) time.Duration {
	left, known := t.Lifetime(got)
	if !known {
		return unknown
	}
	if j := t.JWT(); j != nil {
		if iat, ok := j.Time("iat"); ok && t.Expires.After(iat) {
			return t.Expires.Sub(iat)
		}
	}
	return max(left, 0)
}

// due is when the token is replaced: at two thirds of its lifetime or up to a fifteenth
// of it earlier, so that at least a third of it is left. The time since the token was
// obtained counts, too, in case this machine's clock is behind the issuer's.
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

// until waits until the wall clock reaches at, or as much time has passed, whichever is
// first: a clock that is set back must not let the token expire. It returns false if ctx
// ended.
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
		if k.sleep(ctx, min(left, slice)) != nil {
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

// renew replaces the token. It tries until it succeeds or ctx ends, and then returns
// false.
func (k *Keeper) renew(ctx context.Context, old token.Token) (token.Token, bool) {
	whole := Lifetime(old, k.Now())
	delay := min(max(whole/60, shortestRetry), firstRetry)
	most := min(max(whole/20, 2*shortestRetry), lastRetry)
	var (
		next              token.Token // obtained, but not yet in its place
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
			wait = min(wait, left) // to report the expiry when it comes
		}
		if !k.until(ctx, k.Now().Add(wait)) {
			return old, false
		}
		delay = min(2*delay, most)
	}
}

// get gets a token that expires later than old, or that was issued later by an issuer that
// now grants shorter lifetimes.
func (k *Keeper) get(ctx context.Context, old token.Token, enough time.Duration) (token.Token, error) {
	t, err := k.Get(ctx, enough)
	if err == nil && (t.Raw() == old.Raw() || !old.Expires.IsZero() && !t.Expires.IsZero() && !t.Expires.After(old.Expires) && !shorter(t, old)) {
		return token.Token{}, ErrSame
	}
	return t, err
}

// shorter reports whether t was issued later than old and is valid for less time. One that
// expires at the same time does not count: such an issuer has set an end.
func shorter(t, old token.Token) bool {
	if t.JWT() == nil || old.JWT() == nil {
		return false
	}
	was, known := old.JWT().Time("iat")
	is, ok := t.JWT().Time("iat")
	return known && ok && is.After(was) && t.Expires.Before(old.Expires)
}
