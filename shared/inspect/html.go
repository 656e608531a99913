package inspect

import (
	"bytes"
	"cmp"
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

// The style sheet is cut out of the page and put back as it is: html/template would
// rewrite its comments away, and the hash in the policy would no longer fit.
var pageParts = sync.OnceValues(func() (*template.Template, string) {
	head, rest, _ := strings.Cut(pageSource, "<style>")
	style, tail, _ := strings.Cut(rest, "</style>")
	t := template.New("page").Funcs(template.FuncMap{
		"timeline": newTimeline, "signature": newSignature, "table": newTable, "contains": strings.Contains,
		"unsaid": unsaid, "lead": lead, "inc": func(i int) int { return i + 1 },
	})
	return template.Must(t.Parse(head + "<style>{{.Style}}</style>" + tail)), style
})

// page is the report on tokens as one HTML document to look at or to attach to a
// ticket; of no token there is no page. It holds no script and asks for nothing over
// the network: its policy lets the browser use the one style sheet, known by its hash,
// and nothing else.
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
		"Style":   template.CSS(pageStyle), //nolint:gosec // it is our own file
		"Hash":    base64.StdEncoding.EncodeToString(hash[:]),
		"Views":   views,
		"Refused": refused,
		"Now":     utc(views[0].Now),
	})
	if err != nil {
		return nil, err
	}
	// html/template keeps a token's strings from becoming markup; this keeps them from
	// turning the text around. On the whole document, so that none is forgotten.
	return []byte(text.Printable(b.String())), nil
}

// table is a list of claims with what makes its ids unique in the document.
type table struct {
	ID, Caption string
	Rows        []claimView
}

func newTable(view int, part, caption string, rows []claimView, now time.Time) table {
	rows = slices.Clone(rows)
	for i, c := range rows {
		// Who reads a ticket may live in another time zone than who wrote it.
		if t, ok := token.NumericDate([]byte(c.Value)); ok && isTime(c.Name) && c.Words != nil {
			rows[i].Words = []string{t.Weekday().String()[:3] + " " + utc(t) + ", " + relative(t, now)}
		}
	}
	return table{ID: fmt.Sprintf("v%d-%s", view, part), Caption: caption, Rows: rows}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// lead parts what a line of words is about, such as a scope, from the words.
func lead(line string) [2]string {
	about, words, ok := strings.Cut(line, ": ")
	if !ok {
		return [2]string{"", line}
	}
	return [2]string{about, words}
}

// unsaid is what is missing and not named by the message or the hint.
func unsaid(f finding.Finding) []string {
	var said []string
	for _, w := range strings.Fields(f.Message + " " + f.Hint) {
		said = append(said, strings.Trim(w, `,;.()"`))
	}
	return slices.DeleteFunc(slices.Clone(f.Missing), func(s string) bool { return slices.Contains(said, s) })
}

// signature is the state of a signature and what there is to say of it.
type signature struct{ Word, Rest string }

func newSignature(v *view) signature {
	// A note may begin with the state in capitals; then it is not said twice.
	if word, rest, ok := strings.Cut(v.SignatureNote, ": "); ok && word == strings.ToUpper(word) {
		return signature{word, rest}
	}
	return signature{strings.ToUpper(v.Signature), v.SignatureNote}
}

// timeline is a picture of a token's times. Places along it are percentages, so that
// it is as wide as the page and its letters keep their size.
type timeline struct {
	Height, Bar int
	// From and Width are the span in which the token is valid, as far as it says.
	From, Width string
	// Valid says that there is such a span, Current that it is not over or to come.
	Valid, Current bool
	Marks          []mark
}

type mark struct {
	Name, When, Clock, Class, Anchor string
	X                                string
	// Y is where the lead to the label ends, Y1 and Y2 the base of its two lines.
	Dx, Y, Y1, Y2 int
	at, place     float64
}

// labelHeight is the height of a label's two lines, in pixels.
const labelHeight = 38

func newTimeline(v *view) *timeline {
	var marks []mark
	add := func(name, class string, t *time.Time) {
		if t == nil {
			return
		}
		m := mark{Name: name, Class: class, When: relative(*t, v.Now), Clock: "after the year 9999", at: float64(t.Unix())}
		if y := t.UTC().Year(); y >= 0 && y <= 9999 {
			m.Clock = t.UTC().Format("2006-01-02 15:04:05Z")
		} else if y < 0 {
			m.Clock = "before the year 0"
		}
		if name == "now" {
			m.When = ""
		}
		marks = append(marks, m)
	}
	add("iat", "mark", v.Issued)
	add("nbf", "mark", v.NotBefore)
	add("exp", "mark", v.Expires)
	if marks == nil {
		return nil
	}
	add("now", "mark now", &v.Now)
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	first, span := marks[0].at, marks[len(marks)-1].at-marks[0].at
	place := func(at float64) float64 {
		if span == 0 {
			return 50
		}
		return 2 + 96*(at-first)/span
	}
	percent := func(f float64) string { return fmt.Sprintf("%.2f%%", f) }

	// The left half is labelled above the bar and to the right, the right half below
	// it and to the left; in each half the labels nearest to the middle are next to
	// the bar. So no label meets another one or its lead, however close the times are.
	above := 0
	for i := range marks {
		m := &marks[i]
		m.place = place(m.at)
		m.X = percent(m.place)
		if m.place < 50 {
			above++
		}
	}
	l := &timeline{Bar: above*labelHeight + 12, Height: len(marks)*labelHeight + 24, Marks: marks}
	for i := range marks {
		m := &marks[i]
		if i < above {
			m.Anchor, m.Dx = "start", 7
			m.Y = l.Bar - 12 - (above-i)*labelHeight + 4
			m.Y1 = m.Y + 11
		} else {
			m.Anchor, m.Dx = "end", -7
			m.Y = l.Bar + 12 + (i-above+1)*labelHeight - 4
			m.Y1 = m.Y - 18
		}
		m.Y2 = m.Y1 + 16
	}

	// Valid from the later of iat and nbf; a token with neither has been so always.
	from, to := 0.0, 100.0
	for _, t := range []*time.Time{v.Issued, v.NotBefore} {
		if t != nil {
			from = max(from, place(float64(t.Unix())))
		}
	}
	if v.Expires != nil {
		to = place(float64(v.Expires.Unix()))
	}
	l.Valid = to > from
	at := place(float64(v.Now.Unix()))
	l.Current = from <= at && at < to
	l.From, l.Width = percent(from), percent(max(0, to-from))
	return l
}

// Words are the picture for those who do not see it.
func (l *timeline) Words() string {
	var s []string
	for _, m := range l.Marks {
		w := m.Name + " " + m.Clock
		if m.When != "" {
			w += ", " + m.When
		}
		s = append(s, w)
	}
	return "Time line: " + strings.Join(s, "; ")
}
