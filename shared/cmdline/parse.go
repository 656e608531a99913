package cmdline

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/text"
)

// Parse parses the arguments into the fields. Flags and arguments may be mixed;
// everything after "--" is an argument. Values are checked as they are read. A flag that
// is given several times has its last value, or all of them if it repeats.
func (l *Line) Parse(args []string) error {
	positional := 0
	argument := func(s string) error {
		if positional == len(l.Args) {
			return fmt.Errorf("unexpected argument %q", s)
		}
		a := l.Args[positional]
		if !a.Repeats {
			positional++
		}
		l.Given = append(l.Given, Given{Arg: a})
		a.Given = true
		return a.set(a.Name, s)
	}
	for len(args) > 0 {
		s := args[0]
		args = args[1:]
		var err error
		switch {
		case s == "--":
			for _, s := range args {
				if err := argument(s); err != nil {
					return err
				}
			}
			return nil
		case strings.HasPrefix(s, "--"):
			args, err = l.long(s[2:], args)
		case strings.HasPrefix(s, "-") && s != "-":
			args, err = l.short(s[1:], args)
		default:
			err = argument(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// long parses NAME or NAME=VALUE, and returns the arguments that follow.
func (l *Line) long(s string, args []string) ([]string, error) {
	name, value, hasValue := strings.Cut(s, "=")
	f := l.find(name)
	switch {
	case f == nil:
		return nil, l.unknown("--" + name)
	case hasValue:
	case f.IsSwitch():
		value = "true"
	default:
		var err error
		if value, args, err = f.next("--"+name, args); err != nil {
			return nil, err
		}
	}
	return args, l.assign(f, "--"+name, value)
}

// short parses one-letter flags, such as vq or oFORMAT.
func (l *Line) short(s string, args []string) ([]string, error) {
	for s != "" {
		f, rest := l.findShort(s[:1]), s[1:]
		if f == nil {
			return nil, l.unknown("-" + s[:1])
		}
		name := "--" + f.Name
		if f.IsSwitch() {
			if err := l.assign(f, name, "true"); err != nil {
				return nil, err
			}
			s = rest
			continue
		}
		value := rest
		if value == "" {
			var err error
			if value, args, err = f.next(name, args); err != nil {
				return nil, err
			}
		}
		return args, l.assign(f, name, value)
	}
	return args, nil
}

// next returns a flag's value and the arguments after it.
func (f *Flag) next(name string, args []string) (string, []string, error) {
	if len(args) == 0 || args[0] == "--" {
		return "", nil, fmt.Errorf("%s: the value is missing", name)
	}
	if s := args[0]; len(s) > 1 && s[0] == '-' {
		return "", nil, fmt.Errorf("%s: the value is missing: write it as %s=%q if it begins with a dash", name, name, s)
	}
	return args[0], args[1:], nil
}

func (l *Line) assign(f *Flag, name, value string) error {
	if f.Repeats && !f.Given {
		*f.target.(*[]string) = nil // replace earlier values
	}
	f.Given = true
	l.Given = append(l.Given, Given{Flag: f})
	return f.set(name, value)
}

func (l *Line) find(name string) *Flag {
	for _, f := range l.Flags {
		if f.Name == name || slices.Contains(f.Aliases, name) {
			return f
		}
	}
	return nil
}

// unknown returns the error for an unknown flag, with a suggestion.
func (l *Line) unknown(flag string) error {
	var names []string
	for _, f := range l.Flags {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	if name, long := strings.CutPrefix(flag, "--"); long {
		if near := text.Nearest(name, names); near != "" {
			return fmt.Errorf("unknown flag %s, did you mean %q?", flag, "--"+near)
		}
	}
	return fmt.Errorf("unknown flag %s", flag)
}

// ValueError is the error for a value that does not come from the command line.
type ValueError struct {
	Flag *Flag
	Err  error
}

func (e *ValueError) Error() string { return e.Err.Error() }
func (e *ValueError) Unwrap() error { return e.Err }

// Resolve sets each flag that was not on the command line to the values that lookup
// returns, or to its default. A wrong value from lookup is a [ValueError].
func (l *Line) Resolve(lookup func(*Flag) (values []string, ok bool)) error {
	for _, f := range l.Flags {
		if f.Given {
			continue
		}
		if lookup != nil {
			values, ok := lookup(f)
			for _, v := range values {
				if err := f.set("--"+f.Name, v); err != nil {
					return &ValueError{f, err}
				}
			}
			if ok {
				continue
			}
		}
		if f.Default == "" {
			continue
		}
		if err := f.set("--"+f.Name, l.Expand(f.Default)); err != nil {
			return err
		}
		f.Set = false
	}
	for _, a := range l.Args {
		if !a.Given && a.Default != "" {
			if err := a.set(a.Name, a.Default); err != nil {
				return err
			}
		}
	}
	return nil
}

// set sets the field from its text. Errors begin with name.
func (v *Value) set(name, s string) error {
	v.Set = true
	if v.Values != nil && !slices.Contains(v.Values, s) && (s != "" || !v.empty) {
		return fmt.Errorf("%s: %q is not one of %s", name, s, strings.Join(v.Values, ", "))
	}
	switch t := v.target.(type) {
	case *bool:
		switch strings.ToLower(s) {
		case "true", "1", "yes":
			*t = true
		case "false", "0", "no":
			*t = false
		default:
			return fmt.Errorf("%s: %q is neither true nor false", name, s)
		}
	case *string:
		*t = s
	case *int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%s: %q is not a number", name, s)
		}
		*t = n
	case *[]string:
		*t = append(*t, s)
	case encoding.TextUnmarshaler:
		if err := t.UnmarshalText([]byte(s)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	default:
		return errors.ErrUnsupported
	}
	return nil
}

// Skip returns the index of the first argument that is neither a flag of the line nor the
// value of one.
func (l *Line) Skip(args []string) int {
	for i := 0; i < len(args); i++ {
		s := args[i]
		if len(s) < 2 || s[0] != '-' {
			return i
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(s, "--"), "=")
		f := l.find(name)
		if s[1] != '-' {
			name, hasValue = s[1:2], len(s) > 2
			f = l.findShort(name)
			for f != nil && f.IsSwitch() && len(s) > 2 {
				// Several flags in one word.
				s = "-" + s[2:]
				f, hasValue = l.findShort(s[1:2]), len(s) > 2
			}
		}
		switch {
		case f == nil:
			return i
		case !hasValue && !f.IsSwitch():
			i++
		}
	}
	return len(args)
}

func (l *Line) findShort(s string) *Flag {
	for _, f := range l.Flags {
		if f.Short != "" && f.Short == s {
			return f
		}
	}
	return nil
}
