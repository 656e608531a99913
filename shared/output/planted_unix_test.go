//go:build !windows

package output

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// In a directory like /tmp, a file that another user may have created is not written to.
func TestPlanted(t *testing.T) {
	for _, mode := range []os.FileMode{0o777, 0o777 | os.ModeSticky} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, mode))
		mine, link, fresh := filepath.Join(dir, "mine"), filepath.Join(dir, "link"), filepath.Join(dir, "fresh")
		must(t, os.WriteFile(mine, []byte("old\n"), 0o600))
		must(t, os.Symlink(mine, link))
		for _, name := range []string{mine, fresh} {
			must(t, WriteFile(name, []byte("new\n")))
			if b, err := os.ReadFile(name); err != nil || string(b) != "new\n" {
				t.Errorf("%v: %s: %q, %v", mode, name, b, err)
			}
		}
		if err := WriteFile(link, []byte("token\n")); err == nil || !strings.Contains(err.Error(), "a symbolic link in a directory that other users can write to") {
			t.Errorf("%v: a link: %v", mode, err)
		}
		must(t, os.Remove(link))
		must(t, os.Symlink("/dev/stdout", link))
		if err := WriteFile(link, []byte("token\n")); err == nil || !strings.Contains(err.Error(), "a symbolic link") {
			t.Errorf("%v: a link to a descriptor: %v", mode, err)
		}
		if os.Geteuid() == 0 {
			must(t, os.Chown(mine, 12345, 12345))
			if err := WriteFile(mine, []byte("token\n")); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
				t.Errorf("%v: another user's file: %v", mode, err)
			}
			if b, _ := os.ReadFile(mine); string(b) != "new\n" {
				t.Errorf("%v: another user's file was changed: %q", mode, b)
			}
		}
	}
}

// The umask is that of the process, so no other test of this package may run meanwhile.
func TestModeIgnoresUmask(t *testing.T) {
	dir := t.TempDir()
	for _, umask := range []int{0, 0o022, 0o077, 0o277, 0o777} {
		old := syscall.Umask(umask)
		err := WriteFile(filepath.Join(dir, "token"), []byte("token\n"))
		syscall.Umask(old)
		if err != nil {
			t.Errorf("umask %04o: %v", umask, err)
			continue
		}
		if fi, err := os.Stat(filepath.Join(dir, "token")); err != nil || fi.Mode() != 0o600 {
			t.Errorf("umask %04o: %v, %v", umask, fi.Mode(), err)
		}
	}
}
