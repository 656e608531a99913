package submit

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/text"
)

// function returns a macro function, such as the one of $ENV(HOME). Its argument is the text
// between the parentheses, with macros expanded.
func (m *macros) function(name string) func(string) (string, error) {
	switch strings.ToUpper(name) {
	case "ENV":
		return m.env
	case "INT":
		return m.integer
	case "CHOICE":
		return m.choice
	case "SUBSTR":
		return m.substr
	case "BASENAME":
		return m.fileFunction("nx")
	case "DIRNAME":
		return m.fileFunction("p")
	}
	if name[0] == 'F' && strings.Trim(name[1:], "pnxdbqawuf") == "" {
		return m.fileFunction(name[1:])
	}
	return nil
}

// fileFunction returns the function that returns parts of the file name in a macro.
func (m *macros) fileFunction(parts string) func(string) (string, error) {
	return func(s string) (string, error) {
		v, err := m.reference(strings.TrimSpace(s), "", false)
		if err == nil && strings.Contains(parts, "f") {
			v.text, err = m.full(v.text)
		}
		return filePart(parts, v.text), err
	}
}

// unsupported are functions that are random or that only HTCondor can evaluate.
var unsupported = []string{"RANDOM_CHOICE", "RANDOM_INTEGER", "REAL", "STRING", "EVAL"}

// env is $ENV(NAME) or $ENV(NAME:DEFAULT).
func (m *macros) env(s string) (string, error) {
	name, otherwise, hasDefault := strings.Cut(s, ":")
	if v, ok := m.Getenv(strings.TrimSpace(name)); ok {
		return v, nil
	}
	if !hasDefault {
		return "UNDEFINED", nil // as condor_submit does
	}
	return otherwise, nil
}

// operand returns the value of the macro s, or s itself if there is no such macro.
func (m *macros) operand(s string) (string, error) {
	s = strings.TrimSpace(s)
	if _, ok := m.lookup(s); !ok {
		return s, nil
	}
	v, err := m.reference(s, "", false)
	return strings.TrimSpace(v.text), err
}

// integer is $INT(NAME-OR-EXPRESSION[,FORMAT]).
func (m *macros) integer(s string) (string, error) {
	expr, format, hasFormat := strings.Cut(s, ",")
	expr, err := m.operand(expr)
	if err != nil {
		return "", err
	}
	n, err := evaluate(expr)
	form := []string{"", "", "%d", ""}
	if format = strings.TrimSpace(format); hasFormat {
		form = integerFormat.Get().FindStringSubmatch(format)
	}
	if err != nil || form == nil {
		return "", fmt.Errorf("$INT(%s) cannot be evaluated here", brief(s))
	}
	return form[1] + fmt.Sprintf(form[2], n) + form[3], nil
}

// integerFormat is a format of printf for a decimal number, such as %03d.
var integerFormat = text.Pattern{Expr: `^([^%]*)(%[-+0]*\d{0,3}d)([^%]*)$`}

// choice is $CHOICE(INDEX,ITEM,...) or $CHOICE(INDEX,LIST-MACRO).
func (m *macros) choice(s string) (string, error) {
	index, rest, _ := strings.Cut(s, ",")
	index, err := m.operand(index)
	if err != nil {
		return "", err
	}
	if !strings.Contains(rest, ",") {
		if rest, err = m.operand(rest); err != nil {
			return "", err
		}
	}
	items := strings.Split(rest, ",")
	n, err := evaluate(index)
	if err != nil || n < 0 || n >= len(items) {
		return "", fmt.Errorf("$CHOICE(%s) cannot be evaluated here", brief(s))
	}
	return strings.TrimSpace(items[n]), nil
}

// substr is $SUBSTR(NAME,START[,LENGTH]); negative numbers count from the end.
func (m *macros) substr(s string) (string, error) {
	parts := strings.Split(s, ",")
	v, err := m.reference(strings.TrimSpace(parts[0]), "", false)
	if err != nil {
		return "", err
	}
	var n [2]int
	n[1] = len(v.text)
	for i, p := range parts[1:] {
		if i == len(n) {
			break
		}
		if p, err = m.operand(p); err == nil {
			n[i], err = evaluate(p)
		}
		if err != nil {
			return "", fmt.Errorf("$SUBSTR(%s) cannot be evaluated here", brief(s))
		}
	}
	start, length := n[0], n[1]
	if start < 0 {
		start += len(v.text)
	}
	start = min(max(start, 0), len(v.text))
	end := start + length
	if length < 0 {
		end = len(v.text) + length
	}
	end = min(max(end, start), len(v.text))
	return v.text[start:end], nil
}

// full returns the absolute name of a file. Names are relative to initialdir.
func (m *macros) full(name string) (string, error) {
	if path.IsAbs(name) {
		return name, nil
	}
	dir, _, err := m.get("initialdir", "initial_dir", "Iwd")
	if !path.IsAbs(dir.Text) {
		dir.Text = path.Join(m.Dir, dir.Text)
	}
	return strings.TrimSuffix(dir.Text, "/") + "/" + name, err
}

// filePart returns parts of a file's name: p is the directory, d the last directory (dd the
// last two), n the name, and x the extension. b omits the slash after a directory without a
// name, and the dot before an extension without a name. q adds double quotes, qa single
// quotes, and w writes backslashes. Without parts, filePart returns the name itself.
func filePart(parts, name string) string {
	dir, base := path.Split(name)
	ext := path.Ext(base)
	if ext == base { // a hidden file without an extension
		ext = ""
	}
	var b strings.Builder
	bare, named := strings.Contains(parts, "b"), strings.Contains(parts, "n")
	if n := strings.Count(parts, "d"); n > 0 {
		dir = lastDirectories(dir, n)
	} else if !strings.Contains(parts, "p") {
		dir = ""
	}
	if bare && !named {
		dir = strings.TrimSuffix(dir, "/")
	}
	b.WriteString(dir)
	if named {
		b.WriteString(strings.TrimSuffix(base, ext))
	}
	if strings.Contains(parts, "x") {
		if bare && !named {
			ext = strings.TrimPrefix(ext, ".")
		}
		b.WriteString(ext)
	}
	out := b.String()
	if !strings.ContainsAny(parts, "pdnx") {
		out = name
	}
	if strings.Contains(parts, "w") {
		out = strings.ReplaceAll(out, "/", `\`)
	}
	switch {
	case strings.Contains(parts, "q") && strings.Contains(parts, "a"):
		return "'" + out + "'"
	case strings.Contains(parts, "q"):
		return `"` + out + `"`
	}
	return out
}

// lastDirectories returns the last n elements of dir, which ends with a slash.
func lastDirectories(dir string, n int) string {
	at := len(dir)
	for range n {
		at = strings.LastIndexByte(dir[:max(at-1, 0)], '/') + 1
	}
	return dir[at:]
}

// evaluate evaluates an integer expression with + - * / % and parentheses.
func evaluate(s string) (int, error) {
	e := &expression{rest: s}
	n := e.sum()
	if e.skip(); e.rest != "" || e.bad {
		return 0, fmt.Errorf("%q is not a number", brief(s))
	}
	return n, nil
}

type expression struct {
	rest string
	bad  bool
	// depth is the nesting depth of parentheses.
	depth int
}

func (e *expression) skip() { e.rest = strings.TrimLeft(e.rest, " \t") }

// operator returns the next character if it is one of the operators, or 0.
func (e *expression) operator(of string) byte {
	e.skip()
	if e.rest == "" || strings.IndexByte(of, e.rest[0]) < 0 {
		return 0
	}
	op := e.rest[0]
	e.rest = e.rest[1:]
	return op
}

func (e *expression) sum() int {
	n := e.product()
	for op := e.operator("+-"); op != 0; op = e.operator("+-") {
		if m := e.product(); op == '+' {
			n += m
		} else {
			n -= m
		}
	}
	return n
}

func (e *expression) product() int {
	n := e.factor()
	for op := e.operator("*/%"); op != 0; op = e.operator("*/%") {
		m := e.factor()
		switch {
		case op == '*':
			n *= m
		case m == 0:
			e.bad = true
		case op == '/':
			n /= m
		default:
			n %= m
		}
	}
	return n
}

func (e *expression) factor() int {
	if e.depth++; e.depth > 100 {
		e.bad = true
		return 0
	}
	defer func() { e.depth-- }()
	switch e.operator("-+(") {
	case '-':
		return -e.factor()
	case '+':
		return e.factor()
	case '(':
		n := e.sum()
		if e.operator(")") == 0 {
			e.bad = true
		}
		return n
	}
	i := 0
	for i < len(e.rest) && e.rest[i] >= '0' && e.rest[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(e.rest[:i])
	if err != nil || n > 1<<31 {
		e.bad = true
		return 0
	}
	e.rest = e.rest[i:]
	return n
}
