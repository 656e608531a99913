package inspect

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/docs"
)

// docs/causes.md lists each code that the source names, and no other.
func TestCausesAreListed(t *testing.T) {
	inSource := map[string]bool{}
	named := regexp.MustCompile(`(?:Code: +|\.Code(?:, [\w., ]+)? = |\badd\(|\.(?:note|fault)\([^"]*, )"([a-z][a-z0-9]*(?:-[a-z0-9]+)+|expired|unsigned|kind|mapped)"`)
	for _, room := range []string{"ecosystem", "check", "inspect", "jwks"} {
		files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllStringSubmatch(string(b), -1) {
				inSource[m[1]] = true
			}
		}
	}
	if len(inSource) < 60 {
		t.Fatalf("only %d codes are found in the source", len(inSource))
	}
	inDocs := map[string]bool{}
	for line := range strings.Lines(docs.Causes) {
		first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, code := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(first, -1) {
			inDocs[code[1]] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(inSource)) {
		if !inDocs[code] {
			t.Errorf("docs/causes.md does not list %s", code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(inDocs)) {
		if text, err := explain(code); err != nil || !strings.HasPrefix(text, code+": ") {
			t.Errorf("--explain %s: %q %v", code, text, err)
		}
		if !inSource[code] {
			t.Errorf("docs/causes.md lists %s, which nothing is called", code)
		}
	}
}
