package cli

import "golang.org/x/sys/unix"

// noCoreDump keeps the secrets in this process out of core dumps and away from the
// user's other processes (prctl(2), PR_SET_DUMPABLE). A command that is started can be
// dumped again, which a resource limit would prevent.
func noCoreDump() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
