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

// A command runs in the helper's process group. So the terminal's signals, and those that
// a shell sends to the job, reach it without help, and a pipeline stays one job. A signal
// that is sent to the helper alone is passed on to the command. Which of the two a signal
// is, only a third process of the group can tell: see witness_linux.go.

// passed are the signals that are passed on.
var passed = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
	unix.SIGTSTP, unix.SIGCONT, unix.SIGWINCH,
}

// signals are those that this process receives while a command runs.
type signals struct {
	c       chan os.Signal
	pipe    chan os.Signal
	release func()
}

// ownSignals receives signals from now on, so that none of them leaves a file behind. One
// that was ignored when the process started stays ignored, in the command, too, as far as the
// Go runtime knows: it forgets it for all but SIGHUP, SIGINT and those that stop a process.
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

// pending returns a signal to end by that arrived before the command was started.
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

// forgetStops drops what stopped this process together with the command.
func (s *signals) forgetStops() {
	for range len(s.c) {
		if n := <-s.c; n != unix.SIGTSTP {
			s.c <- n
		}
	}
}

func (s *signals) ending() <-chan os.Signal { return s.c }

// stopped is the status of a process that SIGSTOP has stopped.
const stopped = unix.WaitStatus(unix.SIGSTOP)<<8 | 0x7f

// command is a running command.
type command struct {
	proc    *os.Process
	sig     *signals
	witness *observer // nil if there is none
}

// start starts the command with this process's own streams and environment.
func (a *app) start(path string, environ []string, sig *signals) (*command, error) {
	c := &command{sig: sig, witness: newObserver()}
	attr := &os.ProcAttr{Env: environ, Files: []*os.File{stream(a.env.Stdin, os.Stdin), stream(a.env.Stdout, os.Stdout), stream(a.env.Stderr, os.Stderr)}}
	var err error
	c.proc, err = os.StartProcess(path, a.command, attr)
	if errors.Is(err, unix.ENOEXEC) {
		// A script without a first line for the kernel is the shell's (POSIX, execvp).
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
	// After the command, which must not inherit it: a background job that reports a
	// problem to a terminal with tostop would stop.
	signal.Ignore(unix.SIGTTOU)
	return c, nil
}

// noInterpreter is the error of a command that is there, but not the program that its first
// line names.
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

// wait waits until the command has ended, passes signals on, and stops with it.
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
// of the process group. A shell with job control makes a group of its own.
func (c *command) pass(n os.Signal) {
	group, err := unix.Getpgid(c.proc.Pid)
	if left := err == nil && group != unix.Getpgrp(); left || !c.witness.saw(n.(syscall.Signal)) {
		_ = unix.Kill(c.proc.Pid, n.(syscall.Signal))
	}
}

// stop stops this process as the command has stopped, for the shell to see, until
// somebody continues it. If the command has been continued or has ended already, it
// returns that status. After a SIGSTOP to the group this process has been stopped, too.
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

// exit ends the process as the command has ended.
func (s *commandStatus) exit() int {
	n, ok := s.signal.(syscall.Signal)
	if !ok {
		return s.code
	}
	switch n {
	case unix.SIGHUP, unix.SIGINT, unix.SIGTERM:
		// Whoever waits sees by which signal: a shell that runs a loop ends it after
		// Ctrl-C only then. $? is 128+n all the same.
		cli.Raise(n)
	case unix.SIGKILL:
		_ = unix.Kill(unix.Getpid(), n)
	}
	// Go cannot end by any other signal without a dump of its own.
	return 128 + int(n)
}
