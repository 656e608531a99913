//go:build !windows

package cli

import "os"

// ControlSequences reports whether a terminal obeys control sequences, such as those for
// colours: outside Windows, TERM says that.
func ControlSequences(*os.File) bool { return true }
