//go:build linux

package credd

import "errors"

var (
	// errNotDirectory means that something is not a directory, or a symbolic link.
	errNotDirectory = errors.New("not a directory")
	// errChanged means that a file was replaced while it was worked on.
	errChanged = errors.New("the file was replaced meanwhile")
)
