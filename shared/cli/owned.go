package cli

import "sync/atomic"

var owned atomic.Bool

// OwnSignals keeps [DeferSignals], [CancelOnSignal] and [OnSignal] from handling signals
// until release is called: the caller receives them itself, and ends the process only
// when no login is being changed. It is for a process that stays while others work.
func OwnSignals() (release func()) {
	owned.Store(true)
	return func() { owned.Store(false) }
}
