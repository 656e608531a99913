package scitokens

import (
	"fmt"
	"path"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// The newest known version of scitokens-cpp, and those in which its rules changed.
var (
	// Newest is the newest version whose rules were measured.
	Newest = service.Version{Major: 1, Minor: 4, Patch: 1}

	// Since 1.0.0, nbf is not required.
	nbfOptional = service.Version{Major: 1}
	// Since 1.2.0, times may have a fraction or an exponent.
	fractionsSince = service.Version{Major: 1, Minor: 2}
	// Since 1.4.1, paths are decoded, and those with .. are refused.
	pathsDecoded = service.Version{Major: 1, Minor: 4, Patch: 1}
)

// Scope is a scope as the library reads it.
type Scope struct {
	// Text is the scope as it is written in the token.
	Text string
	// Authz is the part before the first colon. Path is the part after it, as an absolute
	// and clean path, or / if there is none.
	Authz, Path string
}

// Scopes returns the scopes of a token as version v of the library reads them. If the
// library refuses the whole token because of a scope, its path is the one that older
// versions read; [Library.Judge] reports such scopes.
func Scopes(j *token.JWT, v service.Version) []Scope {
	list, _ := j.Scopes()
	out := make([]Scope, 0, len(list))
	for _, s := range list {
		out = append(out, ReadScope(s, v))
	}
	return out
}

// ReadScope splits a scope, as [Scopes] does.
func ReadScope(s string, v service.Version) Scope {
	authz, p, _ := strings.Cut(s, ":")
	clean, _ := readPath(p, v)
	return Scope{s, authz, clean}
}

// pathProblem is a problem of a path.
type pathProblem int

const (
	pathFine  pathProblem = iota
	pathDots              // a component is ..
	pathAbove             // .. leads above the root
	pathCodes             // it still contains %, a slash, a backslash or NUL after decoding
)

// readPath cleans the path of a scope. Since 1.4.1, the library decodes each component up to
// four times (normalize_absolute_path; measured on 0.7.3, 1.1.3 and 1.4.1).
func readPath(raw string, v service.Version) (clean string, problem pathProblem) {
	if raw == "" {
		return "/", pathFine
	}
	if isClean(raw) {
		return raw, pathFine
	}
	decode := !v.Before(pathsDecoded)
	parts := strings.Split(raw, "/")
	depth := 0
	for i, c := range parts {
		if decode {
			for range 4 {
				c = unescape(c)
			}
			parts[i] = c
		}
		switch {
		case decode && strings.ContainsAny(c, "%/\\\x00"):
			problem = pathCodes
		case c == "..":
			depth--
			problem = max(problem, pathDots)
		case c != "" && c != ".":
			depth++
		}
		if depth < 0 && problem != pathCodes {
			problem = pathAbove
		}
	}
	return path.Clean("/" + strings.Join(parts, "/")), problem
}

// isClean reports whether a path is absolute and needs neither decoding nor cleaning. It
// also returns false for some paths that need neither.
func isClean(p string) bool {
	if p[0] != '/' {
		return false
	}
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '%', '\\', 0:
			return false
		case '/', '.':
			if p[i-1] == '/' {
				return false
			}
		}
	}
	return len(p) == 1 || p[len(p)-1] != '/'
}

// unescape decodes %XX once, and keeps invalid escapes.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// paths checks the paths of all scopes, including those that the service does not use.
func paths(l Library, p service.Presented) []finding.Finding {
	list, _ := p.JWT.Scopes()
	var out []finding.Finding
	for _, s := range list {
		_, raw, _ := strings.Cut(s, ":")
		f := finding.Finding{Hint: "request the scope with its plain path", Source: PathSource}
		switch _, problem := readPath(raw, l.Version); {
		case problem == pathFine:
			continue
		case problem == pathCodes:
			f.Code = finding.PathEncoded
			f.Message = fmt.Sprintf("the path of %s still contains %%, a slash, a backslash or NUL after decoding: scitokens-cpp since %s refuses the whole token", finding.Brief(s), pathsDecoded)
		case !l.Version.Before(pathsDecoded):
			f.Code = finding.PathDots
			f.Message = fmt.Sprintf("the path of %s contains \"..\": scitokens-cpp since %s refuses the whole token, whatever its other scopes", finding.Brief(s), pathsDecoded)
		case problem == pathAbove:
			f.Code = finding.PathDots
			f.Message = fmt.Sprintf("\"..\" leads above the root in %s: scitokens-cpp before %s crashes or hangs because of it, and so does the server", finding.Brief(s), pathsDecoded)
		default:
			f.Code, f.Remark = finding.PathDots, true
			f.Message = fmt.Sprintf("the path of %s contains \"..\", because of which scitokens-cpp since %s refuses the whole token", finding.Brief(s), pathsDecoded)
		}
		if f.Refuses() {
			return one(f)
		}
		if out == nil {
			out = one(f)
		}
	}
	return out
}

// PathSource cites the source of the rules for paths.
const PathSource = "scitokens-cpp src/scitokens_internal.cpp, normalize_absolute_path; measured with scitokens-cpp 0.7.3, 1.1.3 and 1.4.1"

// separators finds white space other than spaces in the scope claim. It does not separate
// scopes.
func separators(_ Library, p service.Presented) []finding.Finding {
	scope, _ := p.JWT.String("scope")
	if !strings.ContainsAny(scope, "\t\n\v\f\r") {
		return nil
	}
	return one(finding.Finding{Code: finding.ScopeSeparator, Remark: true, Message: "the scope claim contains a tab or a line break, which does not separate scopes: servers read one scope",
		Hint: "the issuer must separate scopes with single spaces", Source: "RFC 6749 section 3.3; measured with scitokens-cpp 0.7.3, 1.1.3 and 1.4.1"})
}

// DecodesPaths reports whether the library decodes the paths of scopes.
func (l Library) DecodesPaths() bool { return !l.Version.Before(pathsDecoded) }

// Vulnerable returns a remark on the known vulnerability of a version of the library, if it
// has one.
func Vulnerable(v service.Version) []finding.Finding {
	if !v.Before(pathsDecoded) {
		return nil
	}
	return one(finding.Finding{Code: finding.VersionVulnerable, Remark: true, Source: PathSource,
		Message: fmt.Sprintf("scitokens-cpp %s has a known vulnerability: a token with \"..\" above the root in a scope's path crashes or hangs the server", v),
		Hint:    fmt.Sprintf("update scitokens-cpp to %s or later, which also compares paths by components (CVE-2026-32726)", pathsDecoded)})
}
