package inspect

import (
	"slices"
	"strings"

	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/token"
)

// kind is a kind of JWT.
type kind struct {
	name string
	// note says why services refuse such tokens. It is "" for access tokens and for JWTs of
	// unknown kind.
	note string
	is   func(*jwtType) bool
}

// jwtType is a JWT with the values that distinguish the kinds.
type jwtType struct {
	*token.JWT
	// typ is the header's typ in lower case, without the prefix application/. use is the
	// claim typ of Keycloak.
	typ, use, iss, sub string
}

func (t *jwtType) hasAll(claims ...string) bool {
	return !slices.ContainsFunc(claims, func(c string) bool { return !t.Has(c) })
}

func (t *jwtType) hasAny(claims ...string) bool { return slices.ContainsFunc(claims, t.Has) }

func typed(typ string) func(*jwtType) bool {
	return func(t *jwtType) bool { return t.typ == typ }
}

func from(issuers ...string) func(*jwtType) bool {
	return func(t *jwtType) bool {
		return slices.ContainsFunc(issuers, func(i string) bool { return t.iss == i || strings.HasPrefix(t.iss, i+"/") })
	}
}

const accessToken = "access token"

// kinds lists the kinds in the order in which they are tried. Explicit declarations in the
// header or the claims take precedence over guesses.
var kinds = []kind{
	{"dpop+jwt", "a DPoP proof accompanies an access token and does not replace it (RFC 9449)", typed("dpop+jwt")},
	{"logout token", "a logout token ends a client's sessions (OpenID Connect Back-Channel Logout)", func(t *jwtType) bool {
		return t.typ == "logout+jwt" || t.use == "Logout" || strings.Contains(string(t.Raw("events")), "backchannel-logout")
	}},
	{"secevent+jwt", "a security event token reports an event (RFC 8417)", func(t *jwtType) bool { return t.typ == "secevent+jwt" || t.Has("events") }},
	{"token-introspection+jwt", "an introspection response describes a token (RFC 9701)", typed("token-introspection+jwt")},
	{"client assertion", "a client assertion authenticates a client to its issuer (RFC 7523)", typed("client-authentication+jwt")},
	{accessToken, "", typed("at+jwt")},
	{"refresh token", "a refresh token is only for its issuer: no service accepts it", func(t *jwtType) bool {
		return t.use == "Refresh" || t.use == "Offline" || t.Unsigned() && !t.Has("scope")
	}},
	{"ID token", notID, func(t *jwtType) bool { return t.use == "ID" }},
	{"Kubernetes service account token", "a Kubernetes service account token is for the API server of its cluster and for those that trust this cluster", func(t *jwtType) bool {
		return t.Has("kubernetes.io") || strings.HasPrefix(t.sub, "system:serviceaccount:")
	}},
	{"GitHub job token", "a GitHub Actions job token identifies a workflow, to be exchanged for a token of another issuer", func(t *jwtType) bool {
		return from("https://token.actions.githubusercontent.com")(t) || t.hasAll("repository", "workflow", "run_id")
	}},
	{"GitLab job token", "a GitLab job token identifies a CI job, to be exchanged for a token of another issuer", func(t *jwtType) bool { return t.hasAll("project_path", "pipeline_id") }},
	{"Google ID token", "an ID token of Google says who logged in: grid services do not accept it", from("https://accounts.google.com", "accounts.google.com")},
	{"Azure token", "a token of Microsoft Entra ID is for services that are registered there: grid services do not accept it", from("https://sts.windows.net", "https://login.microsoftonline.com", "https://login.microsoftonline.us", "https://sts.chinacloudapi.cn", "https://login.partner.microsoftonline.cn")},
	{accessToken, "", func(t *jwtType) bool { return t.use == "Bearer" }},
	{"ID token", notID, func(t *jwtType) bool {
		return !t.Has("scope") && (t.hasAny("nonce", "at_hash", "c_hash") || t.Has("auth_time") && !t.Has("wlcg.groups"))
	}},
	{accessToken, "", func(t *jwtType) bool { return t.hasAny("scope", "scp", "wlcg.ver", "ver", "wlcg.groups") }},
	{"client assertion", "a client assertion authenticates a client to its issuer (RFC 7523)", func(t *jwtType) bool {
		return t.iss != "" && t.iss == t.sub && t.Has("aud") && !t.hasAny("client_id", "azp")
	}},
	{"JWT", "", func(*jwtType) bool { return true }},
}

const notID = "an ID token tells a client who logged in: no service accepts it (OpenID Connect Core section 2)"

// kindName is the name of a JWT's kind. note says why services refuse such tokens, or is "".
type kindName struct {
	name, note string
	// special means that one ecosystem accepts such tokens. note says where to put them.
	special bool
}

var allEcosystems = ecosystems.All()

// kindOf returns the kind of a JWT.
func kindOf(j *token.JWT) kindName {
	for _, e := range allEcosystems {
		if e.Kind != nil {
			if name, note := e.Kind(j); name != "" {
				return kindName{name, note, true}
			}
		}
	}
	t := jwtType{JWT: j}
	typ, _ := j.HeaderString("typ")
	t.typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	t.use, _ = j.String("typ")
	t.iss, _ = j.String("iss")
	t.sub, _ = j.String("sub")
	for k := range kinds {
		if kinds[k].is(&t) {
			return kindName{name: kinds[k].name, note: kinds[k].note}
		}
	}
	return kindName{} // not possible: the last kind matches every JWT
}
