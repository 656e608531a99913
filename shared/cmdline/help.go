package cmdline

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"example.org/token-helpers/shared/text"
)

// Program describes a program. --help, the man page and completion are generated from it.
type Program struct {
	// Name is the name that the user types.
	Name string
	// Brief describes the program in a few words, for the top of its man page.
	Brief string
	// Summary is the sentence that --help begins with.
	Summary string
	// Examples are command lines. One may begin with a label and a colon.
	Examples []string
	// Commands are the commands; the first is the default. A program without commands has
	// a single one, which has no name.
	Commands []*Command
	// Common are the flags that may precede the name of a command; nil without commands.
	Common *Line
	// Groups are the groups of flags in display order.
	Groups []string
	// Topics are the pages that the help command shows, besides those of commands.
	Topics []Topic
	// Notes follow the flags in --help-all. Paragraphs are separated by empty lines.
	Notes string
	// ExitCodes are the exit codes with their meanings.
	ExitCodes []ExitCode
	// Variable returns the environment variable of a flag. It is nil if flags have none.
	Variable func(*Flag) string
}

// Command describes a command.
type Command struct {
	Name, Help string
	// Usage is what follows the name on the command line, besides flags.
	Usage string
	// Runs means that a command to run may follow "--".
	Runs bool
	Line *Line
}

// Topic is a page that the command help shows.
type Topic struct {
	Name string
	// Brief describes the page in a few words.
	Brief string
	// Page returns the page in Markdown.
	Page func() string
}

// ExitCode is an exit code with its meaning.
type ExitCode struct {
	Code    int
	Meaning string
}

// maxHelp is the number of lines, at 80 columns, up to which --help shows all flags.
const maxHelp = 40

// Command returns the command with the name, or nil.
func (p *Program) Command(name string) *Command {
	for _, c := range p.Commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Topic returns the topic with the name, or nil.
func (p *Program) Topic(name string) *Topic {
	for i := range p.Topics {
		if p.Topics[i].Name == name {
			return &p.Topics[i]
		}
	}
	return nil
}

// Invocation returns the synopsis of a command.
func (p *Program) Invocation(c *Command) string {
	words := []string{p.Name}
	switch {
	case c.Name == "":
	case c == p.Commands[0]:
		words = append(words, "["+c.Name+"]")
	default:
		words = append(words, c.Name)
	}
	if len(c.Shown(true)) > 0 {
		words = append(words, "[FLAG...]")
	}
	if c.Usage != "" {
		words = append(words, c.Usage)
	}
	return strings.Join(words, " ")
}

// Shown returns the flags that the help of a command lists: all of them, or the common
// ones.
func (c *Command) Shown(all bool) []*Flag {
	var out []*Flag
	for _, f := range c.Line.Flags {
		if !f.Hidden && (all || f.Common) {
			out = append(out, f)
		}
	}
	return out
}

// Grouped returns the flags by group, and the groups in display order.
func (p *Program) Grouped(flags []*Flag) (groups []string, of map[string][]*Flag) {
	of = map[string][]*Flag{}
	for _, f := range flags {
		of[f.Group] = append(of[f.Group], f)
	}
	for _, g := range p.Groups {
		if of[g] != nil {
			groups = append(groups, g)
		}
	}
	for _, f := range flags {
		if !slices.Contains(groups, f.Group) {
			groups = append(groups, f.Group)
		}
	}
	return groups, of
}

// Help returns the text of --help for a command or, if all is set, of --help-all, with
// lines of at most width columns. The help of the first command is that of the program.
func (p *Program) Help(c *Command, all bool, width int) string {
	if whole := p.page(c, true, width); all {
		return whole
	} else if strings.Count(p.page(c, true, 80), "\n") <= maxHelp {
		return whole
	}
	return p.page(c, false, width)
}

func (p *Program) page(c *Command, all bool, width int) string {
	h := helpPage{width: width}
	main := c == p.Commands[0]
	h.text("Usage: "+p.Invocation(c), 2)
	h.line("")
	if main {
		h.text(p.Summary, 0)
		h.line("")
		h.line("Examples:")
		p.examples(&h)
		h.line("")
	} else {
		h.text(c.Help, 0)
		h.line("")
	}
	p.flags(&h, c, all)
	if main {
		p.commands(&h, all)
	}
	switch {
	case main && all:
		p.notes(&h)
	case main && len(p.Topics) > 0:
		h.row(0, "", fmt.Sprintf("All flags: --help-all. More: '%s help COMMAND' or TOPIC.", p.Name))
	case !all:
		h.row(0, "", "All flags: --help-all.")
	}
	return h.b.String()
}

func (p *Program) examples(h *helpPage) {
	indent := 0
	for _, e := range p.Examples {
		if label, _, ok := strings.Cut(e, ": "); ok {
			indent = max(indent, len(label)+4)
		}
	}
	for _, e := range p.Examples {
		label, command := p.Example(e)
		h.command("  "+label, max(indent, 2), command)
	}
}

// Example returns the label of an example, which may be empty, and its command line.
func (p *Program) Example(e string) (label, command string) {
	label, command, ok := strings.Cut(e, ": ")
	if !ok {
		label, command = "", e
	}
	return label, p.named(command)
}

// named replaces ${program} in an example.
func (p *Program) named(command string) string {
	return strings.ReplaceAll(command, "${program}", p.Name)
}

// flags writes the flags of a command in their groups.
func (p *Program) flags(h *helpPage, c *Command, all bool) {
	shown := c.Shown(all)
	left := 0
	for _, f := range shown {
		if n := len(f.Form()); n <= maxForm {
			left = max(left, n)
		}
	}
	groups, of := p.Grouped(shown)
	for i, g := range groups {
		if all && i > 0 {
			h.line("")
		}
		h.line(g + ":")
		for _, f := range of[g] {
			h.row(left+4, "  "+f.Form(), FlagHelp(c.Line, f, all))
		}
	}
}

// maxForm is the widest form of a flag that has its help on the same line.
const maxForm = 28

// FlagHelp returns the help of a flag: all of it, or its first sentence.
func FlagHelp(l *Line, f *Flag, all bool) string {
	s := l.Expand(f.Help)
	if i := strings.Index(s, ". "); i > 0 && !all {
		s = s[:i+1]
	}
	return s
}

// Form returns how a flag is written: -o, --output FORMAT.
func (f *Flag) Form() string {
	s := "--" + f.Name
	if f.Short != "" {
		s = "-" + f.Short + ", " + s
	}
	if f.Placeholder != "" {
		s += " " + f.Placeholder
	}
	return s
}

// commands writes the list of commands and topics.
func (p *Program) commands(h *helpPage, all bool) {
	if len(p.Commands) == 1 {
		return
	}
	if all {
		h.line("")
		h.line("Commands:")
		for _, c := range p.Commands {
			h.row(20, "  "+c.Name, c.Help)
		}
		h.line("")
		h.line("Topics of the command help:")
		for _, t := range p.Topics {
			h.row(20, "  "+t.Name, t.Brief)
		}
		return
	}
	var names, topics []string
	for i, c := range p.Commands {
		name := c.Name
		if i == 0 {
			name += " (the default)"
		}
		names = append(names, name)
	}
	for _, t := range p.Topics {
		topics = append(topics, t.Name)
	}
	h.row(10, "Commands:", strings.Join(names, ", "))
	h.row(10, "Topics:", strings.Join(topics, ", "))
}

// notes writes the end of --help-all.
func (p *Program) notes(h *helpPage) {
	for para := range strings.SplitSeq(p.Notes, "\n\n") {
		if para != "" {
			h.line("")
			h.text(strings.TrimSpace(p.named(para)), 0)
		}
	}
	h.line("")
	h.line("Exit codes:")
	for _, e := range p.ExitCodes {
		h.row(6, fmt.Sprintf("  %d", e.Code), e.Meaning)
	}
}

// helpPage builds a page of help.
type helpPage struct {
	b     strings.Builder
	width int
}

func (h *helpPage) line(s string) { h.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// text writes a paragraph. Lines after the first are indented.
func (h *helpPage) text(s string, indent int) {
	for i, line := range text.Wrap(s, h.width-indent) {
		line = strings.TrimSpace(line)
		if i > 0 {
			line = strings.Repeat(" ", indent) + line
		}
		h.line(line)
	}
}

// row writes s beside a label, in a column that begins after indent characters, or below
// the label if that is too long.
func (h *helpPage) row(indent int, label, s string) {
	if utf8.RuneCountInString(label) >= indent && label != "" {
		h.line(label)
		label = ""
	}
	for _, line := range text.Wrap(s, max(h.width-indent, 20)) {
		h.line(fmt.Sprintf("%-*s%s", indent, label, strings.TrimSpace(line)))
		label = ""
	}
}

// command writes a command line, continued as in a shell if it is too long.
func (h *helpPage) command(label string, indent int, s string) {
	width := max(h.width-indent, 20)
	for {
		i := len(s)
		if i > width {
			// Break before a flag, to keep it and its value on one line.
			i = strings.LastIndex(s[:width-1], " --")
			if i < 0 || strings.TrimSpace(s[:i]) == "" {
				i = len(s)
			}
		}
		if i == len(s) {
			h.line(fmt.Sprintf("%-*s%s", indent, label, s))
			return
		}
		h.line(fmt.Sprintf("%-*s%s \\", indent, label, s[:i]))
		label, s = "", "  "+s[i+1:]
	}
}
