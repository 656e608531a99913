package store

import "io/fs"

const noFollow = 0

// checkOwner has nothing to look at: profile folders are private by their access
// control lists, which Go's file modes do not show.
func checkOwner(string, fs.FileInfo, fs.FileMode) error { return nil }
