// Package prompt shows codes, URLs and QR codes on the terminal and prompts for passphrases. It
// uses the terminal itself (/dev/tty), not stdin and stdout, which are for data.
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

// ErrNoTerminal means that there is no terminal to prompt on.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// Terminal is the terminal of the user. If there is none, codes are written to Fallback, and
// prompts fail with [ErrNoTerminal].
type Terminal struct {
	// Fallback is written to if there is no terminal. It is usually stderr.
	Fallback io.Writer
	// Disabled means that the terminal is never opened.
	Disabled bool
	// Getenv returns TERM and the variables of the locale.
	Getenv func(string) string

	checked   sync.Once // sets available
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

// Available reports whether there is a terminal to prompt on.
func (t *Terminal) Available() bool {
	t.checked.Do(func() {
		if f, err := t.open(); err == nil {
			f.close()
			t.available = true
		}
	})
	return t.available
}

// Passphrase prompts for a secret without echo.
func (t *Terminal) Passphrase(question string) (string, error) {
	f, err := t.open()
	if err != nil {
		return "", err
	}
	defer f.close()
	// If the process is interrupted at the prompt, the echo must be restored.
	state, err := term.GetState(int(f.in.Fd()))
	if err != nil {
		return "", err
	}
	var mu sync.Mutex // prevents switching the echo off after a signal has restored it
	interrupted := false
	defer cli.OnSignal(func() {
		mu.Lock()
		defer mu.Unlock()
		interrupted = true
		_ = term.Restore(int(f.in.Fd()), state)
		_, _ = fmt.Fprintln(f.out)
	})()
	// Switch the echo off before the prompt, because users may type ahead.
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

// Code is what the user needs to approve a login in a browser.
type Code struct {
	Issuer          string
	UserCode        string
	VerificationURI string
	// Complete is the URL that contains the code, or "".
	Complete string
	// Expires is when the code expires, or zero if that is unknown.
	Expires time.Time
}

// ShowCode prints the instructions to approve the login. On a terminal it also shows a QR code,
// if that fits, and updates a line with the time left until ctx is canceled. The caller must
// call done, which removes that line.
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
		// The URL that contains the code would scroll off the screen. The other one is shorter.
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

// dumb reports whether the terminal does not support control sequences.
func (t *Terminal) dumb() bool {
	return dumb(runtime.GOOS, t.getenv("TERM"))
}

// dumb reports whether a terminal of this type does not support control sequences. On Windows
// TERM is usually not set.
func dumb(goos, name string) bool {
	return name == "dumb" || name == "" && goos != "windows"
}

// utf8 reports whether the terminal can show the half blocks of the QR code.
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

// page returns the instructions for the user. The URL, the most important line, comes first.
func page(c Code) string {
	line := func(s string) string { return text.Foreign(s, maxAddress) }
	issuer, uri, code, complete := line(c.Issuer), line(c.VerificationURI), line(c.UserCode), line(c.Complete)
	if complete == "" {
		return fmt.Sprintf("to log in at %s open\n\n    %s\n\nin any browser and enter the code\n\n    %s\n\n", issuer, uri, code)
	}
	return fmt.Sprintf("to log in at %s open\n\n    %s\n\nin any browser and check that it shows the code\n\n    %s\n\n(or open %s and enter the code)\n\n", issuer, complete, code, uri)
}

// maxAddress is the maximum length of a URL that is shown, in characters. A QR code can contain
// slightly more.
const maxAddress = 2000

// wrappedRows returns the number of rows of a page on a terminal that wraps long lines.
func wrappedRows(page string, width int) int {
	n := 0
	for line := range strings.Lines(page) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+width-1)/width)
	}
	return n
}

// waiting is the message during the login. It mentions Ctrl-C because INDIGO IAM does not
// report to a program that the user denied the login.
const waiting = "waiting for the approval (press Ctrl-C if you denied it)"

func countdown(c Code, now time.Time, width int) string {
	line := waiting
	if !c.Expires.IsZero() {
		left := max(c.Expires.Sub(now), 0).Round(time.Second)
		line = fmt.Sprintf("%d:%02d left, %s", int(left.Minutes()), int(left.Seconds())%60, waiting)
	}
	// A wrapped line could not be overwritten. The terminal may append ^C to the line.
	if limit := max(width-3, 0); len(line) > limit {
		line = line[:limit]
	}
	return line
}

// qr returns the QR code, or "" if it does not fit: the URL and the code would scroll off the
// screen.
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
