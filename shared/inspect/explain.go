package inspect

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// maxExplained is the maximum number of messages in a log line that are explained.
const maxExplained = 4

// explain returns the explanation of a claim, a header parameter, a scope, the code of a
// cause, or a line of a log, for --explain.
func explain(word string) (string, error) {
	word = strings.TrimSpace(word)
	m := claimMeaning(word)
	if m == (meaning{}) {
		m = headerMeaning(word)
	}
	if m != (meaning{}) {
		return fmt.Sprintf("%s: %s\n  %s\n", word, m.what, m.source), nil
	}
	if w := words(word); w != "" {
		return word + ": " + w + "\n" + source(word), nil
	}
	if c, ok := finding.Lookup(finding.Code(word)); ok {
		return c.Explain(), nil
	}
	if list := finding.MatchLog(word); len(list) > 0 {
		return explainLog(list), nil
	}
	err := cli.Errorf(cli.Usage, "no explanation found for %q", text.Brief(word, 200))
	if near := nearest(word); near != "" {
		return "", err.Hint("the closest matches are: %s", near)
	}
	return "", err.Hint("give a claim, a scope, the code of a cause, or a line of a server's or client's log")
}

// explainLog explains messages, without those that have the same cause.
func explainLog(list []finding.LogMessage) string {
	var out []string
	var seen []string
	for _, m := range list {
		if slices.Contains(seen, m.What) || len(out) == maxExplained {
			continue
		}
		seen = append(seen, m.What)
		out = append(out, m.Explain())
	}
	return strings.Join(out, "\n")
}

// nearest returns the words and messages that are most similar to a word or line, quoted.
func nearest(word string) string {
	var out []string
	if !strings.ContainsAny(word, " \t") {
		var names []string
		for name := range meanings() {
			names = append(names, name)
		}
		for name := range allows() {
			names = append(names, name)
		}
		for _, s := range finding.Sections() {
			for _, c := range s.Causes {
				names = append(names, string(c.Code))
			}
		}
		slices.Sort(names)
		if n := text.Nearest(word, names); n != "" {
			out = append(out, fmt.Sprintf("%q", n))
		}
	}
	for _, m := range finding.NearLog(word) {
		out = append(out, fmt.Sprintf("%q", m.Text))
	}
	return strings.Join(out, ", ")
}
