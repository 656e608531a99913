package helper

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Signals to the group before the command has started are passed on to the command.
func TestSignalBeforeTheCommand(t *testing.T) {
	o := newObserver()
	if o == nil {
		t.Fatal("no witness")
	}
	defer o.close()
	if err := unix.Kill(o.pid, unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if !o.saw(unix.SIGUSR1) {
		t.Error("a signal to the group counts as one to the helper alone")
	}
	o.begin()
	if o.saw(unix.SIGUSR1) {
		t.Error("a signal before the start of the command is not passed on")
	}
}

// A SIGSTOP to the group stops the witness, too. If the helper alone is continued, the
// SIGCONT that it sends to the witness does not count as one to the group.
func TestWitnessIsStopped(t *testing.T) {
	o := newObserver()
	if o == nil {
		t.Fatal("no witness")
	}
	defer o.close()
	for range 2 {
		if err := unix.Kill(o.pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		err := unix.EINTR
		for err == unix.EINTR {
			// The status remains for others to read.
			err, _ = unix.Waitid(unix.P_PID, o.pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil).(unix.Errno)
		}
		if err != 0 || !o.stopped() {
			t.Fatalf("the witness does not stop: %v", err)
		}
		if o.saw(unix.SIGTERM) || o.saw(unix.SIGCONT) {
			t.Error("a signal to the helper alone counts as one to the group")
		}
		if o.stopped() {
			t.Error("the witness is still stopped")
		}
		if err := unix.Kill(o.pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if !o.saw(unix.SIGCONT) {
			t.Error("a signal to the group counts as one to the helper alone")
		}
	}
}

// The signal that ended the work, which may arrive late or twice, does not abort a
// renewal in progress: that would lose the login. A later signal does.
func TestSignalsDuringTheLastRenewal(t *testing.T) {
	const patience = time.Minute
	for name, c := range map[string]struct {
		ended  time.Time
		aborts bool
	}{
		"the same signal": {time.Now().Add(time.Hour), false},
		"another":         {time.Now().Add(-time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, cancel := context.WithCancel(t.Context())
			k := &keeping{cancel: cancel, done: make(chan struct{})}
			signals, stopped := make(chan os.Signal), make(chan struct{})
			go func() {
				k.stop(signals, c.ended)
				close(stopped)
			}()
			signals <- syscall.SIGTERM
			aborted := false
			select {
			case signals <- syscall.SIGTERM:
			case <-stopped:
				aborted = true
			case <-time.After(patience):
				t.Fatal("it neither waits nor ends")
			}
			if aborted != c.aborts {
				t.Errorf("the renewal was aborted: %v", aborted)
			}
			close(k.done)
			<-stopped
		})
	}
}
