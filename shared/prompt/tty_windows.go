package prompt

import (
	"os"

	"golang.org/x/term"
)

// openTTY opens the console of the process: what is typed and what is shown are two files.
func openTTY() (in, out *os.File, err error) {
	// Reading a passphrase changes the mode of the input, which takes the right to write.
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		_ = in.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// echoOff leaves the console as it is: reading the passphrase turns the echo off.
func echoOff(int) {}

// readSecret reads a line without showing it.
func readSecret(f *os.File) ([]byte, error) { return term.ReadPassword(int(f.Fd())) }
