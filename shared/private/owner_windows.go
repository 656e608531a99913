package private

import (
	"io/fs"
	"os"
)

// NoFollow is empty: profile directories are private by their access control lists.
const NoFollow = 0

const nonBlock = 0

// File modes do not show the access control lists that keep profile directories
// private, so there is nothing to check.

func checkOwner(string, fs.FileInfo, fs.FileMode) error { return nil }

// CheckWriters accepts every file.
func CheckWriters(string, fs.FileInfo) error { return nil }

// CheckHostWriters accepts every file.
func CheckHostWriters(string, fs.FileInfo) error { return nil }

// Writable reports an error unless dir is a directory. Access control lists are not read.
func Writable(dir string) error {
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		err = notPrivate(dir, "is not a directory")
	}
	return err
}

func checkSecret(string, fs.FileInfo) error { return nil }

// Owner is the current user.
func Owner(fs.FileInfo) int { return os.Geteuid() }

func checkParent(string) error { return nil }
