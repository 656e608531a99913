//go:build !windows

package helper

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminalSignal reports whether the signal is one that a terminal sends to the process
// group in its foreground, and this group is that group.
func terminalSignal(n syscall.Signal) bool {
	switch n {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH, unix.SIGHUP, unix.SIGCONT:
	default:
		return false
	}
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
