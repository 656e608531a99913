package helper

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"

	"example.org/token-helpers/shared/cli"
)

// signals receives Ctrl-C, which the console also sends to the command.
type signals struct {
	c       chan os.Signal
	release func()
}

func ownSignals() *signals {
	s := &signals{c: make(chan os.Signal, 4)}
	signal.Notify(s.c, os.Interrupt)
	disown := cli.OwnSignals()
	s.release = func() {
		signal.Stop(s.c)
		disown()
	}
	return s
}

func (s *signals) pending() os.Signal {
	select {
	case n := <-s.c:
		return n
	default:
		return nil
	}
}

func (s *signals) ending() <-chan os.Signal { return s.c }

// command is a running command.
type command struct{ cmd *exec.Cmd }

// start starts the command with this process's streams.
func (a *app) start(path string, environ []string, _ *signals) (*command, error) {
	cmd := &exec.Cmd{Path: path, Args: a.command, Env: environ, Stdin: a.env.Stdin, Stdout: a.env.Stdout, Stderr: a.env.Stderr}
	if err := cmd.Start(); err != nil {
		return nil, commandError(a.command[0], err)
	}
	return &command{cmd}, nil
}

func (c *command) wait() *commandStatus {
	err := c.cmd.Wait()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		return &commandStatus{code: cli.Failed}
	}
	return &commandStatus{code: c.cmd.ProcessState.ExitCode()}
}

// exit returns the exit status of the process.
func (s *commandStatus) exit() int {
	cli.Raise(s.signal)
	return s.code
}
