//go:build !windows

package prompt

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// openTTY opens the terminal of the process. Input and output are the same file. It does not
// use os.OpenFile, which would start Go's network poller with five system calls, even if a
// run only checks whether there is a terminal.
func openTTY() (in, out *os.File, err error) {
	for {
		fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
		switch {
		case err == unix.EINTR: // retry, as os.OpenFile does (https://go.dev/issue/11180)
		case err != nil:
			return nil, nil, err
		default:
			f := os.NewFile(uintptr(fd), "/dev/tty")
			return f, f, nil
		}
	}
}

// echoOff switches the terminal's echo off and its line mode on.
func echoOff(fd int) {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return
	}
	t.Lflag &^= unix.ECHO
	t.Lflag |= unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	_ = unix.IoctlSetTermios(fd, setTermios, t)
}

// readSecret reads a line from a terminal whose echo is off. [term.ReadPassword] would
// switch it off again, perhaps after a signal has restored it.
func readSecret(f *os.File) ([]byte, error) {
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}
