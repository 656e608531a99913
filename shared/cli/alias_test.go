package cli

import (
	"slices"
	"testing"
)

func TestCalled(t *testing.T) {
	for _, tt := range []struct {
		program string
		argv    []string
		shown   string
		args    []string
	}{
		{"condor-token-helper", []string{"condor-token-helper", "login"}, "condor-token-helper", []string{"login"}},
		{"condor-token-helper", []string{"/usr/bin/kubectl-condor_token", "login"}, "kubectl condor-token", []string{"login"}},
		{"condor-token-helper", []string{"kubectl-condor_token.exe"}, "kubectl condor-token", nil},
		{"xrd-token-helper", []string{"/opt/bin/kubectl-xrd_token", "-h"}, "kubectl xrd-token", []string{"-h"}},
		{"xrd-token-helper", []string{"git-credential-xrd-token", "--aud", "a", "get"}, "xrd-token-helper", []string{"git-credential", "--aud", "a", "get"}},
		// A link of the other helper's name, or of any other.
		{"xrd-token-helper", []string{"kubectl-condor_token", "x"}, "xrd-token-helper", []string{"x"}},
		{"jwt-inspect", []string{"inspect", "x"}, "jwt-inspect", []string{"x"}},
		{"jwt-inspect", nil, "jwt-inspect", nil},
	} {
		shown, args := called(tt.program, tt.argv)
		if shown != tt.shown || !slices.Equal(args, tt.args) {
			t.Errorf("%s as %q: %q %q", tt.program, tt.argv, shown, args)
		}
	}
	// Every call has its own arguments.
	_, a := called("xrd-token-helper", []string{"git-credential-xrd-token", "get"})
	_, b := called("xrd-token-helper", []string{"git-credential-xrd-token", "erase"})
	if a[1] != "get" || b[1] != "erase" {
		t.Errorf("%q %q", a, b)
	}
}
