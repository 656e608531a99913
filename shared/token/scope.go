package token

import (
	"slices"
	"strings"
)

// Covers reports whether one of the granted scopes includes the scope want.
//
// A scope with a path covers every path below it on component boundaries: read:/foo
// covers read:/foo/bar, but not read:/foobar. storage.modify is a superset of
// storage.create (WLCG Common JWT Profile, "Capability based authorization: scope").
// All other scopes are compared as strings (RFC 6749 section 3.3).
func Covers(granted []string, want string) bool {
	if slices.Contains(granted, want) {
		return true
	}
	authz, path, ok := strings.Cut(want, ":")
	if !ok || !hasPath(authz) {
		return false
	}
	for _, g := range granted {
		ga, gp, _ := strings.Cut(g, ":")
		if ga != authz && (ga != "storage.modify" || authz != "storage.create") {
			continue
		}
		if gp != "" && (gp == path || strings.HasPrefix(path, strings.TrimSuffix(gp, "/")+"/")) {
			return true
		}
	}
	return false
}

// hasPath reports whether scopes with this authorization have a path. The level in
// HTCondor's condor:/READ is not a path.
func hasPath(authz string) bool {
	return authz == "read" || authz == "write" || strings.HasPrefix(authz, "storage.")
}

// MissingScopes returns the scopes in want that granted does not cover.
func MissingScopes(granted, want []string) []string {
	var out []string
	for _, w := range want {
		if !Covers(granted, w) {
			out = append(out, w)
		}
	}
	return out
}

// SameIssuer reports whether two issuers are equal, apart from one trailing slash.
func SameIssuer(a, b string) bool {
	return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}
