package main

import (
	"fmt"
	"strings"
	"unicode"

	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/manual"
)

// mdoc is a man page in the macros of mdoc(7).
type mdoc struct{ strings.Builder }

// newPage begins a page.
func newPage(date, title string, section int, name, brief string) *mdoc {
	m := new(mdoc)
	m.line(".Dd %s", date)
	m.line(".Dt %s %d", strings.ToUpper(title), section)
	m.line(".Os")
	m.line(".Sh NAME")
	m.line(".Nm %s", name)
	m.line(".Nd %s", escape(brief))
	return m
}

func (m *mdoc) line(format string, a ...any) { fmt.Fprintf(m, format+"\n", a...) }

// escape escapes s so that roff treats it as text only.
func escape(s string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s, `\`, `\e`) {
		switch {
		case r == '-':
			b.WriteString(`\-`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r > unicode.MaxASCII:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// dashes writes a hyphen between letters as -, where lines can be broken, and others as \-.
func dashes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		between := i > 0 && i+1 < len(s) && isLetter(s[i-1]) && isLetter(s[i+1])
		if s[i] == '-' && between {
			b.WriteByte(0)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// text writes a paragraph, one sentence on each line, as the style of mdoc requires.
func (m *mdoc) text(s string) {
	var b strings.Builder
	for _, span := range manual.Spans(s) {
		t := span.Text
		switch {
		case span.Code:
			b.WriteString(`\fB\%` + escape(t) + `\fR`) // \% prevents hyphenation
		case span.Strong:
			b.WriteString(`\fI` + escape(t) + `\fR`)
		default:
			b.WriteString(strings.ReplaceAll(escape(dashes(t)), "\x00", "-"))
		}
	}
	for _, sentence := range sentences(b.String()) {
		if strings.HasPrefix(sentence, ".") || strings.HasPrefix(sentence, "'") {
			sentence = `\&` + sentence
		}
		for i, line := range fill(sentence) {
			if i > 0 && (strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'")) {
				line = `\&` + line
			}
			m.line("%s", line)
		}
	}
}

// sentences splits text after the full stops and question marks that end a sentence.
func sentences(s string) []string {
	var out []string
	for {
		i := -1
		for _, end := range []string{". ", "? "} {
			if j := strings.Index(s, end); j >= 0 && (i < 0 || j < i) {
				i = j
			}
		}
		if i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i+1])
		s = s[i+2:]
	}
}

// fill breaks a line of source after 78 characters.
func fill(s string) []string {
	var out []string
	for len(s) > 78 {
		i := strings.LastIndex(s[:78], " ")
		if i <= 0 {
			break
		}
		out = append(out, s[:i])
		s = s[i+1:]
	}
	return append(out, s)
}

// code writes lines without formatting.
func (m *mdoc) code(lines ...string) {
	m.line(".Bd -literal -offset indent")
	for _, l := range lines {
		l = escape(l)
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			l = `\&` + l
		}
		m.line("%s", l)
	}
	m.line(".Ed")
}

// page writes a page of the documentation. It omits the title. Headings become the macro
// heading, such as .Sh or .Ss.
func (m *mdoc) page(markdown, heading string) {
	blocks := manual.Parse(markdown)
	list := false
	for i, b := range blocks {
		if list && b.Kind != manual.Item {
			m.line(".El")
			list = false
		}
		// A macro that begins a section also begins a paragraph.
		first := i == 0 || blocks[i-1].Kind == manual.Heading
		switch b.Kind {
		case manual.Heading:
			if b.Level > 1 {
				title := manual.Plain(b.Text)
				if heading == ".Sh" {
					title = strings.ToUpper(title)
				}
				m.line("%s %s", heading, escape(title))
			}
		case manual.Code:
			m.code(b.Lines...)
		case manual.Item:
			if !list {
				kind := "-bullet"
				if b.Mark != "-" {
					kind = "-enum"
				}
				m.line(".Bl %s", kind)
				list = true
			}
			m.line(".It")
			m.text(b.Text)
		case manual.Table:
			m.line(".Bl -tag -width Ds")
			for _, r := range b.Rows[1:] {
				m.line(`.It %s`, term(manual.Plain(r[0])))
				m.text(manual.Rest(r))
			}
			m.line(".El")
		default:
			if !first {
				m.line(".Pp")
			}
			m.text(b.Text)
		}
	}
	if list {
		m.line(".El")
	}
}

// term returns the head of a list item.
func term(s string) string { return `\fB\%` + escape(s) + `\fR` }

// flags writes a list of flags.
func (m *mdoc) flags(l *cmdline.Line, flags []*cmdline.Flag, variable func(*cmdline.Flag) string) {
	m.line(".Bl -tag -width Ds")
	for _, f := range flags {
		head := `\fB` + escape("--"+f.Name) + `\fR`
		if f.Short != "" {
			head = `\fB` + escape("-"+f.Short) + `\fR, ` + head
		}
		if f.Placeholder != "" {
			head += ` \fI` + escape(f.Placeholder) + `\fR`
		}
		m.line(".It %s", head)
		m.text(cmdline.FlagHelp(l, f, true))
		if len(f.Aliases) > 0 {
			m.text("Also written as `--" + strings.Join(f.Aliases, "`, `--") + "`.")
		}
		if variable != nil {
			if v := variable(f); v != "" {
				m.text("Variable: `" + v + "`.")
			}
		}
	}
	m.line(".El")
}

// groups writes flags in their groups.
func (m *mdoc) groups(p *cmdline.Program, l *cmdline.Line, flags []*cmdline.Flag) {
	groups, of := p.Grouped(flags)
	for i, g := range groups {
		if i > 0 {
			m.line(".Pp")
		}
		m.line("%s:", g)
		m.flags(l, of[g], p.Variable)
	}
}

// examples writes the examples of a program.
func (m *mdoc) examples(p *cmdline.Program) {
	m.line(".Sh EXAMPLES")
	m.line(".Bl -tag -width Ds")
	for _, e := range p.Examples {
		label, command := p.Example(e)
		if label == "" {
			label = "example"
		}
		m.line(".It %s", escape(label))
		m.line(`\fB%s\fR`, escape(command))
	}
	m.line(".El")
}

// exitCodes writes the section on exit codes.
func (m *mdoc) exitCodes(codes []cmdline.ExitCode) {
	m.line(".Sh EXIT STATUS")
	m.line(".Bl -tag -width Ds")
	for _, e := range codes {
		m.line(".It %d", e.Code)
		m.text(e.Meaning)
	}
	m.line(".El")
}

// seeAlso writes references to other pages.
func (m *mdoc) seeAlso(pages ...string) {
	m.line(".Sh SEE ALSO")
	for i, p := range pages {
		end := " ,"
		if i == len(pages)-1 {
			end = ""
		}
		name, section, _ := strings.Cut(p, "(")
		m.line(".Xr %s %s%s", name, strings.TrimSuffix(section, ")"), end)
	}
}
