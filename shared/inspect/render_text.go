package inspect

import (
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// textRenderer prints reports for people.
type textRenderer struct {
	*output
	shown int
}

func (r *textRenderer) token(v *view) {
	p := &textReport{width: r.width, paint: newPaint(r.colours)}
	if r.several || !v.Alone {
		p.b.WriteString("== " + text.Printable(input{label: v.Label, line: v.Line}.place()) + "\n\n")
	}
	signature := ""
	if r.showSignature {
		signature = v.token.Signature
	}
	p.report(v, signature)
	out := p.b.String()
	if r.shown++; r.shown > 1 {
		out = "\n" + out
	}
	if r.tty && strings.Count(out, "\n") > r.height {
		// Repeat the verdict, which has scrolled off the screen.
		out += "\n" + strings.Join(fold(text.Printable(text.OneLine("verdict: "+v.Headline)), r.width, 2), "\n  ") + "\n"
	}
	r.write([]byte(out))
}

// paint contains the control sequences of a report. They are empty without colours.
type paint struct{ good, bad, dim, bold, off string }

func newPaint(colours bool) paint {
	if !colours {
		return paint{}
	}
	return paint{"\x1b[32;1m", "\x1b[31;1m", "\x1b[2m", "\x1b[1m", "\x1b[0m"}
}

// textReport builds a report.
type textReport struct {
	b     strings.Builder
	width int
	paint
}

// para adds a paragraph. Its lines are indented by indent columns, all except the first by
// hang more. The text is made printable before it is coloured.
func (p *textReport) para(colour string, indent, hang int, format string, a ...any) {
	for i, l := range fold(text.Printable(text.OneLine(fmt.Sprintf(format, a...))), p.width-indent, hang) {
		if i > 0 {
			l = strings.Repeat(" ", hang) + l
		}
		l = strings.Repeat(" ", indent) + l
		if colour != "" {
			l = colour + l + p.off
		}
		p.b.WriteString(l + "\n")
	}
}

// report adds the report on a token, which begins with the verdict. The signature is shown
// unless it is empty.
func (p *textReport) report(v *view, signature string) {
	colour := p.good
	if !v.OK {
		colour = p.bad
	}
	p.para(colour, 0, 2, "verdict: %s", v.Headline)
	p.findings(v)
	p.b.WriteString("\n")
	p.para("", 0, 2, "kind: %s", v.Kind)
	if v.Note != "" {
		p.para("", 2, 0, "%s", v.Note)
	}
	if v.Versions != "" {
		p.para("", 0, 2, "versions: %s", v.Versions)
	}
	if bar := lifetime(v, p.width); bar != "" {
		p.b.WriteString(bar + "\n")
	}
	p.claims("claims", v.Claims)
	p.claims("header", v.Header)
	p.b.WriteString("\n")
	if signature != "" {
		p.para("", 0, 2, "signature: %s", signature)
		p.para("", 2, 0, "%s", v.SignatureNote)
	} else {
		p.para("", 0, 2, "signature: %s", v.SignatureNote)
	}
	p.b.WriteString("\nwhat cannot be checked offline\n")
	for _, u := range v.Unknown {
		p.para(p.dim, 2, 2, "- %s", u)
	}
	if v.Origin.Tool != "" {
		p.b.WriteString("\n")
		p.para(p.dim, 0, 2, "%s: %s", v.Origin.Tool, v.Origin.Command)
	}
	for _, f := range v.Origin.Files {
		p.para(p.dim, 2, 2, "%s", f)
	}
}

func (p *textReport) findings(v *view) {
	if len(v.Causes) > 0 {
		p.b.WriteString("\n")
	}
	for i, f := range v.Causes {
		p.finding(p.bold, fmt.Sprintf("%d. ", i+1), f, v.difference(f))
	}
	if len(v.Remarks) > 0 {
		p.b.WriteString("\nworth knowing\n")
	}
	for _, f := range v.Remarks {
		p.finding("", "- ", f, v.difference(f))
	}
}

func (p *textReport) finding(colour, lead string, f finding.Finding, compared []string) {
	indent := 2 + len(lead)
	p.para(colour, 2, len(lead), "%s%s (%s)", lead, f.Message, f.Code)
	for _, l := range compared { // not wrapped, so that they remain aligned
		p.b.WriteString(strings.Repeat(" ", indent) + text.Printable(text.OneLine(l)) + "\n")
	}
	if f.Hint != "" {
		p.para("", indent, 0, "hint: %s", f.Hint)
	}
	if f.Command != "" { // not wrapped, so that it can be pasted
		p.b.WriteString(strings.Repeat(" ", indent+2) + text.Printable(text.OneLine(f.Command)) + "\n")
	}
	if f.Source != "" {
		p.para(p.dim, indent, 1, "[%s]", f.Source)
	}
}

func (p *textReport) claims(title string, list []claimView) {
	p.b.WriteString("\n" + title + "\n")
	for _, m := range list {
		twice := ""
		if m.Duplicate {
			twice = "  (occurs more than once)"
		}
		p.para("", 2, 2, "%s: %s%s", m.Name, m.Value, twice)
		if m.Meaning != "" {
			p.para(p.dim, 6, 0, "%s [%s]", m.Meaning, m.Source)
		}
		for _, w := range m.Words {
			p.para("", 6, 2, "= %s", w)
		}
	}
}

// fold breaks text into lines of at most width columns at spaces, and within words that are
// longer than a line. All lines except the first are shorter by hang columns.
func fold(text string, width, hang int) (out []string) {
	line, room := []rune{}, width
	next := func() {
		out = append(out, string(line))
		line, room = []rune{}, width-hang
	}
	for i, word := range strings.Split(text, " ") {
		w := []rune(word)
		if i > 0 {
			// Several consecutive spaces are kept.
			if len(line)+1+len(w) <= room || len(line) < room && len(w) > width-hang {
				line = append(line, ' ')
			} else {
				next()
			}
		}
		for len(line)+len(w) > room {
			n := room - len(line)
			line, w = append(line, w[:n]...), w[n:]
			next()
		}
		line = append(line, w...)
	}
	return append(out, string(line))
}

// lifetime returns a bar that shows how much of the token's lifetime has passed, or "" if the
// lifetime is unknown.
func lifetime(v *view, width int) string {
	if v.Issued == nil || v.Expires == nil || !v.Expires.After(*v.Issued) {
		return ""
	}
	whole := v.Expires.Sub(*v.Issued)
	used := min(max(v.Now.Sub(*v.Issued), 0), whole)
	cells := min(width-40, 40)
	full := int(float64(cells) * (float64(used) / float64(whole)))
	end := relative(*v.Expires, v.Now)
	if v.Expires.After(v.Now) {
		end = "expires " + end
	} else {
		end = "expired " + end
	}
	return fmt.Sprintf("lifetime: [%s%s] %s, %s", strings.Repeat("#", full), strings.Repeat("-", cells-full), span(*v.Issued, *v.Expires), end)
}
