//go:build !linux

package testscripts

import (
	"fmt"
	"os"
)

// dialogMain needs a pseudo-terminal, which each system opens in a different way.
func dialogMain() {
	fmt.Fprintln(os.Stderr, "dialog works on Linux only: begin the script with [!linux] stop")
	os.Exit(99)
}
