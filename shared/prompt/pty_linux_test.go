package prompt

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary act as the program on the terminal.
func TestMain(m *testing.M) {
	if name := os.Getenv("PROMPT_TEST_CHILD"); name != "" {
		onTerminal(name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func onTerminal(name string) {
	t := &Terminal{Fallback: os.Stderr, Getenv: os.Getenv}
	switch name {
	case "code":
		// The time is constant, so the number of updates of the line makes no difference.
		now := time.Unix(1_750_000_000, 0)
		t.ShowCode(context.Background(), Code{
			Issuer: "https://iam.example.org/", UserCode: "ABCD-EFGH", VerificationURI: "https://iam.example.org/device",
			Complete: os.Getenv("COMPLETE"), Expires: now.Add(10 * time.Minute),
		}, func() time.Time { return now })()
		fmt.Println("done")
	case "passphrase":
		s, err := t.Passphrase("Passphrase: ")
		fmt.Printf("%q %v\n", s, err)
	}
}

// terminal is the master side of a child's pseudo-terminal.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	stdout strings.Builder

	mu     sync.Mutex
	screen strings.Builder
	more   *sync.Cond
	closed bool
}

func run(t *testing.T, name string, columns, lines int, env ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this system has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fd := int(master.Fd())
	check(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	check(err)
	check(unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(lines), Col: uint16(columns)}))
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	check(err)
	defer func() { _ = tty.Close() }()
	self, err := os.Executable()
	check(err)
	// The timeout only prevents a broken child from hanging.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	x := &terminal{t: t, master: master, cmd: exec.CommandContext(ctx, self)}
	x.more = sync.NewCond(&x.mu)
	x.cmd.Env = append([]string{"PROMPT_TEST_CHILD=" + name, "TERM=xterm", "LANG=C.UTF-8", "GORACE=atexit_sleep_ms=0"}, env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = tty, &x.stdout, tty
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	check(x.cmd.Start())
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			x.mu.Lock()
			x.screen.Write(b[:n])
			x.closed = err != nil
			x.more.Broadcast()
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// waitFor waits until the text appears on the terminal.
func (x *terminal) waitFor(want string) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	for !strings.Contains(x.screen.String(), want) {
		if x.closed {
			x.t.Fatalf("no %q on the terminal: %q", want, x.screen.String())
		}
		x.more.Wait()
	}
}

func (x *terminal) enter(s string) {
	x.t.Helper()
	if _, err := io.WriteString(x.master, s); err != nil {
		x.t.Fatal(err)
	}
}

// wait waits until the child exits and returns its output on the terminal.
func (x *terminal) wait() string {
	x.t.Helper()
	_ = x.cmd.Wait()
	// Reading from the master fails after the last process has closed the terminal.
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.closed {
		x.more.Wait()
	}
	return strings.ReplaceAll(x.screen.String(), "\r\n", "\n")
}

// rows returns the number of rows of the text on a terminal, including the cursor's row.
func rows(s string, columns int) int {
	n := 0
	for line := range strings.SplitSeq(s, "\n") {
		n += max((utf8.RuneCountInString(line)+columns-1)/columns, 1)
	}
	return n
}

func TestShowCodeOnTerminal(t *testing.T) {
	long := complete + "&state=" + strings.Repeat("x", 60)
	short := "https://iam.example.org/d?c=ABCD"
	for _, tt := range []struct {
		name           string
		columns, lines int
		complete       string
		env            string
		qr             bool
	}{
		{"80x24", 80, 24, complete, "", false},
		{"80x50", 80, 50, complete, "", true},
		{"tall and narrow", 25, 60, complete, "", false},
		{"not UTF-8", 80, 50, complete, "LANG=C", false},
		{"dumb", 80, 50, complete, "TERM=dumb", false},
		{"no complete URL", 80, 50, "", "", false},
		{"no size", 0, 0, complete, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := run(t, "code", tt.columns, tt.lines, "COMPLETE="+tt.complete, tt.env)
			got := x.wait()
			want := page(Code{Issuer: "https://iam.example.org/", UserCode: "ABCD-EFGH", VerificationURI: "https://iam.example.org/device", Complete: tt.complete})
			if !strings.HasPrefix(got, want) {
				t.Errorf("%q", got)
			}
			if strings.ContainsAny(got, "█▄▀") != tt.qr {
				t.Errorf("QR code: %v", !tt.qr)
			}
			if tt.env == "TERM=dumb" && (strings.Contains(got, "\x1b") || !strings.HasSuffix(got, waiting+"\n")) {
				t.Errorf("%q", got)
			}
			if tt.env != "TERM=dumb" && (!strings.Contains(got, "\r\x1b[K10:00 left") || !strings.HasSuffix(got, "\r\x1b[K")) {
				t.Errorf("%q", got)
			}
			if x.stdout.String() != "done\n" {
				t.Errorf("stdout %q", x.stdout.String())
			}
		})
	}
	// If the URL with the code would scroll off the screen, only the one without it is shown.
	for length, whole := range map[int]bool{700: true, 1900: false} {
		url := complete + strings.Repeat("x", length-len(complete))
		got := run(t, "code", 80, 24, "COMPLETE="+url).wait()
		if !strings.Contains(got, "https://iam.example.org/device") || strings.Contains(got, url) != whole || strings.Contains(got, "check that") != whole {
			t.Errorf("a URL of %d characters: %q", length, got)
		}
	}
	// With or without a QR code, the URL stays on the screen.
	for _, url := range []string{short, complete, long} {
		c := Code{Issuer: "https://iam.example.org/", UserCode: "ABCD-EFGH", VerificationURI: "https://iam.example.org/device", Complete: url}
		need := rows(page(c)+qr(url, 80, 1000), 80)
		for lines := need - 2; lines <= need+1; lines++ {
			x := run(t, "code", 80, lines, "COMPLETE="+url)
			got, _, _ := strings.Cut(x.wait(), "\r\x1b[K")
			if shown := strings.Contains(got, "█"); shown != (lines >= need) {
				t.Errorf("a URL of %d characters and its code need %d rows: shown on %d: %v", len(url), need, lines, shown)
			}
		}
	}
}

// The passphrase is not echoed, even if it is typed as soon as the prompt appears.
func TestPassphraseOnTerminal(t *testing.T) {
	x := run(t, "passphrase", 80, 24)
	x.waitFor("Passphrase: ")
	x.enter("s3cret word\n")
	if got := x.wait(); got != "Passphrase: \n" {
		t.Errorf("on the terminal: %q", got)
	}
	if got := x.stdout.String(); got != "\"s3cret word\" <nil>\n" {
		t.Errorf("%s", got)
	}
}

// Ctrl-C at the prompt terminates the program and restores the echo.
func TestInterruptAtPassphrase(t *testing.T) {
	x := run(t, "passphrase", 80, 24)
	x.waitFor("Passphrase: ")
	x.enter("half\x03")
	_ = x.wait()
	if ws, ok := x.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("exited with %v", x.cmd.ProcessState)
	}
	state, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ECHO == 0 {
		t.Errorf("the terminal has no echo: %v", err)
	}
	if x.stdout.String() != "" {
		t.Errorf("stdout %q", x.stdout.String())
	}
}

// A process without a controlling terminal does not find one.
func TestNoTerminal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"passphrase": `"" there is no terminal to ask on`, "code": "done"} {
		cmd := exec.Command(self)
		cmd.Env = []string{"PROMPT_TEST_CHILD=" + name, "GORACE=atexit_sleep_ms=0"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if name == "code" && !strings.Contains(stderr.String(), "ABCD-EFGH") {
			t.Errorf("stderr %q", stderr.String())
		}
	}
}
