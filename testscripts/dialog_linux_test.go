package testscripts

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialogMain is the program dialog of the scripts, which runs a command on a new
// pseudo-terminal and simulates its user:
//
//	dialog [-size COLUMNSxLINES] [-stdin FILE] FILE COMMAND [ARG...]
//
// Each line of FILE is one step:
//
//	> TEXT    wait until TEXT is on the terminal, after the text of earlier steps
//	hidden    wait until the echo is off
//	< TEXT    type TEXT and Enter
//	^C        press Ctrl-C
//
// The output on the terminal is written to the file screen. The command's stderr is the
// terminal, and so is its stdin unless -stdin names a file; its stdout is dialog's. In contrast
// to ttyin, input can wait for its prompt, and the terminal has a size. The exit code is the
// command's, or 128 plus the number of the signal that ended it. It is 99 if a step fails, or if
// the echo is off at the end.
func dialogMain() {
	size := flag.String("size", "80x24", "")
	stdin := flag.String("stdin", "", "")
	flag.Parse()
	code, err := dialog(*size, *stdin, flag.Arg(0), flag.Args()[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "dialog:", err)
		code = 99
	}
	os.Exit(code)
}

func dialog(size, stdin, file string, command []string) (code int, err error) {
	var columns, lines int
	if _, err := fmt.Sscanf(size, "%dx%d", &columns, &lines); err != nil {
		return 0, fmt.Errorf("-size: %w", err)
	}
	steps, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	t, err := newTerminal(columns, lines)
	if err != nil {
		return 0, err
	}
	// The limit is only reached if the program hangs.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.tty, os.Stdout, t.tty
	if stdin != "" {
		f, err := os.Open(stdin)
		if err != nil {
			return 0, err
		}
		defer func() { _ = f.Close() }()
		cmd.Stdin = f
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	// Reading from the terminal ends when the command has closed it, too.
	if err := t.tty.Close(); err != nil {
		return 0, err
	}
	err = t.talk(string(steps))
	if err != nil {
		cancel()
	}
	_ = cmd.Wait()
	echo, eerr := t.echo()
	if err == nil && eerr == nil && !echo {
		err = errors.New("the echo of the terminal is still off")
	}
	screen := t.all()
	err = errors.Join(err, eerr, os.WriteFile("screen", []byte(screen), 0o600))
	if err != nil {
		err = fmt.Errorf("%w; on the terminal: %q", err, screen)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), err
	}
	return cmd.ProcessState.ExitCode(), err
}

// terminal is a pseudo-terminal, as its user sees it.
type terminal struct {
	ptmx, tty *os.File

	mu     sync.Mutex
	more   *sync.Cond
	screen strings.Builder
	seen   int  // the length of the output that earlier steps matched
	closed bool // there is no more output
}

func newTerminal(columns, lines int) (_ *terminal, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	t := &terminal{ptmx: os.NewFile(uintptr(fd), "/dev/ptmx")}
	t.more = sync.NewCond(&t.mu)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(lines), Col: uint16(columns)}); err != nil {
		return nil, err
	}
	t.tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := t.ptmx.Read(b)
			t.mu.Lock()
			t.screen.Write(b[:n])
			t.closed = err != nil
			t.mu.Unlock()
			t.more.Broadcast()
			if err != nil {
				return
			}
		}
	}()
	return t, nil
}

// all waits until the command has ended, and returns the output on the terminal.
func (t *terminal) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.closed {
		t.more.Wait()
	}
	return strings.ReplaceAll(t.screen.String(), "\r\n", "\n")
}

// echo reports whether the terminal shows what is typed.
func (t *terminal) echo() (bool, error) {
	state, err := unix.IoctlGetTermios(int(t.ptmx.Fd()), unix.TCGETS)
	if err != nil {
		return false, err
	}
	return state.Lflag&unix.ECHO != 0, nil
}

// talk runs the steps, one on each line.
func (t *terminal) talk(steps string) error {
	scanner := bufio.NewScanner(strings.NewReader(steps))
	for scanner.Scan() {
		verb, text, _ := strings.Cut(scanner.Text(), " ")
		var err error
		switch verb {
		case ">":
			err = t.await(text)
		case "hidden":
			err = t.hidden()
		case "<":
			_, err = t.ptmx.WriteString(text + "\n")
		case "^C":
			_, err = t.ptmx.WriteString("\x03")
		default:
			err = fmt.Errorf("unknown step %q", scanner.Text())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// await waits until text appears after the text of earlier steps.
func (t *terminal) await(text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if i := strings.Index(t.screen.String()[t.seen:], text); i >= 0 {
			t.seen += i + len(text)
			return nil
		}
		if t.closed {
			return fmt.Errorf("%q was never printed", text)
		}
		t.more.Wait()
	}
}

// hidden waits until the echo is off.
func (t *terminal) hidden() error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if echo, err := t.echo(); err != nil || !echo {
			return err
		}
		t.mu.Lock()
		closed := t.closed
		t.mu.Unlock()
		if closed {
			return fmt.Errorf("the echo was never switched off")
		}
		<-tick.C
	}
}
