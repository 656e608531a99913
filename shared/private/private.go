// Package private reads and writes files that only their owner may access. All packages of
// the project use its atomic writer and its checked reader.
//
// A file or directory that other users could read or replace is rejected. Its mode is not
// repaired, because the contents may already be known or forged.
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

// MaxRead is the default limit for reading a file, in bytes.
const MaxRead = 1 << 20

// ErrTooLong is the error for a file of more than [MaxRead] bytes.
const ErrTooLong = tooLong(MaxRead)

// tooLong is the error for a file of more than that many bytes.
type tooLong int

func (limit tooLong) Error() string { return fmt.Sprintf("longer than %d bytes", int(limit)) }

// Error is the error for a file or directory that is not private.
type Error struct {
	Path   string
	Reason string
	// Owner is the user that owns Path if that is not the current user, else -1.
	Owner int
	// Mode is the mode that Path should have, if chmod fixes the problem, else 0.
	Mode fs.FileMode
	// Mounted means that root owns the secret, as when secrets are mounted.
	Mounted bool
}

func (e *Error) Error() string { return e.Path + " " + e.Reason }

// ExitCode implements cli.Explained.
func (e *Error) ExitCode() int { return 1 }

// Hints implements cli.Explained.
func (e *Error) Hints() []string { return []string{e.Hint()} }

// Hint returns the next step for the user.
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

// MakeDir creates the directory with mode 0700, or checks that the existing one is private. If
// run as root, it does not create directories below another user's directory.
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

// CheckDir returns an error unless dir is a directory, not a symbolic link, that only the
// current user can access.
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

// Read reads a private file in a private directory. It rejects symbolic links, files that are
// not regular, and files that other users own or can access.
func Read(path string) ([]byte, error) { return ReadUpTo(path, MaxRead) }

// ReadUpTo is like [Read], but the limit is limit bytes.
func ReadUpTo(path string, limit int) ([]byte, error) {
	if err := CheckDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := OpenOwn(path, 0o077)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := readAll(f, limit)
	if err == nil && len(b) > limit {
		return nil, fmt.Errorf("%s is %w", path, tooLong(limit))
	}
	return b, err
}

// OpenOwn opens a regular file of the current user for reading. It rejects symbolic links and
// files with one of the forbidden mode bits, and does not wait for the writer of a named pipe.
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

// OpenFile opens a file that the user specified for reading. It accepts files of any owner and
// open descriptors (/dev/stdin, /dev/fd/N), but rejects directories and named pipes.
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

// Descriptor returns the descriptor of this process that path refers to, such as /dev/stdout,
// /dev/fd/3, or a symbolic link to one of them.
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

// readAll reads at most limit+1 bytes.
func readAll(r io.Reader, limit int) ([]byte, error) {
	var b bytes.Buffer
	if f, ok := r.(*os.File); ok {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() && fi.Size() < int64(limit) {
			b.Grow(int(fi.Size()) + bytes.MinRead) // for a read of all bytes, and one that returns io.EOF
		}
	}
	_, err := b.ReadFrom(io.LimitReader(r, int64(limit)+1))
	return b.Bytes(), err
}

// ReadSecret reads a secret from a file that the user specified, without the line end. It
// follows symbolic links, because mounted secrets are behind them. It rejects a file that other
// users can access, except that the group may read a file of mode 0440, as mounted into
// containers, or a file of root if the current user is not root.
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
		// Reject it before checkSecret, whose hint would be to change the mode of /dev/zero.
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
	secret := WithoutLineEnd(b)
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// WithoutLineEnd returns b without one line end (LF or CRLF) at its end.
func WithoutLineEnd(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// tempPrefix is the prefix of temporary files.
const tempPrefix = ".tmp-"

// File is a private file that will be written. Its temporary file is already open in the same
// directory, so that writing needs no new inode, descriptor or, if reserved, space.
type File struct {
	path string
	f    *os.File
}

// Create prepares the replacement of the file at path, whose directory must exist, and
// reserves space bytes for it. The caller must call [File.Close].
func Create(path string, space int) (*File, error) {
	f, err := createTemp(filepath.Dir(path))
	if err != nil {
		return nil, cause(path, err)
	}
	w := &File{path: path, f: f}
	if fi, err := f.Stat(); err == nil && fi.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		// The umask may have cleared bits of the owner.
		if err := f.Chmod(0o600); err != nil {
			w.Close()
			return nil, cause(path, err)
		}
	}
	if space > 0 {
		if _, err = f.WriteAt(make([]byte, space), 0); err == nil {
			// A network file system may report a full disk only at Sync.
			err = f.Sync()
		}
	}
	if err != nil {
		w.Close()
		return nil, cause(path, err)
	}
	return w, nil
}

// Commit writes data, with mode 0600, and renames the file to its path, durably. A symbolic
// link at that path is replaced, not followed. After an error Commit can be called again.
func (w *File) Commit(data []byte) error { return w.CommitTo(w.path, data) }

// CommitTo is like [File.Commit], to another path in the same directory, for a file whose name
// was unknown when it was prepared.
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
	// The file is closed after the rename. Errors of Close do not matter, because Sync has
	// succeeded.
	if err := rename(w.f.Name(), w.path); err != nil {
		return cause(w.path, err)
	}
	SyncDir(filepath.Dir(w.path))
	return nil
}

// Close removes the temporary file if it was not committed.
func (w *File) Close() {
	name := w.f.Name()
	opened, oerr := w.f.Stat()
	existing, eerr := os.Lstat(name)
	_ = w.f.Close()
	if eerr == nil && (oerr != nil || os.SameFile(opened, existing)) {
		_ = os.Remove(name)
	}
}

// cause replaces the temporary name in err, which means nothing to users, with path.
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

// Write replaces the file at path with data, atomically and durably. The mode is 0600 from the
// start. The directory must exist.
func Write(path string, data []byte) error {
	w, err := Create(path, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Commit(data)
}

// SyncDir makes a rename in dir durable. It ignores errors: some file systems do not support
// this, and the rename itself has succeeded.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Sweep removes the temporary files of killed processes from dir: those older than an hour,
// which cannot be in use.
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

// SweepNames is like [Sweep] for a directory whose names were already read.
func SweepNames(dir string, names []string, now time.Time) {
	for _, name := range names {
		// .keyring- is the prefix of temporary directories of earlier versions.
		if !strings.HasPrefix(name, tempPrefix) && !strings.HasPrefix(name, ".keyring-") {
			continue
		}
		path := filepath.Join(dir, name)
		if fi, err := os.Lstat(path); err == nil && now.Sub(fi.ModTime()) > time.Hour {
			_ = os.RemoveAll(path)
		}
	}
}
