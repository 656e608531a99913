// Command causes writes the pages that are generated from tables: causes.md and log-messages.md.
package main

import (
	"fmt"
	"os"

	"example.org/token-helpers/shared/finding"
)

func main() {
	for name, page := range map[string]string{"causes.md": finding.Page(), "log-messages.md": finding.LogPage()} {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "causes: error:", err)
			os.Exit(1)
		}
	}
}
