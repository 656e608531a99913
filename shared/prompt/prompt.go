// Package prompt talks to the user on the terminal: user code, URL, QR code, passphrase. It
// uses the terminal itself (/dev/tty), never stdin or stdout, which are for data.
package prompt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mdp/qrterminal/v3"
	"golang.org/x/term"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
)

// ErrNoTerminal means that there is no terminal to ask on.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// Terminal is the terminal of the user. Without one, what must be shown goes to Fallback, and
// questions fail with [ErrNoTerminal].
type Terminal struct {
	// Fallback gets what must be shown if there is no terminal: stderr.
	Fallback io.Writer
	// Disabled keeps the terminal from ever being opened.
	Disabled bool
	// Getenv reads TERM and the locale.
	Getenv func(string) string

	looked    sync.Once // for a terminal, and set available
	available bool
}

// tty is an open terminal. in and out may be the same file.
type tty struct{ in, out *os.File }

func (t *tty) close() {
	_ = t.in.Close()
	if t.out != t.in {
		_ = t.out.Close()
	}
}

func (t *Terminal) open() (*tty, error) {
	if t.Disabled {
		return nil, ErrNoTerminal
	}
	in, out, err := openTTY()
	if err != nil {
		return nil, ErrNoTerminal
	}
	f := &tty{in, out}
	if !term.IsTerminal(int(in.Fd())) {
		f.close()
		return nil, ErrNoTerminal
	}
	return f, nil
}

// Available reports whether there is a terminal to ask on.
func (t *Terminal) Available() bool {
	t.looked.Do(func() {
		if f, err := t.open(); err == nil {
			f.close()
			t.available = true
		}
	})
	return t.available
}

// Passphrase asks for a secret without showing what is typed.
func (t *Terminal) Passphrase(question string) (string, error) {
	f, err := t.open()
	if err != nil {
		return "", err
	}
	defer f.close()
	// A process that ends at the prompt must not leave the terminal without echo.
	state, err := term.GetState(int(f.in.Fd()))
	if err != nil {
		return "", err
	}
	var mu sync.Mutex // the echo is not switched off after a signal has restored it
	interrupted := false
	defer cli.OnSignal(func() {
		mu.Lock()
		defer mu.Unlock()
		interrupted = true
		_ = term.Restore(int(f.in.Fd()), state)
		_, _ = fmt.Fprintln(f.out)
	})()
	// Before the prompt, as some people type ahead.
	mu.Lock()
	if !interrupted {
		echoOff(int(f.in.Fd()))
	}
	mu.Unlock()
	defer func() { _ = term.Restore(int(f.in.Fd()), state) }()
	_, _ = fmt.Fprintf(f.out, "%s: ", strings.TrimSuffix(strings.TrimSpace(question), ":"))
	b, err := readSecret(f.in)
	_, _ = fmt.Fprintln(f.out)
	return string(b), err
}

// Code is what a person needs to approve a login in a browser.
type Code struct {
	Issuer          string
	UserCode        string
	VerificationURI string
	// Complete is the URL that contains the code; empty if there is none.
	Complete string
	// Expires is when the code expires; zero if that is unknown.
	Expires time.Time
}

// ShowCode shows how to approve. On a terminal it also shows a QR code, if that fits,
// and a line with the time left until ctx ends. The returned function ends that line; it
// must be called.
func (t *Terminal) ShowCode(ctx context.Context, c Code, now func() time.Time) (done func()) {
	f, err := t.open()
	if err != nil {
		_, _ = io.WriteString(t.Fallback, page(c))
		return func() {}
	}
	width, height, err := term.GetSize(int(f.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	if wrappedRows(page(c), width) >= height {
		// The URL that contains the code would leave the screen; the other one is shorter.
		c.Complete = ""
	}
	_, _ = io.WriteString(f.out, page(c))
	if t.dumb() || !cli.ControlSequences(f.out) {
		_, _ = io.WriteString(f.out, waiting+"\n")
		return f.close
	}
	if c.Complete != "" && t.utf8() {
		_, _ = io.WriteString(f.out, qr(c.Complete, width, height-1-wrappedRows(page(c), width)))
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			_, _ = fmt.Fprintf(f.out, "\r\x1b[K%s", countdown(c, now(), width))
			select {
			case <-ctx.Done():
				_, _ = io.WriteString(f.out, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
		f.close()
	}
}

// dumb reports whether the terminal has no control sequences.
func (t *Terminal) dumb() bool {
	return dumb(runtime.GOOS, t.getenv("TERM"))
}

// dumb reports whether a terminal of this type has no control sequences. On Windows no
// variable names the type.
func dumb(goos, name string) bool {
	return name == "dumb" || name == "" && goos != "windows"
}

// utf8 reports whether the terminal shows the half blocks of the QR code.
func (t *Terminal) utf8() bool {
	locale := strings.ToLower(cmp.Or(t.getenv("LC_ALL"), t.getenv("LC_CTYPE"), t.getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8") || locale == ""
}

func (t *Terminal) getenv(name string) string {
	if t.Getenv == nil {
		return ""
	}
	return t.Getenv(name)
}

// page is what a person reads. The most important line, the URL, comes first.
func page(c Code) string {
	line := func(s string) string { return text.Foreign(s, maxAddress) }
	issuer, uri, code, complete := line(c.Issuer), line(c.VerificationURI), line(c.UserCode), line(c.Complete)
	if complete == "" {
		return fmt.Sprintf("to log in at %s open\n\n    %s\n\nin any browser and enter the code\n\n    %s\n\n", issuer, uri, code)
	}
	return fmt.Sprintf("to log in at %s open\n\n    %s\n\nin any browser and check that it shows the code\n\n    %s\n\n(or open %s and enter the code)\n\n", issuer, complete, code, uri)
}

// maxAddress is the longest URL that is shown, in characters. A QR code has room for
// somewhat more.
const maxAddress = 2000

// wrappedRows is how many rows a page takes on a terminal that wraps long lines.
func wrappedRows(page string, width int) int {
	n := 0
	for line := range strings.Lines(page) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+width-1)/width)
	}
	return n
}

// waiting says what is going on. INDIGO IAM does not tell a program that the user denied
// the login.
const waiting = "waiting for the approval (press Ctrl-C if you denied it)"

func countdown(c Code, now time.Time, width int) string {
	line := waiting
	if !c.Expires.IsZero() {
		left := max(c.Expires.Sub(now), 0).Round(time.Second)
		line = fmt.Sprintf("%d:%02d left, %s", int(left.Minutes()), int(left.Seconds())%60, waiting)
	}
	// A line that wraps could not be overwritten. The terminal adds ^C to it.
	if most := max(width-3, 0); len(line) > most {
		line = line[:most]
	}
	return line
}

// qr returns the QR code, or nothing if it does not fit: then the URL and the code would
// leave the screen.
func qr(address string, width, height int) string {
	if len(address) > maxAddress {
		return ""
	}
	var b bytes.Buffer
	qrterminal.GenerateWithConfig(address, qrterminal.Config{
		Level: qrterminal.L, Writer: &b, HalfBlocks: true, QuietZone: 1,
		BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
		BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
	})
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if len(lines)+1 > height || utf8.RuneCountInString(lines[0]) > width {
		return ""
	}
	return strings.Join(lines, "\n") + "\n\n"
}
