package cmdline

import (
	_ "embed" // the scripts
	"strings"
)

// Shells are the shells with a completion script.
var Shells = []string{"bash", "zsh", "fish"}

var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Script returns the completion script of a program for a shell. It runs the program for
// candidates, and so does not depend on the program's version.
func Script(shell, program string) string {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[shell]
	function := "_" + strings.ReplaceAll(program, "-", "_")
	return strings.NewReplacer("PROGRAM", program, "_FUNCTION", function).Replace(script)
}

// ScriptFile returns the file name under which a shell looks for the script.
func ScriptFile(shell, program string) string {
	switch shell {
	case "zsh":
		return "_" + program
	case "fish":
		return program + ".fish"
	}
	return program
}
