package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"example.org/token-helpers/shared/cmdline"
)

// HelpFlags are the flags that every program has.
type HelpFlags struct {
	Help    bool `short:"h" help:"Show this help."`
	HelpAll bool `help:"Show all flags."`
	Version bool `help:"Print the version."`
}

// Parse parses args. done reports whether the flags requested the help or the version,
// which has been printed. An invalid command line is a [Usage] error.
func (e *Env) Parse(line *cmdline.Line, flags *HelpFlags, args []string, describe func() (*cmdline.Program, *cmdline.Command)) (done bool, err error) {
	if err := line.Parse(args); err != nil {
		command := e.Program
		if describe != nil {
			if _, c := describe(); c.Name != "" {
				command += " " + c.Name
			}
		}
		return false, e.usage(err, command)
	}
	switch {
	case flags.Help || flags.HelpAll:
		p, c := describe()
		return true, e.Help(p, c, flags.HelpAll)
	case flags.Version:
		_, err := fmt.Fprintln(e.Stdout, VersionString(e.Program))
		return true, err
	}
	return false, nil
}

// Help prints the help of a command.
func (e *Env) Help(p *cmdline.Program, c *cmdline.Command, all bool) error {
	_, err := io.WriteString(e.Stdout, p.Help(c, all, e.Columns()))
	return err
}

// Resolve sets the flags that were not on the command line to their defaults.
func (e *Env) Resolve(line *cmdline.Line, lookup func(*cmdline.Flag) ([]string, bool)) error {
	if err := line.Resolve(lookup); err != nil {
		var own *Error
		if errors.As(err, &own) {
			return own
		}
		return Errorf(Usage, "%w", err)
	}
	return nil
}

// usage returns the error for an invalid command line of a command.
func (e *Env) usage(err error, command string) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return Errorf(Usage, "%w", err).Hint("run '%s --help-all' to see all flags", command)
}

// Columns returns the line width for stdout: COLUMNS if it is set, the width of the
// terminal if stdout is one, and otherwise 80.
func (e *Env) Columns() int {
	if n, err := strconv.Atoi(e.Getenv("COLUMNS")); err == nil && n > 0 {
		return max(n, minColumns)
	}
	if n, ok := columns(e.Stdout); ok {
		return min(n, 120)
	}
	return 80
}

const minColumns = 40

// stderrColumns returns the maximum width of a message: the width of the terminal, at
// most 80, and unlimited if stderr is not a terminal.
func (e *Env) stderrColumns() int {
	if n, ok := columns(e.Stderr); ok {
		return min(n, 80)
	}
	return math.MaxInt
}

// columns returns the width of the terminal w, at least minColumns. It is 80 if the
// terminal does not report its size.
func columns(w io.Writer) (n int, terminal bool) {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if n == 0 {
		n = 80
	}
	return max(n, minColumns), err == nil
}

// Duration is the value of a flag: a Go duration (90s, 1h30m), which may begin with days
// (5d, 1d12h), or a number of seconds, as in htgettoken's --minsecs.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler. Negative durations are rejected.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	days, rest, hasDays := strings.Cut(s, "d")
	n, derr := strconv.ParseUint(days, 10, 15)
	if hasDays = hasDays && derr == nil; !hasDays {
		n, rest = 0, s
	}
	v, err := time.ParseDuration(rest)
	if hasDays && rest == "" {
		err = nil
	}
	if err == nil && v >= 0 {
		v += time.Duration(n) * 24 * time.Hour
	}
	if n, nerr := strconv.ParseUint(s, 10, 31); nerr == nil {
		v, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: use seconds, or a duration such as 90s, 1h30m or 5d", s)
	}
	*d = Duration(v)
	return nil
}

// String returns the duration in Go's format.
func (d Duration) String() string { return time.Duration(d).String() }
