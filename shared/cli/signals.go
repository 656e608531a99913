package cli

import (
	"os"
	"os/signal"
	"sync"
)

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
