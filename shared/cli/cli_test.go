package cli

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
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
