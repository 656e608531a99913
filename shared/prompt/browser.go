package prompt

import (
	"os/exec"
	"runtime"
	"strings"
)

// OpenBrowser opens an address in the user's browser: $BROWSER, else the system's
// way. It does not wait for it, and the browser says nothing on our streams.
func OpenBrowser(getenv func(string) string, address string) error {
	argv := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		argv = []string{"open"}
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	if b, _, _ := strings.Cut(getenv("BROWSER"), ":"); b != "" {
		argv = strings.Fields(b)
	}
	cmd := exec.Command(argv[0], append(argv[1:], address)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
