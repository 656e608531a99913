// Package prompt talks with the person at the terminal: user code, address, QR
// code, passphrase. It speaks to the terminal itself (/dev/tty), never to stdin or
// stdout, which belong to the data.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mdp/qrterminal/v3"
	"golang.org/x/term"

	"example.org/token-helpers/shared/text"
)

// ErrNoTerminal says that there is nobody to ask.
var ErrNoTerminal = errors.New("no terminal to ask at")

// Terminal is where the person is. Without one (nobody there, or told not to ask)
// what must be shown goes to the fallback, and questions fail.
type Terminal struct {
	// Fallback takes what must be shown where there is no terminal: stderr.
	Fallback io.Writer
	// Disabled keeps it from ever opening the terminal.
	Disabled bool
}

func (t *Terminal) open() (*os.File, error) {
	if t.Disabled {
		return nil, ErrNoTerminal
	}
	f, err := os.OpenFile(ttyName, os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNoTerminal
	}
	if !term.IsTerminal(int(f.Fd())) {
		_ = f.Close()
		return nil, ErrNoTerminal
	}
	return f, nil
}

// Available reports whether there is a person to ask.
func (t *Terminal) Available() bool {
	f, err := t.open()
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// Passphrase asks for a secret without showing what is typed.
func (t *Terminal) Passphrase(question string) (string, error) {
	f, err := t.open()
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	// A process killed at the prompt must not leave the terminal without echo: the
	// state is put back when an interrupt ends the wait.
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", err
	}
	restore := onInterrupt(func() { _ = term.Restore(int(f.Fd()), state) })
	defer restore()
	_, _ = fmt.Fprintf(f, "%s: ", strings.TrimSuffix(strings.TrimSpace(question), ":"))
	b, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(f)
	return string(b), err
}

// Code is what a person needs in order to approve a login elsewhere.
type Code struct {
	Issuer          string
	UserCode        string
	VerificationURI string
	// Complete is the address with the code in it; empty where there is none.
	Complete string
	// Expires is when the code ends; zero where that is not known.
	Expires time.Time
}

// ShowCode shows how to approve, and on a terminal the QR code and, until ctx
// ends, a line with the time left. The returned function ends that line; it must
// be called.
func (t *Terminal) ShowCode(ctx context.Context, c Code, now func() time.Time) (done func()) {
	f, err := t.open()
	if err != nil {
		writeCode(t.Fallback, c)
		return func() {}
	}
	writeCode(f, c)
	if c.Complete != "" {
		_, _ = fmt.Fprintln(f, "or scan this, which carries the code:")
		_, _ = fmt.Fprintln(f)
		qrterminal.GenerateWithConfig(c.Complete, qrterminal.Config{
			Level: qrterminal.L, Writer: f, HalfBlocks: true, QuietZone: 2,
			BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
			BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
		})
		_, _ = fmt.Fprintln(f)
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			line := "waiting for the approval"
			if !c.Expires.IsZero() {
				left := max(c.Expires.Sub(now()), 0).Round(time.Second)
				line += fmt.Sprintf(", %d:%02d left", int(left.Minutes()), int(left.Seconds())%60)
			}
			_, _ = fmt.Fprintf(f, "\r\x1b[K%s", line)
			select {
			case <-ctx.Done():
				_, _ = fmt.Fprint(f, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
		_ = f.Close()
	}
}

func writeCode(w io.Writer, c Code) {
	_, _ = fmt.Fprintf(w, "to log in at %s open\n\n    %s\n\nin any browser and enter the code\n\n    %s\n\n",
		text.Printable(c.Issuer), text.Printable(c.VerificationURI), text.Printable(c.UserCode))
	if c.Complete != "" {
		_, _ = fmt.Fprintf(w, "or open the address that has the code in it\n\n    %s\n\n", text.Printable(c.Complete))
	}
}
