// Package stack makes the stack of the main goroutine large enough for a short run, before
// other packages are initialized. It would otherwise grow from 2 kB in steps, and each step
// visits all frames, whose tables have to be read from the binary first.
//
// Of all packages that are ready, Go initializes the one whose path sorts first. This one
// imports nothing, so that it is ready at once, and before the packages of the standard
// library whose initialization needs a larger stack.
package stack

func init() { grow(false) }

// grow is called with false: its frame is as large as room either way, but room is not
// written.
//
//go:noinline
func grow(write bool) {
	if write {
		var room [16 << 10]byte
		touch(&room)
	}
}

//go:noinline
func touch(room *[16 << 10]byte) { room[0]++ }
