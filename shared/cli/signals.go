package cli

import (
	"os"
	"os/signal"
	"sync"
	"time"
)

// sameSignal is how soon after a signal another one counts as the same. timeout(1) sends
// its signal to its child and then to the whole process group, and a terminal that is
// closed is reported by the kernel and by the shell. It is a variable for tests.
var sameSignal = time.Second

// SameSignal reports whether a signal that arrives now counts as the one that arrived, or
// had its effect, at that time.
func SameSignal(at time.Time) bool { return time.Since(at) < sameSignal }

// notify asks for the signals that end a process, except for those that were ignored
// when the process started, unless they have another owner.
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

// OnSignal calls clean and then ends the process as SIGINT, SIGTERM or SIGHUP would
// have, if one of them arrives before stop is called. It is for state outside of the
// process, such as a terminal without echo or a file that holds a token.
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
