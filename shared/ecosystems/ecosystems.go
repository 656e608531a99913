// Package ecosystems lists the ecosystems.
package ecosystems

import (
	"slices"

	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/xrootd"
)

// table lists the ecosystems. Adding a line here registers clients with the ecosystem's
// scopes, and adds its flags to jwt-inspect.
var table = []service.Descriptor{
	condor.Ecosystem,
	xrootd.Ecosystem,
}

// All returns the ecosystems.
func All() []service.Descriptor { return slices.Clone(table) }

// RegistrationScopes returns the scopes with which clients are registered: all that any
// helper can request, so that one login is enough for all helpers. They include wlcg,
// because INDIGO IAM limits a client to its registered scopes and selects the token's
// profile by the profile scope among them (ScopeAwareProfileResolver).
func RegistrationScopes() []string {
	scopes := []string{"openid", "offline_access", "wlcg"}
	for _, e := range table {
		scopes = append(scopes, e.Scopes...)
	}
	return scopes
}
