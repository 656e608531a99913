//go:build !windows

package prompt

import (
	"os"

	"golang.org/x/sys/unix"
)

// openTTY opens the terminal of the process. What is typed and what is shown are one file.
func openTTY() (in, out *os.File, err error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return f, f, err
}

// echoOff keeps the terminal from showing what is typed. If that fails, reading the
// passphrase tries again.
func echoOff(fd int) {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return
	}
	t.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, setTermios, t)
}
