package cli

import (
	"context"
	"os"
	"os/signal"
)

// endings are the signals that end a process and can be deferred.
var endings = []os.Signal{os.Interrupt}

// Deferred are the signals that arrived while they were deferred.
type Deferred struct {
	c chan os.Signal
}

// DeferSignals defers Ctrl-C until [Deferred.Restore] is called.
func DeferSignals() *Deferred {
	d := &Deferred{c: make(chan os.Signal, 1)}
	notify(d.c)
	return d
}

// IgnorePipe does nothing: on Windows there is no SIGPIPE.
func IgnorePipe() {}

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

// Raise ends the process as Ctrl-C does. It does nothing for nil.
func Raise(s os.Signal) {
	if s != nil {
		os.Exit(130)
	}
}
