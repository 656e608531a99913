//go:build !windows

package prompt

import "golang.org/x/sys/unix"

const ttyName = "/dev/tty"

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
