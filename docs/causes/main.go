// Command causes writes causes.md from the table of causes.
package main

import (
	"fmt"
	"os"

	"example.org/token-helpers/shared/finding"
)

func main() {
	if err := os.WriteFile("causes.md", []byte(finding.Page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "causes: error:", err)
		os.Exit(1)
	}
}
