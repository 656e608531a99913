package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type exit int

// Parse parses env.Args into the grammar. done reports that nothing is left to do,
// because --help or --version was given and has been printed. A wrong command line is a
// [Usage] error; kong's own exit code, 80, is never used.
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
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "Show this help."
			return nil
		}),
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
		return nil, false, Errorf(Usage, "%w", plain(err)).Hint("run '%s --help' to see the flags", env.Program)
	}
	return ctx, false, nil
}

// Duration is the value of a flag: a Go duration (90s, 1h30m), days with or without one
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

// kongSays are the messages of kong that are worded for programmers, and what they mean.
// kong has no error types to tell them apart.
var kongSays = []struct {
	says  *regexp.Regexp
	means string
}{
	{regexp.MustCompile(`^(--[\w-]+): missing value, expecting .*$`), "$1: the value is missing"},
	{regexp.MustCompile(`^(--[\w-]+): expected .* value but got "EOL" .*$`), "$1: the value is missing"},
	{regexp.MustCompile(`^(--[\w-]+): expected .*; perhaps try (--.*)\?$`), "$1: the value is missing: write it as $2 if it begins with a dash"},
	{regexp.MustCompile(`^(--[\w-]+): bool value must be .* but got (".*")$`), "$1: $2 is neither true nor false"},
}

var kongEnum = regexp.MustCompile(`^(--[\w-]+) must be one of (.*) but got (".*")$`)

// plain words an error of kong in the way of the other messages.
func plain(err error) error {
	s := err.Error()
	if m := kongEnum.FindStringSubmatch(s); m != nil {
		var values []string
		for v := range strings.SplitSeq(m[2], ",") {
			if v = strings.Trim(v, `"`); v != "" {
				values = append(values, v)
			}
		}
		return fmt.Errorf("%s: %s is not one of %s", m[1], m[3], strings.Join(values, ", "))
	}
	for _, k := range kongSays {
		if k.says.MatchString(s) {
			return errors.New(k.says.ReplaceAllString(s, k.means))
		}
	}
	return err
}
