package condor

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"example.org/token-helpers/shared/finding"
)

// srcMapFile cites the source of the rules for map files.
const srcMapFile = "HTCondor src/condor_utils/MapFile.cpp; " + srcCondor

// MapFile is HTCondor's map file (CERTIFICATE_MAPFILE), which maps an authenticated
// identity to a local user. The identity of a token is its issuer and its subject,
// separated by a comma.
type MapFile struct {
	hashKeys bool
	entries  []mapEntry
	// mistakes are the findings about the file itself, more the number of those that were
	// dropped.
	mistakes []finding.Finding
	more     int
	// expressions is the number of regular expressions.
	expressions int
	// nearExpressions are the expressions that were compiled to find similar lines. Workers
	// judge tokens in parallel.
	nearMutex       sync.Mutex
	nearExpressions map[string]*regexp.Regexp
}

// maxMistakes is the maximum number of findings about a file.
const maxMistakes = 20

// maxExpressions and maxPattern, in bytes, limit the cost of a malicious file: an expression can
// take half a millisecond and 100 kB.
const (
	maxExpressions = 2000
	maxPattern     = 4096
)

// mapEntry is a line that HTCondor does not skip.
type mapEntry struct {
	line      int
	method    string
	principal string
	user      string
	// re matches the identity. It is nil for a literal, and for an expression that Go's
	// regexp cannot evaluate; unknown is then the reason.
	re      *regexp.Regexp
	regex   bool
	unknown string
	// include is the file that an @include line names. It is not read.
	include string
}

// ParseMapFile parses a map file. assumeHashKeys is the server's
// CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS, which HTCondor-CE sets. If it is true, principals
// between slashes are regular expressions, and all others are names. [MapFile.User] reports
// lines that HTCondor skips. ParseMapFile returns an error if b is not a map file.
func ParseMapFile(b []byte, assumeHashKeys bool) (*MapFile, error) {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not a map file: binary data")
	}
	m := &MapFile{hashKeys: assumeHashKeys, nearExpressions: map[string]*regexp.Regexp{}}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		m.parseLine(n, strings.TrimRight(line, "\r\n"))
	}
	if len(m.entries) == 0 && len(m.mistakes) > 0 && m.expressions == 0 {
		return nil, errors.New("not a map file: no line is METHOD PRINCIPAL USER")
	}
	return m, nil
}

func (m *MapFile) note(line int, code finding.Code, message, hint string) {
	if len(m.mistakes) >= maxMistakes {
		m.more++
		return
	}
	m.mistakes = append(m.mistakes, finding.Finding{Code: code, Remark: true, Message: fmt.Sprintf("map file line %d: %s", line, message), Hint: hint, Source: srcMapFile})
}

func (m *MapFile) parseLine(n int, line string) {
	method, rest := mapField(line)
	switch {
	case method == "" || method[0] == '#':
		return
	case method == "@include":
		if name, _ := mapField(rest); name != "" {
			m.entries = append(m.entries, mapEntry{line: n, include: name})
		} else {
			m.note(n, finding.MapLine, "@include has no file name, so the line is skipped", "")
		}
		return
	}
	e := mapEntry{line: n, method: method, regex: !m.hashKeys}
	options, closed := "", true
	trimmed := strings.TrimLeft(rest, mapSpace)
	if m.hashKeys && strings.HasPrefix(trimmed, "/") {
		e.regex = true
		e.principal, rest, closed = mapQuoted(trimmed[1:], '/')
		options = rest[:len(rest)-len(strings.TrimLeft(rest, "iU"))]
		rest = rest[len(options):]
	} else {
		e.principal, rest = mapField(rest)
	}
	noSpace := e.regex && m.hashKeys && closed && rest != "" && strings.IndexByte(mapSpace, rest[0]) < 0
	e.user, _ = mapField(rest)
	switch {
	case !closed:
		m.note(n, finding.MapLine, "the expression has no closing slash, so the line is skipped", "write a slash inside the expression as \\/")
		return
	case e.principal == "" || e.user == "":
		m.note(n, finding.MapLine, "a field is missing, so the line is skipped", "write METHOD PRINCIPAL USER, and quote a field that contains spaces")
		return
	case noSpace:
		m.note(n, finding.MapLine, fmt.Sprintf("HTCondor reads what follows the closing slash as the user: %s", finding.Brief(e.user)), "use only the options i and U, and write a slash inside the expression as \\/")
	}
	if e.regex {
		m.expressions++
	}
	if e.regex && (m.expressions > maxExpressions || len(e.principal) > maxPattern) {
		e.unknown = "too many expressions, or too long"
	} else if e.regex {
		var bad bool
		if e.re, e.unknown, bad = compile(e.principal, options); bad {
			m.note(n, finding.MapLine, "the expression does not compile ("+finding.Brief(e.unknown)+"), so the line is skipped", "")
			return
		}
	}
	m.entries = append(m.entries, e)
}

// mapSpace is the white space that separates fields.
const mapSpace = " \t"

// mapField splits off the first field: a word, in which a backslash is an ordinary
// character, or a quoted string.
func mapField(s string) (field, rest string) {
	s = strings.TrimLeft(s, mapSpace)
	if strings.HasPrefix(s, `"`) {
		field, rest, _ = mapQuoted(s[1:], '"')
		return field, rest
	}
	if i := strings.IndexAny(s, mapSpace); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// mapQuoted splits off the text up to the character end. A backslash escapes this character
// and a backslash (since HTCondor 10.0.3); before other characters, it is kept.
func mapQuoted(s string, end byte) (field, rest string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == end:
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] != end && s[i] != '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", false
}

// compile compiles a PCRE2 expression with Go's regexp. If it has another meaning or is
// invalid in Go, re is nil and unknown is the reason. bad means that PCRE2 rejects it too.
func compile(pattern, options string) (re *regexp.Regexp, unknown string, bad bool) {
	if problem := invalidClass(pattern); problem != "" {
		return nil, problem, true
	}
	if what := differentInGo(pattern); what != "" {
		return nil, "it has " + what, false
	}
	flags := ""
	for _, o := range []string{"i", "U"} {
		if strings.Contains(options, o) {
			flags += o
		}
	}
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	pattern = flags + latin1(pattern)
	re, err := regexp.Compile(pattern)
	var se *syntax.Error
	if errors.As(err, &se) {
		switch se.Code {
		case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingBracket, syntax.ErrTrailingBackslash:
			return nil, string(se.Code), true
		case syntax.ErrInvalidCharRange:
			if !strings.HasPrefix(se.Expr, "[:") { // PCRE2 has classes that Go does not have
				return nil, string(se.Code), true
			}
		}
		return nil, fmt.Sprintf("%s: %s", se.Code, finding.Brief(se.Expr)), false
	}
	if err != nil {
		return nil, finding.Brief(err.Error()), false
	}
	if problem := invalidNames(re.SubexpNames()); problem != "" {
		return nil, problem, true
	}
	if tree, err := syntax.Parse(pattern, syntax.Perl); err != nil || repeatsNothing(tree) {
		return nil, "it repeats something that can be empty", false
	}
	return re, "", false
}

// latin1 converts each byte to a character, because HTCondor compiles expressions without
// PCRE2_UTF.
func latin1(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0 {
		return s
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// matches reports whether the line matches the identity, and returns the groups.
func (e *mapEntry) matches(identity string) ([]string, bool) {
	switch {
	case e.re != nil:
		return submatches(e.re, latin1(identity))
	case e.regex || e.include != "":
		return nil, false
	}
	return []string{identity}, e.principal == identity
}

// submatches returns the groups of a match as PCRE2 does: without the groups at the end
// that are not set.
func submatches(re *regexp.Regexp, s string) ([]string, bool) {
	at := re.FindStringSubmatchIndex(s)
	var groups []string
	set := 0
	for i := 0; i < len(at); i += 2 {
		g := ""
		if at[i] >= 0 {
			g, set = s[at[i]:at[i+1]], i/2+1
		}
		groups = append(groups, g)
	}
	return groups[:set], at != nil
}

// canonical returns the user with \0 to \9 replaced by the groups. It keeps a reference to
// a group that does not exist.
func (e *mapEntry) canonical(groups []string) string {
	var b strings.Builder
	for i := 0; i < len(e.user); i++ {
		if e.user[i] != '\\' {
			b.WriteByte(e.user[i])
			continue
		}
		if i++; i == len(e.user) {
			break // HTCondor drops a backslash at the end (measured)
		}
		if d := int(e.user[i]) - '0'; d >= 0 && d <= 9 && d < len(groups) {
			b.WriteString(groups[d])
			continue
		}
		b.WriteByte('\\')
		b.WriteByte(e.user[i])
	}
	return b.String()
}

func (e *mapEntry) forTokens() bool { return strings.EqualFold(e.method, "SCITOKENS") }

// mapped is the result of a map file for one identity.
type mapped struct {
	// entry is the line that maps the identity, or nil. user is its user.
	entry *mapEntry
	user  string
	// certain means that all lines before entry could be evaluated.
	certain bool
	// unknown are the remarks on lines that cannot be evaluated.
	unknown []finding.Finding
}

// find returns the first line that matches, and the remarks on the lines before it.
func (m *MapFile) find(iss, sub string) mapped {
	var out mapped
	identity := iss + "," + sub
	for i := range m.entries {
		e := &m.entries[i]
		unknown := e.unknown
		if e.re != nil && strings.ContainsAny(identity, "\n\v") {
			// In PCRE2, $ also matches before a line break at the end, and \s matches \v.
			unknown = "the identity has a line break or a vertical tab"
		}
		switch {
		case e.include != "":
			out.unknown = append(out.unknown, finding.Finding{Code: finding.MapInclude, Remark: true,
				Message: fmt.Sprintf("map file line %d includes %s, which was not read", e.line, finding.Brief(e.include)),
				Hint:    "pass the included files too, those of a directory in the order of their names: --mapfile <(cat FILES)", Source: srcMapFile})
			continue
		case !e.forTokens():
			continue
		case unknown != "":
			out.unknown = append(out.unknown, finding.Finding{Code: finding.MapUnknown, Remark: true,
				Message: fmt.Sprintf("map file line %d cannot be evaluated (%s): if it matches, the user is %s", e.line, unknown, finding.Brief(e.user)),
				Hint:    "check on the server: condor_ping -verbose -type COLLECTOR WRITE shows the user", Source: srcMapFile})
			continue
		}
		if groups, ok := e.matches(identity); ok {
			out.entry, out.user = e, e.canonical(groups)
			break
		}
	}
	out.certain = len(out.unknown) == 0
	return out
}

// User returns findings about the user to whom the file maps a token's issuer and subject,
// by the first line that matches. Lines that cannot be evaluated are remarks. If there are
// such lines and no line matches, MapMissing is a remark too.
func (m *MapFile) User(iss, sub string) []finding.Finding {
	out := slices.Clone(m.mistakes)
	if m.more > 0 {
		out = append(out, finding.Finding{Code: finding.MapLine, Remark: true, Message: fmt.Sprintf("the map file has %d more such lines", m.more), Source: srcMapFile})
	}
	found := m.find(iss, sub)
	out = append(out, firstFew(found.unknown)...)
	if found.entry != nil {
		return append(append(out, found.entry.mapped(found.user, !found.certain)), m.tooBroad(found.entry, iss, sub)...)
	}
	f := m.missing(iss, sub)
	if f.Remark = !found.certain; f.Remark {
		f.Message += ", unless one of the lines above does"
	}
	return append(out, f)
}

// firstFew returns the first findings of a list that may be as long as the file.
func firstFew(list []finding.Finding) []finding.Finding { return list[:min(len(list), 5)] }

// mapped returns the finding that the line maps the token to user. uncertain means that
// a line before it could not be evaluated.
func (e *mapEntry) mapped(user string, uncertain bool) finding.Finding {
	f := finding.Finding{Code: finding.Mapped, Remark: true, Source: srcMapFile, Users: []string{user}, Message: fmt.Sprintf("map file line %d maps the token to %s", e.line, finding.Brief(user))}
	switch name, plugin := strings.CutPrefix(user, "PLUGIN:"); {
	case plugin:
		f.Message = fmt.Sprintf("map file line %d leaves the choice of the user to the plugin %s", e.line, finding.Brief(name))
		f.Source, f.Users = "HTCondor src/condor_io/condor_auth_ssl.cpp", nil
	case user == "":
		f.Message = fmt.Sprintf("map file line %d maps the token to an empty name", e.line)
		f.Hint = "write the line without a backslash at its end, which does not continue it"
	}
	if uncertain {
		f.Message += ", unless one of the lines above does"
	}
	return f
}

// tooBroad reports an expression that matches more identities than it seems to.
func (m *MapFile) tooBroad(e *mapEntry, iss, sub string) []finding.Finding {
	if e.re == nil {
		return nil
	}
	f := finding.Finding{Code: finding.MapLoose, Remark: true, Source: srcMapFile + "; " + srcSearch}
	hits := func(identity string) bool { _, ok := e.matches(identity); return ok }
	// The operator of another issuer can choose these identities.
	before, behind := "https://issuer.invalid,"+iss+","+sub, iss+".invalid,"+sub
	others, _ := e.matches(iss + ",another-subject")
	switch {
	case hits(before):
		f.Message = fmt.Sprintf("map file line %d does not require the issuer: it also matches %s, and anybody can run an issuer", e.line, shortenMiddle(before))
		f.Hint = "begin the expression with ^"
	case hits(behind):
		f.Message = fmt.Sprintf("map file line %d does not require the issuer: it also matches %s, and anybody can run an issuer", e.line, shortenMiddle(behind))
		f.Hint = "include the comma after the issuer in the expression"
	case others != nil:
		f.Message = fmt.Sprintf("map file line %d also maps other subjects of this issuer: another-subject becomes %s", e.line, finding.Brief(e.canonical(others)))
		f.Hint, f.Command = "keep it if the issuer is trusted with that; otherwise, "+m.add(iss, sub), m.line(iss, sub)
	case hits(iss + "," + sub + "0"):
		f.Message = fmt.Sprintf("map file line %d also matches longer subjects, such as %s", e.line, shortenMiddle(sub+"0"))
		f.Hint = "end the expression with $"
	default:
		return nil
	}
	return one(f)
}

// shortenMiddle shortens an identity in the middle.
func shortenMiddle(s string) string {
	if r := []rune(s); len(r) > 120 {
		return string(r[:60]) + "…" + string(r[len(r)-60:])
	}
	return s
}

// srcSearch is the reason why an expression must be anchored.
const srcSearch = "pcre2_match searches the whole identity"
