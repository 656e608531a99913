package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// paint are the colours of a report; all empty away from a terminal.
type paint struct{ good, bad, dim, bold, off string }

// report is the token in words, the verdict first. signature is shown where it is
// not empty.
func report(v *view, signature string, width int, colours bool) string {
	var c paint
	if colours {
		c = paint{"\x1b[32;1m", "\x1b[31;1m", "\x1b[2m", "\x1b[1m", "\x1b[0m"}
	}
	var b strings.Builder
	// para is a paragraph, all its lines but the first hang columns further in. All of it
	// is made printable, and one line, before a colour is put around it.
	para := func(colour string, indent, hang int, format string, a ...any) {
		for i, l := range fold(text.Printable(text.OneLine(fmt.Sprintf(format, a...))), width-indent, hang) {
			if i > 0 {
				l = strings.Repeat(" ", hang) + l
			}
			l = strings.Repeat(" ", indent) + l
			if colour != "" {
				l = colour + l + c.off
			}
			b.WriteString(l + "\n")
		}
	}
	colour := c.good
	if !v.OK {
		colour = c.bad
	}
	para(colour, 0, 2, "verdict: %s", v.Headline)
	finding := func(colour, lead string, f finding.Finding) {
		indent := 2 + len(lead)
		para(colour, 2, len(lead), "%s%s (%s)", lead, f.Message, f.Code)
		if f.Hint != "" {
			para("", indent, 0, "hint: %s", f.Hint)
		}
		if f.Command != "" { // whole, to be pasted
			b.WriteString(strings.Repeat(" ", indent+2) + text.Printable(text.OneLine(f.Command)) + "\n")
		}
		if f.Source != "" {
			para(c.dim, indent, 1, "[%s]", f.Source)
		}
	}
	if len(v.Causes) > 0 {
		b.WriteString("\n")
	}
	for i, f := range v.Causes {
		finding(c.bold, fmt.Sprintf("%d. ", i+1), f)
	}
	if len(v.Remarks) > 0 {
		b.WriteString("\nworth knowing\n")
	}
	for _, f := range v.Remarks {
		finding("", "- ", f)
	}
	b.WriteString("\n")
	para("", 0, 2, "kind: %s", v.Kind)
	if v.Note != "" {
		para("", 2, 0, "%s", v.Note)
	}
	if bar := lifetime(v, width); bar != "" {
		b.WriteString(bar + "\n")
	}
	section := func(title string, list []claimView) {
		b.WriteString("\n" + title + "\n")
		for _, m := range list {
			twice := ""
			if m.Duplicate {
				twice = "  (stands more than once)"
			}
			para("", 2, 2, "%s: %s%s", m.Name, m.Value, twice)
			if m.Meaning != "" {
				para(c.dim, 6, 0, "%s", m.Meaning)
			}
			for _, w := range m.Words {
				para("", 6, 2, "= %s", w)
			}
		}
	}
	section("claims", v.Claims)
	section("header", v.Header)
	b.WriteString("\n")
	if signature != "" {
		para("", 0, 2, "signature: %s", signature)
		para("", 2, 0, "%s", v.SignatureNote)
	} else {
		para("", 0, 2, "signature: %s", v.SignatureNote)
	}
	b.WriteString("\nwhat nobody can tell offline\n")
	for _, u := range v.Unknown {
		para(c.dim, 2, 2, "- %s", u)
	}
	return b.String()
}

// fold breaks text into lines at spaces, and a word that is longer than a line
// anywhere. All but the first leave room for hang columns.
func fold(text string, width, hang int) (out []string) {
	line, room := []rune{}, width
	next := func() {
		out = append(out, string(line))
		line, room = []rune{}, width-hang
	}
	for i, word := range strings.Split(text, " ") {
		w := []rune(word)
		if i > 0 {
			// A run of spaces is shown as it is.
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

// lifetime is a bar of how much of the token's life is over.
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
		end = "ends " + end
	} else {
		end = "ended " + end
	}
	return fmt.Sprintf("lifetime: [%s%s] %s, %s", strings.Repeat("#", full), strings.Repeat("-", cells-full), span(*v.Issued, *v.Expires), end)
}

// difference is what two tokens do not share: claims, header and times to the
// moment, so that two tokens of the same kind differ in what matters.
func difference(labels []string, tokens []*token.JWT, now time.Time) string {
	var b strings.Builder
	line := func(format string, a ...any) {
		b.WriteString(text.Printable(text.OneLine(fmt.Sprintf(format, a...))) + "\n")
	}
	line("A: %s", labels[0])
	line("B: %s", labels[1])
	same, differ := 0, false
	compare := func(what string, sides [2][]token.Member) {
		var names []string
		values := [2]map[string][]string{{}, {}}
		for n, list := range sides {
			for _, m := range list {
				if values[0][m.Name] == nil && values[1][m.Name] == nil {
					names = append(names, m.Name)
				}
				values[n][m.Name] = append(values[n][m.Name], string(m.Value))
			}
		}
		for _, name := range names {
			if slices.Equal(values[0][name], values[1][name]) {
				same++
				continue
			}
			differ = true
			b.WriteString("\n")
			line("%s %s", what, name)
			if name == "scope" && what == "claim" {
				sa, _ := tokens[0].Scopes()
				sb, _ := tokens[1].Scopes()
				line("  only in A: %s", orNone(strings.Join(without(sa, sb), " ")))
				line("  only in B: %s", orNone(strings.Join(without(sb, sa), " ")))
				continue
			}
			for n := range sides {
				v := orNone(strings.Join(values[n][name], "  and  "))
				if t, ok := tokens[n].Time(name); ok && isTime(name) && what == "claim" {
					v += "  " + t.Local().Format("2006-01-02 15:04:05 MST") + ", " + relative(t, now)
				}
				line("  %c: %s", 'A'+n, v)
			}
		}
	}
	compare("claim", [2][]token.Member{tokens[0].Members(), tokens[1].Members()})
	compare("header", [2][]token.Member{tokens[0].HeaderMembers(), tokens[1].HeaderMembers()})
	b.WriteString("\n")
	if differ {
		line("%d more are the same", same)
	} else {
		line("all of their %d claims and header parameters are the same", same)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func without(list, other []string) (out []string) {
	has := map[string]bool{}
	for _, s := range other {
		has[s] = true
	}
	for _, s := range list {
		if !has[s] {
			out = append(out, s)
		}
	}
	return out
}
