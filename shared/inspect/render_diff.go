package inspect

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// diffRenderer compares two tokens.
type diffRenderer struct {
	*output
	views []*view
}

func (r *diffRenderer) token(v *view) {
	if len(r.views) < 3 { // a third one is an error
		r.views = append(r.views, v)
	}
}

func (r *diffRenderer) finish() error {
	switch {
	case len(r.views) == 2:
		d := difference{a: r.views[0], b: r.views[1]}
		r.write([]byte(d.String()))
	case r.code == cli.OK: // otherwise, an error was already reported
		return diffUsage()
	}
	return nil
}

// difference collects the claims and header parameters in which two tokens differ.
type difference struct {
	a, b    *view
	out     strings.Builder
	same    int
	differs bool
}

func (d *difference) line(format string, a ...any) {
	d.out.WriteString(text.Printable(text.OneLine(fmt.Sprintf(format, a...))) + "\n")
}

func (d *difference) String() string {
	d.line("A: %s", d.a.Label)
	d.line("B: %s", d.b.Label)
	d.compare("claim", d.a.token.Members(), d.b.token.Members())
	d.compare("header", d.a.token.HeaderMembers(), d.b.token.HeaderMembers())
	d.out.WriteString("\n")
	if d.differs {
		d.line("%d more are the same", d.same)
	} else {
		d.line("all %d claims and header parameters are the same", d.same)
	}
	return d.out.String()
}

// compare compares the members of one part of the tokens by name.
func (d *difference) compare(what string, a, b []token.Member) {
	names, valuesA, valuesB := byName(a, b)
	for _, name := range names {
		if slices.Equal(valuesA[name], valuesB[name]) {
			d.same++
			continue
		}
		d.differs = true
		d.out.WriteString("\n")
		d.line("%s %s", what, name)
		if what == "claim" && name == "scope" {
			sa, _ := d.a.token.Scopes()
			sb, _ := d.b.token.Scopes()
			d.line("  only in A: %s", orNone(strings.Join(without(sa, sb), " ")))
			d.line("  only in B: %s", orNone(strings.Join(without(sb, sa), " ")))
			continue
		}
		d.line("  A: %s%s", orNone(strings.Join(valuesA[name], "  and  ")), d.a.clock(what, name))
		d.line("  B: %s%s", orNone(strings.Join(valuesB[name], "  and  ")), d.b.clock(what, name))
	}
}

// byName returns the names in two lists, in order, and the values of each name.
func byName(a, b []token.Member) (names []string, valuesA, valuesB map[string][]string) {
	valuesA, valuesB = map[string][]string{}, map[string][]string{}
	collect := func(list []token.Member, values map[string][]string) {
		for _, m := range list {
			if valuesA[m.Name] == nil && valuesB[m.Name] == nil {
				names = append(names, m.Name)
			}
			values[m.Name] = append(values[m.Name], string(m.Value))
		}
	}
	collect(a, valuesA)
	collect(b, valuesB)
	return names, valuesA, valuesB
}

// clock returns the time of a claim in words, after two spaces, or "" for other claims.
func (v *view) clock(what, name string) string {
	t, ok := v.token.Time(name)
	if !ok || what != "claim" || !isTime(name) {
		return ""
	}
	return "  " + t.Local().Format("2006-01-02 15:04:05 MST") + ", " + relative(t, v.Now)
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
