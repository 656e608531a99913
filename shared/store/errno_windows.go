package store

import (
	"errors"

	"golang.org/x/sys/windows"
)

// signOffset is where a lock file names its holder: behind the byte that is locked, which
// nobody else can read.
const signOffset = 1

func isNoLocks(error) bool { return false }

func isNotDir(error) bool { return false }

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func isDiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
