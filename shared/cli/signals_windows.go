package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
)

// Deferred are the signals that arrived while they were deferred.
type Deferred struct {
	c chan os.Signal
}

// DeferSignals defers Ctrl-C until [Deferred.Restore] is called.
func DeferSignals() *Deferred {
	d := &Deferred{c: make(chan os.Signal, 1)}
	notifyEnding(d.c)
	return d
}

// Restore ends the deferral and returns the signal that arrived meanwhile, or nil.
func (d *Deferred) Restore() os.Signal {
	signal.Stop(d.c)
	select {
	case s := <-d.c:
		return s
	default:
		return nil
	}
}

// CancelOnSignal returns a context that Ctrl-C cancels. stop must be called; it returns
// the signal that arrived, or nil.
func CancelOnSignal(ctx context.Context) (_ context.Context, stop func() os.Signal) {
	if owned.Load() {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, func() os.Signal { cancel(); return nil }
	}
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt)
	return ctx, func() os.Signal {
		interrupted := ctx.Err() != nil
		cancel()
		if interrupted {
			return os.Interrupt
		}
		return nil
	}
}

// OnSignal calls clean and ends the process if Ctrl-C arrives before stop is called.
func OnSignal(clean func()) (stop func()) {
	c, done := make(chan os.Signal, 1), make(chan struct{})
	notifyEnding(c)
	var once sync.Once
	go func() {
		select {
		case s := <-c:
			clean()
			Raise(s)
		case <-done:
		}
	}()
	return func() { once.Do(func() { signal.Stop(c); close(done) }) }
}

// notifyEnding makes Ctrl-C arrive at c, unless it has another owner.
func notifyEnding(c chan<- os.Signal) {
	if !owned.Load() {
		signal.Notify(c, os.Interrupt)
	}
}

// Raise ends the process as Ctrl-C does. It does nothing for nil.
func Raise(s os.Signal) {
	if s != nil {
		os.Exit(130)
	}
}
