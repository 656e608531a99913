// Package text formats text for output: escaping for terminals, wrapping, durations,
// shell quoting, and suggestions for mistyped words.
package text

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// APIVersion is the apiVersion member of the JSON documents that the programs read and
// write.
const APIVersion = "token-helpers/v1"

// Printable escapes characters that a terminal would interpret instead of showing: control
// characters, bidirectional controls, line and paragraph separators, and the byte order
// mark. It replaces invalid UTF-8 by U+FFFD, and keeps newlines.
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

// hidden reports whether a terminal would interpret r instead of showing it.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff,
		r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// OneLine escapes newlines, so that untrusted text cannot add lines to a message.
func OneLine(s string) string { return strings.ReplaceAll(s, "\n", `\u000a`) }

// Foreign prepares untrusted text for use in a message: it returns one printable line,
// made from at most most characters of s.
func Foreign(s string, most int) string { return OneLine(Printable(Brief(s, most))) }

// Brief truncates s to at most most characters, and appends … if it was longer.
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

// Wrap breaks text at spaces into lines of at most width characters. A longer word, such
// as a URL, gets a separate line. Continuation lines are indented by two spaces. Lines
// that begin with two spaces, such as commands, are not changed.
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

// Labelled returns label, padded to width characters, and s next to it. s is wrapped at 78
// columns, and continues below its first line.
func Labelled(width int, label, s string) string {
	var b strings.Builder
	for _, line := range Wrap(s, 78-width) {
		fmt.Fprintf(&b, "%-*s %s\n", width, label, strings.TrimSpace(line))
		label = ""
	}
	return b.String()
}

// Duration formats d briefly: 45s, 12m30s, 5h03m, 3 days.
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

// ShellWord quotes s for a POSIX shell if necessary.
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

// Nearest returns the known word that is most similar to word, or "" if all differ in more
// than two edits, or in half of their letters or more.
func Nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if max(len(word), len(k))-min(len(word), len(k)) >= least {
			continue // at least as many edits
		}
		if d := distance(word, k); d < least && 2*d < max(len(word), len(k)) {
			best, least = k, d
		}
	}
	return best
}

// distance returns the number of edits between a and b, in bytes: insertions, deletions,
// replacements and swaps of neighbors (optimal string alignment).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	before, last := make([]int, len(row)), make([]int, len(row))
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// LowerASCII converts the letters A to Z to lower case, and keeps all other bytes.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Set returns the strings of all lists, sorted and without duplicates, or nil if there are
// none.
func Set(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// NonNil returns a copy of list that is not nil, so that JSON encodes it as [], not null.
func NonNil(list []string) []string { return append([]string{}, list...) }

// Pattern is a regular expression that is compiled when it is first used, because most runs
// need none, and compiling one takes as long as reading a cached token.
type Pattern struct {
	Expr string

	once     sync.Once // guards compiled
	compiled *regexp.Regexp
}

// Get returns the compiled expression. It panics if the expression is invalid.
func (p *Pattern) Get() *regexp.Regexp {
	p.once.Do(func() { p.compiled = regexp.MustCompile(p.Expr) })
	return p.compiled
}
