package finding

import (
	"fmt"
	"slices"
	"strings"
)

// LogMessage explains a message that a server, a client or an issuer prints.
type LogMessage struct {
	// Text is the message, with … for the parts that vary.
	Text string
	// By says which program prints it, What says what it means, and Do what to do.
	By, What, Do string
	// Codes are the possible causes.
	Codes []Code
}

// LogMessages returns all known messages in the order in which they are documented.
func LogMessages() []LogMessage { return slices.Clone(logMessages) }

// MatchLog returns the messages that a log line contains, the most specific first. The line
// may also be a part of a message.
func MatchLog(line string) []LogMessage {
	line = normal(line)
	if line == "" {
		return nil
	}
	var out []LogMessage
	for _, m := range logMessages {
		if containsParts(line, normal(m.Text)) {
			out = append(out, m)
		}
	}
	// Messages that only introduce others come last.
	weight := func(m LogMessage) int {
		if strings.HasSuffix(m.Text, ": …") && m.Codes == nil {
			return 0
		}
		if strings.HasPrefix(m.Text, "AUTHENTICATE:") || m.Text == failedSciTokens {
			// Since HTCondor 24, the same line also has the cause.
			return min(len(m.Text)/20, 3)
		}
		return len(normal(strings.ReplaceAll(m.Text, "…", "")))
	}
	slices.SortStableFunc(out, func(a, b LogMessage) int { return weight(b) - weight(a) })
	if len(out) > 0 || len(line) < 6 {
		return out
	}
	// The line may be a part of a message.
	for _, m := range logMessages {
		if strings.Contains(normal(m.Text), line) {
			out = append(out, m)
		}
	}
	if len(out) > 0 {
		return out
	}
	return partsOf(line)
}

// partsOf returns the messages that have the longest sequence of words in common with a
// line, which may have other text around it, such as a time and a host. A sequence counts
// only if it is unlikely to be a coincidence: at least 12 bytes and half of the message.
func partsOf(line string) (out []LogMessage) {
	const least = 12
	longest := least - 1
	words := strings.Fields(line)
	for _, m := range logMessages {
		text := " " + normal(m.Text) + " "
		best := 0
		for i := range words {
			run, next := "", ""
			for k, w := range words[i:] {
				next = strings.TrimPrefix(next+" "+w, " ")
				if !strings.Contains(text, " "+next) {
					break
				}
				// Only the last word of the line may be a part of a word.
				if i+k == len(words)-1 || strings.Contains(text, " "+next+" ") || strings.Contains(text, " "+next+": ") {
					run = next
				}
			}
			if 2*len(run) >= len(text)-2 { // half of the message
				best = max(best, len(run))
			}
		}
		switch {
		case best > longest:
			longest, out = best, []LogMessage{m}
		case best == longest && best >= least:
			out = append(out, m)
		}
	}
	return out
}

// NearLog returns the messages, at most three, that have the most words in common with a
// line.
func NearLog(line string) []LogMessage {
	words := wordsOf(line)
	type scored struct {
		LogMessage
		score float64
	}
	var list []scored
	for _, m := range logMessages {
		theirs := wordsOf(m.Text)
		common := 0.0
		for w := range theirs {
			if words[w] {
				common++
			}
		}
		if score := common / float64(len(theirs)+1); common > 0 && score >= 0.3 {
			list = append(list, scored{m, score})
		}
	}
	slices.SortStableFunc(list, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	var out []LogMessage
	for _, s := range list[:min(3, len(list))] {
		out = append(out, s.LogMessage)
	}
	return out
}

// wordsOf returns the significant words of a text.
func wordsOf(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(normal(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		if len(w) > 2 && !slices.Contains([]string{"the", "not", "for", "and", "from", "was", "with", "token", "error"}, w) {
			out[w] = true
		}
	}
	return out
}

// normal converts a text to lower case, with single spaces and plain quotes, for comparison.
func normal(s string) string {
	s = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "`", "'").Replace(strings.ToLower(s))
	return strings.Join(strings.Fields(s), " ")
}

// containsParts reports whether the line contains the parts of text between … in order.
func containsParts(line, text string) bool {
	for part := range strings.SplitSeq(text, "…") {
		part = strings.TrimSpace(part)
		at := strings.Index(line, part)
		if at < 0 {
			return false
		}
		line = line[at+len(part):]
	}
	return true
}

// Explain returns the message as plain text, for --explain.
func (m LogMessage) Explain() string {
	out := fmt.Sprintf("%s\n  printed by %s\n  %s\n", m.Text, m.By, m.What)
	if m.Do != "" {
		out += "  " + m.Do + "\n"
	}
	for _, c := range m.Codes {
		if k, ok := Lookup(c); ok {
			out += "  " + string(c) + ": " + k.What + "\n"
		}
	}
	return strings.ReplaceAll(out, "`", "")
}

const logIntro = `# Log messages

<!-- Generated from shared/finding/logmessages.go by go generate ./docs. Do not edit. -->

The messages that servers, clients and issuers print when a token is refused, and what they
mean. ` + "`jwt-inspect`" + ` also explains a line of a log, or a part of it:

    jwt-inspect --explain "token verification failed: 'aud' claim verification failed."

Codes are explained in [causes](causes.md). ` + "`…`" + ` stands for parts that vary.

| message | printed by | what it means | what to do | code |
|---|---|---|---|---|
`

// LogPage returns docs/log-messages.md.
func LogPage() string {
	var b strings.Builder
	b.WriteString(logIntro)
	cell := strings.NewReplacer("|", `\|`)
	for _, m := range logMessages {
		codes := make([]string, len(m.Codes))
		for i, c := range m.Codes {
			codes[i] = "`" + string(c) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", cell.Replace(m.Text), m.By, cell.Replace(m.What), cell.Replace(m.Do), strings.Join(codes, ", "))
	}
	return b.String()
}

// LogIndex returns the generated index of all messages in docs/troubleshooting.md,
// including the comments that mark its beginning and end.
func LogIndex() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from shared/finding/logmessages.go by go generate ./docs. -->\n\n")
	for _, m := range logMessages {
		fmt.Fprintf(&b, "- `%s` (%s): %s\n", m.Text, m.By, strings.TrimSpace(m.What+" "+m.Do))
	}
	return b.String() + "\n<!-- The end of what is generated. -->\n"
}
