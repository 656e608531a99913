//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// peek reads memory of the thread's process.
func (t *tracee) peek(th *thread, addr uint64, n int) []byte {
	if addr == 0 || n <= 0 {
		return nil
	}
	b := make([]byte, n)
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(n)
	got, err := unix.ProcessVMReadv(th.tid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: n}}, 0)
	if err != nil {
		return nil
	}
	return b[:got]
}

// text reads a null-terminated string, page by page.
func (t *tracee) text(th *thread, addr uint64) string {
	var s []byte
	page := uint64(os.Getpagesize())
	for len(s) <= unix.PathMax {
		b := t.peek(th, addr, int(page-addr%page))
		if len(b) == 0 {
			break
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(s, b[:i]...))
		}
		s = append(s, b...)
		addr += uint64(len(b))
	}
	return string(s)
}

// reader collects the output of a process, until it is closed.
type reader struct {
	r    *os.File
	b    bytes.Buffer
	done chan struct{}
}

func newReader() (*reader, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	c := &reader{r: r, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_, _ = c.b.ReadFrom(r)
	}()
	return c, w, nil
}

func (r *reader) close() {
	_ = r.r.Close()
	<-r.done
}

// hangUp closes the reading ends of the pipes that the process prints to. Another process that
// is being started has copies of them until it executes its program, so hangUp waits until the
// kernel reports that the last reader is gone.
func (t *tracee) hangUp() error {
	t.stdout.close()
	t.stderr.close()
	for _, fd := range []int{1, 2} {
		name := fmt.Sprintf("/proc/%d/fd/%d", t.pid, fd)
		w, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		err = lastReaderGone(w, t.limit)
		_ = unix.Close(w)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// lastReaderGone waits until the pipe has no reader.
func lastReaderGone(w int, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p := []unix.PollFd{{Fd: int32(w)}}
		if _, err := unix.Poll(p, 0); err != nil && err != unix.EINTR {
			return err
		}
		if p[0].Revents&unix.POLLERR != 0 {
			return nil
		}
	}
	return errors.New("it still has a reader")
}

// rest waits until the pipe has no writer, and returns the data.
func (r *reader) rest() string {
	<-r.done
	_ = r.r.Close()
	return r.b.String()
}
