// Package ecosystems is the table of ecosystems.
package ecosystems

import (
	"slices"

	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/xrootd"
)

// table lists the ecosystems. A new one is a line here: its scopes are registered, and
// jwt-inspect gets its flags.
var table = []service.Descriptor{
	condor.Ecosystem,
	xrootd.Ecosystem,
}

// All returns the ecosystems.
func All() []service.Descriptor { return slices.Clone(table) }

// RegistrationScopes returns the scopes that a client is registered with: all that any
// helper may request, so that one login serves them all. INDIGO IAM limits a client to
// its registered scopes and selects the token's profile by the one profile scope among
// them (ScopeAwareProfileResolver), hence wlcg.
func RegistrationScopes() []string {
	scopes := []string{"openid", "offline_access", "wlcg"}
	for _, e := range table {
		scopes = append(scopes, e.Scopes...)
	}
	return scopes
}
