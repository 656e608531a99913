package inspect

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

//go:embed page.html
var pageSource string

// pageParts returns the template and the style sheet, which is inserted as it is:
// html/template would remove its comments, and the hash in the policy would not match.
var pageParts = sync.OnceValues(func() (*template.Template, string) {
	head, rest, _ := strings.Cut(pageSource, "<style>")
	style, tail, _ := strings.Cut(rest, "</style>")
	t := template.New("page").Funcs(template.FuncMap{
		"timeline": newTimeline, "signature": newSignature, "table": newTable, "contains": strings.Contains,
		"unsaid": unsaid, "compared": compared, "lead": lead, "inc": func(i int) int { return i + 1 },
	})
	return template.Must(t.Parse(head + "<style>{{.Style}}</style>" + tail)), style
})

// What a page contains at most, whatever the size of the input: tokens, and their bytes.
const (
	maxViews = 1000
	maxBytes = 4 << 20
)

// htmlRenderer writes one page for all tokens.
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
	out, err := page(r.views)
	if err == nil && len(out) > 0 {
		r.writeEscaped(out)
	}
	return err
}

// page returns the report on tokens as one HTML document, to view or to attach to a ticket;
// nothing if there are no tokens. It contains no script and loads nothing: its policy allows
// only the style sheet, by its hash.
func page(views []*view) ([]byte, error) {
	if len(views) == 0 {
		return nil, nil
	}
	pageTemplate, pageStyle := pageParts()
	hash := sha256.Sum256([]byte(pageStyle))
	refused := 0
	for _, v := range views {
		if !v.OK {
			refused++
		}
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, map[string]any{
		"Style":   template.CSS(pageStyle), //nolint:gosec // embedded, not from a token
		"Hash":    base64.StdEncoding.EncodeToString(hash[:]),
		"Views":   views,
		"Refused": refused,
		"Now":     utc(views[0].Now),
	})
	if err != nil {
		return nil, err
	}
	// html/template escapes markup in a token's strings; this escapes bidirectional
	// controls. It is applied to the whole document, so that no string is missed.
	return []byte(text.Printable(b.String())), nil
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

// lead splits a line of words into its subject, such as a scope, and the rest.
func lead(line string) [2]string {
	about, words, ok := strings.Cut(line, ": ")
	if !ok {
		return [2]string{"", line}
	}
	return [2]string{about, words}
}

// comparedFinding is a finding with the expected and the actual audience, each divided into
// a common beginning, what differs, and a common end.
type comparedFinding struct {
	finding.Finding
	Compared bool
	Expected [3]string
	Actual   [3]string
}

func compared(v *view, f finding.Finding) comparedFinding {
	out := comparedFinding{Finding: f}
	want, actual, ok := v.audiences(f)
	if !ok {
		return out
	}
	w, a := []rune(want), []rune(actual)
	before, after := ends(w, a)
	divide := func(r []rune) [3]string {
		return [3]string{string(r[:before]), string(r[before : len(r)-after]), string(r[len(r)-after:])}
	}
	out.Compared, out.Expected, out.Actual = true, divide(w), divide(a)
	return out
}

// unsaid returns what is missing and is not named in the message or the hint.
func unsaid(f finding.Finding) []string {
	var said []string
	for _, w := range strings.Fields(f.Message + " " + f.Hint) {
		said = append(said, strings.Trim(w, `,;.()"`))
	}
	return slices.DeleteFunc(slices.Clone(f.Missing), func(s string) bool { return slices.Contains(said, s) })
}

// signatureWords is the state of a signature and the note on it.
type signatureWords struct{ Word, Rest string }

func newSignature(v *view) signatureWords {
	// A note may begin with the state in capitals.
	if word, rest, ok := strings.Cut(v.SignatureNote, ": "); ok && word == strings.ToUpper(word) {
		return signatureWords{word, rest}
	}
	return signatureWords{strings.ToUpper(v.Signature), v.SignatureNote}
}
