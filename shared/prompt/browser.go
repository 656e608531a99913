package prompt

import (
	"errors"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// OpenBrowser opens a URL in the user's browser: the first one in $BROWSER that starts, or the
// system's if BROWSER is empty. It does not wait for the browser, whose output is discarded.
//
// BROWSER is a list separated by colons. Each item is a program, or a command in which %s is
// replaced with the URL (as for man(1) and xdg-open(1)). A path may contain spaces.
func OpenBrowser(getenv func(string) string, address string) error {
	var commands [][]string
	for item := range strings.SplitSeq(getenv("BROWSER"), ":") {
		if argv := browserCommand(item, address); argv != nil {
			commands = append(commands, argv)
		}
	}
	if commands == nil {
		commands = [][]string{systemBrowser(address)}
	}
	var errs []error
	for _, argv := range commands {
		cmd := exec.Command(argv[0], argv[1:]...)
		err := cmd.Start()
		if err == nil {
			go func() { _ = cmd.Wait() }() // a long run must not keep it as a zombie
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func systemBrowser(address string) []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"open", address}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", address}
	}
	return []string{"xdg-open", address}
}

func executable(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// browserCommand returns the command for one item of BROWSER, or nil if the item is empty.
func browserCommand(item, address string) []string {
	item = strings.TrimSpace(item)
	if item == "" {
		return nil
	}
	argv := []string{item}
	if !executable(item) {
		argv = strings.Fields(item)
		for i, r := range slices.Backward([]byte(item)) {
			// Arguments may follow a path with spaces.
			if path := item[:i]; r == ' ' && executable(path) {
				argv = append([]string{path}, strings.Fields(item[i:])...)
				break
			}
		}
	}
	hasURL := false
	for i := range argv[1:] {
		if strings.Contains(argv[i+1], "%s") {
			argv[i+1] = strings.ReplaceAll(argv[i+1], "%s", address)
			hasURL = true
		}
	}
	if !hasURL {
		argv = append(argv, address)
	}
	return argv
}
