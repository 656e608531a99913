package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cmdline"
)

func TestReport(t *testing.T) {
	tests := []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("it broke"), 1, "prog: error: it broke\n"},
		{Errorf(NeedLogin, "no login").Hint("log in with\n  prog login"), 3, "prog: error: no login\nprog: hint: log in with\nprog:   prog login\n"},
		{fmt.Errorf("outer: %w", Errorf(Network, "inner")), 5, "prog: error: outer: inner\n"},
		{errors.New("a\x1b[31mb\u202ec\rd"), 1, `prog: error: a\u001b[31mb\u202ec\u000dd` + "\n"},
	}
	for _, tt := range tests {
		var stderr, stdout bytes.Buffer
		env := &Env{Program: "prog", Stdout: &stdout, Stderr: &stderr}
		if code := env.Report(tt.err); code != tt.code || stderr.String() != tt.want || stdout.Len() > 0 {
			t.Errorf("%v: %d %q", tt.err, code, stderr.String())
		}
	}
}

func TestMessageInLogIsOneLine(t *testing.T) {
	var out bytes.Buffer
	e := &Env{Program: "x", Stderr: &out}
	long := strings.TrimSpace(strings.Repeat("word ", 100))
	e.Say("%s\n  a command to paste", long)
	if want := "x: " + long + "\nx:   a command to paste\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"60": time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0": 0, " 5 ": 5 * time.Second} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v %v", in, d, err)
		}
	}
	for _, in := range []string{"", "-5", "-5s", "soon", "1.5", "1e3", "99999999999999999999"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q: %v", in, d)
		}
	}
}

func TestHold(t *testing.T) {
	var b bytes.Buffer
	env := &Env{Program: "prog", Stderr: &b}
	env.Say("one")
	release := env.Hold()
	env.Say("two")
	env.Say("three\nlines\nin all")
	inner := env.Hold()
	env.Say("four")
	inner() // the outer Hold is still active
	if got := b.String(); got != "prog: one\n" {
		t.Errorf("printed %q", got)
	}
	release()
	env.Say("five")
	release()
	want := "prog: one\nprog: two\nprog: three\nprog: lines\nprog: in all\nprog: four\nprog: five\n"
	if got := b.String(); got != want {
		t.Errorf("printed %q", got)
	}
	if env.Report(Errorf(Refused, "no").Hint("ask")) != Refused || !strings.HasSuffix(b.String(), "prog: error: no\nprog: hint: ask\n") {
		t.Errorf("printed %q", b.String())
	}
}

// explained has an exit code and hints without being an Error.
type explained struct{ hints []string }

func (*explained) Error() string     { return "explained" }
func (*explained) ExitCode() int     { return Network }
func (e *explained) Hints() []string { return e.hints }

func TestExplain(t *testing.T) {
	known := &explained{make([]string, 1, 10)}
	known.hints[0] = "first"
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{io.EOF, Failed, "more"},
		{known, Network, "first, more"},
		{fmt.Errorf("outer: %w", known), Network, "first, more"},
		{errors.Join(io.EOF, known), Network, "first, more"},
		{Errorf(StoreFailed, "%w", known).Hint("own"), StoreFailed, "own, more"},
	} {
		e := Explain(tt.err).Hint("%s", "more")
		if e.ExitCode() != tt.code || strings.Join(e.Hints(), ", ") != tt.want || e.Error() != tt.err.Error() || !errors.Is(e, tt.err) {
			t.Errorf("%v: %d %q", tt.err, e.ExitCode(), e.Hints())
		}
	}
	if extended := known.hints[:2]; extended[1] != "" {
		t.Error("the hint was added to the error's own list")
	}
}

func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--color blue":   `--color: "blue" is not one of red, green`,
		"--name":         "--name: the value is missing",
		"--name -x":      `--name: the value is missing: write it as --name="-x" if it begins with a dash`,
		"--list":         "--list: the value is missing",
		"--sure=perhaps": `--sure: "perhaps" is neither true nor false`,
		"--nane x":       `unknown flag --nane, did you mean "--name"?`,
		"--for 1x":       `--for: "1x" is not a duration: use seconds, or a duration such as 90s, 1h30m or 5d`,
		"--for=-1s":      `--for: "-1s" is not a duration: use seconds, or a duration such as 90s, 1h30m or 5d`,
		"word":           `unexpected argument "word"`,
	} {
		var g struct {
			Color string `enum:",red,green" default:""`
			Name  string
			List  []string
			Sure  bool
			For   Duration
			HelpFlags
		}
		var line cmdline.Line
		line.Add(&g, "")
		env := &Env{Program: "prog"}
		done, err := env.Parse(&line, &g.HelpFlags, strings.Fields(args), nil)
		var e *Error
		if done || !errors.As(err, &e) || e.Code != Usage || err.Error() != want || len(e.Hints()) != 1 {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}

func TestProgramName(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/condor-token-helper":             "prog",
		"/usr/libexec/condor/condor-token-credmon": "prog",
		"/usr/local/bin/kubectl-condor_token":      "kubectl condor-token",
		"kubectl-xrd_token.exe":                    "kubectl xrd-token",
		"kubectl-token-xrd":                        "kubectl token xrd",
	} {
		if got := programName("prog", binaryName(path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// Two goroutines that change logins hold the output until both have finished.
func TestHoldBySeveral(t *testing.T) {
	var b bytes.Buffer
	env := &Env{Program: "prog", Stderr: &b}
	first, second := env.Hold(), env.Hold()
	env.Say("one")
	first()
	first()
	if b.Len() > 0 {
		t.Errorf("printed %q while a login was being changed", b.String())
	}
	second()
	if got := b.String(); got != "prog: one\n" {
		t.Errorf("printed %q", got)
	}
}
