package cli

import "golang.org/x/sys/unix"

// noCoreDump keeps the secrets in this process out of core dumps and away from the user's
// other processes (prctl(2), PR_SET_DUMPABLE). Unlike a resource limit, this does not
// apply to child processes.
func noCoreDump() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
