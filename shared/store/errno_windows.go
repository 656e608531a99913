package store

import (
	"errors"

	"golang.org/x/sys/windows"
)

// holderOffset is the position of the holder's process ID in a lock file, in bytes: after
// the locked byte, which other processes cannot read.
const holderOffset = 1

func isNoLocks(error) bool { return false }

func isNotDir(error) bool { return false }

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func isDiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
