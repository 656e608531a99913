package cli

import (
	"os"
	"os/signal"
	"sync/atomic"
)

var owned atomic.Bool

// OwnSignals keeps [DeferSignals], [CancelOnSignal] and [OnSignal] from handling signals
// until release is called. The caller, a long-running process, receives them itself and
// exits only when no login is being changed.
func OwnSignals() (release func()) {
	owned.Store(true)
	return func() { owned.Store(false) }
}

// OwnEndings is [OwnSignals] for a process that runs until SIGINT, SIGTERM or SIGHUP
// arrives, except for those that were ignored when it started. A write to a closed
// stderr, such as that of a restarted logger, does not end it.
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
