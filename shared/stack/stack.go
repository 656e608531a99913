// Package stack makes the stack of the main goroutine large enough for a short run, before
// other packages are initialized. Otherwise it would grow in steps from 2 kB, and each step
// visits all frames, whose tables must first be read from the binary.
//
// Of the packages that are ready, Go initializes the one whose path sorts first. This package
// imports nothing, so it is ready immediately, before the packages of the standard library
// whose initialization needs a larger stack.
package stack

func init() { grow(false) }

// grow has a frame of more than 16 KiB. It is called with false, so that buf is not written.
//
//go:noinline
func grow(write bool) {
	if write {
		var buf [16 << 10]byte
		touch(&buf)
	}
}

//go:noinline
func touch(buf *[16 << 10]byte) { buf[0]++ }
