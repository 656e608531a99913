//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// action is what is done to a process at one of its calls. The zero value does nothing.
type action struct {
	fail   syscall.Errno  // the call returns this error
	signal syscall.Signal // the thread gets this signal when the call returns
	hangUp bool           // the readers of the process's output are closed
	kill   bool           // the process is killed before the call
	// twice blocks the call and sends the process this signal twice.
	twice syscall.Signal
}

// command is a command to trace.
type command struct {
	argv, env []string
	dir       string
	roots     roots
	port      int           // the issuer's
	answered  func() bool   // reports whether the issuer has answered
	limit     time.Duration // after which the process is killed
	// pauses are the times after each signal to a process whose call is blocked. After the last
	// one the process is killed.
	pauses []time.Duration
	// at is called for each call on the store, from one thread.
	at func(*call) action
}

// outcome is the result of a process.
type outcome struct {
	exit           int            // -1 if a signal killed it
	signal         syscall.Signal // that signal
	stdout, stderr string
	hung           bool // it did not exit in time
	failed         int  // calls that failed because of the fault
	signals        int  // received signals of the kind that was sent
	sends          int  // signals sent while its call was blocked
	ended          bool // it then exited by itself
}

func (o *outcome) String() string {
	switch {
	case o.hung:
		return "did not exit"
	case o.exit < 0:
		return "killed by " + unix.SignalName(o.signal)
	}
	return "exit " + strconv.Itoa(o.exit)
}

// thread is a thread of a traced process.
type thread struct {
	tid, tgid int
	begun     bool // its first stop is over
	nr        uintptr
	args      [6]uint64
	kind      kind
	known     bool // nr is one of kinds
	call      *call
	errno     syscall.Errno // to return from the call
}

// tracee is a traced process with its threads and children.
type tracee struct {
	command
	pid     int
	pidfd   int
	threads map[int]*thread
	files   map[int]files
	locks   []string
	counts  map[point]int
	seq     int
	out     *outcome
	sent    syscall.Signal // a signal that was sent to it
	stdout  *reader
	stderr  *reader
	stop    func() // ends the sending of signals
}

// trace runs the command under ptrace. It must be called from a goroutine that is
// locked to its thread, because ptrace works by thread.
func trace(cmd command) (*outcome, error) {
	t := &tracee{
		command: cmd, threads: map[int]*thread{}, files: map[int]files{}, counts: map[point]int{},
		out: &outcome{}, stop: func() {},
	}
	if err := t.start(); err != nil {
		return nil, err
	}
	var hung atomic.Bool
	watchdog := time.AfterFunc(cmd.limit, func() {
		hung.Store(true)
		_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
	})
	err := t.loop()
	watchdog.Stop()
	t.stop()
	if err != nil {
		// This thread must not wait for the remaining threads in a later call.
		_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
		for {
			if _, werr := unix.Wait4(-1, nil, unix.WALL|unix.WNOTHREAD, nil); werr != nil && werr != unix.EINTR {
				break
			}
		}
	}
	_ = unix.Close(t.pidfd)
	t.out.stdout, t.out.stderr = t.stdout.rest(), t.stderr.rest()
	t.out.hung = hung.Load()
	return t.out, err
}

func (t *tracee) start() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	var outW, errW *os.File
	if t.stdout, outW, err = newReader(); err != nil {
		return err
	}
	defer func() { _ = outW.Close() }()
	if t.stderr, errW, err = newReader(); err != nil {
		return err
	}
	defer func() { _ = errW.Close() }()
	t.pid, err = syscall.ForkExec(t.argv[0], t.argv, &syscall.ProcAttr{
		Dir: t.dir, Env: t.env, Files: []uintptr{null.Fd(), outW.Fd(), errW.Fd()},
		// In a session without a terminal there are no prompts.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("run %s under ptrace: %w", t.argv[0], err)
	}
	if t.pidfd, err = unix.PidfdOpen(t.pid, 0); err != nil {
		return err
	}
	var ws unix.WaitStatus
	if _, err := wait(t.pid, &ws); err != nil {
		return err
	}
	if !ws.Stopped() || ws.StopSignal() != unix.SIGTRAP {
		return fmt.Errorf("%s did not stop at its start (status %#x)", t.argv[0], ws)
	}
	err = unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|
		unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL)
	if err != nil {
		return err
	}
	t.threads[t.pid] = &thread{tid: t.pid, tgid: t.pid, begun: true}
	t.files[t.pid] = files{}
	return unix.PtraceSyscall(t.pid, 0)
}

func wait(pid int, ws *unix.WaitStatus) (int, error) {
	for {
		// WNOTHREAD: other threads trace other processes.
		got, err := unix.Wait4(pid, ws, unix.WALL|unix.WNOTHREAD, nil)
		if err != unix.EINTR {
			return got, err
		}
	}
}

// loop handles the stops of all threads until the last has exited.
func (t *tracee) loop() error {
	for {
		var ws unix.WaitStatus
		tid, err := wait(-1, &ws)
		if err == unix.ECHILD {
			return nil
		}
		if err != nil {
			return err
		}
		if ws.Exited() || ws.Signaled() {
			t.gone(tid, ws)
			continue
		}
		th := t.thread(tid)
		resume, sig, err := t.stopped(th, ws)
		if err == nil && resume {
			err = unix.PtraceSyscall(tid, int(sig))
		}
		// A thread that is being killed can no longer be traced.
		if err != nil && err != unix.ESRCH {
			return err
		}
	}
}

func (t *tracee) gone(tid int, ws unix.WaitStatus) {
	delete(t.threads, tid)
	if tid != t.pid {
		return
	}
	t.stop()
	t.out.exit = -1
	if ws.Exited() {
		t.out.exit = ws.ExitStatus()
	} else {
		t.out.signal = ws.Signal()
	}
	// Kill everything that it started.
	for _, th := range t.threads {
		_ = unix.Kill(th.tgid, unix.SIGKILL)
	}
}

// thread returns the thread with this ID, which may be new.
func (t *tracee) thread(tid int) *thread {
	if th := t.threads[tid]; th != nil {
		return th
	}
	tgid, parent := family(tid)
	th := &thread{tid: tid, tgid: tgid}
	t.threads[tid] = th
	if t.files[tgid] == nil {
		t.files[tgid] = t.files[parent].clone()
	}
	return th
}

// family returns the process that the thread belongs to, and that process's parent.
func family(tid int) (tgid, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return tid, 0
	}
	for line := range strings.Lines(string(b)) {
		name, v, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSpace(v))
		switch name {
		case "Tgid":
			tgid = n
		case "PPid":
			parent = n
		}
	}
	return tgid, parent
}

func (t *tracee) stopped(th *thread, ws unix.WaitStatus) (resume bool, sig syscall.Signal, err error) {
	first := !th.begun
	th.begun = true
	switch s := ws.StopSignal(); {
	case s == unix.SIGTRAP|0x80:
		resume, err := t.syscallStop(th)
		return resume, 0, err
	case s == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
		for tid, other := range t.threads {
			if other.tgid == th.tgid && tid != th.tid {
				delete(t.threads, tid)
			}
		}
		// Go opens everything with O_CLOEXEC.
		t.files[th.tgid] = files{}
		th.call, th.known = nil, false
		return true, 0, nil
	case s == unix.SIGTRAP && ws.TrapCause() > 0:
		return true, 0, nil
	case s == unix.SIGSTOP && first:
		// A new thread begins with this stop.
		return true, 0, nil
	default:
		if s == t.sent {
			t.out.signals++
		}
		return true, s, nil
	}
}

// syscallInfo is struct ptrace_syscall_info of linux/ptrace.h.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	data [8]uint64
}

func (t *tracee) syscallStop(th *thread) (resume bool, err error) {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(th.tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return false, errno
	}
	switch info.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		return t.entry(th, uintptr(info.data[0]), info.data[1:7])
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		return true, t.exit(th, int64(info.data[0]))
	}
	return true, nil
}

func (t *tracee) entry(th *thread, nr uintptr, args []uint64) (resume bool, err error) {
	th.nr, th.call, th.errno = nr, nil, 0
	copy(th.args[:], args)
	if th.kind, th.known = kinds[nr]; !th.known {
		return true, nil
	}
	c := t.identify(th, th.kind)
	if c == nil {
		return true, nil
	}
	th.call = c
	t.seq++
	t.counts[point{op: c.op, role: c.role}]++
	c.seq, c.n = t.seq, t.counts[point{op: c.op, role: c.role}]
	c.answered, c.held = c.answeredAt(t), t.held()
	a := t.command.at(c)
	switch {
	case a.kill:
		return true, unix.Kill(t.pid, unix.SIGKILL)
	case a.twice != 0:
		t.sendUntilEnd(a.twice)
		return false, nil
	case a.fail != 0:
		th.errno = a.fail
		if c.op != "close" { // a failed close frees the descriptor, too
			return true, skipCall(th.tid)
		}
	}
	if a.hangUp {
		if err := t.hangUp(); err != nil {
			return false, err
		}
	}
	if a.signal != 0 {
		t.sent = a.signal
		return true, unix.Tgkill(th.tgid, th.tid, a.signal)
	}
	return true, nil
}

func (t *tracee) exit(th *thread, rval int64) error {
	if !th.known && th.nr != unix.SYS_SOCKET && th.nr != unix.SYS_CONNECT {
		return nil
	}
	if c := th.call; c != nil && rval <= -512 && rval >= -516 {
		// A signal interrupted the call, and it is restarted (ERESTARTSYS and similar).
		t.counts[point{op: c.op, role: c.role}]--
		return nil
	}
	if th.errno == 0 {
		t.completed(th, rval)
		return nil
	}
	if th.call.op == "close" {
		t.completed(th, rval)
	}
	t.out.failed++
	return setResult(th.tid, th.errno)
}

// sendUntilEnd sends the process a signal repeatedly, with the pauses, until it exits. After
// the last pause it kills the process.
func (t *tracee) sendUntilEnd(s syscall.Signal) {
	t.sent, t.out.ended = s, true
	done := make(chan struct{})
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		for _, pause := range t.pauses {
			t.out.sends++
			_ = unix.PidfdSendSignal(t.pidfd, s, nil, 0)
			timer := time.NewTimer(pause)
			select {
			case <-done:
				timer.Stop()
				return
			case <-timer.C:
			}
		}
		t.out.ended = false
		_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
	}()
	var once sync.Once
	t.stop = func() { once.Do(func() { close(done); <-exited }) }
}

// onThread runs f on a new thread.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
	<-done
}
