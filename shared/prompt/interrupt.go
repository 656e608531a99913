package prompt

import (
	"os"
	"os/signal"
)

// onInterrupt runs clean and ends the process as the signal would have, until the
// returned function is called.
func onInterrupt(clean func()) (stop func()) {
	c := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(c, os.Interrupt)
	go func() {
		select {
		case <-c:
			clean()
			os.Exit(130)
		case <-done:
		}
	}()
	return func() { signal.Stop(c); close(done) }
}
