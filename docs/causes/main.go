// Command causes writes the pages that are generated from the tables of package finding:
// causes.md, log-messages.md, and the index of log messages in troubleshooting.md.
package main

import (
	"fmt"
	"os"
	"strings"

	"example.org/token-helpers/shared/finding"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "causes: error:", err)
		os.Exit(1)
	}
}

func write() error {
	const troubleshooting = "troubleshooting.md"
	old, err := os.ReadFile(troubleshooting)
	if err != nil {
		return err
	}
	index := finding.LogIndex()
	first, _, _ := strings.Cut(index, "\n")
	last := index[strings.LastIndexByte(index[:len(index)-1], '\n')+1:]
	before, rest, begins := strings.Cut(string(old), first)
	_, after, ends := strings.Cut(rest, last)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the index", troubleshooting)
	}
	for name, page := range map[string]string{"causes.md": finding.Page(), "log-messages.md": finding.LogPage(), troubleshooting: before + index + after} {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}
