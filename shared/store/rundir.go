package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"example.org/token-helpers/shared/private"
)

// RunDir is a private temporary directory for the tokens of a command that this process runs.
type RunDir struct {
	Path string
	lock *flock.Flock
}

const lockSuffix = ".lock"

// NewRunDir removes the directories of killed processes and creates a new one. Without a
// home directory it is below TMPDIR.
func (s *Store) NewRunDir() (*RunDir, error) {
	const op = "make the directory for the command's tokens"
	parent, err := s.runs()
	if err == nil {
		err = makeDir(filepath.Dir(parent))
	}
	if err == nil {
		err = private.MakeDir(parent)
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	s.sweepRuns(parent)
	for {
		name := filepath.Join(parent, rand.Text())
		r := &RunDir{Path: name, lock: flock.New(name+lockSuffix, flock.SetFlag(os.O_CREATE|os.O_RDWR|private.NoFollow), flock.SetPermissions(0o600))}
		got, err := r.lock.TryLock()
		if err != nil {
			return nil, wrap(op, err)
		}
		// Another process may have removed the file as a leftover before it was locked.
		if _, err := os.Lstat(name + lockSuffix); !got || errors.Is(err, fs.ErrNotExist) {
			_ = r.lock.Close()
			continue
		}
		if err := private.MakeDir(name); err != nil {
			r.Remove()
			return nil, wrap(op, err)
		}
		return r, nil
	}
}

// Remove removes the directory and its contents.
func (r *RunDir) Remove() {
	_ = os.RemoveAll(r.Path)
	err := os.Remove(r.Path + lockSuffix)
	_ = r.lock.Close()
	if err != nil { // Windows cannot remove an open file.
		_ = os.Remove(r.Path + lockSuffix)
	}
}

// SweepRuns removes the directories of killed processes.
func (s *Store) SweepRuns() {
	if parent, err := s.runs(); err == nil && private.CheckDir(parent) == nil {
		s.sweepRuns(parent)
	}
}

func (s *Store) sweepRuns(parent string) {
	items, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, it := range items {
		name, ok := strings.CutSuffix(filepath.Join(parent, it.Name()), lockSuffix)
		if !ok {
			continue
		}
		l := flock.New(name+lockSuffix, flock.SetFlag(os.O_RDWR|private.NoFollow))
		if got, err := l.TryLock(); err == nil && got {
			(&RunDir{name, l}).Remove()
			s.o.Verbose("removed %s, left by a killed process", name)
		} else {
			_ = l.Close()
		}
	}
}

// runs returns the parent of the directories.
func (s *Store) runs() (string, error) {
	dir, err := s.tokenDir()
	if !errors.Is(err, ErrNoHome) {
		return filepath.Join(dir, "run"), err
	}
	temp := os.TempDir()
	if fi, serr := os.Stat(temp); serr != nil {
		return "", serr
	} else if fi.Mode().Perm()&0o022 != 0 && fi.Mode()&fs.ModeSticky == 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s can be written by other users, and has no sticky bit", temp)
	}
	dir = filepath.Join(temp, appDir+"-"+strconv.Itoa(os.Geteuid()))
	if err := private.MakeDir(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, "run"), nil
}
