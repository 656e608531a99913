package cli

// growStack makes the stack of the main goroutine large enough for a short run. It would
// otherwise grow from 2 kB in steps, and each step visits all frames, whose tables have to be
// read from the binary first. The caller passes false: the frame is as large as room either
// way, but room is not written.
//
//go:noinline
func growStack(write bool) {
	if write {
		var room [16 << 10]byte
		touch(&room)
	}
}

//go:noinline
func touch(room *[16 << 10]byte) { room[0]++ }
