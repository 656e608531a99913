package inspect

import (
	"fmt"
	"strings"
	"time"

	"example.org/token-helpers/shared/check"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

// meanings are what the claims mean, in a few words each: RFC 7519 section 4.1,
// RFC 8693 section 4, OpenID Connect Core section 5.1, the WLCG profile, SciTokens.
var meanings = map[string]string{
	"iss": "issuer, who signed it", "sub": "subject, whom it speaks for", "aud": "audience, for which service",
	"exp": "ends", "nbf": "not valid before", "iat": "issued", "jti": "the token's own id",
	"scope": "what it allows", "client_id": "the client that asked for it", "azp": "the client that asked for it",
	"wlcg.ver": "version of the WLCG profile", "wlcg.groups": "groups", "ver": "version of the SciTokens profile",
	"auth_time": "when the user logged in", "acr": "how the user logged in", "name": "name", "email": "mail address",
	"preferred_username": "user name", "eduperson_assurance": "assurance of the identity",
	"eduperson_entitlement": "entitlements", "entitlements": "entitlements",
}

// allows are scopes in words.
var allows = map[string]string{
	"compute.read": "may look at jobs", "compute.modify": "may change jobs",
	"compute.create": "may submit jobs", "compute.cancel": "may remove jobs",
	"condor:/READ": "may look at jobs and daemons", "condor:/WRITE": "may submit, change and remove jobs",
	"condor:/ALLOW":  "needed by HTCondor before 8.9.7",
	"offline_access": "a refresh token was asked for", "openid": "an identity was asked for",
}

var pathAllows = map[string]string{
	"read": "may read", "write": "may write, overwrite and delete",
	"storage.read": "may read", "storage.create": "may make new files, but overwrite none",
	"storage.modify": "may write, overwrite and delete", "storage.stage": "may bring in from tape",
}

// report is the token in words.
func report(j *token.JWT, findings []check.Finding, now time.Time, signature bool) string {
	var b strings.Builder
	line := func(indent int, format string, a ...any) {
		for i, l := range cli.Wrap(fmt.Sprintf(format, a...), 80-indent) {
			if i > 0 {
				l = "  " + strings.TrimSpace(l)
			}
			b.WriteString(strings.Repeat(" ", indent) + l + "\n")
		}
	}
	if len(findings) == 0 {
		line(0, "verdict: nothing speaks against it (the signature was not checked)")
	}
	for i, f := range findings {
		lead := "verdict: "
		if i > 0 {
			lead = "and: "
		}
		line(0, "%s%s (%s)", lead, f.Message, f.Code)
		if f.Hint != "" {
			line(2, "%s", f.Hint)
		}
	}
	b.WriteString("\nclaims\n")
	for _, m := range j.Members() {
		value := string(m.Value)
		if s, ok := j.String(m.Name); ok && value[0] == '"' {
			value = s
		}
		if t, ok := j.Time(m.Name); ok && isTime(m.Name) {
			value += "  " + t.Format("2006-01-02 15:04:05 UTC") + ", " + relative(t, now)
		}
		line(2, "%s: %s", m.Name, value)
		if what := meanings[m.Name]; what != "" {
			line(6, "%s", what)
		}
		if m.Name == "scope" {
			list, _ := j.Scopes()
			for _, s := range list {
				if w := words(s); w != "" {
					line(6, "%s: %s", s, w)
				}
			}
		}
	}
	b.WriteString("\nheader\n")
	for _, m := range j.HeaderMembers() {
		line(2, "%s: %s", m.Name, strings.Trim(string(m.Value), `"`))
	}
	switch {
	case j.Unsigned():
		b.WriteString("\nsignature: NONE, this token is not signed: no service takes it\n")
	case signature:
		b.WriteString("\nsignature: " + j.Signature + "  NOT CHECKED\n")
	default:
		b.WriteString("\nsignature: NOT CHECKED\n")
	}
	return cli.Printable(b.String())
}

func isTime(claim string) bool {
	switch claim {
	case "exp", "nbf", "iat", "auth_time":
		return true
	}
	return false
}

func words(scope string) string {
	if w, ok := allows[scope]; ok {
		return w
	}
	authz, path, _ := strings.Cut(scope, ":")
	w, ok := pathAllows[authz]
	switch {
	case !ok:
		return ""
	case path == "":
		return w + ", but names no path"
	case path == "/":
		return w + " anywhere"
	}
	return w + " below " + path
}

func relative(t, now time.Time) string {
	d := t.Sub(now)
	if d < 0 {
		return token.Span(-d) + " ago"
	}
	return "in " + token.Span(d)
}
