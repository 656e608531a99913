package prompt

import (
	"os"

	"golang.org/x/term"
)

// openTTY opens the console of the process. Input and output are two files.
func openTTY() (in, out *os.File, err error) {
	// Reading a passphrase changes the mode of the input, which requires write access.
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		_ = in.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// echoOff does nothing: [readSecret] switches the echo off.
func echoOff(int) {}

// readSecret reads a line without echo.
func readSecret(f *os.File) ([]byte, error) { return term.ReadPassword(int(f.Fd())) }
