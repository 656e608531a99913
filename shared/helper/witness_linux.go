package helper

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.org/token-helpers/shared/cli"
)

// A witness is a process in the group of the helper and its command. It blocks the
// signals that are passed on, and collects them in a descriptor (signalfd(2)). A signal
// for the group reaches the witness, too; one for the helper alone does not. The kernel
// signals the newest members of a group first, so what the helper has received from the
// group, the witness has already.

// witnessArg is the argument that makes this program a witness: it starts once to block
// the signals, and then again, because the Go runtime leaves signals blocked that were
// blocked when the program started.
const (
	witnessArg     = "--signal-witness"
	witnessBlocked = "blocked"
)

func isWitness(args []string) bool { return len(args) > 0 && args[0] == witnessArg }

// observer is the helper's side of a witness.
type observer struct {
	cmd      *exec.Cmd
	ask      *os.File // a byte asks
	answer   *os.File
	received uint64 // signals of the group whose event at the helper is still to come
}

// newObserver starts a witness. It returns nil if that fails: the rule for a program
// without one is in saw.
func newObserver() *observer {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	theirs, ask, err := os.Pipe()
	if err != nil {
		return nil
	}
	answer, reply, err := os.Pipe()
	if err != nil {
		_, _ = theirs.Close(), ask.Close()
		return nil
	}
	// The witness has no part in the user's environment. The variable keeps it from
	// looking for a desktop keyring.
	cmd := &exec.Cmd{Path: self, Args: []string{os.Args[0], witnessArg}, Env: []string{"TOKEN_HELPER_KEYRING=file", "GORACE=atexit_sleep_ms=0"}, Dir: "/", Stdin: theirs, Stdout: reply}
	err = cmd.Start()
	_, _ = theirs.Close(), reply.Close()
	o := &observer{cmd: cmd, ask: ask, answer: answer}
	if err != nil {
		_, _ = ask.Close(), answer.Close()
		return nil
	}
	if _, err := o.collect(10 * time.Second); err != nil {
		o.close()
		return nil
	}
	return o
}

// collect returns the signals that the witness has received since the last call.
func (o *observer) collect(patience time.Duration) (uint64, error) {
	if _, err := o.ask.Write([]byte{'?'}); err != nil {
		return 0, err
	}
	_ = o.answer.SetReadDeadline(time.Now().Add(patience))
	var b [8]byte
	_, err := io.ReadFull(o.answer, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// saw reports whether a signal that the helper has received was sent to the whole group.
// Without a witness the signals of a terminal are taken to be for the group, if there is
// one in whose foreground the group is.
func (o *observer) saw(n syscall.Signal) bool {
	if o == nil || o.cmd == nil {
		return terminalSignal(n)
	}
	got, err := o.collect(time.Second)
	if err != nil {
		o.close()
		return terminalSignal(n)
	}
	o.received |= got
	bit := uint64(1) << uint(n)
	seen := o.received&bit != 0
	o.received &^= bit
	return seen
}

// close ends the witness. It may be called for none, and again.
func (o *observer) close() {
	if o == nil || o.cmd == nil {
		return
	}
	_, _ = o.ask.Close(), o.answer.Close()
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
	o.cmd = nil
}

// witness runs a witness until the helper's end of the pipe is closed.
func witness(args []string) int {
	var set unix.Sigset_t
	for _, s := range passed {
		n := uint(s.(syscall.Signal)) - 1
		width := uint(unsafe.Sizeof(set.Val[0])) * 8
		set.Val[n/width] |= 1 << (n % width)
	}
	if len(args) < 2 || args[1] != witnessBlocked {
		self, err := os.Executable()
		if err != nil {
			return cli.Failed
		}
		runtime.LockOSThread()
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
			return cli.Failed
		}
		_ = syscall.Exec(self, []string{os.Args[0], witnessArg, witnessBlocked}, os.Environ())
		return cli.Failed
	}
	fd, err := unix.Signalfd(-1, &set, unix.SFD_NONBLOCK|unix.SFD_CLOEXEC)
	if err != nil {
		return cli.Failed
	}
	var question [1]byte
	for {
		if _, err := os.Stdin.Read(question[:]); err != nil {
			return cli.OK
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], drain(fd))
		if _, err := os.Stdout.Write(b[:]); err != nil {
			return cli.OK
		}
	}
}

// drain returns the signals that have arrived, and forgets them.
func drain(fd int) (got uint64) {
	var info unix.SignalfdSiginfo
	buf := (*[unsafe.Sizeof(info)]byte)(unsafe.Pointer(&info))[:]
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n < len(buf) {
			return got
		}
		got |= 1 << info.Signo
	}
}

// ignoredAtStart reports whether the signal was ignored when the process started. The Go
// runtime leaves only those alone that stop or continue a process.
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
