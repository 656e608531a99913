//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is the results of the faults of one operation.
type report struct {
	op    *operation
	calls []*call // of a run without a fault, in order
	// differences are the points that only this run or another run has.
	differences []string
	lock        string         // the login's lock
	inside      map[point]bool // the calls that are made while it is locked
	rows        []*row
}

// heading prints the number of calls, and how interrupted processes exit.
func (r *report) heading(w io.Writer) {
	answered := 0
	for _, c := range r.calls {
		if c.answered {
			answered++
		}
	}
	_, _ = fmt.Fprintf(w, "%s: %d calls on the store, %d of them while %s is locked, %d after the issuer's answer\n",
		r.op.name, len(r.calls), len(r.inside), r.lock, answered)
	for _, d := range r.differences {
		_, _ = fmt.Fprintf(w, "%s: two runs differ: %s\n", r.op.name, d)
	}
	r.ends(w)
}

// tally counts the rows of one class.
type tally struct {
	done, hit int
	by        [verdicts]int
	allowed   int // lost where this is allowed
}

func (r *report) tallies() (classes []string, by map[string]*tally) {
	by = map[string]*tally{}
	for _, row := range r.rows {
		t := by[row.class]
		if t == nil {
			t = &tally{}
			by[row.class] = t
			classes = append(classes, row.class)
		}
		t.add(row)
	}
	return classes, by
}

func (t *tally) add(row *row) {
	t.done++
	if row.hit {
		t.hit++
	}
	if row.verdict == lost && lossAllowed(row.fault) {
		t.allowed++
		return
	}
	t.by[row.verdict]++
}

// table prints one line for each operation and class, and returns the sum.
func table(w io.Writer, reports []*report) tally {
	var sum tally
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "operation\taccident\tinjected\thit\tlogin kept\tloss reported\tlost, no message\tlost, ended at once\tother bug\t")
	line := func(op, class string, t *tally) {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", op, class, t.done, t.hit, t.by[kept], t.by[reported], t.by[lost], t.allowed, t.by[wrong])
	}
	for _, r := range reports {
		classes, by := r.tallies()
		for _, c := range classes {
			line(r.op.name, c, by[c])
		}
		for _, row := range r.rows {
			sum.add(row)
		}
	}
	line("all", "", &sum)
	_ = tw.Flush()
	return sum
}

// details prints the points of the selected rows, each with its faults.
func (r *report) details(w io.Writer, title string, which func(*row) bool) {
	type group struct {
		call   *call
		faults []string
		why    string
	}
	groups := map[point]*group{}
	var order []*group
	for _, row := range r.rows {
		if !which(row) {
			continue
		}
		g := groups[row.at]
		if g == nil {
			g = &group{call: r.find(row.at), why: row.why}
			groups[row.at] = g
			order = append(order, g)
		}
		g.faults = append(g.faults, row.fault.String())
	}
	if len(order) == 0 {
		return
	}
	slices.SortStableFunc(order, func(a, b *group) int { return a.call.seq - b.call.seq })
	_, _ = fmt.Fprintf(w, "\n%s: %s\n", r.op.name, title)
	why := ""
	for _, g := range order {
		_, _ = fmt.Fprintf(w, "  call %d, %s: %s\n", g.call.seq, g.call.point, strings.Join(g.faults, ", "))
		if g.why != "" && g.why != why {
			why = g.why
			_, _ = fmt.Fprintf(w, "      %s\n", why)
		}
	}
}

func (r *report) find(p point) *call {
	i := slices.IndexFunc(r.calls, func(c *call) bool { return c.point == p })
	return r.calls[i]
}

// killing prints where SIGKILL loses the login. This is allowed only from the answer to one
// call, the save, which killing returns. It returns nil if SIGKILL does not lose a login.
func (r *report) killing(w io.Writer) (save *call, err error) {
	lostAt := map[point]bool{}
	var first, last *call
	n := 0
	for _, row := range r.rows {
		if row.action.kill && row.verdict == lost {
			lostAt[row.at] = true
		}
	}
	for _, c := range r.calls {
		if lostAt[c.point] {
			if first == nil {
				first = c
			}
			last = c
			n++
		}
	}
	if first == nil {
		_, _ = fmt.Fprintf(w, "%s: SIGKILL does not lose the login\n", r.op.name)
		return nil, nil
	}
	_, _ = fmt.Fprintf(w, "%s: SIGKILL loses the login at %d calls, from %d (%s) to %d (%s)\n", r.op.name, n, first.seq, first.point, last.seq, last.point)
	for _, c := range r.calls {
		switch inside := c.seq >= first.seq && c.seq <= last.seq; {
		case inside && !c.answered:
			return last, fmt.Errorf("SIGKILL loses the login at call %d (%s), before the issuer answers", c.seq, c.point)
		case inside != lostAt[c.point]:
			return last, fmt.Errorf("SIGKILL loses the login on both sides of call %d (%s), but not there", c.seq, c.point)
		}
	}
	return last, nil
}

// twice checks that a second signal loses the login only where SIGKILL does.
func (r *report) twice() error {
	killed := map[point]bool{}
	for _, row := range r.rows {
		if row.action.kill && row.verdict == lost {
			killed[row.at] = true
		}
	}
	for _, row := range r.rows {
		if row.action.twice != 0 && row.verdict == lost && !killed[row.at] {
			return fmt.Errorf("a second signal loses the login at %s, where SIGKILL does not", row.at)
		}
	}
	return nil
}

// ends prints how processes exit that get a signal while the login is locked.
func (r *report) ends(w io.Writer) {
	counts := map[string]int{}
	for _, row := range r.rows {
		if row.action.signal != 0 && r.inside[row.at] {
			counts[row.class+": "+row.outcome.String()]++
		}
	}
	var lines []string
	for what, n := range counts {
		lines = append(lines, fmt.Sprintf("%s %d times", what, n))
	}
	slices.Sort(lines)
	if len(lines) > 0 {
		_, _ = fmt.Fprintf(w, "%s: signals while the login was locked: %s\n", r.op.name, strings.Join(lines, "; "))
	}
}
