package inspect

import (
	"slices"
	"strings"
	"sync"
)

// right describes what a scope allows. source is the document or software that defines it.
type right struct{ what, source string }

const (
	wlcgCapabilities = wlcg + ", \"Capability based authorization: scope\""
	condorScopes     = "HTCondor manual, \"SciTokens\""
	scitokensScopes  = "SciTokens, Claims and Scopes Language"
)

// allows describes scopes without a path.
var allows = sync.OnceValue(func() map[string]right {
	return map[string]right{
		"compute.read": {"may view jobs", wlcgCapabilities}, "compute.modify": {"may change jobs", wlcgCapabilities},
		"compute.create": {"may submit jobs", wlcgCapabilities}, "compute.cancel": {"may remove jobs", wlcgCapabilities},
		"queue": {"may submit jobs, in the profile; HTCondor and XRootD ignore it", scitokensScopes}, "execute": {"may run jobs, in the profile; HTCondor and XRootD ignore it", scitokensScopes},
		"offline_access": {"requests a refresh token", "OpenID Connect Core section 11"}, "openid": {"requests an ID token", "OpenID Connect Core section 3.1.2.1"},
		"profile": {"requests the name and other data of the user", "OpenID Connect Core section 5.4"}, "email": {"requests the mail address", "OpenID Connect Core section 5.4"},
		"address": {"requests the postal address", "OpenID Connect Core section 5.4"}, "phone": {"requests the phone number", "OpenID Connect Core section 5.4"},
		"wlcg": {"requests the WLCG profile", "INDIGO IAM"}, "iam": {"requests the profile of INDIGO IAM", "INDIGO IAM"}, "aarc": {"requests the AARC profile", "INDIGO IAM"}, "kc": {"requests the Keycloak profile", "INDIGO IAM"},
		"wlcg.groups": {"requests the groups", wlcg + ", \"Group based authorization\""}, "eduperson_entitlement": {"requests the entitlements", "AARC guidelines G069"},
		"entitlements": {"requests the entitlements", "AARC guidelines G069"}, "eduperson_scoped_affiliation": {"requests the affiliation", "AARC guidelines G025"}, "voperson_id": {"requests the ID at the community", "AARC guidelines G026"},
		"eduperson_assurance": {"requests the assurance", "AARC guidelines G021"}, "ssh-keys": {"requests the public SSH keys", "INDIGO IAM"},
		"org.cilogon.userinfo": {"requests the data of the user from the institution", "CILogon"}, "scim:read": {"may read users and groups", "INDIGO IAM"}, "scim:write": {"may change users and groups", "INDIGO IAM"},
		"registration": {"may register clients", "INDIGO IAM"}, "registration-token": {"may change the registration of the client", "INDIGO IAM"},
		"gracedb.read": {"may read GraceDB, the database of gravitational-wave candidates", "IGWN"},
		"roles":        {"requests the roles", "Keycloak"}, "microprofile-jwt": {"requests claims of MicroProfile", "Keycloak"}, "web-origins": {"requests the web pages that may use the token", "Keycloak"}, "acr": {"requests the strength of the authentication", "Keycloak"}, "basic": {"requests the subject and the time of the login", "Keycloak"},
	}
})

// condorRights describes the authorization levels of HTCondor in scopes condor:/LEVEL.
var condorRights = map[string]string{
	"READ": "may view jobs and daemons", "WRITE": "may submit, change and remove jobs, and view them",
	"DAEMON": "may act as a daemon of the pool, submit and view", "ADMINISTRATOR": "may administer the pool, submit and view",
	"ADVERTISE_STARTD": "may announce an execution point to the collector, and view", "ADVERTISE_SCHEDD": "may announce an access point to the collector, and view",
	"ADVERTISE_MASTER": "may announce a master to the collector, and view", "NEGOTIATOR": "may act as the negotiator, and view",
	"CONFIG": "may change the configuration, and view", "OWNER": "may act as the owner of a machine", "CLIENT": "has no meaning for servers",
	"ALLOW": "has no meaning since HTCondor 8.9.7",
}

// pathAllows describes scopes that may have a path.
var pathAllows = map[string]right{
	"read": {"may read", scitokensScopes}, "write": {"may write, overwrite and delete", scitokensScopes},
	"storage.read": {"may read", wlcgCapabilities}, "storage.create": {"may create files, but not overwrite them", wlcgCapabilities},
	"storage.modify": {"may write, overwrite and delete", wlcgCapabilities}, "storage.stage": {"may stage files from tape", wlcgCapabilities}, "storage.poll": {"may query whether files were staged from tape", wlcgCapabilities},
	"pelican.read": {"may read objects of the federation", "Pelican"}, "pelican.write": {"may write objects of the federation", "Pelican"},
	"pelican.advertise": {"may announce a server to the director", "Pelican"}, "pelican.namespace_delete": {"may delete a namespace", "Pelican"},
}

// lookupScope returns what a scope allows, or the zero value if the scope is unknown.
func lookupScope(scope string) right {
	if r, ok := allows()[scope]; ok {
		return r
	}
	authz, path, colon := strings.Cut(scope, ":")
	if authz == "condor" && colon {
		if w, ok := condorRights[strings.ToUpper(strings.Trim(path, "/"))]; ok {
			return right{w, condorScopes}
		}
	}
	if name, ok := strings.CutPrefix(scope, "wlcg.capabilityset:"); ok {
		return right{"requests the capabilities of " + name, wlcg + ", \"Scope-based group membership\""}
	}
	if name, ok := strings.CutPrefix(scope, "wlcg.groups:"); ok {
		return right{"requests the group " + name, wlcg + ", \"Group based authorization\""}
	}
	r, ok := pathAllows[authz]
	switch {
	case !ok && strings.HasPrefix(authz, "pelican."):
		return right{"a right in a Pelican federation", "Pelican"}
	case !ok:
		return right{}
	case path == "" && strings.HasPrefix(authz, "pelican."):
	case path == "":
		r.what += " anywhere, as XRootD reads a scope without a path"
	case path == "/":
		r.what += " anywhere"
	default:
		r.what += " below /" + strings.TrimLeft(path, "/")
	}
	return r
}

// sourcesOf returns the sources of scopes, without duplicates.
func sourcesOf(list []string) (out []string) {
	for _, s := range list {
		if from := lookupScope(s).source; from != "" && !slices.Contains(out, from) {
			out = append(out, from)
		}
	}
	return out
}

// words describes what a scope allows, or returns "" if it is unknown.
func words(scope string) string { return lookupScope(scope).what }

// source returns a line with the source of a scope.
func source(scope string) string { return "  " + lookupScope(scope).source + "\n" }
