//go:build !windows

package output

import (
	"os"

	"golang.org/x/sys/unix"
)

// openDescriptor returns a copy of an open descriptor. Opening its name again would
// start at the beginning of a file that stdout is redirected to.
func openDescriptor(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "descriptor"), nil
}
