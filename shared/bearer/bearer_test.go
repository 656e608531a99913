package bearer

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// uid is not the ID of a real user, so that /tmp does not contain a token file for it.
const uid = 2_000_000_011

func TestDiscover(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, blank := write("one", "\t one \r\n"), write("blank", " \n")
	xdg := write("bt_u2000000011", "runtime\n")
	tests := []struct {
		name   string
		env    map[string]string
		token  string
		place  string
		hidden []string
		fails  bool
	}{
		{"nowhere", nil, "", "", nil, false},
		{"the variable has precedence", map[string]string{"BEARER_TOKEN": " v ", "BEARER_TOKEN_FILE": one, "XDG_RUNTIME_DIR": dir}, "v", "BEARER_TOKEN", []string{"BEARER_TOKEN_FILE " + one, xdg}, false},
		{"the file if the variable is blank", map[string]string{"BEARER_TOKEN": " ", "BEARER_TOKEN_FILE": one}, "one", "BEARER_TOKEN_FILE " + one, nil, false},
		{"an empty file is skipped", map[string]string{"BEARER_TOKEN_FILE": blank, "XDG_RUNTIME_DIR": dir}, "runtime", xdg, nil, false},
		{"a missing file is an error", map[string]string{"BEARER_TOKEN_FILE": filepath.Join(dir, "nowhere"), "XDG_RUNTIME_DIR": dir}, "", "", nil, true},
		{"a later place need not be readable", map[string]string{"BEARER_TOKEN": "v", "BEARER_TOKEN_FILE": dir}, "v", "BEARER_TOKEN", nil, false},
		{"the runtime directory", map[string]string{"XDG_RUNTIME_DIR": dir}, "runtime", xdg, nil, false},
	}
	write("bt_u-1", "of nobody") // Windows has no user IDs
	if got, err := Discover(func(k string) (string, bool) { return map[string]string{"XDG_RUNTIME_DIR": dir}[k], true }, -1); err != nil || got.Token != "" {
		t.Errorf("without a user ID: %+v %v", got, err)
	}
	for _, tt := range tests {
		got, err := Discover(func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok }, uid)
		if (err != nil) != tt.fails || got.Token != tt.token || got.Place != tt.place || !reflect.DeepEqual(got.Hidden, tt.hidden) {
			t.Errorf("%s: %+v %v", tt.name, got, err)
		}
	}
}
