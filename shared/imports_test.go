// Package shared checks which packages import which.
package shared

import (
	"go/build"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "example.org/token-helpers/"

// mayImport lists what each package may import from this module: imports point
// downwards only.
var mayImport = map[string][]string{
	"text":                {},
	"token":               {"text"},
	"finding":             {"text"},
	"service":             {"finding", "token", "text"},
	"service/servicetest": {"service", "finding", "token", "text"},
	"jwks":                {"finding", "token", "text"},
	"scitokens":           {"service", "finding", "token", "text"},
	"condor":              {"scitokens", "service", "finding", "token", "text"},
	"xrootd":              {"scitokens", "service", "finding", "token", "text"},
	"ecosystems":          {"condor", "xrootd", "service"},
	"inspect":             {"bearer", "cli", "ecosystems", "finding", "issuer", "jwks", "scitokens", "service", "text", "token"},
}

func TestImportsPointDownwards(t *testing.T) {
	for pkg, allowed := range mayImport {
		p, err := build.ImportDir(pkg, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, module)
			name = strings.TrimPrefix(name, "shared/")
			if ours && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", pkg, name)
			}
		}
	}
}

// jwt-inspect must work on any machine and start nothing: neither logins nor keyrings
// are in it.
func TestInspectDoesNotReachTheStore(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./inspect").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, d := range deps {
		for _, no := range []string{module + "shared/store", module + "shared/login", module + "shared/source", module + "shared/helper", "github.com/99designs/keyring"} {
			if d == no || strings.HasPrefix(d, no+"/") {
				t.Errorf("inspect reaches %s", d)
			}
		}
	}
	if !slices.Contains(deps, module+"shared/ecosystems") {
		t.Error("go list -deps lists no dependencies")
	}
}
