//go:build !windows

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endings are the signals that end a process and can be deferred.
var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// Deferred are the signals that arrived while they were deferred.
type Deferred struct {
	c, pipe     chan os.Signal
	done, ended chan struct{}
	first       chan struct{} // closed by the first signal
	pending     os.Signal     // written by the goroutine until ended is closed
}

// DeferSignals defers SIGINT, SIGTERM and SIGHUP until [Deferred.Restore] is called, so
// that none of them ends the process in the middle of a change. A second signal ends
// it at once, unless it is the same (see [SameSignal]). A signal that was ignored when the
// process started stays ignored. SIGPIPE is ignored meanwhile, in this process but not in its children.
func DeferSignals() *Deferred {
	d := &Deferred{c: make(chan os.Signal, 2), pipe: make(chan os.Signal, 1), done: make(chan struct{}), ended: make(chan struct{}), first: make(chan struct{})}
	notify(d.c)
	if !signal.Ignored(syscall.SIGPIPE) {
		// While a channel receives SIGPIPE, a write to a closed pipe returns EPIPE.
		// Unlike an ignored signal, this is not inherited by children.
		signal.Notify(d.pipe, syscall.SIGPIPE)
	}
	go func() {
		defer close(d.ended)
		var arrived time.Time
		for {
			select {
			case s := <-d.c:
				switch {
				case d.pending == nil:
					d.pending, arrived = s, time.Now()
					close(d.first)
				case !SameSignal(arrived):
					Raise(s)
				}
			case <-d.done:
				return
			}
		}
	}()
	return d
}

// IgnorePipe makes writes to a closed pipe return an error instead of ending the process,
// from now on. Children are not affected.
func IgnorePipe() {
	if !signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
}

// Restore ends the deferral and returns the signal that arrived meanwhile, or nil. The
// caller passes it to [Raise] when its own work is complete.
func (d *Deferred) Restore() os.Signal {
	signal.Stop(d.c)
	signal.Stop(d.pipe)
	close(d.done)
	<-d.ended
	select {
	case s := <-d.c: // delivered, but not yet received by the goroutine
		if d.pending == nil {
			d.pending = s
		}
	default:
	}
	return d.pending
}

// CancelOnSignal returns a context that the first SIGINT, SIGTERM or SIGHUP cancels; a
// second one ends the process at once. stop must be called; it returns the signal that
// arrived, or nil, which the caller passes to [Raise] after cleaning up.
func CancelOnSignal(ctx context.Context) (_ context.Context, stop func() os.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	d := DeferSignals()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-d.first:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() os.Signal {
		s := d.Restore()
		cancel()
		<-watched
		return s
	}
}

// Raise ends the process with the signal's default action, so that the parent process
// sees the signal. It does nothing for nil.
func Raise(s os.Signal) {
	n, ok := s.(syscall.Signal)
	if !ok {
		return
	}
	signal.Reset(n)
	_ = syscall.Kill(os.Getpid(), n)
	// Delivery is asynchronous.
	time.Sleep(time.Second)
	os.Exit(128 + int(n))
}
