package submit

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/text"
)

// queueArgs are the arguments of a queue statement.
type queueArgs struct {
	count int
	vars  []string
	rows  []string
	// indexes are the positions of the rows in the list before it was sliced.
	indexes []int
	// columns means that a row contains a value for each variable (from). Otherwise a row is
	// a single value.
	columns bool
}

var queueKeyword = text.Pattern{Expr: `(?i)(^|\s)(in|from|matching)(\s|\(|\[|$)`}

// queue executes a queue statement.
func (r *reader) queue(l *lines, rest string) error {
	if r.depth > 0 {
		return r.errorf("write the queue statement into the submit file itself", "a queue statement is not allowed in an included file")
	}
	r.queued, r.queuedAt = true, r.at
	q, err := r.queueArgs(l, rest)
	if err != nil {
		return err
	}
	if len(r.file.Jobs) == 0 {
		for _, v := range q.vars {
			// condor_submit requests credentials before it sets the variables of the first item.
			r.macros.setLive(v, "")
		}
		if r.file.Credentials, err = r.credentials(); err != nil {
			return err
		}
	}
	for i, row := range q.rows {
		if err := r.setRow(q, q.index(i), row); err != nil {
			return err
		}
		if err := r.queueSteps(q); err != nil {
			return err
		}
	}
	return nil
}

// queueSteps queues the jobs of one item.
func (r *reader) queueSteps(q queueArgs) error {
	for step := range q.count {
		if len(r.file.Jobs) >= MaxJobs {
			r.file.Total += q.count - step
			return nil
		}
		r.macros.setLive("Step", strconv.Itoa(step))
		for _, name := range []string{"Process", "ProcId"} {
			r.macros.setLive(name, strconv.Itoa(r.file.Total))
		}
		r.macros.setLive("JobId", "1."+strconv.Itoa(r.file.Total))
		j, err := r.job()
		if err != nil {
			return err
		}
		r.file.Jobs = append(r.file.Jobs, j)
		r.file.Total++
	}
	return nil
}

// index returns the ItemIndex of a row.
func (q queueArgs) index(i int) int {
	if q.indexes == nil {
		return i
	}
	return q.indexes[i]
}

// setRow sets the variables of a queue statement for one item.
func (r *reader) setRow(q queueArgs, i int, row string) error {
	r.macros.setLive("ItemIndex", strconv.Itoa(i))
	r.macros.setLive("Row", strconv.Itoa(i))
	values := []string{row}
	if q.columns && len(q.vars) > 1 {
		values = columns(row, len(q.vars))
	}
	if !r.short && len(q.vars) > 0 && (row == "" || len(values) < len(q.vars)) {
		r.short = true
		r.note(Note{At: r.queuedAt, Text: "the item " + strconv.Itoa(i+1) + " of the queue statement has fewer values than variables, which versions of HTCondor read differently",
			Hint: "give every variable a value, and remove empty lines"})
	}
	for k, v := range q.vars {
		value := ""
		if k < len(values) {
			value = values[k]
		}
		r.macros.setLive(v, value)
		delete(r.macros.table, text.LowerASCII(v))
	}
	return nil
}

// columns splits a row for n variables at commas and white space; the last variable gets
// the rest.
func columns(row string, n int) []string {
	var out []string
	if strings.Contains(row, "\x1f") {
		for v := range strings.SplitSeq(row, "\x1f") {
			out = append(out, strings.TrimSpace(v))
		}
		return out
	}
	for len(out) < n-1 {
		i := strings.IndexAny(row, ", \t")
		if i < 0 {
			break
		}
		out = append(out, row[:i])
		row = strings.TrimLeft(row[i:], " \t")
		row = strings.TrimLeft(strings.TrimPrefix(row, ","), " \t")
	}
	if row != "" {
		out = append(out, row)
	}
	return out
}

// queueArgs reads the arguments of a queue statement.
func (r *reader) queueArgs(l *lines, rest string) (queueArgs, error) {
	q := queueArgs{count: 1, rows: []string{""}}
	rest, err := r.macros.expand(rest)
	if err != nil {
		return q, r.failed(err)
	}
	at := queueKeyword.Get().FindStringSubmatchIndex(rest)
	before, keyword, items := rest, "", ""
	if at != nil {
		before, keyword, items = rest[:at[4]], strings.ToLower(rest[at[4]:at[5]]), strings.TrimSpace(rest[at[5]:])
	}
	before = strings.TrimSpace(before)
	count := before
	if keyword != "" {
		count = ""
		if before != "" && (before[0] >= '0' && before[0] <= '9' || before[0] == '(') {
			count, before, _ = strings.Cut(before, " ")
		}
		q.vars = strings.FieldsFunc(before, separator)
		if len(q.vars) == 0 {
			q.vars = []string{"Item"}
		}
	}
	if count != "" {
		if q.count, err = evaluate(count); err != nil || q.count < 0 {
			return q, r.errorf("write it as queue, queue 10, or queue NAME in (A, B)", "%q is not a number of jobs", brief(count))
		}
	}
	switch keyword {
	case "in":
		q.rows, q.indexes, err = r.list(l, items, true)
	case "from":
		q.columns = true
		q.rows, q.indexes, err = r.list(l, items, false)
	case "matching":
		q.rows, q.indexes, err = r.matching(items)
	}
	return q, err
}

func separator(c rune) bool { return c == ',' || c == ' ' || c == '\t' }

var sliceForm = text.Pattern{Expr: `^\[\s*(-?\d*)\s*(?:(:)\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?)?\]`}

// list reads the items of in and from, which are inline or in a file.
func (r *reader) list(l *lines, items string, words bool) ([]string, []int, error) {
	slice := sliceForm.Get().FindStringSubmatch(items)
	if slice != nil {
		items = strings.TrimSpace(items[len(slice[0]):])
	}
	split := func(s string) []string {
		if !words {
			return []string{s}
		}
		return strings.FieldsFunc(s, separator)
	}
	var rows []string
	switch {
	case strings.HasPrefix(items, "("):
		inline, closed := strings.CutSuffix(items[1:], ")")
		if inline = strings.TrimSpace(inline); inline != "" {
			rows = split(inline)
		}
		for !closed {
			line, ok := l.raw()
			if !ok {
				return nil, nil, r.errorf("end the list with a line that begins with )", "the list of the queue statement is not closed")
			}
			if closed = strings.HasPrefix(line, ")"); !closed && !strings.HasPrefix(line, "#") {
				rows = append(rows, split(line)...)
			}
		}
	case words:
		rows = split(items)
	case strings.HasSuffix(items, "|"):
		return nil, nil, r.errorf("write the command's output to a file and use that", "the items come from a command, which is not run here")
	case items == "" || items == "-":
		return nil, nil, r.errorf("name a file, or write the items in parentheses", "the queue statement names no file to read items from")
	default:
		text, err := r.read(items)
		if err != nil {
			return nil, nil, r.errorf("condor_submit looks for it in the current directory", "could not read the items in %s: %s", items, reason(err))
		}
		for line := range strings.Lines(text) {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	rows, indexes := sliced(rows, slice)
	return rows, indexes, nil
}

// sliced applies a slice [START:END:STEP] to the items, as in Python. It also returns their
// positions in the list.
func sliced(rows, slice []string) ([]string, []int) {
	if slice == nil {
		return rows, nil
	}
	number := func(s string, otherwise int) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return otherwise
	}
	clamp := func(n int) int {
		if n < 0 {
			n += len(rows)
		}
		return min(max(n, 0), len(rows))
	}
	step := number(slice[4], 1)
	start, end := clamp(number(slice[1], 0)), clamp(number(slice[3], len(rows)))
	if slice[2] == "" && slice[1] != "" {
		end = min(start+1, len(rows)) // [N] is one item
	}
	var out []string
	var indexes []int
	for i := start; i < end && step > 0; i += step {
		out, indexes = append(out, rows[i]), append(indexes, i)
	}
	return out, indexes
}

// matching returns the file names that match the patterns, each once.
func (r *reader) matching(items string) ([]string, []int, error) {
	what := "files"
	if word, rest := firstWord(items); slices.Contains([]string{"files", "dirs", "any"}, strings.ToLower(word)) {
		what, items = strings.ToLower(word), rest
	}
	slice := sliceForm.Get().FindStringSubmatch(items)
	if slice != nil {
		items = items[len(slice[0]):]
	}
	var out []string
	for _, pattern := range strings.FieldsFunc(strings.Trim(items, "() \t"), separator) {
		full := r.resolve(pattern)
		names, err := fs.Glob(r.FS, full)
		if err != nil {
			return nil, nil, r.errorf("", "%q is not a pattern of file names", brief(pattern))
		}
		for _, n := range names {
			fi, err := fs.Stat(r.FS, n)
			if err != nil || what == "files" && fi.IsDir() || what == "dirs" && !fi.IsDir() {
				continue
			}
			name := path.Join(path.Dir(pattern), path.Base(n))
			if fi.IsDir() {
				name += "/"
			}
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	out, indexes := sliced(out, slice)
	return out, indexes, nil
}
