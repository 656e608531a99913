package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.org/token-helpers/shared/finding"
)

func TestPagesAreGenerated(t *testing.T) {
	if !strings.Contains(read(t, "troubleshooting.md"), finding.LogIndex()) {
		t.Error("the index in troubleshooting.md differs from its table: run go generate ./docs")
	}
	for name, page := range map[string]string{"causes.md": finding.Page(), "log-messages.md": finding.LogPage()} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != page {
			t.Errorf("%s differs from its table: run go generate ./docs", name)
		}
	}
}

// TestLinks checks that the relative links in the pages lead to files that exist.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"} {
		pages = append(pages, filepath.Join("..", name))
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	n := 0
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}
