package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type exit int

// Parse parses env.Args into the grammar. done reports that nothing is left to do,
// for --help or --version was given and has been printed. A wrong command line is a
// [Usage] error; kong's own way out, exit 80, is never taken.
func Parse(env *Env, grammar any, options ...kong.Option) (ctx *kong.Context, done bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exit); !ok {
				panic(r)
			}
			done = true
		}
	}()
	options = append([]kong.Option{
		kong.Name(env.Program),
		kong.Writers(env.Stdout, env.Stderr),
		// The documented way to stop after --help: kong goes on parsing if it returns.
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80, NoExpandSubcommands: true}),
		kong.Vars{"version": VersionString(env.Program)},
	}, options...)
	k, err := kong.New(grammar, options...)
	if err != nil {
		return nil, false, err
	}
	ctx, err = k.Parse(env.Args)
	var own *Error
	switch {
	case errors.As(err, &own):
		return nil, false, own
	case err != nil:
		return nil, false, Errorf(Usage, "%w", err).Hint("run '%s --help' to see the flags", env.Program)
	}
	return ctx, false, nil
}

// Duration is a flag's time span: a Go duration (90s, 1h30m), days with or without one
// (5d, 1d12h), or bare seconds, as htgettoken's --minsecs takes them.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler. Negative spans are refused.
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

// String is the span as Go spells it.
func (d Duration) String() string { return time.Duration(d).String() }
