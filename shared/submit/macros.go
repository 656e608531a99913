package submit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
)

// macro is the unexpanded value of a macro.
type macro struct {
	name, value string
	at          Position
}

// macros are the commands and macros of a submit file. Names are case-insensitive. Macros of
// the file have priority over live ones, such as Process.
type macros struct {
	Options
	table, live map[string]macro
	// busy are the macros that are being expanded, the outermost first.
	busy []string
	// steps is the number of references expanded so far.
	steps int
}

// maxSteps is the maximum number of references to expand: more than 100 for each of [MaxJobs].
const maxSteps = 20_000_000

func newMacros(o Options) *macros {
	m := &macros{Options: o, table: map[string]macro{}, live: map[string]macro{}}
	for _, name := range []string{"Process", "ProcId", "ItemIndex", "Row", "Step", "Node"} {
		m.setLive(name, "0")
	}
	for _, name := range []string{"Cluster", "ClusterId", "IsLinux"} {
		m.setLive(name, "1")
	}
	m.setLive("IsWindows", "0")
	m.setLive("JobId", "1.0")
	m.setLive("DOLLAR", "$")
	return m
}

// unknown are macros that condor_submit reads from the configuration of HTCondor.
var unknown = []string{"arch", "opsys", "opsysandver", "opsysmajorver", "opsysver", "spool", "submit_time", "year", "month", "day"}

func (m *macros) setLive(name, value string) {
	m.live[text.LowerASCII(name)] = macro{name: name, value: value}
}

// set assigns a macro. References to the macro itself in the value are replaced by its old
// value at once.
func (m *macros) set(name, value string, at Position) {
	key := text.LowerASCII(name)
	if strings.HasPrefix(key, "+") {
		key = "my." + strings.TrimSpace(key[1:])
	}
	old, again := m.table[key]
	if macroName.Get().MatchString(name) {
		self := regexp.MustCompile(`(?i)\$\(\s*` + regexp.QuoteMeta(name) + `\s*(?::([^()]*))?\)`)
		value = self.ReplaceAllStringFunc(value, func(ref string) string {
			if old.value == "" {
				return self.FindStringSubmatch(ref)[1]
			}
			return old.value
		})
	}
	if again {
		name = old.name // condor_submit keeps the first spelling, and names credentials by it
	}
	m.table[key] = macro{name: name, value: value, at: at}
}

// lookup returns a macro of the file, or a live one.
func (m *macros) lookup(name string) (macro, bool) {
	key := text.LowerASCII(strings.TrimSpace(name))
	if v, ok := m.table[key]; ok {
		return v, true
	}
	v, ok := m.live[key]
	return v, ok
}

// get returns the expanded value of the first of the named commands that is set.
func (m *macros) get(names ...string) (Value, bool, error) {
	for _, n := range names {
		if v, ok := m.table[text.LowerASCII(n)]; ok {
			expanded, err := m.expand(v.value)
			if err != nil {
				return Value{}, false, &Error{At: v.at, Problem: err.Error()}
			}
			return Value{Text: strings.TrimSpace(expanded), At: v.at}, true, nil
		}
	}
	return Value{}, false, nil
}

var (
	macroName = text.Pattern{Expr: `^[A-Za-z0-9_.]+$`}
	opening   = text.Pattern{Expr: `\$[A-Za-z_]*\(`}
)

// expand replaces the references to macros in s.
func (m *macros) expand(s string) (string, error) {
	var b strings.Builder
	for s != "" {
		i := opening.Get().FindStringIndex(s)
		if i == nil {
			break
		}
		body, rest, ok := balanced(s[i[1]:])
		if !ok { // condor_submit leaves it as it is
			b.WriteString(s[:i[1]])
			s = s[i[1]:]
			continue
		}
		b.WriteString(s[:i[0]])
		if i[0] > 0 && s[i[0]-1] == '$' {
			// $$(NAME) is replaced when the job is matched.
			b.WriteString(s[i[0]:i[1]] + body + ")")
			s = rest
			continue
		}
		body, err := m.expandBody(body)
		if err != nil {
			return "", err
		}
		value, err := m.call(s[i[0]+1:i[1]-1], body)
		if err != nil {
			return "", err
		}
		if value.literal {
			b.WriteString(s[i[0]:i[1]] + body + ")")
		} else {
			b.WriteString(value.text)
		}
		s = rest
		if b.Len() > maxFile {
			return "", fmt.Errorf("the expansion of a macro is longer than 32 MiB")
		}
	}
	b.WriteString(s)
	return b.String(), nil
}

// expandBody expands the references inside a reference, such as $(a$(b)).
func (m *macros) expandBody(body string) (string, error) {
	if !strings.Contains(body, "$") {
		return body, nil
	}
	return m.expand(body)
}

// balanced splits s at the unmatched closing parenthesis.
func balanced(s string) (body, rest string, ok bool) {
	depth := 1
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// result is the expansion of a reference; literal means that the text is not a reference.
type result struct {
	text    string
	literal bool
}

// call evaluates $FUNCTION(BODY). For $(NAME), function is empty.
func (m *macros) call(function, body string) (result, error) {
	if function == "" {
		name, otherwise, hasDefault := strings.Cut(body, ":")
		if name = strings.TrimSpace(name); !macroName.Get().MatchString(name) {
			return result{literal: true}, nil
		}
		return m.reference(name, otherwise, hasDefault)
	}
	if f := m.function(function); f != nil {
		text, err := f(body)
		return result{text: text}, err
	}
	if slices.Contains(unsupported, strings.ToUpper(function)) {
		return result{}, fmt.Errorf("$%s(%s) cannot be evaluated here", function, brief(body))
	}
	return result{literal: true}, nil
}

// reference expands $(NAME) or $(NAME:DEFAULT).
func (m *macros) reference(name, otherwise string, hasDefault bool) (result, error) {
	v, ok := m.lookup(name)
	if !ok || v.value == "" { // condor_submit also uses the default for an empty value
		if slices.Contains(unknown, text.LowerASCII(name)) && !hasDefault {
			return result{}, fmt.Errorf("$(%s) comes from the configuration of HTCondor, which is not read", name)
		}
		return result{text: otherwise}, nil
	}
	key := text.LowerASCII(name)
	if key == "dollar" {
		return result{text: "$"}, nil
	}
	if m.steps++; m.steps > maxSteps {
		return result{}, fmt.Errorf("the macros take too long to expand: $(%s)", name)
	}
	if slices.Contains(m.busy, key) {
		return result{}, fmt.Errorf("the macro %s refers to itself through %s: condor_submit would never end", m.busy[0], m.busy[len(m.busy)-1])
	}
	m.busy = append(m.busy, key)
	defer func() { m.busy = m.busy[:len(m.busy)-1] }()
	text, err := m.expand(v.value)
	return result{text: text}, err
}
