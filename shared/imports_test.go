// Package shared checks which packages import which.
package shared

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "example.org/token-helpers/"

// mayImport lists what each package may import from this module.
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
	"submit":              {"text"},
	"cmdline":             {"text"},
	"manual":              {"text"},
	"stack":               {},
	"cli":                 {"cmdline", "stack", "text"},
	"private":             {"text"},
	"output":              {"private", "token", "text"},
	"bearer":              {"private"},
	"child":               {"private"},
	"prompt":              {"cli", "text"},
	"issuer":              {"cli", "private", "token", "text"},
	"store":               {"child", "cli", "private", "store/dbusguard", "token", "text"},
	"login":               {"cli", "issuer", "prompt", "store", "token", "text"},
	"source":              {"bearer", "child", "cli", "finding", "issuer", "login", "private", "prompt", "service", "store", "token", "text"},
	"fresh":               {"token"},
	"preflight":           {"cli", "condor", "finding", "helper", "private", "service", "submit", "text", "token", "xrootd"},
	"helper":              {"bearer", "cli", "cmdline", "docs", "ecosystems", "finding", "fresh", "issuer", "login", "manual", "output", "private", "prompt", "service", "source", "store", "token", "text"},
	"inspect":             {"bearer", "cli", "cmdline", "ecosystems", "finding", "issuer", "jwks", "scitokens", "service", "text", "token"},
	"credd":               {"child", "cli", "fresh", "helper", "issuer", "login", "private", "service", "source", "store", "text", "token"},
	"accesspoint":         {"credd", "helper", "preflight"},
}

func TestImportsPointDownwards(t *testing.T) {
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		// Programs do not contain the test issuer.
		if pkg := filepath.Dir(name); mayImport[pkg] == nil && pkg != "issuertest" {
			t.Errorf("%s is not in the table", pkg)
		}
	}
	for pkg, allowed := range mayImport {
		p, err := build.ImportDir(pkg, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, path := range p.Imports {
			name, local := strings.CutPrefix(path, module)
			name = strings.TrimPrefix(name, "shared/")
			if local && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", pkg, name)
			}
			if path == "text/template" || path == "html/template" {
				t.Errorf("%s imports %s, which makes the linker keep every method of the program", pkg, path)
			}
		}
	}
}

// Package variables are initialized at every start, and most runs need no regular
// expression: text.Pattern compiles one at its first use.
func TestNoPatternIsCompiledAtStart(t *testing.T) {
	for pkg := range mayImport {
		files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(pkg, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if d, ok := d.(*ast.GenDecl); !ok || d.Tok != token.VAR {
					continue
				}
				ast.Inspect(d, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "MustCompile" {
						t.Errorf("%s: use text.Pattern", name)
					}
					_, function := n.(*ast.FuncLit)
					return !function
				})
			}
		}
	}
}
