//go:build !windows

package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const address = "https://i/device?user_code=A&x=%s;$HOME"

// program creates an executable that writes its name and its arguments to a named pipe.
func program(t *testing.T, dir, name, pipe string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	script := fmt.Sprintf("#!/bin/sh\nfor a in \"${0##*/}\" \"$@\"; do printf '%%s\\n' \"$a\"; done >'%s'\n", pipe)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBrowserCommand(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	program(t, dir, "firefox", "/dev/null")
	spaced := program(t, dir, "my browser", "/dev/null")
	for _, tt := range []struct {
		item string
		want []string
	}{
		{"", nil},
		{"  ", nil},
		{"firefox", []string{"firefox", address}},
		{" firefox ", []string{"firefox", address}},
		{"unknown", []string{"unknown", address}},
		{"firefox -P work", []string{"firefox", "-P", "work", address}},
		{"firefox %s -x", []string{"firefox", address, "-x"}},
		{"firefox --url=%s --again=%s", []string{"firefox", "--url=" + address, "--again=" + address}},
		{spaced, []string{spaced, address}},
		{spaced + " --new  %s", []string{spaced, "--new", address}},
		{filepath.Join(dir, "firefox") + " -new-tab %s", []string{filepath.Join(dir, "firefox"), "-new-tab", address}},
	} {
		if got := browserCommand(tt.item, address); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.item, got, tt.want)
		}
	}
}

func TestOpenBrowser(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for _, name := range []string{"one", "two", "with space", "xdg-open", "open"} {
		program(t, dir, name, pipe)
	}
	if err := os.WriteFile(filepath.Join(dir, "not-executable"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ variable, want string }{
		{"one", "one"},
		{"one:two", "one"},
		{"none-such:two -a %s", "two -a"},
		{"not-executable::two", "two"},
		{dir + "/with space", "with space"},
		{"", systemBrowser("")[0]},
		{":", systemBrowser("")[0]},
	} {
		err := OpenBrowser(func(k string) string {
			if k != "BROWSER" {
				return ""
			}
			return tt.variable
		}, address)
		if err != nil {
			t.Errorf("%q: %v", tt.variable, err)
			continue
		}
		// This waits until the browser writes to the pipe.
		got, err := os.ReadFile(pipe)
		want := strings.ReplaceAll(tt.want, " -a", "\n-a") + "\n" + address + "\n"
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v, want %q", tt.variable, got, err, want)
		}
	}
	err := OpenBrowser(func(string) string { return "none-such:neither" }, address)
	if err == nil || !strings.Contains(err.Error(), "none-such") || !strings.Contains(err.Error(), "neither") {
		t.Error(err)
	}
}
