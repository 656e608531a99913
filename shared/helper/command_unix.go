//go:build !windows

package helper

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
)

// A command runs in the helper's process group, so that a pipeline stays one job. Signals
// from the terminal, and those that a shell sends to the job, reach it directly. A signal
// that is sent to the helper alone is passed on to the command. A third process in the
// group is needed to tell the two apart: see witness_linux.go.

// passed are the signals that are passed on.
var passed = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
	unix.SIGTSTP, unix.SIGCONT, unix.SIGWINCH,
}

// signals are the signals that this process receives while a command runs.
type signals struct {
	c       chan os.Signal
	pipe    chan os.Signal
	release func()
}

// ownSignals receives signals from now on, so that none of them leaves a file behind.
// Those that were ignored when the process started stay ignored, also in the command if
// they are SIGHUP, SIGINT or stop a process: the Go runtime does not preserve this for
// others.
func ownSignals() *signals {
	s := &signals{c: make(chan os.Signal, 64), pipe: make(chan os.Signal, 1)}
	for _, n := range passed {
		if !signal.Ignored(n) && !ignoredAtStart(n) {
			signal.Notify(s.c, n)
		}
	}
	// A warning to a closed stderr must not end this process before the command.
	signal.Notify(s.pipe, unix.SIGPIPE)
	disown := cli.OwnSignals()
	s.release = func() {
		signal.Stop(s.c)
		signal.Stop(s.pipe)
		disown()
	}
	return s
}

// pending returns a terminating signal that arrived before the command was started, or
// nil.
func (s *signals) pending() os.Signal {
	for {
		select {
		case n := <-s.c:
			if n == unix.SIGHUP || n == unix.SIGINT || n == unix.SIGTERM || n == unix.SIGQUIT {
				return n
			}
		default:
			return nil
		}
	}
}

// forgetStops drops the SIGTSTPs that stopped this process together with the command.
func (s *signals) forgetStops() {
	for range len(s.c) {
		if n := <-s.c; n != unix.SIGTSTP {
			s.c <- n
		}
	}
}

func (s *signals) ending() <-chan os.Signal { return s.c }

// stopped is the wait status of a process that SIGSTOP has stopped.
const stopped = unix.WaitStatus(unix.SIGSTOP)<<8 | 0x7f

// command is a running command.
type command struct {
	proc    *os.Process
	sig     *signals
	witness *observer // nil if there is none
}

// start starts the command with this process's streams.
func (a *app) start(path string, environ []string, sig *signals) (*command, error) {
	c := &command{sig: sig, witness: newObserver()}
	attr := &os.ProcAttr{Env: environ, Files: []*os.File{stream(a.env.Stdin, os.Stdin), stream(a.env.Stdout, os.Stdout), stream(a.env.Stderr, os.Stderr)}}
	var err error
	c.proc, err = os.StartProcess(path, a.command, attr)
	if errors.Is(err, unix.ENOEXEC) {
		// The shell runs scripts without a #! line (POSIX, execvp).
		c.proc, err = os.StartProcess("/bin/sh", append([]string{"sh", path}, a.command[1:]...), attr)
	}
	if err != nil {
		c.witness.close()
		if errors.Is(err, unix.ENOENT) {
			return nil, noInterpreter(a.command[0])
		}
		return nil, commandError(a.command[0], err)
	}
	c.witness.begin()
	// Only after the command was started, which must not inherit it. Without it, a
	// background job would stop if it reported a problem to a terminal with tostop.
	signal.Ignore(unix.SIGTTOU)
	return c, nil
}

// noInterpreter returns the error for a command that exists but whose interpreter does
// not.
func noInterpreter(name string) error {
	word := text.ShellWord(name)
	return cli.Errorf(notExecutable, "%s: its interpreter was not found", word).Hint("check the program in the file's first line: %s", "head -n 1 "+word)
}

func stream(s any, fallback *os.File) *os.File {
	if f, ok := s.(*os.File); ok {
		return f
	}
	return fallback
}

// wait waits until the command has ended, passes signals on, and stops when it stops.
func (c *command) wait() *commandStatus {
	defer c.witness.close()
	changes := make(chan unix.WaitStatus)
	resume := make(chan struct{})
	go func() {
		for {
			var ws unix.WaitStatus
			_, err := unix.Wait4(c.proc.Pid, &ws, unix.WUNTRACED, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			changes <- ws
			if err != nil || ws.Exited() || ws.Signaled() {
				return
			}
			<-resume
		}
	}()
	for {
		select {
		case n := <-c.sig.c:
			c.pass(n)
		case ws := <-changes:
			if ws.Stopped() {
				if ws = c.stop(ws.StopSignal()); !ws.Exited() && !ws.Signaled() {
					c.sig.forgetStops()
					resume <- struct{}{}
					continue
				}
			}
			_ = c.proc.Release()
			if ws.Signaled() {
				return &commandStatus{signal: ws.Signal()}
			}
			return &commandStatus{code: ws.ExitStatus()}
		}
	}
}

// pass passes a signal on to the command, unless the command has received it as a member
// of the process group. A shell with job control leaves the group.
func (c *command) pass(n os.Signal) {
	group, err := unix.Getpgid(c.proc.Pid)
	if left := err == nil && group != unix.Getpgrp(); left || !c.witness.saw(n.(syscall.Signal)) {
		_ = unix.Kill(c.proc.Pid, n.(syscall.Signal))
	}
}

// stop stops this process like the command, so that the shell sees it, until it is
// continued. If the command has already been continued or has ended, stop returns that
// status. A SIGSTOP to the group has stopped this process, too.
func (c *command) stop(by syscall.Signal) unix.WaitStatus {
	var ws unix.WaitStatus
	pid, err := unix.Wait4(c.proc.Pid, &ws, unix.WCONTINUED|unix.WNOHANG, nil)
	if err == nil && pid == c.proc.Pid {
		return ws
	}
	if !c.witness.continued() {
		stopBy(by)
	}
	return stopped
}

// exit ends the process by the command's signal, or returns its exit status.
func (s *commandStatus) exit() int {
	n, ok := s.signal.(syscall.Signal)
	if !ok {
		return s.code
	}
	switch n {
	case unix.SIGHUP, unix.SIGINT, unix.SIGTERM:
		// A shell ends a loop after Ctrl-C only if the process ends by the signal. $? is
		// 128+n in either case.
		cli.Raise(n)
	case unix.SIGKILL:
		_ = unix.Kill(unix.Getpid(), n)
	}
	// For other signals the Go runtime prints a stack dump or does nothing.
	return 128 + int(n)
}
