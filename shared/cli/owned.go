package cli

import (
	"os"
	"os/signal"
	"sync/atomic"
)

var owned atomic.Bool

// OwnSignals keeps [DeferSignals], [CancelOnSignal] and [OnSignal] from handling signals
// until release is called: the caller receives them itself, and ends the process only
// when no login is being changed. It is for a process that stays while others work.
func OwnSignals() (release func()) {
	owned.Store(true)
	return func() { owned.Store(false) }
}

// OwnEndings is [OwnSignals] for a process that keeps running until SIGINT, SIGTERM or SIGHUP
// arrives, except for those that were ignored when it started. A message to a closed stderr,
// such as a logger that was restarted, does not end it.
func OwnEndings() (signals <-chan os.Signal, release func()) {
	c := make(chan os.Signal, 4)
	notify(c)
	IgnorePipe()
	disown := OwnSignals()
	return c, func() {
		signal.Stop(c)
		disown()
	}
}
