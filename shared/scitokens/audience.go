package scitokens

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// anySciTokens is the audience of SciTokens 2.0 tokens that are valid for any service, like
// [token.AnyAudience] in the WLCG profile. Each is valid only in its own profile
// (scitokens-cpp, Validator::verify; measured on both servers).
const anySciTokens = "ANY"

// audience checks that one of the token's audiences equals one of the server's, byte for
// byte.
func audience(l Library, p service.Presented) []finding.Finding {
	kind, _ := ProfileOf(p.JWT)
	got, ok := p.JWT.Audiences()
	if !p.JWT.Has("aud") {
		if len(l.Audiences) == 0 && kind != WLCG && kind != SciTokens2 {
			return nil
		}
		return one(finding.Finding{Code: finding.AudMissing, Message: "the token has no audience",
			Hint: audienceHint(l, ""), Command: l.audienceCommand(p), Missing: l.Audiences, Source: srcMeasured})
	}
	if !ok {
		return one(service.MissingClaim(p.JWT, "aud", "the issuer must write a string or a list of strings", "RFC 7519 section 4.1.3"))
	}
	if slices.ContainsFunc(got, func(a string) bool { return slices.Contains(l.Audiences, a) }) {
		return nil
	}
	for _, a := range got {
		if a == token.AnyAudience && kind == WLCG || a == anySciTokens && kind == SciTokens2 {
			return one(finding.Finding{Code: finding.AudAny, Remark: true, Message: "the token is valid for any service, so every service that sees it can use it at all others",
				Hint: "request a token for this service only", Command: l.command(p), Source: WLCGSource + ", \"aud\"; " + srcMeasured})
		}
	}
	difference := ""
	for _, a := range got {
		for _, w := range l.Audiences {
			if difference == "" {
				difference = nearMiss(a, w)
			}
		}
	}
	shown := "an empty list"
	if len(got) > 0 {
		shown = briefAudiences(got)
	}
	return one(finding.Finding{Code: finding.AudMismatch, Message: fmt.Sprintf("the token's audience is %s, not %s", shown, orNone(l.Audiences)), Missing: l.Audiences,
		Hint: audienceHint(l, difference), Command: l.audienceCommand(p), Source: "RFC 7519 section 4.1.3, compared byte for byte: " + srcMeasured})
}

// briefAudiences lists the first audiences of a token, and quotes those that are empty or
// contain white space, quotes or characters that are not ASCII.
func briefAudiences(list []string) string {
	var out []string
	for _, a := range list[:min(len(list), 5)] {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			a = strconv.Quote(a)
		}
		out = append(out, text.Brief(a, 200))
	}
	if len(list) > 5 {
		out = append(out, "…")
	}
	return strings.Join(out, " ")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "one of the server's"
	}
	return strings.Join(list, " or ")
}

// audienceCommand returns the command that gets a token with one of the server's audiences,
// or "" if the server has none.
func (l Library) audienceCommand(p service.Presented) string {
	if len(l.Audiences) == 0 {
		return ""
	}
	return l.command(p)
}

func audienceHint(l Library, difference string) string {
	if len(l.Audiences) == 0 {
		return "configure an audience on the server: without one, it accepts only tokens for any service"
	}
	if difference != "" {
		return "request a token for this service: " + difference
	}
	return "request a token for this service"
}

// nearMiss describes how the audience got differs from want. It returns "" if the hosts
// differ, because then want was probably not intended.
func nearMiss(got, want string) string {
	g, w := splitAudience(got), splitAudience(want)
	shorter := func(long, short string) bool {
		return short != "" && net.ParseIP(long) == nil && strings.HasPrefix(long, short+".")
	}
	var differ []string
	add := func(differs bool, what string) {
		if differs {
			differ = append(differ, what)
		}
	}
	switch {
	case got == token.AnyAudience:
		return "the WLCG any-value is valid only with wlcg.ver \"1.0\""
	case strings.EqualFold(got, anySciTokens):
		return "ANY, in capitals, is valid only with ver \"scitoken:2.0\""
	case got != want && strings.TrimSpace(got) == want:
		return "the audience differs only in white space"
	case slices.Contains(strings.Fields(got), want):
		return "several audiences must be a JSON list, not one string"
	case !strings.EqualFold(strings.TrimSuffix(g.host, "."), strings.TrimSuffix(w.host, ".")):
		switch {
		case shorter(g.host, w.host):
			return "the token has a longer host name: check whether " + g.host + " is the service"
		case shorter(w.host, g.host):
			return "the token has the short host name instead of the full one"
		}
		return ""
	}
	add(g.scheme != w.scheme, fmt.Sprintf("scheme (token: %s, service: %s)", cmp.Or(g.scheme, "none"), cmp.Or(w.scheme, "none")))
	add(g.port != w.port, fmt.Sprintf("port (token: %s, service: %s)", cmp.Or(g.port, "none"), cmp.Or(w.port, "none")))
	add(!strings.EqualFold(g.host, w.host), "dot after the host")
	add(g.host != w.host && strings.EqualFold(g.host, w.host), "upper and lower case")
	add(g.rest != w.rest, "what follows the host")
	if len(differ) == 0 {
		return ""
	}
	return "the host is correct, but these parts differ: " + strings.Join(differ, ", ")
}

// audienceParts are the parts of an audience [scheme://]host[:port][rest].
type audienceParts struct{ scheme, host, port, rest string }

func splitAudience(a string) (p audienceParts) {
	if scheme, rest, ok := strings.Cut(a, "://"); ok {
		p.scheme, a = scheme+"://", rest
	}
	if i := strings.IndexByte(a, '/'); i >= 0 {
		a, p.rest = a[:i], a[i:]
	}
	p.host = a
	if h, port, err := net.SplitHostPort(a); err == nil {
		p.host, p.port = h, port
	}
	p.host = strings.Trim(p.host, "[]")
	return p
}
