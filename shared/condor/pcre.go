package condor

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// invalidClass returns why PCRE2 rejects a character class in the expression that Go accepts
// with another meaning, or "" if there is none (measured with PCRE2 10.42).
func invalidClass(pattern string) string {
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], `\Q`):
			end := strings.Index(pattern[i:], `\E`)
			if end < 0 {
				return ""
			}
			i += end + 1
		case pattern[i] == '\\':
			i++
		case pattern[i] == '[':
			end, reason := scanClass(pattern, i+1)
			if reason != "" {
				return reason
			}
			i = end
		}
	}
	return ""
}

// scanClass scans a character class whose contents begin at i, and returns the index of its
// closing bracket, or the reason why PCRE2 rejects it: a range that begins or ends with a
// class, such as [\w-.], whose hyphen is literal in Go, or a collating element.
func scanClass(pattern string, i int) (end int, reason string) {
	if i < len(pattern) && pattern[i] == '^' {
		i++
	}
	// A closing bracket at the beginning is literal.
	for first := true; i < len(pattern) && (first || pattern[i] != ']'); first = false {
		if collating(pattern[i:]) {
			return i, "POSIX collating elements are not supported"
		}
		next, class := classItem(pattern, i)
		if next+1 >= len(pattern) || pattern[next] != '-' || pattern[next+1] == ']' {
			i = next
			continue
		}
		after, endClass := classItem(pattern, next+1)
		if class || endClass {
			return i, "invalid range in character class"
		}
		i = after // a hyphen after a range is literal
		if i+1 < len(pattern) && pattern[i] == '-' {
			i++
		}
	}
	return i, ""
}

// collating reports whether the rest of a character class begins with a POSIX collating
// element such as [.a.] or [=a=].
func collating(rest string) bool {
	if len(rest) < 2 || rest[0] != '[' || rest[1] != '.' && rest[1] != '=' {
		return false
	}
	for i := 2; i+1 < len(rest); i++ {
		switch two := rest[i : i+2]; {
		case two == `\]` || two == `\\`:
			i++
		case rest[i] == rest[1] && rest[i+1] == ']':
			return true
		case rest[i] == ']' || rest[i] == '[' && rest[i+1] == rest[1]:
			return false
		}
	}
	return false
}

// differentInGo returns the first construct of an expression that has another meaning in Go or
// that only one of PCRE2 and Go supports, or "" if there is none (measured with PCRE2 10.42).
func differentInGo(pattern string) string {
	for i := 0; i+1 < len(pattern); i++ {
		switch two := pattern[i : i+2]; two {
		case `\v`, `\p`, `\P`, "{,":
			return two
		case `\x`:
			if strings.HasPrefix(pattern[i:], `\x{`) { // PCRE2 rejects more than two digits
				return `\x{`
			}
		case "(?": // Go applies a quantifier after options to what precedes them
			rest := strings.TrimLeft(pattern[i+2:], "imsU-")
			if len(rest) > 1 && rest[0] == ')' && strings.IndexByte("*+?{", rest[1]) >= 0 {
				return "a quantifier after options"
			}
		}
		if pattern[i] == '\\' {
			i++
		}
	}
	return ""
}

// repeatsNothing reports whether an expression repeats an anchor, which PCRE2 rejects, or a group
// that can be empty, whose contents can differ (both measured with PCRE2 10.42).
func repeatsNothing(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		switch sub := re.Sub[0]; {
		case sub.Op >= syntax.OpBeginLine && sub.Op <= syntax.OpNoWordBoundary:
			return true
		case re.Op != syntax.OpQuest && sub.MaxCap() > 0 && canBeEmpty(sub):
			return true
		}
	}
	return slices.ContainsFunc(re.Sub, repeatsNothing)
}

// canBeEmpty reports whether an expression matches the empty string in some context.
func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return canBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !canBeEmpty(sub) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, canBeEmpty)
	}
	return true
}

// invalidNames returns why PCRE2 rejects the names of groups, or "" if it accepts them. Go
// allows a name twice, and a digit at its beginning.
func invalidNames(names []string) string {
	used := map[string]bool{}
	for _, n := range names {
		switch {
		case n == "":
			continue
		case n[0] <= '9':
			return "subpattern name must start with a non-digit"
		case used[n]:
			return "two named subpatterns have the same name"
		}
		used[n] = true
	}
	return ""
}

// classItem scans one item of a character class, and reports whether it is itself a class.
func classItem(pattern string, i int) (next int, class bool) {
	rest := pattern[i:]
	switch {
	case len(rest) > 1 && rest[0] == '\\':
		n := 2
		class = strings.IndexByte("dDwWsShHvVpP", rest[1]) >= 0
		if class && len(rest) > 2 && (rest[1] == 'p' || rest[1] == 'P') {
			if n = 3; rest[2] == '{' {
				n = strings.IndexByte(rest+"}", '}') + 1
			}
		}
		return i + min(n, len(rest)), class
	case strings.HasPrefix(rest, "[:"):
		if end := strings.Index(rest, ":]"); end > 0 && !strings.ContainsAny(rest[2:end], "[]\\") {
			return i + end + 2, true
		}
	}
	return i + 1, false
}
