//go:build !windows

package helper

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminalSignal reports whether a terminal can have sent the signal to its foreground
// process group, which includes this process.
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
