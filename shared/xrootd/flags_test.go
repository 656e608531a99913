package xrootd

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
)

func TestWant(t *testing.T) {
	tests := []struct {
		name   string
		flags  Flags
		scopes string
	}{
		{"read by default", Flags{}, "read:/"},
		{"xrdcp calls stat before it writes", Flags{Write: true}, "read:/ write:/"},
		{"write only", Flags{WriteOnly: true}, "write:/"},
		{"paths", Flags{Write: true, Path: []string{"/a", "/b/"}}, "read:/a read:/b write:/a write:/b"},
		{"wlcg", Flags{Profile: "wlcg", Write: true}, "storage.read:/ storage.modify:/"},
		{"wlcg create and stage", Flags{Profile: "wlcg", Create: true, Stage: true}, "storage.create:/ storage.stage:/"},
		{"wlcg create and read", Flags{Profile: "wlcg", Create: true, Read: true, Path: []string{"/x"}}, "storage.read:/x storage.create:/x"},
	}
	for _, tt := range tests {
		w, err := tt.flags.Want(service.Given{})
		if got := strings.Join(w.Scopes, " "); err != nil || got != tt.scopes || len(w.Audiences) > 0 {
			t.Errorf("%s: %q %q %v", tt.name, got, w.Audiences, err)
		}
	}
	for _, x := range []Flags{{Create: true}, {Stage: true}, {WriteOnly: true, Write: true}, {WriteOnly: true, Read: true}, {Path: []string{"x"}}, {Server: "ftp://x"}} {
		if w, err := x.Want(service.Given{}); err == nil {
			t.Errorf("%+v: %v", x, w)
		}
	}
	if _, err := (&Flags{Path: []string{"/a"}}).Want(service.Given{Scope: true}); err == nil {
		t.Error("--path is accepted without a scope that it applies to")
	}
}

func TestAlternative(t *testing.T) {
	wlcg, plain := []string{"storage.read:/"}, []string{"read:/"}
	tests := []struct {
		profile   string
		supported []string
		want      string
	}{
		{"scitokens", wlcg, "--profile wlcg"},
		{"scitokens", plain, ""},
		{"wlcg", plain, "--profile scitokens"},
		{"wlcg", append(wlcg, plain...), ""},
		{"scitokens", nil, ""},
	}
	for _, tt := range tests {
		if got := (&Flags{Profile: tt.profile}).Alternative(tt.supported); got != tt.want {
			t.Errorf("%s with %q: %q", tt.profile, tt.supported, got)
		}
	}
}
