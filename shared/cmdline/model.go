// Package cmdline parses command lines into structs. --help, the man pages and completion
// are generated from the same model.
//
// A field of a struct is a flag or an argument. Its tags have the keys of
// alecthomas/kong, which this package replaces: a program that is run for every token
// must not build the model of commands that it does not run, and linking kong alone makes
// startup take a quarter longer (docs/architecture.md has the numbers).
//
//	name        the flag's name; otherwise made from the field's (MinLifetime: min-lifetime)
//	short       its one-letter name
//	aliases     other names, separated by commas
//	default     its value if it is not given
//	enum        the values that it accepts, separated by commas; an empty one allows ""
//	placeholder the name of the value in the help
//	help        what it does; ${NAME} is a variable, $$ a dollar sign
//	group       the group in the help that it belongs to
//	common      present if --help shows it, and not only --help-all; on a struct it applies
//	            to all fields except those with common:"no"
//	complete    how its value is completed: file, dir, host, or a kind that the program defines
//	arg         present if the field is an argument and not a flag
//	embed       present if the field is a struct whose fields are added here
//	hidden      present if no help shows it
//
// Fields are of type bool, string, int, []string (a flag that can be repeated), or
// implement [encoding.TextUnmarshaler].
package cmdline

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Plugins is a list of pointers to structs, whose fields are added in its place.
type Plugins []any

// Value is what flags and arguments have in common.
type Value struct {
	Name string
	// Placeholder is the name of the value in the help; empty for a switch.
	Placeholder string
	// Help describes it, with variables not yet replaced.
	Help string
	// Default is the value if none is given.
	Default string
	// Values are the values that it accepts; nil means any.
	Values []string
	// Complete is how its value is completed.
	Complete string
	// Repeats means that it may be given several times.
	Repeats bool
	// Given means that it was on the command line, and Set that its value is from there
	// or from the lookup of [Line.Resolve].
	Given, Set bool

	empty  bool // "" is among the values
	target any
}

// Flag is a flag.
type Flag struct {
	Value
	Short   string
	Aliases []string
	Group   string
	// Common means that --help shows the flag, and not only --help-all.
	Common bool
	Hidden bool
}

// IsSwitch reports whether the flag takes no value.
func (f *Flag) IsSwitch() bool {
	_, ok := f.target.(*bool)
	return ok
}

// Target returns the pointer to the field that the flag sets.
func (f *Flag) Target() any { return f.target }

// Line is a command line: what it may contain, and after parsing what it contained.
type Line struct {
	Flags []*Flag
	Args  []*Value
	// Given are the flags and arguments in the order of the command line.
	Given []Given
	// Vars are the variables in defaults and help texts.
	Vars map[string]string
}

// Given is a flag or an argument that was given. One of the fields is set.
type Given struct {
	Flag *Flag
	Arg  *Value
}

// Add adds the fields of the struct that target points to. group is the group of flags
// without one. It panics if a tag is wrong, because that is a bug of the program.
func (l *Line) Add(target any, group string) {
	l.add(reflect.ValueOf(target).Elem(), group, false)
}

func (l *Line) add(v reflect.Value, group string, common bool) {
	t := v.Type()
	if cap(l.Flags) == 0 {
		l.Flags = make([]*Flag, 0, 48)
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		field := v.Field(i)
		tag := parseTag(string(sf.Tag))
		flagGroup, isCommon := group, common
		if tag.group != "" {
			flagGroup = tag.group
		}
		if tag.hasCommon {
			isCommon = tag.common
		}
		switch {
		case sf.Type == reflect.TypeFor[Plugins]():
			for _, p := range field.Interface().(Plugins) {
				l.add(reflect.ValueOf(p).Elem(), flagGroup, isCommon)
			}
		case tag.embed || sf.Anonymous:
			l.add(field, flagGroup, isCommon)
		case !sf.IsExported():
		case tag.arg:
			arg := new(Value)
			tag.describe(arg, sf.Name, field)
			l.Args = append(l.Args, arg)
		default:
			f := &Flag{Short: tag.short, Group: flagGroup, Common: isCommon, Hidden: tag.hidden}
			tag.describe(&f.Value, sf.Name, field)
			if tag.aliases != "" {
				f.Aliases = strings.Split(tag.aliases, ",")
			}
			l.Flags = append(l.Flags, f)
		}
	}
}

// Flag returns the flag with the name, or nil. Aliases are not names.
func (l *Line) Flag(name string) *Flag {
	for _, f := range l.Flags {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Expand replaces the variables in a help text or a default.
func (l *Line) Expand(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	for name, value := range l.Vars {
		s = strings.ReplaceAll(s, "${"+name+"}", value)
	}
	return strings.ReplaceAll(s, "$$", "$")
}

// fieldTag holds the tags of a field.
type fieldTag struct {
	name, short, aliases, def, enum, placeholder, help, group, complete string
	common, hasCommon, arg, embed, hidden, hasEnum                      bool
}

// parseTag reads all tags in one pass; each call of [reflect.StructTag.Lookup] would read
// them from the start.
func parseTag(s string) (t fieldTag) {
	for {
		s = strings.TrimLeft(s, " ")
		key, rest, ok := strings.Cut(s, ":")
		if !ok {
			return t
		}
		value, rest, ok := unquote(rest)
		if !ok {
			panic(fmt.Sprintf("cmdline: the tag %s is not quoted", s))
		}
		s = rest
		t.set(key, value)
	}
}

// unquote reads a quoted string from the start of s. The first case is for strings
// without escapes.
func unquote(s string) (value, rest string, ok bool) {
	if i := strings.IndexAny(s[min(1, len(s)):], `"\`); strings.HasPrefix(s, `"`) && i >= 0 && s[i+1] == '"' {
		return s[1 : i+1], s[i+2:], true
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", false
	}
	value, _ = strconv.Unquote(quoted)
	return value, s[len(quoted):], true
}

func (t *fieldTag) set(key, value string) {
	switch key {
	case "name":
		t.name = value
	case "short":
		t.short = value
	case "aliases":
		t.aliases = value
	case "default":
		t.def = value
	case "enum":
		t.enum, t.hasEnum = value, true
	case "placeholder":
		t.placeholder = value
	case "help":
		t.help = value
	case "group":
		t.group = value
	case "complete":
		t.complete = value
	case "common":
		t.common, t.hasCommon = value != "no", true
	case "arg":
		t.arg = true
	case "embed":
		t.embed = true
	case "hidden":
		t.hidden = true
	}
}

// describe fills in out from the tags of a field.
func (t *fieldTag) describe(out *Value, field string, v reflect.Value) {
	*out = Value{Name: t.name, Placeholder: t.placeholder, Help: t.help, Default: t.def, Complete: t.complete, target: v.Addr().Interface()}
	if out.Name == "" {
		out.Name = kebab(field)
	}
	switch out.target.(type) {
	case *bool:
	case *[]string:
		out.Repeats = true
	case *string, *int, encoding.TextUnmarshaler:
	default:
		panic(fmt.Sprintf("cmdline: the field %s has the type %s", field, v.Type()))
	}
	if _, ok := out.target.(*bool); !ok && out.Placeholder == "" {
		out.Placeholder = strings.ToUpper(out.Name)
	}
	if t.hasEnum {
		for value := range strings.SplitSeq(t.enum, ",") {
			if value == "" {
				out.empty = true
			} else {
				out.Values = append(out.Values, value)
			}
		}
	}
}

// kebab makes a flag's name from a field's: NoPrompt is no-prompt, CAFile ca-file.
func kebab(field string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(field) && field[i] >= 'A' && field[i] <= 'Z' }
	for i := range len(field) {
		if i > 0 && upper(i) && (!upper(i-1) || i+1 < len(field) && !upper(i+1)) {
			b.WriteByte('-')
		}
		b.WriteByte(field[i] | 0x20)
	}
	return b.String()
}

// String returns the value as text.
func (v *Value) String() string { return strings.Join(v.Texts(), " ") }

// Texts returns the values of a flag or an argument as strings that would set it.
func (v *Value) Texts() []string {
	switch t := v.target.(type) {
	case *[]string:
		return *t
	case *string:
		return []string{*t}
	case *bool:
		return []string{strconv.FormatBool(*t)}
	case *int:
		return []string{strconv.Itoa(*t)}
	default:
		return []string{fmt.Sprint(v.target)}
	}
}
