package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

// The maximum number of tokens on a page, and their maximum total size in bytes.
const (
	maxViews = 1000
	maxBytes = 4 << 20
)

// htmlRenderer prints one page with all tokens.
type htmlRenderer struct {
	*output
	views        []*view
	shown, bytes int
}

func (r *htmlRenderer) token(v *view) {
	r.shown++
	if r.bytes += v.size; len(r.views) < maxViews && r.bytes <= maxBytes {
		r.views = append(r.views, v)
	}
}

func (r *htmlRenderer) notToken(i input) {
	r.output.notToken(i)
	r.token(badView(i, r.now))
}

func (r *htmlRenderer) finish() error {
	if n := len(r.views); r.shown > n {
		r.env.Say("note: the page shows %d of %d tokens; -o ndjson shows all", n, r.shown)
	}
	if out := page(r.views); len(out) > 0 {
		r.writeEscaped(out)
	}
	return nil
}

// table is a list of claims. ID makes the IDs of its rows unique in the document.
type table struct {
	ID, Caption string
	Rows        []claimView
}

func newTable(view int, part, caption string, rows []claimView, now time.Time) table {
	rows = slices.Clone(rows)
	for i, c := range rows {
		// Readers of a ticket may be in another time zone.
		if t, ok := token.NumericDate([]byte(c.Value)); ok && isTime(c.Name) && c.Words != nil {
			rows[i].Words = []string{t.Weekday().String()[:3] + " " + utc(t) + ", " + relative(t, now)}
		}
	}
	return table{ID: fmt.Sprintf("v%d-%s", view, part), Caption: caption, Rows: rows}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// lead splits a line into its subject, such as a scope, and the rest.
func lead(line string) (about, words string) {
	about, words, ok := strings.Cut(line, ": ")
	if !ok {
		return "", line
	}
	return about, words
}

// divided is a text that is compared with another one: the common prefix, the part that
// differs, and the common suffix.
type divided struct{ before, differs, after string }

// compared returns the expected and the actual audience. ok is false for findings that are not
// about the audience.
func (v *view) compared(f finding.Finding) (expected, actual divided, ok bool) {
	want, got, ok := v.audiences(f)
	w, g := []rune(want), []rune(got)
	before, after := commonEnds(w, g)
	divide := func(r []rune) divided {
		end := len(r) - after
		return divided{string(r[:before]), string(r[before:end]), string(r[end:])}
	}
	return divide(w), divide(g), ok
}

// unmentioned returns the strings in f.Missing that neither the message nor the hint mentions.
func unmentioned(f finding.Finding) []string {
	var mentioned []string
	for _, w := range strings.Fields(f.Message + " " + f.Hint) {
		mentioned = append(mentioned, strings.Trim(w, `,;.()"`))
	}
	return slices.DeleteFunc(slices.Clone(f.Missing), func(s string) bool { return slices.Contains(mentioned, s) })
}

// signatureWords is the state of a signature and the rest of the note on it.
type signatureWords struct{ Word, Rest string }

func newSignature(v *view) signatureWords {
	// A note may begin with the state in capitals.
	if word, rest, ok := strings.Cut(v.SignatureNote, ": "); ok && word == strings.ToUpper(word) {
		return signatureWords{word, rest}
	}
	return signatureWords{strings.ToUpper(v.Signature), v.SignatureNote}
}
