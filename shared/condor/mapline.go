package condor

import (
	"fmt"
	"regexp"
	"strings"

	"example.org/token-helpers/shared/finding"
)

// missing returns the finding for an identity that no line matches. Its hint names the
// most similar line.
func (m *MapFile) missing(iss, sub string) finding.Finding {
	f := finding.Finding{Code: finding.MapMissing, Source: srcMapFile + ": \"Failed to map SCITOKENS authenticated identity\"",
		Message: "no line of the map file maps the identity " + shortenMiddle(iss+","+sub), Hint: m.add(iss, sub), Command: m.line(iss, sub)}
	if near := m.near(iss, sub); near != "" {
		f.Hint = "compare " + near + "; or " + f.Hint
	}
	return f
}

// add returns the hint to add a line.
func (m *MapFile) add(iss, sub string) string {
	if m.line(iss, sub) != "" {
		return "add this line, and replace USER"
	}
	return "check the token: the identity is too long or has control characters, so that no line can match only it"
}

// line returns a line that maps only this identity, or "" if there is none.
func (m *MapFile) line(iss, sub string) string {
	identity := iss + "," + sub
	if len(identity) > 1000 || strings.ContainsFunc(identity, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return ""
	}
	re := "^" + regexp.QuoteMeta(identity) + "$"
	// HTCondor reads two backslashes as one, and keeps a single one before other characters.
	re = strings.ReplaceAll(re, `\\`, `\\\\`)
	if m.hashKeys {
		return "SCITOKENS /" + strings.ReplaceAll(re, "/", `\/`) + "/ USER"
	}
	return `SCITOKENS "` + strings.ReplaceAll(re, `"`, `\"`) + `" USER`
}

// near returns the number of the most similar line and how it differs, or "".
func (m *MapFile) near(iss, sub string) string {
	for _, differs := range []func(*mapEntry, string, string) string{m.nearMethod, m.nearSlash, m.nearIssuer, m.nearSpelling, m.nearSubject} {
		for i := range m.entries {
			e := &m.entries[i]
			if e.include != "" {
				continue
			}
			if what := differs(e, iss, sub); what != "" {
				return fmt.Sprintf("line %d: %s", e.line, what)
			}
		}
	}
	return ""
}

func (m *MapFile) nearMethod(e *mapEntry, iss, sub string) string {
	if strings.EqualFold(e.method, "SCITOKEN") {
		return "its method is " + finding.Brief(e.method) + ": write SCITOKENS, with an S"
	}
	if _, ok := e.matches(iss + "," + sub); ok && !e.forTokens() {
		return "its method is " + finding.Brief(e.method) + ", but the method for tokens is SCITOKENS"
	}
	return ""
}

func (m *MapFile) nearSlash(e *mapEntry, iss, sub string) string {
	other, what := iss+"/", "it has a slash at the end of the issuer, which the token lacks"
	if trimmed := strings.TrimSuffix(iss, "/"); trimmed != iss {
		other, what = trimmed, "it lacks the slash at the end of the issuer, which the token has"
	}
	if _, ok := e.matches(other + "," + sub); ok && e.forTokens() {
		return what
	}
	return ""
}

// nearIssuer recognizes a line with only the issuer, as in HTCondor-CE before 5.
func (m *MapFile) nearIssuer(e *mapEntry, iss, _ string) string {
	if _, ok := e.matches(iss); ok && e.forTokens() && !e.regex {
		return "it has only the issuer, but the identity is ISSUER,SUBJECT"
	}
	return ""
}

func (m *MapFile) nearSpelling(e *mapEntry, iss, sub string) string {
	if !e.forTokens() {
		return ""
	}
	identity := iss + "," + sub
	switch plain := strings.Trim(e.principal, "/"); {
	case e.regex && !m.hashKeys && plain != e.principal && m.expression(plain, identity):
		return "without CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS, the slashes are part of the expression"
	case !e.regex && strings.ReplaceAll(e.principal, `\`, "") == identity:
		return "outside of slashes, a backslash is part of the name"
	case !e.regex && strings.ContainsAny(e.principal, `^$*+[(\`) && m.expression(e.principal, identity):
		return "a regular expression must be between slashes"
	case strings.EqualFold(e.principal, identity) || e.re != nil && m.expression("(?i)"+e.principal, identity):
		return "it differs in upper and lower case"
	}
	return ""
}

func (m *MapFile) nearSubject(e *mapEntry, iss, _ string) string {
	plain := strings.ReplaceAll(strings.TrimPrefix(e.principal, "^"), `\`, "")
	if e.forTokens() && e.unknown == "" && strings.HasPrefix(plain, iss+",") {
		return "it is for another subject of this issuer"
	}
	return ""
}

// maxNear is the maximum number of expressions that are compiled to find a similar line.
const maxNear = 200

// expression reports whether pattern, as an expression, matches the identity. It compiles each
// pattern once, and returns false if there are too many.
func (m *MapFile) expression(pattern, identity string) bool {
	m.nearMutex.Lock()
	defer m.nearMutex.Unlock()
	re, known := m.nearExpressions[pattern]
	if !known && len(m.nearExpressions) < maxNear && len(pattern) <= maxPattern {
		re, _, _ = compile(pattern, "")
		m.nearExpressions[pattern] = re
	}
	return re != nil && re.MatchString(latin1(identity))
}
