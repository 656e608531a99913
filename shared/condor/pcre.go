package condor

import "strings"

// invalidRange reports whether a character class in the expression has a range that begins
// or ends with a class, such as [\w-.]. PCRE2 rejects it ("invalid range in character
// class"), but in Go the hyphen is literal (measured with PCRE2 10.42).
func invalidRange(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], `\Q`):
			end := strings.Index(pattern[i:], `\E`)
			if end < 0 {
				return false
			}
			i += end + 1
		case pattern[i] == '\\':
			i++
		case pattern[i] == '[':
			end, bad := scanClass(pattern, i+1)
			if bad {
				return true
			}
			i = end
		}
	}
	return false
}

// scanClass scans a character class whose contents begin at i, and returns the index of its
// closing bracket. bad means that it has an invalid range.
func scanClass(pattern string, i int) (end int, bad bool) {
	if i < len(pattern) && pattern[i] == '^' {
		i++
	}
	// A closing bracket at the beginning is literal.
	for first := true; i < len(pattern) && (first || pattern[i] != ']'); first = false {
		next, class := classItem(pattern, i)
		if next+1 >= len(pattern) || pattern[next] != '-' || pattern[next+1] == ']' {
			i = next
			continue
		}
		after, endClass := classItem(pattern, next+1)
		if class || endClass {
			return i, true
		}
		i = after // a hyphen after a range is literal
		if i+1 < len(pattern) && pattern[i] == '-' {
			i++
		}
	}
	return i, false
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
