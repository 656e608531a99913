package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeline is a picture of a token's times. Horizontal positions are percentages, so that the
// picture fills the width of the page but the size of its text does not change.
type timeline struct {
	Height, Bar int
	// From and Width are the period in which the token is valid.
	From, Width string
	// Valid means that there is such a period, Current that it includes now.
	Valid, Current bool
	Marks          []mark
}

type mark struct {
	Name, When, Clock, Class, Anchor string
	X                                string
	// Y is the end of the line to the label, Y1 and Y2 are the baselines of its two lines of
	// text.
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

	// The labels in the left half are above the bar and extend to the right, those in the
	// right half are below it and extend to the left. In each half, the labels closest to the
	// middle are next to the bar. So labels never overlap, even if the times are equal.
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

	// A token is valid from the later of iat and nbf. If it has neither, the period has no
	// beginning.
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

// Words describes the picture in words, for screen readers.
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
