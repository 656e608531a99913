package submit

import (
	"strconv"
	"strings"

	"example.org/token-helpers/shared/text"
)

// condition is an open if statement.
type condition struct {
	// on means that the current branch is active, taken that one of the branches was, and outer
	// that the if statement itself is in an active branch.
	on, taken, outer bool
	// last means that there was an else.
	last bool
}

// conditions are the open if statements, the innermost last.
type conditions []condition

func (c conditions) active() bool { return len(c) == 0 || c[len(c)-1].on }

// conditional executes if, elif, else and endif.
func (r *reader) conditional(ifs *conditions, line string) (bool, error) {
	word, rest := firstWord(line)
	word = strings.ToLower(word)
	switch word {
	case "if":
		c := condition{outer: ifs.active()}
		if c.outer {
			on, err := r.condition(rest)
			if err != nil {
				return false, err
			}
			c.on, c.taken = on, on
		}
		*ifs = append(*ifs, c)
		return true, nil
	case "elif", "else", "endif":
	default:
		return false, nil
	}
	if len(*ifs) == 0 {
		return false, r.errorf("", "%s without if", word)
	}
	c := &(*ifs)[len(*ifs)-1]
	switch {
	case word == "endif":
		*ifs = (*ifs)[:len(*ifs)-1]
	case c.last:
		return false, r.errorf("", "%s after else", word)
	case word == "else":
		c.on, c.last = c.outer && !c.taken, true
	case !c.outer || c.taken:
		c.on = false
	default:
		on, err := r.condition(rest)
		if err != nil {
			return false, err
		}
		c.on, c.taken = on, on
	}
	return true, nil
}

var versionTest = text.Pattern{Expr: `^(?i:version)\s*(==|!=|>=|<=|>|<)\s*(\d+)\.(\d+)(?:\.(\d+))?$`}

// newest is the version of HTCondor that version conditions are evaluated for.
var newest = [3]int{25, 14, 1}

// condition evaluates the condition of an if statement.
func (r *reader) condition(s string) (bool, error) {
	s, err := r.macros.expand(s)
	if err != nil {
		return false, r.failed(err)
	}
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		on, err := r.condition(rest)
		return !on, err
	}
	if on, ok := truth(s); ok {
		return on, nil
	}
	word, rest := firstWord(s)
	if strings.EqualFold(word, "defined") {
		v, ok := r.macros.lookup(rest)
		return ok && v.value != "", nil
	}
	if m := versionTest.Get().FindStringSubmatch(s); m != nil {
		var v [3]int
		for i := range v {
			v[i], _ = strconv.Atoi(m[i+2]) // the expression matches digits only
		}
		return compares(newest, m[1], v), nil
	}
	return false, r.errorf("condor_submit accepts true, false, defined NAME and version >= X.Y in an if", "%q is not a valid condition", brief(s))
}

func truth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "t", "yes", "y":
		return true, true
	case "", "false", "f", "no", "n":
		return false, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return f != 0, err == nil
}

func compares(a [3]int, op string, b [3]int) bool {
	c := 0
	for i := range a {
		if a[i] != b[i] {
			c = 1
			if a[i] < b[i] {
				c = -1
			}
			break
		}
	}
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case ">=":
		return c >= 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c < 0
}
