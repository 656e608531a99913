//go:build !windows

package store

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK

// checkOwner refuses what belongs to another user, or has one of the bits of
// forbidden in its mode.
func checkOwner(path string, fi fs.FileInfo, forbidden fs.FileMode) error {
	want := fs.FileMode(0o600)
	if fi.IsDir() {
		want = 0o700
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return &PermissionError{Path: path, Reason: fmt.Sprintf("belongs to user %d, not to us (%d)", st.Uid, os.Geteuid()), Mode: want}
	}
	if p := fi.Mode().Perm(); p&forbidden != 0 {
		return &PermissionError{Path: path, Reason: fmt.Sprintf("is open to others (mode %04o)", p), Mode: want, fix: true}
	}
	return nil
}
