package cli

import (
	"os"
	"os/signal"
	"sync"
	"time"
)

// sameSignal is the time after a signal within which another one counts as the same.
// timeout(1) signals its child and then the whole process group; for a closed terminal
// both the kernel and the shell send SIGHUP. It is a variable for tests.
var sameSignal = time.Second

// SameSignal reports whether a signal that arrives now counts as the same as one that
// arrived, or had its effect, at that time.
func SameSignal(at time.Time) bool { return time.Since(at) < sameSignal }

// notify relays to c the signals that end a process, except for those that were ignored
// when it started. After [OwnSignals] it does nothing.
func notify(c chan<- os.Signal) {
	if owned.Load() {
		return
	}
	for _, s := range endings {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// OnSignal calls clean and then ends the process as SIGINT, SIGTERM or SIGHUP would have,
// if one of them arrives before stop is called. It is for state outside the process, such
// as a terminal without echo or a file with a token.
func OnSignal(clean func()) (stop func()) {
	c, done := make(chan os.Signal, 1), make(chan struct{})
	notify(c)
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
