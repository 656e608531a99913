//go:build !linux

package testscripts

import (
	"fmt"
	"os"
)

// dialogMain fails, because only the version for Linux can open a pseudo-terminal.
func dialogMain() {
	fmt.Fprintln(os.Stderr, "dialog works on Linux only: begin the script with [!linux] stop")
	os.Exit(99)
}
