package inspect

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// meaning is what a claim is for, and the document that says so.
type meaning struct{ what, source string }

const (
	rfc7519 = "RFC 7519 section 4.1"
	rfc7515 = "RFC 7515 section 4.1"
	oidc    = "OpenID Connect Core section 5.1"
	idToken = "OpenID Connect Core section 2"
	wlcg    = "WLCG Common JWT Profile"
	aarc    = "AARC guidelines"
)

var meanings = map[string]meaning{
	"iss":                           {"the issuer, who signed it", rfc7519},
	"sub":                           {"the subject, whom it speaks for: unique at its issuer", rfc7519},
	"aud":                           {"the audience: the service that may take it, compared byte for byte", rfc7519},
	"exp":                           {"when it ends; servers allow no leeway", rfc7519},
	"nbf":                           {"not valid before", rfc7519},
	"iat":                           {"when it was issued", rfc7519},
	"jti":                           {"the token's own id, by which a site can find or ban it", rfc7519},
	"scope":                         {"what it allows", "RFC 8693 section 4.2"},
	"client_id":                     {"the client that asked for it", "RFC 8693 section 4.3"},
	"act":                           {"who acts for the subject", "RFC 8693 section 4.1"},
	"cnf":                           {"the key its holder has to prove", "RFC 7800 section 3.1"},
	"azp":                           {"the client that it was issued to", idToken},
	"nonce":                         {"ties an ID token to its login", idToken},
	"at_hash":                       {"ties an ID token to its access token", idToken},
	"auth_time":                     {"when the user logged in", idToken},
	"acr":                           {"how strongly the user logged in", idToken},
	"amr":                           {"by which means the user logged in", idToken},
	"name":                          {"the user's full name", oidc},
	"given_name":                    {"given name", oidc},
	"family_name":                   {"family name", oidc},
	"email":                         {"mail address", oidc},
	"email_verified":                {"whether the address was checked", oidc},
	"preferred_username":            {"the name the user likes to be called by; not unique", oidc},
	"organisation_name":             {"the name of the INDIGO IAM instance", "INDIGO IAM"},
	"wlcg.ver":                      {"version of the WLCG profile: \"1.0\" or servers refuse it", wlcg + ", \"wlcg.ver\""},
	"wlcg.groups":                   {"groups of the user; not looked at where the token has capabilities", wlcg + ", \"Group based authorization\""},
	"ver":                           {"version of the SciTokens profile: \"scitoken:2.0\"", "SciTokens 2.0"},
	"opt":                           {"what the issuer adds for itself", "SciTokens 1.0"},
	"groups":                        {"groups of the user, in the issuer's own spelling", "INDIGO IAM, Keycloak"},
	"eduperson_assurance":           {"how well the user's identity is known", "REFEDS assurance framework; " + aarc + " G021"},
	"eduperson_entitlement":         {"entitlements: groups and roles as URNs", aarc + " G069"},
	"entitlements":                  {"entitlements: groups and roles as URNs", aarc + " G069"},
	"eduperson_scoped_affiliation":  {"the user's affiliation at home", aarc + " G025"},
	"voperson_id":                   {"the user's id at the community", aarc + " G026"},
	"voperson_external_affiliation": {"the user's affiliation at home", aarc + " G025"},
	"resource_access":               {"roles at clients", "Keycloak"},
	"realm_access":                  {"roles", "Keycloak"},
	"scp":                           {"what it allows, in other issuers' spelling: grid services do not look at it", "Microsoft, Okta"},
	"roles":                         {"roles, in other issuers' spelling: grid services do not look at them", "RFC 9068 section 2.2.3.1"},
	"sid":                           {"the login session", "OpenID Connect Front-Channel Logout"},
}

var headerMeanings = map[string]meaning{
	"alg": {"how it is signed", rfc7515}, "kid": {"which of the issuer's keys signed it", rfc7515}, "typ": {"the kind of token", rfc7515},
	"jku": {"where its keys are said to be; never to be trusted", rfc7515}, "jwk": {"the key itself; never to be trusted", rfc7515},
	"cty": {"the kind of what is inside", rfc7515}, "enc": {"how it is encrypted: a JWE", "RFC 7516 section 4.1.2"}, "x5c": {"certificates of the key", rfc7515}, "x5t": {"fingerprint of the key's certificate", rfc7515}, "crit": {"extensions that must be understood", rfc7515},
}

// allows are scopes in words.
var allows = map[string]string{
	"compute.read": "may look at jobs", "compute.modify": "may change jobs",
	"compute.create": "may submit jobs", "compute.cancel": "may remove jobs",
	"condor:/READ": "may look at jobs and daemons", "condor:/WRITE": "may submit, change and remove jobs",
	"condor:/ALLOW": "says nothing to HTCondor since 8.9.7", "condor:/DAEMON": "may act as a daemon of the pool",
	"condor:/ADMINISTRATOR": "may administer the pool",
	"offline_access":        "a refresh token was asked for", "openid": "an identity was asked for",
	"profile": "name and the like were asked for", "email": "the mail address was asked for",
	"wlcg": "the WLCG profile was asked for", "wlcg.groups": "the groups were asked for",
}

var pathAllows = map[string]string{
	"read": "may read", "write": "may write, overwrite and delete",
	"storage.read": "may read", "storage.create": "may make new files and overwrite none",
	"storage.modify": "may write, overwrite and delete", "storage.stage": "may bring in from tape", "storage.poll": "may ask whether files came in from tape",
}

// explain answers --explain: what a claim, a scope or a cause means.
func explain(word string) (string, error) {
	word = strings.TrimSpace(word)
	m, ok := meanings[word]
	if !ok {
		m, ok = headerMeanings[word]
	}
	if ok {
		return fmt.Sprintf("%s: %s\n  %s\n", word, m.what, m.source), nil
	}
	if w := words(word); w != "" {
		return word + ": " + w + "\n", nil
	}
	if c, ok := finding.Lookup(finding.Code(word)); ok {
		return c.Explain(), nil
	}
	return "", cli.Errorf(cli.Usage, "%q is not a claim, a scope or a cause that is known here", word).
		Hint("an issuer may add claims of its own: its documentation says what they mean")
}

// scopesInWords words what scopes allow together, those that belong to each other
// in one line.
func scopesInWords(list []string) []string {
	var out []string
	skip := map[string]bool{}
	if len(token.MissingScopes(list, []string{"compute.create", "compute.modify", "compute.cancel"})) == 0 {
		out = append(out, "compute.create, compute.modify, compute.cancel: may submit, change and remove jobs")
		skip["compute.create"], skip["compute.modify"], skip["compute.cancel"] = true, true, true
	}
	for _, s := range list {
		if w := words(s); w != "" && !skip[s] {
			out = append(out, s+": "+w)
		}
	}
	return out
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
		return w + " anywhere, as XRootD takes it: it names no path"
	case path == "/":
		return w + " anywhere"
	}
	return w + " below /" + strings.TrimLeft(path, "/")
}

// urnInWords takes an EGI or AARC entitlement apart (AARC-G069:
// NAMESPACE:group:GROUP[:role=ROLE]#AUTHORITY).
func urnInWords(urn string) string {
	body, authority, _ := strings.Cut(urn, "#")
	_, group, ok := strings.Cut(body, ":group:")
	if !ok || !strings.HasPrefix(urn, "urn:") {
		return ""
	}
	group, role, hasRole := strings.Cut(group, ":role=")
	w := "in the group " + strings.ReplaceAll(group, ":", "/")
	if hasRole {
		w += " as " + role
	}
	if authority != "" {
		w += ", says " + authority
	}
	return w
}

func isTime(claim string) bool {
	switch claim {
	case "exp", "nbf", "iat", "auth_time":
		return true
	}
	return false
}

func relative(t, now time.Time) string {
	if t.Before(now) {
		return span(t, now) + " ago"
	}
	return "in " + span(now, t)
}

// span words what is between two times, which a time.Duration holds up to 292 years.
func span(from, to time.Time) string {
	if years := (to.Unix() - from.Unix()) / 31556952; years > 10 {
		return fmt.Sprintf("%d years", years)
	}
	return text.Duration(to.Sub(from))
}

// newView puts together what a report says.
func newView(i input, j *token.JWT, causes []finding.Finding, now time.Time) *view {
	v := &view{Label: i.label, Line: i.line, Note: i.note, Now: now, OK: true}
	v.Kind, v.KindNote = kindOf(j)
	for _, c := range causes {
		if c.Remark {
			v.Remarks = append(v.Remarks, c)
		} else {
			v.Causes = append(v.Causes, c)
			v.OK = false
		}
	}
	list := func(members []token.Member, known map[string]meaning) (out []claimView) {
		seen := map[string]int{}
		for _, m := range members {
			seen[m.Name]++
		}
		for i, m := range members {
			if i == maxRows {
				out = append(out, claimView{Name: "…", Value: fmt.Sprintf("%d more, which -o claims shows", len(members)-i)})
				break
			}
			out = append(out, claim(m, known[m.Name], seen[m.Name] > 1, now))
		}
		return out
	}
	v.Claims = list(j.Members(), meanings)
	v.Header = list(j.HeaderMembers(), headerMeanings)
	set := func(to **time.Time, name string) {
		if t, ok := j.Time(name); ok {
			*to = &t
		}
	}
	set(&v.Issued, "iat")
	set(&v.NotBefore, "nbf")
	set(&v.Expires, "exp")
	v.Unknown = []string{
		"whether the token was revoked, or its subject or client is banned",
		"what the clocks of the servers say: they allow no leeway",
		"what the site has configured beside the defaults: audiences, issuers, mappings, permissions of files",
	}
	return v
}

func claim(m token.Member, what meaning, twice bool, now time.Time) claimView {
	c := claimView{Name: m.Name, Value: string(m.Value), Meaning: what.what, Source: what.source, Duplicate: twice}
	var s string
	var list []string
	switch {
	case m.Value[0] == '"' && json.Unmarshal(m.Value, &s) == nil:
		c.Value = s
		list = []string{s}
	case m.Value[0] == '[':
		_ = json.Unmarshal(m.Value, &list)
	}
	if isTime(m.Name) {
		c.Words = []string{"no time: it has to be a number, of seconds since 1970"}
		if _, err := strconv.ParseInt(string(m.Value), 10, 64); err == nil {
			c.Words = []string{"beyond the year 9999: milliseconds, where seconds have to stand?"}
		}
		if t, ok := token.NumericDate(m.Value); ok {
			c.Words = []string{t.Local().Format("Mon 2006-01-02 15:04:05 MST") + ", " + relative(t, now)}
		}
	}
	if m.Name == "scope" && s != "" {
		c.Words = scopesInWords(token.SplitScopes(s))
	}
	for _, e := range list {
		if w := urnInWords(e); w != "" {
			c.Words = append(c.Words, w)
		}
	}
	if n := len(c.Words); n > maxRows {
		c.Words = append(c.Words[:maxRows], fmt.Sprintf("… and %d more", n-maxRows))
	}
	return c
}
