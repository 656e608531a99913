package cli

import (
	"os"

	"golang.org/x/sys/windows"
)

// ControlSequences enables control sequences, such as colors, and reports whether the
// console supports them. Consoles before Windows 10 do not.
func ControlSequences(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
