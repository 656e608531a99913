package helper

import (
	"bufio"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A witness is a process in the group of the helper and its command. It blocks the
// signals that are passed on, and collects them in a descriptor (signalfd(2)). A signal
// to the group reaches the witness, too; one to the helper alone does not. The kernel
// signals the newest members of a group first, so the witness receives a signal to the
// group before the helper.
//
// The witness is a fork of the helper that continues without the Go runtime, because the
// runtime does not leave SIGINT and others blocked. It has one thread, uses no memory
// except witnessState, and makes only raw system calls.

// answerTimeout is the time limit for a witness to answer. It answers at once, unless it
// was stopped or the machine is overloaded.
const answerTimeout = 30 * time.Second

// watched are the numbers of the signals in passed.
var watched = func() (n [9]uint32) {
	for i, s := range passed {
		n[i] = uint32(s.(syscall.Signal))
	}
	return n
}()

// witnessState is all the memory that a witness uses.
var witnessState struct {
	mask     uint64 // the signals, as in rt_sigprocmask(2)
	info     [unsafe.Sizeof(unix.SignalfdSiginfo{})]byte
	question [1]byte
	ready    [2]unix.PollFd
	now      unix.Timespec
	last     [len(watched)]int64 // when each signal arrived
}

// observer is the helper's side of a witness.
type observer struct {
	pid         int
	ask, answer *os.File // one byte requests an answer
	// matched is when the witness received the signal to the group that the helper's last
	// signal with that number was.
	matched map[syscall.Signal]time.Duration
	// woken is when the witness received a SIGCONT from this process.
	woken time.Duration
	// began is when the command could receive signals.
	began time.Duration
}

// Two signals with the same number in quick succession can become one, independently in
// the witness and the helper. So a signal that the helper receives shortly after a signal
// to the group counts as that signal.
const (
	sameSignal = 2 * time.Second
	// lateSignal is how much later an overloaded helper may receive a signal.
	lateSignal = 10 * time.Second
)

// newObserver starts a witness. It returns nil if that fails: saw works without one.
func newObserver() *observer {
	theirs, ask, err := os.Pipe()
	if err != nil {
		return nil
	}
	answer, reply, err := os.Pipe()
	if err != nil {
		_, _ = theirs.Close(), ask.Close()
		return nil
	}
	o := &observer{ask: ask, answer: answer, matched: map[syscall.Signal]time.Duration{}}
	o.pid = forkWitness(int(theirs.Fd()), int(reply.Fd()))
	_, _ = theirs.Close(), reply.Close()
	if o.pid <= 0 {
		_, _ = ask.Close(), answer.Close()
		return nil
	}
	if _, err := o.collect(); err != nil {
		o.close()
		return nil
	}
	return o
}

// forkWitness returns the process ID of a new witness, or 0.
//
//go:norace
func forkWitness(question, reply int) int {
	for _, n := range watched {
		witnessState.mask |= 1 << (n - 1)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old uint64
	all = ^uint64(0)
	const size = unsafe.Sizeof(all)
	// No signal may interrupt the thread during the fork. The helper restores its mask
	// afterwards; in the witness, signals stay blocked.
	if _, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), size, 0, 0); e != 0 {
		return 0
	}
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e == 0 && pid == 0 {
		beWitness(uintptr(question), uintptr(reply))
	}
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, size, 0, 0)
	if e != 0 {
		return 0
	}
	return int(pid)
}

// beWitness runs a witness until the helper's end of the pipe is closed. It never returns.
//
//go:norace
//go:nosplit
func beWitness(question, reply uintptr) {
	st := &witnessState
	lo, hi := min(question, reply), max(question, reply)
	_, _, e1 := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, hi+1, uintptr(^uint32(0)), 0)
	_, _, e2 := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, lo+1, hi-1, 0)
	if e1 != 0 || e2 != 0 && hi > lo+1 { // Linux before 5.9
		for fd := lo + 1; fd < 4096; fd++ {
			if fd != hi {
				_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
			}
		}
	}
	for fd := uintptr(0); fd < lo; fd++ {
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	}
	signals, _, e := syscall.RawSyscall6(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&st.mask)), unsafe.Sizeof(st.mask), unix.SFD_NONBLOCK, 0, 0)
	for e == 0 {
		st.ready[0] = unix.PollFd{Fd: int32(signals), Events: unix.POLLIN}
		st.ready[1] = unix.PollFd{Fd: int32(question), Events: unix.POLLIN}
		_, _, e = syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&st.ready)), 2, 0, 0, 0, 0)
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&st.now)), 0)
		for {
			n, _, re := syscall.RawSyscall(unix.SYS_READ, signals, uintptr(unsafe.Pointer(&st.info)), unsafe.Sizeof(st.info))
			if re != 0 || n != unsafe.Sizeof(st.info) {
				break
			}
			number := (*unix.SignalfdSiginfo)(unsafe.Pointer(&st.info)).Signo
			for i, w := range &watched {
				if w == number {
					st.last[i] = int64(st.now.Sec)*1e9 + int64(st.now.Nsec)
				}
			}
		}
		if st.ready[1].Revents == 0 {
			continue
		}
		var n uintptr
		if n, _, e = syscall.RawSyscall(unix.SYS_READ, question, uintptr(unsafe.Pointer(&st.question)), 1); n == 1 && e == 0 {
			_, _, e = syscall.RawSyscall(unix.SYS_WRITE, reply, uintptr(unsafe.Pointer(&st.last)), unsafe.Sizeof(st.last))
		} else {
			break
		}
	}
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// collect returns when the witness last received each of the signals, as monotonic time;
// 0 means never.
func (o *observer) collect() (map[syscall.Signal]time.Duration, error) {
	if _, err := o.ask.Write([]byte{'?'}); err != nil {
		return nil, err
	}
	_ = o.answer.SetReadDeadline(time.Now().Add(answerTimeout))
	times := make([]int64, len(passed))
	if err := binary.Read(o.answer, binary.NativeEndian, times); err != nil {
		return nil, err
	}
	last := map[syscall.Signal]time.Duration{}
	for i, s := range passed {
		last[s.(syscall.Signal)] = time.Duration(times[i])
	}
	return last, nil
}

// monotonic returns the time of a clock that all processes share.
func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

// begin records that the command has started. Earlier signals to the group did not reach
// it, unless it was just being started. Then the signal has already ended or stopped it,
// or the command ignores it, so that passing it on changes nothing.
func (o *observer) begin() {
	if o != nil {
		o.began = monotonic()
	}
}

// saw reports whether a signal that the helper has received was sent to the whole group.
// Without a witness, signals that a terminal sends count as sent to the group if it is
// the terminal's foreground group.
func (o *observer) saw(n syscall.Signal) bool {
	if o == nil || o.pid == 0 {
		return terminalSignal(n)
	}
	stopped := o.stopped()
	if stopped {
		_ = unix.Kill(o.pid, unix.SIGCONT)
	}
	all, err := o.collect()
	if err != nil {
		o.close()
		return terminalSignal(n)
	}
	if stopped {
		o.woken = all[unix.SIGCONT]
	}
	last := all[n]
	if last == 0 || last < o.began || n == unix.SIGCONT && last == o.woken {
		return false
	}
	age := monotonic() - last
	seen := age < sameSignal || age < lateSignal && last != o.matched[n]
	if seen {
		o.matched[n] = last
	}
	return seen
}

// continued reports whether SIGSTOP has stopped the group, and only this process has just
// been continued.
func (o *observer) continued() bool {
	return o.stopped() || o != nil && o.woken != 0 && monotonic()-o.woken < sameSignal
}

// stopped reports whether SIGSTOP has stopped the witness.
func (o *observer) stopped() bool {
	if o == nil || o.pid == 0 {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(o.pid) + "/stat")
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && strings.HasPrefix(state, "T")
}

// close ends the witness. It may be called on nil, and more than once.
func (o *observer) close() {
	if o == nil || o.pid == 0 {
		return
	}
	_, _ = o.ask.Close(), o.answer.Close()
	_ = unix.Kill(o.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(o.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	o.pid = 0
}

// ignoredAtStart reports whether the signal was ignored when the process started. It
// supports only SIGTSTP and SIGCONT, whose actions the Go runtime does not change.
func ignoredAtStart(s os.Signal) bool {
	n, ok := s.(syscall.Signal)
	if !ok || n != unix.SIGTSTP && n != unix.SIGCONT {
		return false
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if hex, ok := strings.CutPrefix(lines.Text(), "SigIgn:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && mask&(1<<(uint(n)-1)) != 0
		}
	}
	return false
}
