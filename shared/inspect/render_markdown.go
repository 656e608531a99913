package inspect

import (
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// markdownRenderer prints reports for tickets.
type markdownRenderer struct {
	*output
	shown int
}

func (r *markdownRenderer) token(v *view) {
	m := &markdown{}
	if r.shown++; r.shown > 1 {
		m.b.WriteString("\n---\n\n")
	}
	m.report(v)
	r.writeEscaped([]byte(m.b.String()))
}

// markdown builds a report. All text from tokens must be escaped by code or plain.
type markdown struct{ b strings.Builder }

// code returns s as a code span, with a delimiter that does not occur in it.
func code(s string) string {
	s = text.Printable(text.OneLine(s))
	run, longest := 0, 0 // backticks
	for _, c := range []byte(s) {
		if run++; c != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || s == "" {
		s = " " + s + " "
	}
	return fence + s + fence
}

var plainEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "!", `\!`, "@", "@\u200b")

// plain escapes characters that Markdown or HTML would interpret.
func plain(s string) string { return plainEscapes.Replace(text.Printable(text.OneLine(s))) }

func (m *markdown) line(format string, a ...any) { fmt.Fprintf(&m.b, format+"\n", a...) }

func (m *markdown) report(v *view) {
	state := "accepted"
	if !v.OK {
		state = "REFUSED"
	}
	m.line("### %s: %s\n", state, plain(v.Headline))
	m.line("kind: %s", plain(v.Kind))
	if v.Note != "" {
		m.line("(%s)", plain(v.Note))
	}
	if v.Versions != "" {
		m.line("\nversions: %s", plain(v.Versions))
	}
	m.findings("Causes", v.Causes, v)
	m.findings("Worth knowing", v.Remarks, v)
	m.claims("Claims", v.Claims)
	m.claims("Header", v.Header)
	m.line("\nsignature: %s", plain(v.SignatureNote))
	m.line("\nWhat cannot be checked offline:\n")
	for _, u := range v.Unknown {
		m.line("- %s", plain(u))
	}
	m.line("\n%s, %s", code(v.Origin.Tool), code(v.Origin.Command))
	for _, f := range v.Origin.Files {
		m.line("- %s", plain(f))
	}
}

func (m *markdown) findings(title string, list []finding.Finding, v *view) {
	if len(list) == 0 {
		return
	}
	m.line("\n#### %s\n", title)
	for _, f := range list {
		m.line("- %s (%s)", plain(f.Message), code(string(f.Code)))
		if diff := v.difference(f); diff != nil {
			// No line can end the block, because each begins with a label.
			m.line("\n  ```text")
			for _, l := range diff {
				m.line("  %s", text.Printable(text.OneLine(l)))
			}
			m.line("  ```\n")
		}
		if f.Hint != "" {
			m.line("  - hint: %s", plain(f.Hint))
		}
		if f.Command != "" {
			m.line("  - %s", code(f.Command))
		}
		if f.Source != "" {
			m.line("  - source: %s", plain(f.Source))
		}
	}
}

func (m *markdown) claims(title string, list []claimView) {
	m.line("\n#### %s\n\n| name | value | meaning |\n|---|---|---|", title)
	for _, c := range list {
		words := strings.TrimPrefix(strings.Join(append([]string{c.Meaning}, c.Words...), "; "), "; ")
		if c.Source != "" {
			words += " (" + c.Source + ")"
		}
		m.line("| %s | %s | %s |", cell(code(c.Name)), cell(code(c.Value)), plain(words))
	}
}

// pipes matches the separator of columns and the backslashes before it.
var pipes = text.Pattern{Expr: `\\*\|`}

// cell escapes the separator of columns, which is necessary even in code spans. The number of
// backslashes before it must be odd, otherwise they would escape each other.
func cell(s string) string {
	return pipes.Get().ReplaceAllStringFunc(s, func(p string) string {
		before := strings.Repeat(`\`, len(p)-1)
		if len(before)%2 == 1 {
			before += `\`
		}
		return before + `\|`
	})
}
