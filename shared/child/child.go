// Package child runs other programs for their output.
package child

import (
	"bytes"
	"errors"
	"os/exec"
	"time"

	"example.org/token-helpers/shared/private"
)

// grace is how long to wait for the output of a program that has ended, but that left
// another process running which keeps the output open.
const grace = time.Second

// Run runs cmd like [exec.Cmd.Run]. If the program has ended, Run does not wait for processes
// that it left running, such as an agent, and that keep its output open. That is not an error.
func Run(cmd *exec.Cmd) error {
	cmd.WaitDelay = grace
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // the program itself has succeeded
	}
	return err
}

// Output runs cmd like [Run] and returns what the program wrote to stdout, even if it failed.
// If that is more than [private.MaxRead] bytes, the program is killed, and the error is
// [private.ErrTooLong].
func Output(cmd *exec.Cmd) ([]byte, error) {
	out := &limited{cmd: cmd}
	cmd.Stdout = out
	err := Run(cmd)
	if out.full {
		return nil, private.ErrTooLong
	}
	return out.b.Bytes(), err
}

// limited stops a program that never stops writing.
type limited struct {
	cmd  *exec.Cmd
	b    bytes.Buffer
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > private.MaxRead {
		l.full = true
		_ = l.cmd.Process.Kill() // it may ignore that nobody reads
		return 0, private.ErrTooLong
	}
	return l.b.Write(p)
}
