package output

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"example.org/token-helpers/shared/private"
)

// planted returns an error if another user may have created the file: in a directory that
// everybody can write to, such as /tmp, or that belongs to another user, an existing file
// must belong to the current user and not be a symbolic link.
func planted(name string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory's mode means nothing there
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return nil // writing the file reports it
	}
	if owner := private.Owner(dir); dir.Mode().Perm()&0o002 == 0 && (owner == os.Geteuid() || owner == 0) {
		return nil
	}
	fi, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil
	case fi.Mode()&fs.ModeSymlink != 0:
		return errors.New("a symbolic link in a directory that other users can write to")
	case private.Owner(fi) != os.Geteuid():
		return errors.New("belongs to another user")
	}
	return nil
}
