//go:build !windows

package cli

import "os"

// ControlSequences reports whether a terminal supports control sequences, such as colors.
// Outside Windows, callers check TERM.
func ControlSequences(*os.File) bool { return true }
