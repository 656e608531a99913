package store

import (
	"errors"

	"golang.org/x/sys/windows"
)

func isNoLocks(error) bool { return false }

func isNotDir(error) bool { return false }

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

func isDiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
