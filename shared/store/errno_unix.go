//go:build !windows

package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// holderOffset is the position of the holder's process ID in a lock file, in bytes.
const holderOffset = 0

func isNoLocks(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
