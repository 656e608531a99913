// Package private reads and writes files that only their owner may see. It has the
// one atomic writer and the one checked reader of the project.
//
// A file or directory that other users could read or replace is rejected, not
// repaired: its contents may already be known or forged.
package private

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
)

// MaxRead is the most that is read from any file, in bytes.
const MaxRead = 1 << 20

// ErrTooLong reports a file of more than [MaxRead] bytes.
const ErrTooLong = tooLong(MaxRead)

// tooLong reports a file of more bytes than its value.
type tooLong int

func (most tooLong) Error() string { return fmt.Sprintf("longer than %d bytes", int(most)) }

// Error reports a file or directory that is not private.
type Error struct {
	Path   string
	Reason string
	// Owner is the user that owns Path if that is not the current user, else -1.
	Owner int
	// Mode is the mode that Path should have, if chmod is the remedy, else 0.
	Mode fs.FileMode
	// Mounted means that root owns the secret, which is how secrets are mounted.
	Mounted bool
}

func (e *Error) Error() string { return e.Path + " " + e.Reason }

// ExitCode implements cli.Explained.
func (e *Error) ExitCode() int { return 1 }

// Hints implements cli.Explained.
func (e *Error) Hints() []string { return []string{e.Hint()} }

// Hint is the next step for the user.
func (e *Error) Hint() string {
	switch {
	case e.Mounted:
		return "let only root and your group read it: mount it with mode 0440 (defaultMode in Kubernetes), or run as root: chmod 640 " + text.ShellWord(e.Path)
	case e.Mode != 0:
		return fmt.Sprintf("run: chmod %o %s", e.Mode.Perm(), text.ShellWord(e.Path))
	case e.Owner >= 0 && os.Geteuid() == 0:
		return "run without sudo, or set HOME=/root"
	case e.Owner >= 0:
		return "check who created " + e.Path + ", and remove it or set HOME to a directory of your own"
	}
	return "check who created " + e.Path + ", and remove it"
}

func notPrivate(path, reason string) error { return &Error{Path: path, Reason: reason, Owner: -1} }

// MakeDir creates the directory with mode 0700, or checks that the existing one is
// private. As root it creates nothing below another user's directory.
func MakeDir(dir string) error {
	err := CheckDir(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := checkParent(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return CheckDir(dir)
}

// CheckDir reports an error unless dir is a directory, no symbolic link, that only
// the current user can use.
func CheckDir(dir string) error {
	fi, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSymlink != 0:
		return notPrivate(dir, "is a symbolic link")
	case !fi.IsDir():
		return notPrivate(dir, "is not a directory")
	}
	return checkOwner(dir, fi, 0o077)
}

// Read reads a private file in a private directory. Symbolic links, other kinds of
// files, and files that others own or can use are rejected.
func Read(path string) ([]byte, error) { return ReadUpTo(path, MaxRead) }

// ReadUpTo is like [Read], with another limit than [MaxRead].
func ReadUpTo(path string, most int) ([]byte, error) {
	if err := CheckDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := OpenOwn(path, 0o077)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := readAll(f, most)
	if err == nil && len(b) > most {
		return nil, fmt.Errorf("%s is %w", path, tooLong(most))
	}
	return b, err
}

// OpenOwn opens a regular file of the current user for reading. It does not follow a
// symbolic link and does not wait for the writer of a named pipe. A file that has one
// of the forbidden mode bits is rejected.
func OpenOwn(path string, forbidden fs.FileMode) (*os.File, error) {
	f, err := open(path, NoFollow)
	if err != nil {
		if fi, lerr := os.Lstat(path); lerr == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return nil, notPrivate(path, "is a symbolic link")
		} else if lerr == nil && !fi.Mode().IsRegular() {
			return nil, notPrivate(path, "is not a regular file")
		}
		return nil, err
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case !fi.Mode().IsRegular():
		err = notPrivate(path, "is not a regular file")
	default:
		err = checkOwner(path, fi, forbidden)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// OpenFile opens a file that the user names for reading. It accepts a regular file of
// any owner, and what is open already (/dev/stdin, /dev/fd/N), but does not wait for the
// writer of a named pipe.
func OpenFile(path string) (*os.File, error) {
	f, err := open(path, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = notPrivate(path, "is a directory")
	} else if err == nil && fi.Mode()&fs.ModeNamedPipe != 0 && !descriptor(path) {
		err = notPrivate(path, "is a named pipe")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Descriptor returns the open descriptor of this process that path is a name for, such
// as /dev/stdout, /dev/fd/3, or a symbolic link to one.
func Descriptor(path string) (fd int, ok bool) {
	for range 8 {
		switch path {
		case "/dev/stdin":
			return 0, true
		case "/dev/stdout":
			return 1, true
		case "/dev/stderr":
			return 2, true
		}
		dir, base := filepath.Split(filepath.Clean(path))
		if dir == "/dev/fd/" || dir == "/proc/self/fd/" || dir == fmt.Sprintf("/proc/%d/fd/", os.Getpid()) {
			n, err := strconv.Atoi(base)
			return n, err == nil && n >= 0
		}
		to, err := os.Readlink(path)
		if err != nil {
			return 0, false
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return 0, false
}

func descriptor(path string) bool {
	_, ok := Descriptor(path)
	return ok
}

// ReadAll reads at most [MaxRead] bytes.
func ReadAll(r io.Reader) ([]byte, error) {
	b, err := readAll(r, MaxRead)
	if err == nil && len(b) > MaxRead {
		err = ErrTooLong
	}
	return b, err
}

// readAll reads at most one byte more than most.
func readAll(r io.Reader, most int) ([]byte, error) {
	var b bytes.Buffer
	if f, ok := r.(*os.File); ok {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() && fi.Size() < int64(most) {
			b.Grow(int(fi.Size()) + bytes.MinRead) // for one read, and one that finds the end
		}
	}
	_, err := b.ReadFrom(io.LimitReader(r, int64(most)+1))
	return b.Bytes(), err
}

// ReadSecret reads a secret from a file that the user names, without the line end.
// Symbolic links are followed, as secrets are mounted behind them. Only the owner and
// the group may be able to read the file, and the group only if root owns it, which is
// how secrets are mounted into containers (mode 0440).
func ReadSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	if fi.IsDir() {
		return "", notPrivate(path, "is a directory")
	}
	if fi.Mode()&fs.ModeDevice != 0 && !descriptor(path) {
		// Before its mode, as nobody should change that of /dev/zero.
		return "", notPrivate(path, "is not a regular file")
	}
	if err := checkSecret(path, fi); err != nil {
		return "", err
	}
	if fi.Mode()&fs.ModeNamedPipe != 0 && !descriptor(path) {
		return "", notPrivate(path, "is a named pipe")
	}
	b, err := ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	secret := FirstLine(b)
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// FirstLine returns b without the line end after it.
func FirstLine(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".tmp-"

// File is a private file that is about to be written. Its temporary file is open
// beside the target, so that writing it needs no new inode, descriptor or space.
type File struct {
	path string
	f    *os.File
}

// Create prepares the replacement of the file at path, whose directory must exist, and
// reserves room bytes for it. The caller must call [File.Close].
func Create(path string, room int) (*File, error) {
	f, err := createTemp(filepath.Dir(path))
	if err != nil {
		return nil, cause(path, err)
	}
	w := &File{path: path, f: f}
	if fi, err := f.Stat(); err == nil && fi.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		// The umask takes bits from the owner, too.
		if err := f.Chmod(0o600); err != nil {
			w.Close()
			return nil, cause(path, err)
		}
	}
	if room > 0 {
		if _, err = f.WriteAt(make([]byte, room), 0); err == nil {
			// A network file system may report a full disk only now.
			err = f.Sync()
		}
	}
	if err != nil {
		w.Close()
		return nil, cause(path, err)
	}
	return w, nil
}

// Commit writes data and renames the file to its place, durably. The mode is 0600. A
// symbolic link at that place is replaced, not followed. After an error Commit can be
// called again.
func (w *File) Commit(data []byte) error { return w.CommitTo(w.path, data) }

// CommitTo is [File.Commit] to another place in the same directory, for a file whose
// name was not known when it was prepared.
func (w *File) CommitTo(path string, data []byte) error {
	w.path = path
	if _, err := w.f.WriteAt(data, 0); err != nil {
		return cause(w.path, err)
	}
	if err := w.f.Truncate(int64(len(data))); err != nil {
		return cause(w.path, err)
	}
	if err := w.f.Sync(); err != nil {
		return cause(w.path, err)
	}
	// The file is closed after the rename: whatever close reports, Sync has succeeded.
	if err := rename(w.f.Name(), w.path); err != nil {
		return cause(w.path, err)
	}
	SyncDir(filepath.Dir(w.path))
	return nil
}

// Close removes the temporary file if it was not committed.
func (w *File) Close() {
	name := w.f.Name()
	mine, merr := w.f.Stat()
	there, terr := os.Lstat(name)
	_ = w.f.Close()
	if terr == nil && (merr != nil || os.SameFile(mine, there)) {
		_ = os.Remove(name)
	}
}

// cause drops the temporary name, which means nothing to users, from err.
func cause(path string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}

// Write replaces the file at path with data, atomically and durably, with mode 0600
// from the first byte on. The directory must exist.
func Write(path string, data []byte) error {
	w, err := Create(path, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Commit(data)
}

// SyncDir makes a rename in dir durable. Some file systems cannot; then the file is
// in its place all the same, so there is no error to return.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Sweep removes the temporary files that killed processes left in dir. One that is
// older than an hour has no writer any more.
func Sweep(dir string, now time.Time) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }()
	if names, err := d.Readdirnames(-1); err == nil {
		SweepNames(dir, names, now)
	}
}

// SweepNames is like [Sweep] for a directory with these names.
func SweepNames(dir string, names []string, now time.Time) {
	for _, name := range names {
		// .keyring- began the names of temporary directories in earlier versions.
		if !strings.HasPrefix(name, tempPrefix) && !strings.HasPrefix(name, ".keyring-") {
			continue
		}
		path := filepath.Join(dir, name)
		if fi, err := os.Lstat(path); err == nil && now.Sub(fi.ModTime()) > time.Hour {
			_ = os.RemoveAll(path)
		}
	}
}
