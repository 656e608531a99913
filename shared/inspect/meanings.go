package inspect

import (
	"fmt"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// meaning says what a claim is for, and which document defines it.
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
	"iss":                           {"the issuer, which signed the token", rfc7519},
	"sub":                           {"the subject: the user or service that the token identifies, unique at its issuer", rfc7519},
	"aud":                           {"the audience: the service that the token is for, compared byte for byte", rfc7519},
	"exp":                           {"expiry; servers allow no leeway", rfc7519},
	"nbf":                           {"not valid before", rfc7519},
	"iat":                           {"time of issue", rfc7519},
	"jti":                           {"the ID of the token, by which a site can find or ban it", rfc7519},
	"scope":                         {"what the token allows", "RFC 8693 section 4.2"},
	"client_id":                     {"the client that requested the token", "RFC 8693 section 4.3"},
	"act":                           {"the party that acts for the subject", "RFC 8693 section 4.1"},
	"cnf":                           {"the key whose possession must be proved", "RFC 7800 section 3.1"},
	"azp":                           {"the client that the token was issued to", idToken},
	"nonce":                         {"links an ID token to its login", idToken},
	"at_hash":                       {"links an ID token to its access token", idToken},
	"auth_time":                     {"when the user logged in", idToken},
	"acr":                           {"the strength of the authentication", idToken},
	"amr":                           {"the methods of authentication", idToken},
	"name":                          {"the user's full name", oidc},
	"given_name":                    {"given name", oidc},
	"family_name":                   {"family name", oidc},
	"email":                         {"mail address", oidc},
	"email_verified":                {"whether the mail address was verified", oidc},
	"preferred_username":            {"the name that the user prefers; not unique", oidc},
	"organisation_name":             {"the name of the INDIGO IAM instance", "INDIGO IAM"},
	"wlcg.ver":                      {"version of the WLCG profile; servers accept only \"1.0\"", wlcg + ", \"wlcg.ver\""},
	"wlcg.groups":                   {"groups of the user; ignored if the token has capabilities", wlcg + ", \"Group based authorization\""},
	"ver":                           {"version of the SciTokens profile: \"scitoken:2.0\"", "SciTokens 2.0"},
	"opt":                           {"additional data of the issuer", "SciTokens 1.0"},
	"groups":                        {"groups of the user, as the issuer spells them", "INDIGO IAM, Keycloak"},
	"eduperson_assurance":           {"how well the user's identity was verified", "REFEDS assurance framework; " + aarc + " G021"},
	"eduperson_entitlement":         {"entitlements: groups and roles as URNs", aarc + " G069"},
	"entitlements":                  {"entitlements: groups and roles as URNs", aarc + " G069"},
	"eduperson_scoped_affiliation":  {"the user's affiliation at home", aarc + " G025"},
	"voperson_id":                   {"the user's ID at the community", aarc + " G026"},
	"voperson_external_affiliation": {"the user's affiliation at home", aarc + " G025"},
	"resource_access":               {"roles at clients", "Keycloak"},
	"realm_access":                  {"roles", "Keycloak"},
	"scp":                           {"what the token allows; grid services ignore this claim", "Microsoft, Okta"},
	"roles":                         {"roles; grid services ignore this claim", "RFC 9068 section 2.2.3.1"},
	"sid":                           {"the login session", "OpenID Connect Front-Channel Logout"},
}

var headerMeanings = map[string]meaning{
	"alg": {"the signature algorithm", rfc7515}, "kid": {"the ID of the issuer's key", rfc7515}, "typ": {"the kind of token", rfc7515},
	"jku": {"URL of the keys; must not be trusted", rfc7515}, "jwk": {"the key; must not be trusted", rfc7515},
	"cty": {"the type of the contents", rfc7515}, "enc": {"the encryption algorithm of a JWE", "RFC 7516 section 4.1.2"}, "x5c": {"certificates of the key", rfc7515}, "x5t": {"fingerprint of the key's certificate", rfc7515}, "crit": {"extensions that must be understood", rfc7515},
}

// allows has scopes in words.
var allows = map[string]string{
	"compute.read": "may view jobs", "compute.modify": "may change jobs",
	"compute.create": "may submit jobs", "compute.cancel": "may remove jobs",
	"condor:/READ": "may view jobs and daemons", "condor:/WRITE": "may submit, change and remove jobs",
	"condor:/ALLOW": "has no meaning since HTCondor 8.9.7", "condor:/DAEMON": "may act as a daemon of the pool",
	"condor:/ADMINISTRATOR": "may administer the pool",
	"offline_access":        "requests a refresh token", "openid": "requests an ID token",
	"profile": "requests the name and other data of the user", "email": "requests the mail address",
	"wlcg": "requests the WLCG profile", "wlcg.groups": "requests the groups",
}

var pathAllows = map[string]string{
	"read": "may read", "write": "may write, overwrite and delete",
	"storage.read": "may read", "storage.create": "may create files, but not overwrite them",
	"storage.modify": "may write, overwrite and delete", "storage.stage": "may stage files from tape", "storage.poll": "may query whether files were staged from tape",
}

// explain explains a claim, a scope or the code of a cause, for --explain.
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
	return "", cli.Errorf(cli.Usage, "unknown claim, scope or cause: %q", word).
		Hint("see the documentation of the issuer, which may add other claims")
}

// scopesInWords says what scopes allow, with scopes that belong together on one line.
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
		return w + " anywhere, as XRootD reads a scope without a path"
	case path == "/":
		return w + " anywhere"
	}
	return w + " below /" + strings.TrimLeft(path, "/")
}

// urnInWords explains an EGI or AARC entitlement (AARC-G069:
// NAMESPACE:group:GROUP[:role=ROLE]#AUTHORITY).
func urnInWords(urn string) string {
	body, authority, _ := strings.Cut(urn, "#")
	_, group, ok := strings.Cut(body, ":group:")
	if !ok || !strings.HasPrefix(urn, "urn:") {
		return ""
	}
	group, role, hasRole := strings.Cut(group, ":role=")
	w := "group " + strings.ReplaceAll(group, ":", "/")
	if hasRole {
		w += ", role " + role
	}
	if authority != "" {
		w += ", asserted by " + authority
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

// span is the difference of two times in words. A time.Duration is limited to 292 years.
func span(from, to time.Time) string {
	if years := (to.Unix() - from.Unix()) / 31556952; years > 10 {
		return fmt.Sprintf("%d years", years)
	}
	return text.Duration(to.Sub(from))
}
