package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// maxRead bounds what is read from any file of ours.
const maxRead = 1 << 20

var errTooLong = fmt.Errorf("longer than %d bytes", maxRead)

const appDir = "token-helpers"

func (s *Store) getenv(key string) string {
	v, _ := s.o.LookupEnv(key)
	return v
}

// xdg is our folder below an XDG base folder. A relative path in the variable is
// to be ignored (XDG Base Directory Specification, "Environment variables").
func (s *Store) xdg(variable string, fallback ...string) (string, error) {
	if d := s.getenv(variable); filepath.IsAbs(d) {
		return filepath.Join(d, appDir), nil
	}
	home := s.getenv("HOME")
	if home == "" && runtime.GOOS == "windows" {
		home = s.getenv("USERPROFILE")
	}
	if !filepath.IsAbs(home) {
		return "", &Error{
			Op: "find the folder for " + appDir, Err: fmt.Errorf("%w: neither HOME nor %s is set to an absolute path", ErrNoHome, variable),
			Hint: "set HOME, or " + variable + " to a private folder",
		}
	}
	return filepath.Join(append(append([]string{home}, fallback...), appDir)...), nil
}

func (s *Store) stateDir() (string, error) { return s.xdg("XDG_STATE_HOME", ".local", "state") }
func (s *Store) dataDir() (string, error)  { return s.xdg("XDG_DATA_HOME", ".local", "share") }
func (s *Store) cacheDir() (string, error) { return s.xdg("XDG_CACHE_HOME", ".cache") }

// tokenDir is below XDG_RUNTIME_DIR, which lives in memory and ends with the
// session, where that is there and our own: after su or sudo it may be stale, or
// another user's.
func (s *Store) tokenDir() (string, error) {
	if d := s.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		fi, err := os.Stat(d)
		if err == nil && fi.IsDir() {
			err = checkOwner(d, fi, 0o022)
		} else if err == nil {
			err = errors.New("not a folder")
		}
		if err == nil {
			return filepath.Join(d, appDir), nil
		}
		s.o.Verbose("XDG_RUNTIME_DIR is not used: %v", err)
	}
	d, err := s.cacheDir()
	return filepath.Join(d, "tokens"), err
}

// makePrivateDir creates the folder, or checks that the one there is private.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return checkPrivateDir(dir)
}

func checkPrivateDir(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		return &PermissionError{Path: dir, Reason: "is a symbolic link", Mode: 0o700}
	}
	if !fi.IsDir() {
		return &PermissionError{Path: dir, Reason: "is not a folder", Mode: 0o700}
	}
	return checkOwner(dir, fi, 0o077)
}

// readPrivate reads a file of at most maxRead bytes in a private folder, and
// refuses one that is not private itself.
func readPrivate(path string) ([]byte, error) {
	if err := checkPrivateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		return nil, &PermissionError{Path: path, Reason: "is a symbolic link", Mode: 0o600}
	}
	// Opening, say, a named pipe would wait for a writer.
	if !fi.Mode().IsRegular() {
		return nil, &PermissionError{Path: path, Reason: "is not a regular file", Mode: 0o600}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if fi, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := checkOwner(path, fi, 0o077); err != nil {
		return nil, err
	}
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxRead+1))
	if err == nil && len(b) > maxRead {
		err = errTooLong
	}
	return b, err
}

// What is being written has such a name until it is whole.
const (
	tempPrefix        = ".tmp-"
	tempKeyringPrefix = ".keyring-"
)

// sweepTemps removes what killed processes left half written in the folder: what
// is an hour old is nobody's any more.
func (s *Store) sweepTemps(dir string) {
	items, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, it := range items {
		if !strings.HasPrefix(it.Name(), tempPrefix) && !strings.HasPrefix(it.Name(), tempKeyringPrefix) {
			continue
		}
		if fi, err := it.Info(); err == nil && s.o.Now().Sub(fi.ModTime()) > time.Hour {
			_ = os.RemoveAll(filepath.Join(dir, it.Name()))
		}
	}
}

// writePrivate writes the file atomically and durably, mode 0600 from its first
// byte on, creating its folder. A symbolic link in its place is replaced, not
// followed. renameio would keep the mode of the file that was there.
func writePrivate(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := makePrivateDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// room is what a login takes while it is saved, in bytes: the encrypted file
// twice, with a refresh token of 20 kB, and the list of logins.
const room = 128 << 10

// reserve takes room in the folder's file system until release is called. Closing
// the file is what reports a full disk on NFS.
func reserve(dir string) (release func(), err error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(make([]byte, room))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, err
	}
	return func() { _ = os.Remove(f.Name()) }, nil
}

// syncDir makes a rename last. Some file systems cannot, and the file is already
// in its place: no error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
