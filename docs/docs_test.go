package docs

import (
	"os"
	"testing"

	"example.org/token-helpers/shared/finding"
)

func TestCausesPageIsGenerated(t *testing.T) {
	b, err := os.ReadFile("causes.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != finding.Page() {
		t.Error("causes.md differs from the table of causes: run go generate ./docs")
	}
}
