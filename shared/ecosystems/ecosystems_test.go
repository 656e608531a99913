package ecosystems

import (
	"testing"

	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/xrootd"
)

// A client must be registered with every scope that a helper can request.
func TestRegistrationScopes(t *testing.T) {
	all := RegistrationScopes()
	has := func(s string) bool {
		for _, r := range all {
			if r == s {
				return true
			}
		}
		return false
	}
	for _, e := range []service.Ecosystem{
		&condor.Flags{}, &condor.Flags{Profile: "scitokens", Legacy: true},
		&xrootd.Flags{Write: true}, &xrootd.Flags{Profile: "wlcg", Write: true, Create: true, Stage: true},
	} {
		w, err := e.Want(service.Given{Login: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Scopes {
			if !has(s) {
				t.Errorf("%T requests %s, with which no client is registered", e, s)
			}
		}
	}
	if !has("wlcg") || !has("offline_access") || has("iam") {
		t.Error("wlcg must select the profile at INDIGO IAM, and iam would select another one")
	}
}
