package inspect

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// meaning describes a claim. source is the document that defines it.
type meaning struct{ what, source string }

const (
	rfc7519 = "RFC 7519 section 4.1"
	rfc7515 = "RFC 7515 section 4.1"
	oidc    = "OpenID Connect Core section 5.1"
	idToken = "OpenID Connect Core section 2"
	wlcg    = "WLCG Common JWT Profile"
	aarc    = "AARC guidelines"

	dpop      = "RFC 9449 section 4.2"
	keycloak  = "Keycloak"
	cern      = "CERN Authorization Service"
	cilogon   = "CILogon"
	iam       = "INDIGO IAM"
	voperson  = "voPerson 2.0"
	eduperson = "eduPerson"
	azure     = "Microsoft Entra ID"
	google    = "Google"
	github    = "GitHub Actions"
	gitlab    = "GitLab"
	cognito   = "Amazon Cognito"
)

var meanings = sync.OnceValue(func() map[string]meaning {
	return map[string]meaning{
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
		"events":                        {"the events that are reported", "RFC 8417 section 2.2"},
		"txn":                           {"the ID of a transaction, the same in all events that belong to it", "RFC 8417 section 2.2"},
		"toe":                           {"time of the event", "RFC 8417 section 2.2"},
		"sub_id":                        {"the subject, in a form with a type", "RFC 9493 section 3"},
		"c_hash":                        {"links an ID token to its authorization code", oidc + ", section 3.3.2.11"},
		"s_hash":                        {"links an ID token to the state of its request", "OpenID FAPI 1.0 Advanced section 5.2.2.1"},
		"updated_at":                    {"when the user's data changed", oidc},
		"zoneinfo":                      {"time zone of the user", oidc},
		"locale":                        {"language of the user", oidc},
		"picture":                       {"address of a picture of the user", oidc},
		"phone_number":                  {"phone number", oidc},
		"address":                       {"postal address", oidc},
		"htm":                           {"the HTTP method of the request that a DPoP proof is for", dpop},
		"htu":                           {"the address of the request that a DPoP proof is for", dpop},
		"ath":                           {"links a DPoP proof to its access token", dpop},
		"may_act":                       {"who may act for the subject", "RFC 8693 section 4.4"},
		"authorization_details":         {"what the token allows, in a structured form; grid services ignore this claim", "RFC 9396 section 9.1"},

		// Keycloak.
		"typ":               {"the kind of token: Bearer, ID, Refresh, Offline or Logout", keycloak},
		"session_state":     {"the login session", keycloak},
		"allowed-origins":   {"the web pages that may use the token in a browser", keycloak},
		"trusted-certs":     {"trusted certificates", keycloak},
		"authorization":     {"permissions on resources", keycloak},
		"clientHost":        {"the address that a service account's token was requested from", keycloak},
		"clientAddress":     {"the address that a service account's token was requested from", keycloak},
		"clientId":          {"the client of a service account", keycloak},
		"not-before-policy": {"tokens issued before this time are invalid", keycloak},
		"upn":               {"the login name of the user", "Keycloak, Microsoft Entra ID"},

		// CERN.
		"cern_upn":                {"the login name at CERN", cern},
		"cern_mail_upn":           {"the CERN mail address of the user", cern},
		"cern_roles":              {"the roles of the user in the application", cern},
		"cern_person_id":          {"the number of the person at CERN", cern},
		"cern_preferred_language": {"the language of the user", cern},
		"cern_identity_id":        {"the ID of the account in the authorization service", cern},
		"cern_gid":                {"the group ID of the account", cern},
		"cern_uid":                {"the user ID of the account", cern},
		"home_institute":          {"the institute of the user", cern},

		// CILogon, OSG and IGWN (LIGO, Virgo, KAGRA).
		"eppn":            {"the login name at the user's institution", cilogon},
		"eptid":           {"an identifier from the user's institution that differs for each service", cilogon},
		"idp":             {"the identity provider that the user logged in at", cilogon},
		"idp_name":        {"the name of the identity provider", cilogon},
		"oidc":            {"the subject at an OpenID provider behind CILogon", cilogon},
		"cert_subject_dn": {"the subject of the certificate that CILogon would issue to the user", cilogon},
		"isMemberOf":      {"groups of the user", cilogon},
		"uidNumber":       {"the number of the account", cilogon},
		"affiliation":     {"the user's affiliation at home", cilogon},
		"subject_id":      {"the subject at the user's institution", cilogon},
		"itrustuin":       {"the number of the user at the University of Illinois", cilogon},
		"token_id":        {"the address of the token at CILogon", cilogon},

		// INDIGO IAM.
		"external_id":       {"the ID of the user at another identity provider", iam},
		"ga4gh_passport_v1": {"signed visas: the datasets that the user may access", "GA4GH Passport 1.0"},
		"ssh_keys":          {"the public SSH keys of the user", iam},
		"attr":              {"attributes of the user", iam},
		"preferred_mfa":     {"the second factor of the user", iam},
		"entitlements_v2":   {"entitlements: groups and roles as URNs", iam},

		// voPerson and eduPerson.
		"voperson_application_uid":    {"the login name in an application", voperson},
		"voperson_external_id":        {"the ID of the user at another identity provider", voperson},
		"voperson_verified_email":     {"a verified mail address", voperson},
		"voperson_policy_agreement":   {"the policies that the user accepted", voperson},
		"voperson_affiliation":        {"the user's affiliation in the community", voperson},
		"voperson_scoped_affiliation": {"the user's affiliation in the community", voperson},
		"voperson_sor_id":             {"the ID of the user in a system of record", voperson},
		"eduperson_principal_name":    {"the login name at the user's institution", eduperson},
		"eduperson_targeted_id":       {"an identifier that differs for each service", eduperson},
		"eduperson_unique_id":         {"an identifier that is never given to another user", eduperson},
		"eduperson_orcid":             {"the ORCID of the user", eduperson},
		"orcid":                       {"the ORCID of the user", "orcid.org"},
		"schac_home_organization":     {"the institution of the user", "SCHAC 1.5"},
		"schac_home_organisation":     {"the institution of the user", "SCHAC 1.5"},
		"authenticating_authority":    {"the identity providers that took part in the login", "EGI Check-in; AARC-G074"},
		"acr_values":                  {"the strength of the authentication that is requested", idToken},

		// Others that users paste.
		"group":                  {"the group by which DIRAC authorizes", "DIRAC"},
		"vo":                     {"the virtual organization", "DIRAC"},
		"dirac_properties":       {"the properties of the group, by which DIRAC authorizes", "DIRAC"},
		"dirac_policies":         {"the policies of the token", "DIRAC"},
		"posix":                  {"the account on the experiment's machines: user ID, group ID, home directory", "IceCube"},
		"oid":                    {"the ID of the user in the tenant", azure},
		"tid":                    {"the tenant", azure},
		"appid":                  {"the client that the token was issued to", azure},
		"appidacr":               {"how the client was authenticated", azure},
		"idtyp":                  {"whether the token is for a user or an app", azure},
		"wids":                   {"roles in the tenant", azure},
		"unique_name":            {"the name of the user; not unique", azure},
		"ipaddr":                 {"the address that the user logged in from", azure},
		"xms_mirid":              {"the managed identity", azure},
		"uti":                    {"the ID of the token, by which Azure finds it in its logs", azure},
		"rh":                     {"internal to Azure", azure},
		"aio":                    {"internal to Azure", azure},
		"hd":                     {"the organization's domain", google},
		"google":                 {"the Compute Engine instance", google},
		"repository":             {"the repository of the workflow", github},
		"repository_owner":       {"the owner of the repository", github},
		"workflow":               {"the workflow", github},
		"job_workflow_ref":       {"the file of the workflow", github},
		"run_id":                 {"the run of the workflow", github},
		"actor":                  {"the account that started the run", github},
		"environment":            {"the deployment environment", "GitHub Actions, GitLab"},
		"ref":                    {"the branch or tag", "GitHub Actions, GitLab"},
		"sha":                    {"the commit", "GitHub Actions, GitLab"},
		"runner_environment":     {"where the job runs", "GitHub Actions, GitLab"},
		"project_path":           {"the project of the job", gitlab},
		"namespace_path":         {"the group or user of the project", gitlab},
		"pipeline_id":            {"the pipeline", gitlab},
		"pipeline_source":        {"what started the pipeline", gitlab},
		"job_id":                 {"the job", gitlab},
		"user_login":             {"the user who started the job", gitlab},
		"ref_protected":          {"whether the branch or tag is protected", gitlab},
		"kubernetes.io":          {"namespace, pod, node and service account of the token", "Kubernetes"},
		"token_use":              {"whether it is an access token or an ID token", cognito},
		"cognito:username":       {"the name of the user", cognito},
		"cognito:groups":         {"groups of the user", cognito},
		"event_id":               {"the ID of the login", cognito},
		"origin_jti":             {"the ID that all tokens of a login share", cognito},
		"epuid":                  {"an identifier from the user's institution that is never given to another user", cilogon},
		"pairwise_id":            {"an identifier from the user's institution that differs for each service", cilogon},
		"uid":                    {"the login name", cilogon},
		"ou":                     {"the department of the user", cilogon},
		"last_login":             {"when the user last logged in", iam},
		"ssh_public_key":         {"a public SSH key of the user", iam},
		"azpacr":                 {"how the client was authenticated", azure},
		"acct":                   {"whether the user is a member or a guest of the tenant", azure},
		"acrs":                   {"the authentication contexts that the token satisfies", azure},
		"ctry":                   {"the country of the user", azure},
		"tenant_ctry":            {"the country of the tenant", azure},
		"deviceid":               {"the device of the user", azure},
		"hasgroups":              {"says that the user has more groups than the token lists", azure},
		"in_corp":                {"whether the user logged in from the organization's network", azure},
		"onprem_sid":             {"the ID of the user in the local directory", azure},
		"puid":                   {"internal to Azure", azure},
		"pwd_exp":                {"when the user's password expires", azure},
		"pwd_url":                {"where the user changes the password", azure},
		"platf":                  {"the platform of the device", azure},
		"signin_state":           {"how the user logged in", azure},
		"tenant_region_scope":    {"the region of the tenant", azure},
		"verified_primary_email": {"the verified mail addresses of the user", azure},
		"target_audience":        {"the service that an ID token is requested for", google},
		"repository_id":          {"the number of the repository", github},
		"repository_owner_id":    {"the number of the owner of the repository", github},
		"repository_visibility":  {"whether the repository is public, private or internal", github},
		"workflow_ref":           {"the file of the workflow and its branch or tag", github},
		"workflow_sha":           {"the commit of the file of the workflow", github},
		"job_workflow_sha":       {"the commit of the file of the reusable workflow", github},
		"run_number":             {"how often the workflow ran", github},
		"run_attempt":            {"how often this run was tried", github},
		"check_run_id":           {"the job", github},
		"actor_id":               {"the number of the account that started the run", github},
		"environment_node_id":    {"the ID of the deployment environment", github},
		"head_ref":               {"the source branch of the pull request", github},
		"base_ref":               {"the target branch of the pull request", github},
		"event_name":             {"the event that started the run", github},
		"enterprise":             {"the enterprise of the repository", github},
		"enterprise_id":          {"the number of the enterprise", github},
		"project_id":             {"the number of the project", gitlab},
		"project_visibility":     {"who can see the project", gitlab},
		"namespace_id":           {"the number of the group or user of the project", gitlab},
		"user_id":                {"the number of the user who started the job", gitlab},
		"user_email":             {"the mail address of the user who started the job", gitlab},
		"user_access_level":      {"the role of the user in the project", gitlab},
		"user_identities":        {"the accounts of the user at other identity providers", gitlab},
		"groups_direct":          {"the groups of which the user is a direct member", gitlab},
		"ref_path":               {"the full name of the branch, tag or merge request", gitlab},
		"environment_protected":  {"whether the deployment environment is protected", gitlab},
		"environment_action":     {"what the job does with the deployment environment", gitlab},
		"deployment_tier":        {"the tier of the deployment environment", gitlab},
		"ci_config_ref_uri":      {"the file of the pipeline's configuration", gitlab},
		"ci_config_sha":          {"the commit of the pipeline's configuration", gitlab},
		"runner_id":              {"the runner of the job", gitlab},
		"job_project_id":         {"the number of the project that the job is in", gitlab},
		"job_project_path":       {"the project that the job is in", gitlab},
		"job_namespace_id":       {"the number of the group or user of the job's project", gitlab},
		"job_namespace_path":     {"the group or user of the job's project", gitlab},
		"cognito:roles":          {"the AWS roles of the user's groups", cognito},
		"cognito:preferred_role": {"the AWS role that the user prefers", cognito},
		"device_key":             {"the device of the user", cognito},
		"identities":             {"the accounts of the user at other identity providers", cognito},
		"ref_type":               {"whether the job runs for a branch, a tag or a merge request", "GitHub Actions, GitLab"},
	}
})

// families describe claims by the prefix of their names, for those that are not in meanings.
var families = []struct {
	prefix string
	meaning
}{
	{"voperson_", meaning{"an attribute of the user", voperson}},
	{"eduperson_", meaning{"an attribute of the user", eduperson}},
	{"cern_", meaning{"an attribute of the account", cern}},
	{"dirac_", meaning{"an attribute of the token", "DIRAC"}},
	{"xms_", meaning{"internal to Azure", azure}},
	{"cognito:", meaning{"an attribute of the user", cognito}},
	{"kubernetes.io/serviceaccount/", meaning{"namespace or name of the service account or its secret, in a token that never expires", "Kubernetes"}},
}

// claimMeaning returns the meaning of a claim, or the zero value if it is unknown. It also
// accepts the LDAP spelling that CILogon and directories use, such as voPersonID.
func claimMeaning(name string) meaning {
	if m, ok := meanings()[name]; ok {
		return m
	}
	for _, ldap := range []string{"voPerson", "eduPerson"} {
		rest, ok := strings.CutPrefix(name, ldap)
		if !ok {
			continue
		}
		rest = strings.ReplaceAll(rest, "ID", "Id")
		name = strings.ToLower(ldap)
		for _, r := range rest {
			if unicode.IsUpper(r) {
				name += "_"
			}
			name += string(unicode.ToLower(r))
		}
		return claimMeaning(name)
	}
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) {
			return f.meaning
		}
	}
	return meaning{}
}

// headerMeaning returns the meaning of a header parameter, or the zero value if it is
// unknown.
func headerMeaning(name string) meaning { return headerMeanings()[name] }

var headerMeanings = sync.OnceValue(func() map[string]meaning {
	return map[string]meaning{
		"alg": {"the signature algorithm", rfc7515}, "kid": {"the ID of the issuer's key", rfc7515}, "typ": {"the kind of token", rfc7515},
		"jku": {"URL of the keys; must not be trusted", rfc7515}, "jwk": {"the key; must not be trusted", rfc7515},
		"cty": {"the type of the contents", rfc7515}, "enc": {"the encryption algorithm of a JWE", "RFC 7516 section 4.1.2"}, "x5c": {"certificates of the key", rfc7515}, "x5t": {"fingerprint of the key's certificate", rfc7515}, "crit": {"extensions that must be understood", rfc7515},
		"x5u": {"URL of the key's certificates; must not be trusted", rfc7515}, "x5t#S256": {"SHA-256 fingerprint of the key's certificate", rfc7515},
		"zip":   {"compression of a JWE's contents; services do not read compressed tokens", "RFC 7516 section 4.1.3"},
		"nonce": {"what Microsoft Graph needs to verify its tokens, which no other service can", azure},
		"epk":   {"the ephemeral key of a JWE", "RFC 7518 section 4.6.1"}, "apu": {"who encrypted a JWE", "RFC 7518 section 4.6.1"}, "apv": {"for whom a JWE is encrypted", "RFC 7518 section 4.6.1"},
		"iv": {"the initialization vector of a JWE's key", "RFC 7518 section 4.7.1"}, "tag": {"the authentication tag of a JWE's key", "RFC 7518 section 4.7.1"},
		"p2s": {"the salt of a JWE's password", "RFC 7518 section 4.8.1"}, "p2c": {"the iterations for a JWE's password", "RFC 7518 section 4.8.1"},
		"b64": {"whether the payload is base64url; if it is false, the contents are not a JWT", "RFC 7797 section 3"},
	}
})

// scopesInWords describes what scopes allow. Scopes that belong together share a line.
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

// urnInWords describes an EGI or AARC entitlement (AARC-G069:
// NAMESPACE:group:GROUP[:role=ROLE]#AUTHORITY). It returns "" for other strings.
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
	case "exp", "nbf", "iat", "auth_time", "toe", "updated_at":
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

// span formats the difference between two times, which may exceed the 292 years of a
// [time.Duration].
func span(from, to time.Time) string {
	if years := (to.Unix() - from.Unix()) / 31556952; years > 10 {
		return fmt.Sprintf("%d years", years)
	}
	return text.Duration(to.Sub(from))
}
