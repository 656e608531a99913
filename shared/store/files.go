package store

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"example.org/token-helpers/shared/private"
)

const appDir = "token-helpers"

func (s *Store) getenv(key string) string {
	v, _ := s.o.LookupEnv(key)
	return v
}

// xdg returns the directory token-helpers below an XDG base directory. A relative path in
// the variable is ignored (XDG Base Directory Specification, "Environment variables").
func (s *Store) xdg(variable string, fallback ...string) (string, error) {
	if d := s.getenv(variable); filepath.IsAbs(d) {
		return filepath.Join(d, appDir), nil
	}
	home := Home(runtime.GOOS, s.getenv)
	if !filepath.IsAbs(home) {
		return "", &Error{
			Op: "find the directory for " + appDir, Err: fmt.Errorf("%w: neither HOME nor %s is set to an absolute path", ErrNoHome, variable),
			Hint: "set HOME, or set " + variable + " to a private directory",
		}
	}
	return filepath.Join(append(append([]string{home}, fallback...), appDir)...), nil
}

// Home returns the user's home directory, or "" if it is unknown. On Windows HOME is rarely
// set.
func Home(goos string, getenv func(string) string) string {
	if home := getenv("HOME"); home != "" || goos != "windows" {
		return home
	}
	return getenv("USERPROFILE")
}

// makeDir creates a private directory. If its parent is the directory token-helpers, that
// must be private too, because a link in its place would redirect everything.
func makeDir(dir string) error {
	if parent := filepath.Dir(dir); filepath.Base(parent) == appDir {
		if err := private.MakeDir(parent); err != nil {
			return err
		}
	}
	return private.MakeDir(dir)
}

// writeIn creates the directory of a private file and writes the file.
func writeIn(path string, data []byte) error {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	return private.Write(path, data)
}

func (s *Store) stateDir() (string, error) { return s.xdg("XDG_STATE_HOME", ".local", "state") }
func (s *Store) dataDir() (string, error)  { return s.xdg("XDG_DATA_HOME", ".local", "share") }
func (s *Store) cacheDir() (string, error) { return s.xdg("XDG_CACHE_HOME", ".cache") }

// tokenDir returns the directory of the access tokens. It is below XDG_RUNTIME_DIR, which is
// in memory and removed at the end of the session, if the user owns that: after su or sudo
// it may be stale or belong to another user.
func (s *Store) tokenDir() (string, error) {
	if d := s.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		fi, err := os.Stat(d)
		switch {
		case err != nil:
		case !fi.IsDir():
			err = fmt.Errorf("%s is not a directory", d)
		case private.Owner(fi) != os.Geteuid():
			err = fmt.Errorf("%s belongs to another user", d)
		default:
			err = private.CheckWriters(d, fi)
		}
		if err == nil {
			return filepath.Join(d, appDir), nil
		}
		s.o.Verbose("XDG_RUNTIME_DIR is not used: %v", err)
	}
	d, err := s.cacheDir()
	return filepath.Join(d, "tokens"), err
}
