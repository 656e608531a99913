// Pages writes the man pages and the completion scripts of all programs to a directory:
//
//	DIR/man/man1/condor-token-helper.1 ...
//	DIR/man/man5/token-helpers.toml.5
//	DIR/man/man7/token-helpers.7
//	DIR/completions/bash/condor-token-helper ...
//	DIR/completions/zsh/_condor-token-helper ...
//	DIR/completions/fish/condor-token-helper.fish ...
//
// They are made from the same data as --help. The date of the man pages is SOURCE_DATE_EPOCH,
// so that builds are reproducible.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"example.org/token-helpers/shared/accesspoint"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/inspect"
	"example.org/token-helpers/shared/xrootd"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pages DIR")
		os.Exit(2)
	}
	date, err := pageDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err == nil {
		err = write(os.Args[1], pages(date))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pages: error:", err)
		os.Exit(1)
	}
}

// programs returns the programs that have pages.
func programs() []*cmdline.Program {
	return []*cmdline.Program{
		helper.Describe("condor-token-helper", new(condor.Flags), accesspoint.Commands()...),
		helper.Describe("xrd-token-helper", new(xrootd.Flags)),
		inspect.Describe("jwt-inspect"),
	}
}

// pages returns all files by their paths below the directory.
func pages(date string) map[string]string {
	out := map[string]string{}
	all := programs()
	for _, p := range all {
		out["man/man1/"+p.Name+".1"] = programPage(p, all, date)
		for _, shell := range cmdline.Shells {
			out["completions/"+shell+"/"+cmdline.ScriptFile(shell, p.Name)] = cmdline.Script(shell, p.Name)
		}
	}
	out["man/man7/token-helpers.7"] = overviewPage(all, date)
	out["man/man5/token-helpers.toml.5"] = configurationPage(all[0], date)
	return out
}

// pageDate returns the date of the pages in the format of mdoc. If epoch is empty, it is the
// date of the first release.
func pageDate(epoch string) (string, error) {
	if epoch == "" {
		epoch = "1767225600"
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds", epoch)
	}
	return time.Unix(n, 0).UTC().Format("January 2, 2006"), nil
}

func write(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
