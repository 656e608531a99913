//go:build !windows

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestMain runs a child process instead of the tests if CLI_TEST_CHILD names one.
func TestMain(m *testing.M) {
	if name := os.Getenv("CLI_TEST_CHILD"); name != "" {
		children[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// children are the functions of the child processes. They print a line at each step, and
// wait for nothing except signals.
var children = map[string]func(){
	"defer": func() {
		d := DeferSignals()
		fmt.Println("ready")
		<-d.first
		fmt.Println("deferred")
		s := d.Restore()
		fmt.Println(s)
		Raise(s)
	},
	"block": func() {
		sameSignal = 0
		d := DeferSignals()
		fmt.Println("ready")
		<-d.first
		fmt.Println("deferred")
		select {}
	},
	"restore": func() {
		fmt.Println(DeferSignals().Restore())
		Raise(nil)
		fmt.Println("ready")
		select {}
	},
	"again": func() {
		d := DeferSignals()
		fmt.Println("ready")
		<-d.first
		fmt.Println(d.Restore())
		d = DeferSignals()
		fmt.Println("ready")
		<-d.first
		fmt.Println(d.Restore())
	},
	"cancel": func() {
		ctx, stop := CancelOnSignal(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println(ctx.Err())
		s := stop()
		fmt.Println(s)
		Raise(s)
	},
	"the same": func() {
		sameSignal = time.Hour
		d := DeferSignals()
		fmt.Println("ready")
		<-d.first
		fmt.Println("deferred")
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		fmt.Println(d.Restore())
	},
	"cancel and block": func() {
		sameSignal = 0
		ctx, _ := CancelOnSignal(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("canceled")
		select {}
	},
	"stop": func() {
		ctx, stop := CancelOnSignal(context.Background())
		fmt.Println(stop(), ctx.Err())
		parent, cancel := context.WithCancel(context.Background())
		ctx, stop = CancelOnSignal(parent)
		cancel()
		<-ctx.Done()
		fmt.Println(stop())
		fmt.Println("ready")
		select {}
	},
	// A login waits for approval and meanwhile changes the store.
	"nested": func() {
		ctx, stop := CancelOnSignal(context.Background())
		d := DeferSignals()
		fmt.Println("ready")
		<-d.first
		<-ctx.Done()
		fmt.Println(d.Restore())
		s := stop()
		fmt.Println(s)
		Raise(s)
	},
	"clean": func() {
		defer OnSignal(func() { fmt.Println("cleaned") })()
		fmt.Println("ready")
		select {}
	},
	"clean stopped": func() {
		stop := OnSignal(func() { fmt.Println("cleaned") })
		stop()
		stop()
		fmt.Println("ready")
		select {}
	},
	"ignore pipe": func() {
		r, w, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		_ = r.Close()
		if err := syscall.Dup2(int(w.Fd()), 2); err != nil {
			panic(err)
		}
		d := DeferSignals()
		IgnorePipe()
		fmt.Println(d.Restore())
		_, err = os.Stderr.WriteString("x")
		fmt.Println(errors.Is(err, syscall.EPIPE))
	},
	"pipe": func() {
		r, w, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		_ = r.Close()
		// In Go, SIGPIPE ends the process only for writes to descriptors 1 and 2.
		if err := syscall.Dup2(int(w.Fd()), 2); err != nil {
			panic(err)
		}
		d := DeferSignals()
		_, err = os.Stderr.WriteString("x")
		fmt.Println(errors.Is(err, syscall.EPIPE))
		// Children have the default action.
		out, err := exec.Command("sh", "-c", "kill -PIPE $$; echo survived").Output()
		fmt.Printf("%q %v\n", out, err)
		fmt.Println(d.Restore())
		_, _ = os.Stderr.WriteString("x")
		fmt.Println("survived")
	},
}

// child is a running child process.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, name string, argv ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The child inherits ignored signals. Those that this process handles have their
	// default action there.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(c) })
	// The limit only keeps a broken child from hanging.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	argv = append(slices.Clone(argv), self)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "CLI_TEST_CHILD="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{t, cmd, bufio.NewScanner(out)}
}

// prints fails the test unless the child prints these lines next.
func (c *child) prints(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if !c.lines.Scan() || c.lines.Text() != w {
			c.t.Errorf("the child printed %q, want %q", c.lines.Text(), w)
		}
	}
}

func (c *child) kill(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// ends fails the test unless the child prints nothing more and ends by the signal, or
// with exit code 0 if there is none.
func (c *child) ends(by syscall.Signal) {
	c.t.Helper()
	for c.lines.Scan() {
		c.t.Errorf("the child also printed %q", c.lines.Text())
	}
	_ = c.cmd.Wait()
	ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || by != 0 && (!ws.Signaled() || ws.Signal() != by) || by == 0 && ws != 0 {
		c.t.Errorf("the child ended with %v, want signal %d", c.cmd.ProcessState, by)
	}
}

var deferrable = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

func TestDeferSignals(t *testing.T) {
	for _, s := range deferrable {
		t.Run(s.String(), func(t *testing.T) {
			c := start(t, "defer")
			c.prints("ready")
			c.kill(s)
			c.prints("deferred", s.String())
			c.ends(s)
		})
		t.Run(s.String()+"and another signal", func(t *testing.T) {
			c := start(t, "block")
			c.prints("ready")
			c.kill(s)
			c.prints("deferred")
			c.kill(syscall.SIGTERM)
			c.ends(syscall.SIGTERM)
		})
		t.Run(s.String()+" after Restore", func(t *testing.T) {
			c := start(t, "restore")
			c.prints("<nil>", "ready")
			c.kill(s)
			c.ends(s)
		})
	}
	// timeout(1) sends its signal twice.
	t.Run("the same signal again", func(t *testing.T) {
		c := start(t, "the same")
		c.prints("ready")
		c.kill(syscall.SIGTERM)
		c.prints("deferred", "ready")
		c.kill(syscall.SIGTERM)
		c.prints("terminated")
		c.ends(0)
	})
	t.Run("two deferrals", func(t *testing.T) {
		c := start(t, "again")
		for range 2 {
			c.prints("ready")
			c.kill(syscall.SIGINT)
			c.prints("interrupt")
		}
		c.ends(0)
	})
}

// Signals that are ignored at the start, as under nohup, stay ignored.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	for name, last := range map[string]string{"defer": "deferred", "cancel": "context canceled"} {
		t.Run(name, func(t *testing.T) {
			c := start(t, name, "sh", "-c", `trap "" HUP INT; exec "$0"`)
			c.prints("ready")
			c.kill(syscall.SIGHUP)
			c.kill(syscall.SIGINT)
			c.kill(syscall.SIGTERM)
			c.prints(last, "terminated")
			c.ends(syscall.SIGTERM)
		})
	}
	t.Run("clean", func(t *testing.T) {
		c := start(t, "clean", "sh", "-c", `trap "" HUP INT; exec "$0"`)
		c.prints("ready")
		c.kill(syscall.SIGHUP)
		c.kill(syscall.SIGINT)
		c.kill(syscall.SIGTERM)
		c.prints("cleaned")
		c.ends(syscall.SIGTERM)
	})
}

// A closed pipe, as in "-v 2>&1 | head -1", does not interrupt a change of a login.
func TestClosedPipe(t *testing.T) {
	c := start(t, "pipe")
	c.prints("true", `"" signal: broken pipe`, "<nil>")
	c.ends(syscall.SIGPIPE)
	c = start(t, "ignore pipe")
	c.prints("<nil>", "true")
	c.ends(0)
}

func TestCancelOnSignal(t *testing.T) {
	for _, s := range deferrable {
		t.Run(s.String(), func(t *testing.T) {
			c := start(t, "cancel")
			c.prints("ready")
			c.kill(s)
			c.prints("context canceled", s.String())
			c.ends(s)
		})
	}
	t.Run("a second signal", func(t *testing.T) {
		c := start(t, "cancel and block")
		c.prints("ready")
		c.kill(syscall.SIGINT)
		c.prints("canceled")
		c.kill(syscall.SIGINT)
		c.ends(syscall.SIGINT)
	})
	t.Run("no signal", func(t *testing.T) {
		c := start(t, "stop")
		c.prints("<nil> context canceled", "<nil>", "ready")
		c.kill(syscall.SIGTERM)
		c.ends(syscall.SIGTERM)
	})
	t.Run("around a deferral", func(t *testing.T) {
		c := start(t, "nested")
		c.prints("ready")
		c.kill(syscall.SIGINT)
		c.prints("interrupt", "interrupt")
		c.ends(syscall.SIGINT)
	})
}

func TestOnSignal(t *testing.T) {
	for _, s := range deferrable {
		t.Run(s.String(), func(t *testing.T) {
			c := start(t, "clean")
			c.prints("ready")
			c.kill(s)
			c.prints("cleaned")
			c.ends(s)
		})
	}
	t.Run("stopped", func(t *testing.T) {
		c := start(t, "clean stopped")
		c.prints("ready")
		c.kill(syscall.SIGTERM)
		c.ends(syscall.SIGTERM)
	})
}
