package xrootd

import (
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// iniLimits are the bytes of a line and of a name that the INI reader takes; the
// larger ones were measured on 5.8.1.
func iniLimits(v service.Version) (line, name int) {
	if v.Before(longLinesSince) {
		return 199, 49
	}
	return 1023, 1023
}

// iniFile is what the INI reader hands to the plugin.
type iniFile struct {
	// headed says that there is a section at all.
	headed   bool
	sections []string // those with a key, in their spelling
	began    map[string]int
	keys     map[string][]string
	values   map[string]iniValue
}

type iniValue struct {
	value string
	line  int
}

func (f *iniFile) get(section, key string) iniValue { return f.values[lowerASCII(section+"="+key)] }

// iniSpace is C's isspace.
const iniSpace = " \t\n\v\f\r"

// readINI reads as the plugin's INI reader does: sections and keys in any case, = or
// : between key and value, ; and # at the beginning of a line and ; behind a blank as
// comments; a later value replaces an earlier one, and so does an indented line,
// which belongs to the key before it.
func (c *SciTokensConfig) readINI(text string, v service.Version) *iniFile {
	iniLine, iniName := iniLimits(v)
	f := &iniFile{began: map[string]int{}, keys: map[string][]string{}, values: map[string]iniValue{}}
	section, previous, alike := "", "", map[string]int{}
	set := func(line int, key, value string, continued bool) {
		if section == "" {
			c.note(line, finding.CfgIgnored, fmt.Sprintf("%s stands before any section, and is ignored", finding.Brief(key)), "", srcINI)
			return
		}
		old, again := f.values[lowerASCII(section+"="+key)]
		if len(f.keys[section]) == 0 {
			f.sections = append(f.sections, section)
		}
		if !again {
			f.keys[section] = append(f.keys[section], key)
		}
		switch {
		case continued:
			c.note(line, finding.CfgLine, fmt.Sprintf("the indented line is a new value of %s: it replaces %s", finding.Brief(key), orEmpty(old.value)), "begin each key at the beginning of its line, and keep a list in one", srcINI)
		case again:
			c.note(line, finding.CfgDuplicate, fmt.Sprintf("%s replaces what line %d says", finding.Brief(key), old.line), "", srcINI)
		}
		f.values[lowerASCII(section+"="+key)] = iniValue{value, line}
	}
	n := 0
	for raw := range strings.Lines(text) {
		n++
		if strings.TrimRight(raw[min(len(raw), iniLine):], iniSpace) != "" {
			c.note(n, finding.CfgLine, fmt.Sprintf("longer than %d bytes: the rest is read as a line of its own", iniLine), "shorten it; comments count too", srcINI)
		}
		for first := true; first || raw != ""; first = false {
			chunk := raw[:min(len(raw), iniLine)]
			raw = raw[len(chunk):]
			if n == 1 && first {
				chunk = strings.TrimPrefix(chunk, "\ufeff")
			}
			text := strings.TrimRight(chunk, iniSpace)
			start := strings.TrimLeft(text, iniSpace)
			switch {
			case start == "" || start[0] == ';' || start[0] == '#':
			case previous != "" && len(start) < len(text):
				set(n, previous, uncomment(start), true)
			case start[0] == '[':
				end := iniEnd(start[1:], "]")
				if end == len(start)-1 || start[1+end] != ']' {
					c.halt(n, "a section's name has no ] at its end")
					continue
				}
				section, previous = start[1:1+end], ""
				f.headed = true
				if len(section) > iniName {
					section = section[:iniName]
					c.note(n, finding.CfgLine, fmt.Sprintf("the section's name is longer than %d bytes: the rest is cut off, and sections that are alike so far are one", iniName), "shorten it", srcINI)
				}
				if began, ok := f.began[section]; ok {
					c.note(n, finding.CfgDuplicate, fmt.Sprintf("section [%s] is in line %d too: they are one, and later values count", finding.Brief(section), began), "", srcINI)
					continue
				}
				if began, ok := alike[lowerASCII(section)]; ok {
					c.note(n, finding.CfgDuplicate, fmt.Sprintf("section [%s] is in line %d too: upper and lower case count for nothing", finding.Brief(section), began), "", srcINI)
				}
				f.began[section], alike[lowerASCII(section)] = n, n
			default:
				end := iniEnd(start, "=:")
				if end == len(start) || start[end] != '=' && start[end] != ':' {
					c.halt(n, "neither a section nor key = value")
					continue
				}
				key := strings.TrimRight(start[:end], iniSpace)
				set(n, key, uncomment(strings.TrimLeft(start[end+1:], iniSpace)), false)
				previous = key[:min(len(key), iniName)]
			}
		}
	}
	return f
}

func orEmpty(s string) string {
	if s == "" {
		return "an empty one"
	}
	return finding.Brief(s)
}

// iniEnd is where one of the characters stands, or a comment begins, or s ends.
func iniEnd(s, chars string) int {
	for i := range len(s) {
		if strings.IndexByte(chars, s[i]) >= 0 || s[i] == ';' && i > 0 && strings.IndexByte(iniSpace, s[i-1]) >= 0 {
			return i
		}
	}
	return len(s)
}

func uncomment(s string) string { return strings.TrimRight(s[:iniEnd(s, "")], iniSpace) }

// lowerASCII is C's tolower on each byte.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
