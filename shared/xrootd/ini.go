package xrootd

import (
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// iniLimits returns the maximum lengths, in bytes, of a line and of a name that the INI
// reader reads. The larger ones were measured on 5.8.1.
func iniLimits(v service.Version) (line, name int) {
	if v.Before(longLinesSince) {
		return 199, 49
	}
	return 1023, 1023
}

// iniFile is what the INI reader passes to the plugin.
type iniFile struct {
	// hasSection means that the file has a section.
	hasSection bool
	sections   []string            // the sections that have a key
	began      map[string]int      // the lines of the sections
	keys       map[string][]string // the keys of the sections
	values     map[string]iniValue // by section=key in lower case
}

type iniValue struct {
	value string
	line  int
}

func (f *iniFile) get(section, key string) iniValue {
	return f.values[text.LowerASCII(section+"="+key)]
}

// iniSpace is the white space of C's isspace.
const iniSpace = " \t\n\v\f\r"

// iniReader reads a file like the plugin's INI reader. Names of sections and keys are not
// case-sensitive. Key and value are separated by = or :. Comments start with ; or # at the
// beginning of a line, or with ; after white space. A later value replaces an earlier one.
// An indented line is a new value of the previous key.
type iniReader struct {
	iniFile
	// c receives findings about what the plugin silently ignores.
	c *SciTokensConfig
	// lineLimit and nameLimit are in bytes, see [iniLimits].
	lineLimit, nameLimit int
	n                    int
	section, key         string
	// alike has the lines of the sections by name in lower case.
	alike map[string]int
}

func (c *SciTokensConfig) readINI(contents string, v service.Version) *iniFile {
	r := &iniReader{c: c, iniFile: iniFile{began: map[string]int{}, keys: map[string][]string{}, values: map[string]iniValue{}}, alike: map[string]int{}}
	r.lineLimit, r.nameLimit = iniLimits(v)
	for line := range strings.Lines(contents) {
		r.n++
		r.line(line)
	}
	return &r.iniFile
}

// line reads a line. Like the INI reader, it splits a line that is too long.
func (r *iniReader) line(raw string) {
	if strings.TrimRight(raw[min(len(raw), r.lineLimit):], iniSpace) != "" {
		r.note(finding.CfgLine, "write a shorter line; comments count too", "longer than %d bytes: the rest is read as another line", r.lineLimit)
	}
	for first := true; first || raw != ""; first = false {
		chunk := raw[:min(len(raw), r.lineLimit)]
		raw = raw[len(chunk):]
		if r.n == 1 && first {
			chunk = strings.TrimPrefix(chunk, "\ufeff")
		}
		text := strings.TrimRight(chunk, iniSpace)
		start := strings.TrimLeft(text, iniSpace)
		switch {
		case start == "" || start[0] == ';' || start[0] == '#':
		case r.key != "" && len(start) < len(text):
			r.continued(uncomment(start))
		case start[0] == '[':
			r.header(start)
		default:
			r.pair(start)
		}
	}
}

func (r *iniReader) note(code finding.Code, hint, format string, a ...any) {
	r.c.note(r.n, code, fmt.Sprintf(format, a...), hint, srcINI)
}

// header reads a line [SECTION].
func (r *iniReader) header(s string) {
	end := iniEnd(s[1:], "]")
	if end == len(s)-1 || s[1+end] != ']' {
		r.c.halt(r.n, "the name of a section has no closing ]")
		return
	}
	name := s[1 : 1+end]
	if len(name) > r.nameLimit {
		name = name[:r.nameLimit]
		r.note(finding.CfgLine, "write a shorter name", "the name of the section is longer than %d bytes: the rest is ignored, and sections with the same beginning are one", r.nameLimit)
	}
	r.hasSection, r.section, r.key = true, name, ""
	if began, ok := r.began[name]; ok {
		r.note(finding.CfgDuplicate, "", "section [%s] is also in line %d: they are one, and later values count", finding.Brief(name), began)
		return
	}
	if began, ok := r.alike[text.LowerASCII(name)]; ok {
		r.note(finding.CfgDuplicate, "", "section [%s] is also in line %d: upper and lower case make no difference", finding.Brief(name), began)
	}
	r.began[name], r.alike[text.LowerASCII(name)] = r.n, r.n
}

// pair reads a line KEY = VALUE.
func (r *iniReader) pair(s string) {
	end := iniEnd(s, "=:")
	if end == len(s) || s[end] != '=' && s[end] != ':' {
		r.c.halt(r.n, "neither a section nor key = value")
		return
	}
	key := strings.TrimRight(s[:end], iniSpace)
	if old, again := r.set(key, uncomment(strings.TrimLeft(s[end+1:], iniSpace))); again {
		r.note(finding.CfgDuplicate, "", "%s replaces the value in line %d", finding.Brief(key), old.line)
	}
	r.key = key[:min(len(key), r.nameLimit)]
}

// continued reads an indented line.
func (r *iniReader) continued(value string) {
	old, _ := r.set(r.key, value)
	if r.section != "" {
		r.note(finding.CfgLine, "start each key at the beginning of its line, and write a list on one line", "the indented line is a new value of %s and replaces %s", finding.Brief(r.key), orEmpty(old.value))
	}
}

// set sets the value of a key. It returns the previous value, and whether there was one.
func (r *iniReader) set(key, value string) (old iniValue, again bool) {
	if r.section == "" {
		r.note(finding.CfgIgnored, "", "%s is before the first section and is ignored", finding.Brief(key))
		return iniValue{}, false
	}
	id := text.LowerASCII(r.section + "=" + key)
	old, again = r.values[id]
	if len(r.keys[r.section]) == 0 {
		r.sections = append(r.sections, r.section)
	}
	if !again {
		r.keys[r.section] = append(r.keys[r.section], key)
	}
	r.values[id] = iniValue{value, r.n}
	return old, again
}

func orEmpty(s string) string {
	if s == "" {
		return "an empty one"
	}
	return finding.Brief(s)
}

// iniEnd returns the index of the first of the characters or of a comment, or len(s).
func iniEnd(s, chars string) int {
	for i := range len(s) {
		if strings.IndexByte(chars, s[i]) >= 0 || s[i] == ';' && i > 0 && strings.IndexByte(iniSpace, s[i-1]) >= 0 {
			return i
		}
	}
	return len(s)
}

// uncomment removes a comment and the white space before it.
func uncomment(s string) string { return strings.TrimRight(s[:iniEnd(s, "")], iniSpace) }
