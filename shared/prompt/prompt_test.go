package prompt

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Without a terminal the code is written to Fallback, and a prompt fails.
func TestWithoutTerminal(t *testing.T) {
	var b bytes.Buffer
	term := &Terminal{Fallback: &b, Disabled: true}
	if term.Available() {
		t.Error("there is a terminal")
	}
	done := term.ShowCode(context.Background(), Code{
		Issuer: "https://i/", UserCode: "ABCD-EFGH\x1b[31m", VerificationURI: "https://i/device", Complete: "https://i/device?user_code=ABCD-EFGH",
	}, time.Now)
	done()
	for _, want := range []string{"to log in at https://i/ open\n", "\n    https://i/device?user_code=ABCD-EFGH\n", "\n    ABCD-EFGH\\u001b[31m\n", "(or open https://i/device and enter the code)\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a control sequence of the issuer is printed")
	}
	if _, err := term.Passphrase("x"); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
}

const complete = "https://iam.example.org/device?user_code=ABCD-EFGH"

func TestPage(t *testing.T) {
	c := Code{Issuer: "https://iam.example.org/", UserCode: "ABCD-EFGH", VerificationURI: "https://iam.example.org/device"}
	want := `to log in at https://iam.example.org/ open

    https://iam.example.org/device

in any browser and enter the code

    ABCD-EFGH

`
	if got := page(c); got != want {
		t.Errorf("%s", got)
	}
	c.Complete = complete
	want = `to log in at https://iam.example.org/ open

    https://iam.example.org/device?user_code=ABCD-EFGH

in any browser and check that it shows the code

    ABCD-EFGH

(or open https://iam.example.org/device and enter the code)

`
	if got := page(c); got != want {
		t.Errorf("%s", got)
	}
}

// Strings from the issuer can neither control the terminal nor add a line.
func TestPageOfHostileIssuer(t *testing.T) {
	lines := strings.Count(page(Code{Issuer: "i", UserCode: "c", VerificationURI: "u", Complete: "v"}), "\n")
	for _, s := range []string{"x\nhint: run rm", "x\r\nhint: run rm", "\x1b]0;title\a", "\x1b[2J", "\u202egnp", "\u2028", "\ufeff", "\u0085", "\x9b31m", "\xff\xfe"} {
		got := page(Code{Issuer: s, UserCode: s, VerificationURI: s, Complete: s})
		if n := strings.Count(got, "\n"); n != lines {
			t.Errorf("%q makes %d lines instead of %d", s, n, lines)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && hides(r) }) || !utf8.ValidString(got) {
			t.Errorf("%q is printed without escaping", s)
		}
	}
}

func hides(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u2028\ufeff", r)
}

func TestCountdown(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		left  time.Duration
		width int
		want  string
	}{
		{10 * time.Minute, 80, "10:00 left, " + waiting},
		{9*time.Minute + 59*time.Second, 80, "9:59 left, " + waiting},
		{61 * time.Second, 80, "1:01 left, " + waiting},
		{59*time.Second + 900*time.Millisecond, 80, "1:00 left, " + waiting},
		{90 * time.Minute, 80, "90:00 left, " + waiting},
		{400 * time.Millisecond, 80, "0:00 left, " + waiting},
		{-time.Hour, 80, "0:00 left, " + waiting},
		{10 * time.Minute, len("10:00 left, "+waiting) + 3, "10:00 left, " + waiting},
		{10 * time.Minute, len("10:00 left, "+waiting) + 2, strings.TrimSuffix("10:00 left, "+waiting, ")")},
		{10 * time.Minute, 10, "10:00 l"},
		{10 * time.Minute, 1, ""},
		{10 * time.Minute, 0, ""},
	} {
		if got := countdown(Code{Expires: now.Add(tt.left)}, now, tt.width); got != tt.want {
			t.Errorf("%v left, %d columns: %q, want %q", tt.left, tt.width, got, tt.want)
		}
	}
	if got := countdown(Code{}, now, 80); got != waiting {
		t.Errorf("%q", got)
	}
}

func TestQRCodeFits(t *testing.T) {
	for _, address := range []string{"https://i/d?c=A", complete, complete + strings.Repeat("x", 200)} {
		whole := qr(address, 1000, 1000)
		lines := strings.Split(strings.TrimSuffix(whole, "\n\n"), "\n")
		width, height := utf8.RuneCountInString(lines[0]), len(lines)
		if width < 20 || height < width/2 || !strings.HasSuffix(whole, "\n\n") || strings.Contains(whole, "\x1b") {
			t.Fatalf("%d columns, %d lines: %q", width, height, whole)
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) != width || strings.Trim(l, "█▄▀ ") != "" {
				t.Errorf("%q", l)
			}
		}
		for _, tt := range []struct {
			width, height int
			fits          bool
		}{
			{width, height + 1, true},
			{width, height, false}, // the blank line after it does not fit
			{width - 1, height + 1, false},
			{0, 0, false}, {-1, -1, false}, {width, -5, false},
		} {
			if got := qr(address, tt.width, tt.height); got != "" != tt.fits || tt.fits && got != whole {
				t.Errorf("%d columns, %d lines in %d by %d: %d bytes", width, height, tt.width, tt.height, len(got))
			}
		}
	}
	// More than a QR code can contain.
	if got := qr("https://i/"+strings.Repeat("x", 4000), 1000, 1000); got != "" {
		t.Errorf("%q", got)
	}
}

func TestLocaleAndTerm(t *testing.T) {
	for _, tt := range []struct {
		env        map[string]string
		dumb, utf8 bool
	}{
		{map[string]string{"TERM": "xterm", "LANG": "en_US.UTF-8"}, false, true},
		{map[string]string{"TERM": "xterm", "LANG": "de_DE.utf8"}, false, true},
		{map[string]string{"TERM": "vt100", "LANG": "en_US.UTF-8", "LC_ALL": "C"}, false, false},
		{map[string]string{"TERM": "vt100", "LANG": "en_US.UTF-8", "LC_CTYPE": "POSIX"}, false, false},
		{map[string]string{"TERM": "vt100", "LANG": "C", "LC_ALL": "C.UTF-8"}, false, true},
		{map[string]string{"TERM": "dumb", "LANG": "en_US.UTF-8"}, true, true},
		{map[string]string{"LANG": "en_US.ISO-8859-1"}, true, false},
	} {
		term := &Terminal{Getenv: func(k string) string { return tt.env[k] }}
		if term.dumb() != tt.dumb || term.utf8() != tt.utf8 {
			t.Errorf("%v: dumb %v, UTF-8 %v", tt.env, term.dumb(), term.utf8())
		}
	}
	if term := new(Terminal); !term.dumb() && runtime.GOOS != "windows" {
		t.Error("control sequences are used without TERM")
	}
	if dumb("windows", "") || !dumb("windows", "dumb") || !dumb("linux", "") || dumb("linux", "xterm") {
		t.Error("dumb returns a wrong result")
	}
}
