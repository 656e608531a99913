package bearer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no user IDs and no file modes")
	}
	run, open := t.TempDir(), t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		env       map[string]string
		euid      int
		want, err string
	}{
		{"the file named by the variable", map[string]string{"BEARER_TOKEN_FILE": "/x/token", "XDG_RUNTIME_DIR": run}, 7, "/x/token", ""},
		{"the runtime directory", map[string]string{"XDG_RUNTIME_DIR": run}, 7, filepath.Join(run, "bt_u7"), ""},
		{"no runtime directory", nil, 7, "/tmp/bt_u7", ""},
		{"a runtime directory that does not exist", map[string]string{"XDG_RUNTIME_DIR": filepath.Join(run, "none")}, 7, "/tmp/bt_u7", ""},
		{"a runtime directory that others can write", map[string]string{"XDG_RUNTIME_DIR": open}, 7, "", "XDG_RUNTIME_DIR cannot be used: " + open + " can be written by other users (mode 0777)"},
		{"a file", map[string]string{"XDG_RUNTIME_DIR": "/dev/null"}, 7, "", "XDG_RUNTIME_DIR cannot be used: /dev/null is not a directory"},
		{"no user IDs", nil, -1, "", "there is no place"},
	} {
		got, err := Place(func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }, c.euid)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		var pe *PlaceError
		if err != nil && (!errors.As(err, &pe) || len(pe.Hints()) != 1 || pe.ExitCode() != 1) {
			t.Errorf("%s: %T %v", c.name, err, err)
		}
	}
}
