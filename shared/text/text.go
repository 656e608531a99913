// Package text holds what every package needs to print: escaping for terminals,
// wrapping, durations, shell quoting, and suggestions for mistyped words.
package text

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// APIVersion is the apiVersion member of every JSON document that the programs write
// or read.
const APIVersion = "token-helpers/v1"

// Printable escapes characters that a terminal would obey instead of showing: control
// characters, bidirectional controls, line and paragraph separators, and the byte order
// mark. Invalid UTF-8 becomes U+FFFD. Newlines are kept.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether a terminal would act on r instead of showing it.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff,
		r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// OneLine escapes newlines, so that text from others cannot add a line of its own to a
// message.
func OneLine(s string) string { return strings.ReplaceAll(s, "\n", `\u000a`) }

// Foreign makes text from others fit for a message: one printable line of at most most
// characters.
func Foreign(s string, most int) string { return OneLine(Printable(Brief(s, most))) }

// Brief cuts s after most characters and marks the cut.
func Brief(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// Wrap breaks text into lines of at most width characters at spaces. A word longer
// than that, such as a URL, stays on a line of its own. Continuation lines are
// indented by two spaces; lines that begin with two spaces, such as commands, are kept
// as they are.
func Wrap(s string, width int) []string {
	var out []string
	for para := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(para, "  ") {
			out = append(out, para)
			continue
		}
		line, n := "", 0
		for word := range strings.FieldsSeq(para) {
			w := len([]rune(word))
			switch {
			case line == "":
				line, n = word, w
			case n+1+w > width:
				out = append(out, line)
				line, n = "  "+word, w+2
			default:
				line += " " + word
				n += w + 1
			}
		}
		out = append(out, line)
	}
	return out
}

// Labelled returns label, padded to width characters, with s beside it. Lines that do
// not fit into 78 columns continue below s.
func Labelled(width int, label, s string) string {
	var b strings.Builder
	for _, line := range Wrap(s, 78-width) {
		fmt.Fprintf(&b, "%-*s %s\n", width, label, strings.TrimSpace(line))
		label = ""
	}
	return b.String()
}

// Duration formats d with its two largest units: 45s, 12m30s, 5h03m, 3 days.
func Duration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// ShellWord quotes s for a POSIX shell if the shell would not read it as one word.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return ShellQuote(s)
}

// ShellQuote quotes s for a POSIX shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Nearest returns the known word that is at most two edits away from word, or "". Words
// that differ in half of their letters or more are not similar.
func Nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(word, k); d < least && 2*d < max(len(word), len(k)) {
			best, least = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// Set returns the strings of all lists, sorted, each once. It is nil if there are none.
func Set(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// NonNil returns a list that JSON encodes as [] instead of null.
func NonNil(list []string) []string { return append([]string{}, list...) }

// Pattern is a regular expression that is compiled when it is first used: most runs need
// none, and compiling one costs as much as reading a cached token.
type Pattern struct {
	Expr string

	once     sync.Once // guards what follows
	compiled *regexp.Regexp
}

// Get returns the compiled expression, and panics if it is wrong.
func (p *Pattern) Get() *regexp.Regexp {
	p.once.Do(func() { p.compiled = regexp.MustCompile(p.Expr) })
	return p.compiled
}
