package condor

import (
	"fmt"
	"regexp"
	"strings"

	"example.org/token-helpers/shared/finding"
)

// missing finds no line, and the one that comes nearest.
func (m *MapFile) missing(iss, sub string) finding.Finding {
	f := finding.Finding{Code: finding.MapMissing, Source: srcMapFile + ": \"Failed to map SCITOKENS authenticated identity\"",
		Message: "no line of the map file maps the identity " + ending(iss+","+sub), Hint: m.add(iss, sub), Command: m.line(iss, sub)}
	if near := m.near(iss, sub); near != "" {
		f.Hint = near + "; or " + f.Hint
	}
	return f
}

// add words the line to add.
func (m *MapFile) add(iss, sub string) string {
	if m.line(iss, sub) != "" {
		return "add a line for this identity alone, the user being yours to choose"
	}
	return "no line can be written for an identity that is as long as this, or has control characters"
}

// line is the one that maps the identity and no other; empty where none can.
func (m *MapFile) line(iss, sub string) string {
	identity := iss + "," + sub
	if len(identity) > 1000 || strings.ContainsFunc(identity, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return ""
	}
	re := "^" + regexp.QuoteMeta(identity) + "$"
	// A lone backslash before another character stays as it is; two are one.
	re = strings.ReplaceAll(re, `\\`, `\\\\`)
	if m.hashKeys {
		return "SCITOKENS /" + strings.ReplaceAll(re, "/", `\/`) + "/ USER"
	}
	return `SCITOKENS "` + strings.ReplaceAll(re, `"`, `\"`) + `" USER`
}

// near says in what the nearest line differs.
func (m *MapFile) near(iss, sub string) string {
	identity := iss + "," + sub
	other := strings.TrimSuffix(iss, "/")
	slash := "without the slash at the issuer's end, which the token has"
	if other == iss {
		other, slash = iss+"/", "with a slash at the issuer's end, which the token lacks"
	}
	said := func(e *mapEntry, what string) string { return fmt.Sprintf("line %d is near: %s", e.line, what) }
	for _, differs := range []func(e *mapEntry) string{
		func(e *mapEntry) string {
			if _, ok := e.matches(identity); ok && !e.forTokens() {
				return "its method is " + finding.Brief(e.method) + ", and a token's is SCITOKENS"
			}
			return ""
		},
		func(e *mapEntry) string {
			if _, ok := e.matches(other + "," + sub); ok && e.forTokens() {
				return "it is for the issuer " + slash
			}
			return ""
		},
		func(e *mapEntry) string {
			// HTCondor-CE before 5 had such lines.
			if _, ok := e.matches(iss); ok && e.forTokens() && !e.regex {
				return "it names the issuer alone, and the identity is ISSUER,SUBJECT"
			}
			return ""
		},
		func(e *mapEntry) string {
			if !e.forTokens() {
				return ""
			}
			switch plain := strings.Trim(e.principal, "/"); {
			case e.regex && !m.hashKeys && plain != e.principal && expression(plain, identity):
				return "without CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS the slashes around it are part of the expression"
			case !e.regex && strings.ReplaceAll(e.principal, `\`, "") == identity:
				return "outside of slashes a backslash is part of the name"
			case !e.regex && strings.ContainsAny(e.principal, `^$*+[(\`) && expression(e.principal, identity):
				return "it is an expression, and counts as one in slashes alone"
			case strings.EqualFold(e.principal, identity) || e.re != nil && expression("(?i)"+e.principal, identity):
				return "only upper and lower case differ"
			}
			return ""
		},
		func(e *mapEntry) string {
			plain := strings.ReplaceAll(strings.TrimPrefix(e.principal, "^"), `\`, "")
			if e.forTokens() && e.unknown == "" && strings.HasPrefix(plain, iss+",") {
				return "it is for another subject of this issuer"
			}
			return ""
		},
	} {
		for i := range m.entries {
			if e := &m.entries[i]; e.include == "" {
				if what := differs(e); what != "" {
					return said(e, what)
				}
			}
		}
	}
	return ""
}

func expression(pattern, identity string) bool {
	re, _, _ := compile(pattern, "")
	return re != nil && re.MatchString(latin1(identity))
}
