package cmdline

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
)

// CompleteFlag is the first argument when a completion script runs the program. The words
// of the command line follow, the last of which is the one to complete.
const CompleteFlag = "--complete"

// Candidate is a possible completion.
type Candidate struct {
	Value string
	// Help describes it; it may be empty.
	Help string
}

// Directives to the completion script. The program prints one on a separate line.
const (
	completeFiles   = ":file"
	completeDirs    = ":dir"
	completeCommand = ":command"
	completeNoSpace = ":nospace"
)

// Complete prints the candidates for the last word, one on each line with a tab before
// its help. values returns those of a kind that is specific to the program, such as
// issuer.
func (p *Program) Complete(w io.Writer, words []string, values func(kind string) []Candidate) error {
	if len(words) == 0 {
		words = []string{""}
	}
	found, directive := p.complete(words[:len(words)-1], words[len(words)-1], values)
	var b strings.Builder
	for _, c := range found {
		// A colon begins a directive. Control characters must not reach the terminal.
		if c.Value != text.OneLine(text.Printable(c.Value)) || strings.HasPrefix(c.Value, ":") {
			continue
		}
		b.WriteString(c.Value)
		if c.Help != "" {
			b.WriteString("\t" + text.OneLine(text.Printable(c.Help)))
		}
		b.WriteString("\n")
	}
	if directive != "" {
		fmt.Fprintln(&b, directive)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// completion is the state of one completion.
type completion struct {
	p      *Program
	c      *Command
	values func(kind string) []Candidate
	// named means that the command line names the command.
	named bool
	// given are the flags before the word, and args is the number of arguments.
	given map[*Flag]bool
	args  int
}

func (p *Program) complete(before []string, word string, values func(string) []Candidate) ([]Candidate, string) {
	c := completion{p: p, c: p.Commands[0], values: values, given: map[*Flag]bool{}}
	if p.Common != nil {
		if i := p.Common.Skip(before); i < len(before) {
			if named := p.Command(before[i]); named != nil {
				c.c, c.named = named, true
				before = slices.Concat(before[:i], before[i+1:])
			}
		}
	}
	waiting, literal := c.walk(before)
	switch {
	case literal && c.c.Runs:
		return nil, completeCommand
	case literal:
		return c.argument(word)
	case waiting != nil:
		return c.value(&waiting.Value, "", word)
	case strings.HasPrefix(word, "--") && strings.Contains(word, "="):
		name, value, _ := strings.Cut(word, "=")
		f := c.c.Line.find(name[2:])
		if f == nil {
			return nil, ""
		}
		if f.IsSwitch() {
			return matching(name+"=", value, []Candidate{{Value: "true"}, {Value: "false"}}), ""
		}
		return c.value(&f.Value, name+"=", value)
	case strings.HasPrefix(word, "-"):
		return c.flags(word), ""
	}
	return c.argument(word)
}

// walk reads the words before the one to complete. waiting is the flag whose value comes
// next, and literal reports whether "--" was among them.
func (c *completion) walk(before []string) (waiting *Flag, literal bool) {
	l := c.c.Line
	for i := 0; i < len(before); i++ {
		s := before[i]
		switch {
		case s == "--":
			c.args += len(before) - i - 1
			return nil, true
		case len(s) > 1 && s[0] == '-':
			name, _, hasValue := strings.Cut(strings.TrimPrefix(s, "--"), "=")
			f := l.find(name)
			if s[1] != '-' {
				last := s[len(s)-1:]
				f = l.findShort(last)
				if first := l.findShort(s[1:2]); len(s) > 2 && first != nil && !first.IsSwitch() {
					f, hasValue = first, true // -oVALUE
				}
			}
			if f == nil {
				continue
			}
			c.given[f] = true
			if !hasValue && !f.IsSwitch() {
				if i+1 == len(before) {
					return f, false
				}
				i++
			}
		default:
			c.args++
		}
	}
	return nil, false
}

// flags returns the flags that begin with word and may still be given.
func (c *completion) flags(word string) []Candidate {
	var out []Candidate
	for _, f := range c.c.Shown(true) {
		if !c.given[f] || f.Repeats {
			out = append(out, Candidate{"--" + f.Name, FlagHelp(c.c.Line, f, false)})
		}
	}
	return matching("", word, out)
}

// argument completes an argument, which may be the name of a command.
func (c *completion) argument(word string) ([]Candidate, string) {
	var out []Candidate
	if len(c.p.Commands) > 1 && !c.named && c.args == 0 && len(c.given) == c.commonGiven() {
		for _, cmd := range c.p.Commands {
			out = append(out, Candidate{cmd.Name, cmd.Help})
		}
		out = matching("", word, out)
	}
	args := c.c.Line.Args
	if len(args) == 0 {
		return out, ""
	}
	arg := args[min(c.args, len(args)-1)]
	if c.args >= len(args) && !arg.Repeats {
		return out, ""
	}
	more, directive := c.value(arg, "", word)
	return append(out, more...), directive
}

// commonGiven returns how many of the given flags may precede a command.
func (c *completion) commonGiven() int {
	n := 0
	for f := range c.given {
		if c.p.Common.Flag(f.Name) != nil {
			n++
		}
	}
	return n
}

// value completes the value of a flag or an argument. prefix precedes it in the word.
func (c *completion) value(v *Value, prefix, word string) ([]Candidate, string) {
	if v.Values != nil {
		var out []Candidate
		for _, s := range v.Values {
			out = append(out, Candidate{Value: s})
		}
		return matching(prefix, word, out), ""
	}
	switch v.Complete {
	case "file":
		return nil, completeFiles
	case "dir":
		return nil, completeDirs
	case "", "none":
		return nil, ""
	case "help":
		return matching("", word, c.p.helpNames()), ""
	}
	out := matching(prefix, word, c.values(v.Complete))
	if len(out) == 1 && strings.HasSuffix(out[0].Value, ":") {
		return out, completeNoSpace
	}
	return out, ""
}

// helpNames returns the possible arguments of the help command.
func (p *Program) helpNames() []Candidate {
	var out []Candidate
	for _, c := range p.Commands {
		out = append(out, Candidate{c.Name, c.Help})
	}
	for _, t := range p.Topics {
		out = append(out, Candidate{t.Name, t.Brief})
	}
	return out
}

// matching returns the candidates that begin with word, each once, after prefix.
func matching(prefix, word string, all []Candidate) []Candidate {
	var out []Candidate
	for _, c := range all {
		if c.Value != "" && strings.HasPrefix(c.Value, word) {
			out = append(out, Candidate{prefix + c.Value, c.Help})
		}
	}
	slices.SortStableFunc(out, func(a, b Candidate) int { return cmp.Compare(a.Value, b.Value) })
	return slices.CompactFunc(out, func(a, b Candidate) bool { return a.Value == b.Value })
}
