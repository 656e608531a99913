//go:build linux

package credd

import "errors"

var (
	// errNotDirectory means that a file is a symbolic link or not a directory.
	errNotDirectory = errors.New("not a directory")
	// errChanged means that a file was replaced while it was processed.
	errChanged = errors.New("the file was replaced meanwhile")
)
