//go:build !windows

package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoFollow are the flags to open a file that another user may have created. A symbolic link
// is not followed, and the writer of a named pipe is not waited for.
const NoFollow = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK

const nonBlock = unix.O_NONBLOCK | unix.O_CLOEXEC

// open opens a file for reading without waiting for the writer of a named pipe. It does not
// use os.OpenFile, which would start Go's network poller for a non-blocking descriptor. In a
// short run that takes as long as reading the file.
func open(path string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|flags|nonBlock, 0)
		switch {
		case err == unix.EINTR: // retry, as os.OpenFile does (https://go.dev/issue/11180)
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		default:
			_ = unix.SetNonblock(fd, false)
			return os.NewFile(uintptr(fd), path), nil
		}
	}
}

// createTemp creates a file that is open for reading and writing.
func createTemp(dir string) (*os.File, error) { return os.CreateTemp(dir, tempPrefix) }

func rename(from, to string) error { return os.Rename(from, to) }

// checkOwner rejects a file that belongs to another user or has one of the forbidden
// mode bits.
func checkOwner(path string, fi fs.FileInfo, forbidden fs.FileMode) error {
	if uid := Owner(fi); uid != os.Geteuid() {
		return foreign(path, uid)
	}
	if p := fi.Mode().Perm(); p&forbidden != 0 {
		mode := fs.FileMode(0o600)
		if fi.IsDir() {
			mode = 0o700
		}
		return &Error{Path: path, Reason: fmt.Sprintf("can be used by other users (mode %04o)", p), Owner: -1, Mode: mode}
	}
	return nil
}

// CheckWriters rejects a file that users other than root and the current user own or can
// write.
func CheckWriters(path string, fi fs.FileInfo) error {
	if uid := Owner(fi); uid != os.Geteuid() && uid != 0 {
		return foreign(path, uid)
	}
	return checkWritable(path, fi)
}

// CheckHostWriters is like [CheckWriters], for a file of the host in a directory that only
// root can write. In a user namespace without root, such as that of a sandboxed user service
// or a container, such a file appears to belong to the overflow user.
func CheckHostWriters(path string, fi fs.FileInfo) error {
	if uid := Owner(fi); uid != 0 && uid == unmappedOwner() {
		return checkWritable(path, fi)
	}
	return CheckWriters(path, fi)
}

// unmappedOwner returns the overflow user ID, which owns the files of users that do not exist
// in this process's user namespace (user_namespaces(7)). It returns -1 if that ID is mapped to
// a real user.
func unmappedOwner() int {
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return -1
	}
	overflow := 65534
	if b, err := os.ReadFile("/proc/sys/kernel/overflowuid"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			overflow = n
		}
	}
	return unmapped(string(uids), overflow)
}

// unmapped returns the overflow user ID, or -1 if uids, the contents of uid_map, contain it.
func unmapped(uids string, overflow int) int {
	for line := range strings.Lines(uids) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || overflow >= inside && overflow-inside < count {
			return -1
		}
	}
	return overflow
}

// checkWritable rejects a file that other users can write.
func checkWritable(path string, fi fs.FileInfo) error {
	if p := fi.Mode().Perm(); p&0o022 != 0 {
		return &Error{Path: path, Reason: fmt.Sprintf("can be written by other users (mode %04o)", p), Owner: -1, Mode: p &^ 0o022}
	}
	return nil
}

// Writable returns an error unless the current user can create files in dir.
func Writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// checkSecret rejects a secret file that other users can access: see [ReadSecret].
func checkSecret(path string, fi fs.FileInfo) error {
	uid, p := Owner(fi), fi.Mode().Perm()
	switch {
	case !fi.Mode().IsRegular() && p&0o007 == 0:
		return nil // a descriptor such as /dev/fd/3, which the parent process opened
	case uid == 0 && p&0o027 == 0 && os.Geteuid() != 0:
		return nil
	case uid == os.Geteuid() && p == 0o440:
		return nil // mounted read-only for root and a group
	case uid == 0 && os.Geteuid() != 0:
		return &Error{Path: path, Reason: fmt.Sprintf("can be used by other users (mode %04o)", p), Owner: -1, Mounted: true}
	}
	return checkOwner(path, fi, 0o077)
}

// Owner returns the user ID of the file's owner.
func Owner(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return os.Geteuid()
}

func foreign(path string, uid int) error {
	reason := "belongs to user " + userName(uid)
	if os.Geteuid() == 0 {
		reason += ", but you are running as root"
	}
	return &Error{Path: path, Reason: reason, Owner: uid}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// checkParent prevents root from creating files in another user's home directory, where that
// user could not use or remove them.
func checkParent(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		fi, err := os.Stat(d)
		if errors.Is(err, fs.ErrNotExist) && d != filepath.Dir(d) {
			continue
		}
		if err != nil || Owner(fi) == 0 {
			return nil
		}
		return foreign(d, Owner(fi))
	}
}
