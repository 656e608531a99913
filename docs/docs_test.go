package docs

import (
	"os"
	"testing"

	"example.org/token-helpers/shared/finding"
)

func TestPagesAreGenerated(t *testing.T) {
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
