//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// window is how long a login is at risk in a run without a fault: from the issuer's answer to
// the rename that saves the new refresh token.
type window struct{ median, shortest, longest time.Duration }

func (w window) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return fmt.Sprintf("median %s, shortest %s, longest %s", round(w.median), round(w.shortest), round(w.longest))
}

// measure measures the window in several runs without tracing. save is the call that saves the
// login, of a process of any user.
func measure(op *operation, u *user, save *call, runs int) (window, error) {
	_, role, ok := strings.Cut(save.role, " -> ")
	if !ok {
		return window{}, fmt.Errorf("the login is saved by %s, which is not a rename", save.point)
	}
	var dir string
	for _, root := range u.roots {
		if rest, ok := strings.CutPrefix(filepath.Dir(role), root.name); ok && (rest == "" || rest[0] == '/') {
			dir = root.dir + rest
			break
		}
	}
	var times []time.Duration
	for range runs {
		if err := u.reset(); err != nil {
			return window{}, err
		}
		took, err := timeSave(op, u, dir, role)
		if err != nil {
			return window{}, err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return window{times[len(times)/2], times[0], times[len(times)-1]}, nil
}

// timeSave runs the operation and returns the time between the issuer's answer and
// the rename to a file with this role in dir.
func timeSave(op *operation, u *user, dir, role string) (time.Duration, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return 0, err
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = watch.Close() }()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		return 0, fmt.Errorf("watch %s: %w", dir, err)
	}
	saved := make(chan time.Time, 1)
	go func() {
		defer close(saved)
		buf := make([]byte, 64<<10)
		for {
			n, err := watch.Read(buf)
			now := time.Now()
			if err != nil {
				return
			}
			for _, name := range movedTo(buf[:n]) {
				if u.answered.Load() && u.roots.role(filepath.Join(dir, name)) == role {
					saved <- now
					return
				}
			}
		}
	}()
	if o := u.plain(op.args...); o.exit != 0 {
		return 0, fmt.Errorf("%s: %s\n%s", op.name, o, o.stderr)
	}
	// The event of the rename is in the queue by now.
	_ = watch.SetReadDeadline(time.Now().Add(10 * time.Second))
	at, ok := <-saved
	if !ok {
		return 0, errors.New("the rename that saves the login was not seen in " + dir)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return at.Sub(u.at), nil
}

// movedTo returns the names in a buffer of inotify events.
func movedTo(b []byte) []string {
	var names []string
	for len(b) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if size > len(b) {
			break
		}
		name, _, _ := bytes.Cut(b[:size], []byte{0})
		names, b = append(names, string(name)), b[size:]
	}
	return names
}
