package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

const noticesName = "THIRD-PARTY-NOTICES"

// module is a module that is linked into a program.
type module struct {
	path, version string
	sum           string // as in go.sum
	licence       string // SPDX identifier
	texts         []licenceText
}

// licenceText is a file of a module that must be distributed with it.
type licenceText struct{ name, text string }

// linked returns Go's standard library and the modules in the build information of the
// programs in a directory.
func linked(dir string) ([]module, error) {
	found := map[string]*debug.Module{}
	var goVersion string
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !slices.Contains(programs, strings.TrimSuffix(f.Name(), ".exe")) {
			continue
		}
		info, err := buildinfo.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		goVersion = info.GoVersion
		for _, d := range info.Deps {
			if d.Replace != nil {
				return nil, fmt.Errorf("%s is replaced by %s: its licence is unknown", d.Path, d.Replace.Path)
			}
			found[d.Path] = d
		}
	}
	if goVersion == "" {
		return nil, fmt.Errorf("%s does not contain the programs: run make build", dir)
	}
	dirs, err := moduleDirs()
	if err != nil {
		return nil, err
	}
	std, err := standardLibrary(goVersion, dirs)
	if err != nil {
		return nil, err
	}
	modules := []module{std}
	for path, d := range found {
		m := module{path: path, version: d.Version, sum: d.Sum}
		if m.texts, err = licenceTexts(dirs[path]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if m.licence, err = identifier(m.texts); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	return modules, nil
}

// moduleDirs returns the source directory of each module.
func moduleDirs() (map[string]string, error) {
	out, err := command("go", "mod", "download", "-json").Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download: %w", err)
	}
	dirs := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		dirs[m.Path] = m.Dir
	}
	return dirs, nil
}

// standardLibrary describes Go's standard library. Some distributions of Go do not contain the
// licence file. The modules of the Go project have the same licence.
func standardLibrary(version string, dirs map[string]string) (module, error) {
	m := module{path: "std", version: strings.TrimPrefix(version, "go")}
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return m, err
	}
	if m.texts, err = licenceTexts(root); err != nil {
		m.texts, err = licenceTexts(dirs["golang.org/x/sys"])
	}
	if err == nil {
		m.licence, err = identifier(m.texts)
	}
	return m, err
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.(md|txt))?$`)

func licenceTexts(dir string) ([]licenceText, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []licenceText
	for _, f := range files {
		if !f.Type().IsRegular() || !licenceName.MatchString(f.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		texts = append(texts, licenceText{f.Name(), strings.TrimSpace(string(b))})
	}
	if len(texts) == 0 {
		return nil, errors.New("the module contains no licence")
	}
	return texts, nil
}

// identifiers are the accepted licences, each with a sentence that identifies it. They allow
// distribution together with a program under the Apache licence.
var identifiers = []struct{ id, sentence string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from this software"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright notice"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"},
}

// identifier returns the SPDX identifier of a licence. An unknown licence is an error, because
// it must be reviewed first.
func identifier(texts []licenceText) (string, error) {
	for _, t := range texts {
		words := strings.Join(strings.Fields(t.text), " ")
		for _, l := range identifiers {
			if strings.Contains(words, l.sentence) {
				return l.id, nil
			}
		}
	}
	return "", errors.New("the licence is unknown: add it to identifiers if it allows distribution")
}

// notices returns the page with the licences of the modules.
func notices(modules []module) string {
	var b strings.Builder
	b.WriteString("Token Helpers is licensed under the Apache License, Version 2.0: see LICENSE.\n" +
		"The programs contain the following software, whose licences require these notices.\n")
	for _, m := range modules {
		name := m.path
		if name == "std" {
			name = "Go's standard library and runtime"
		}
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 72), name, m.version, m.licence)
		for _, t := range m.texts {
			fmt.Fprintf(&b, "\n--- %s\n\n%s\n", t.name, t.text)
		}
	}
	return b.String()
}

// writeNotices writes the notices for the programs in a directory next to them.
func writeNotices(dir string) error {
	modules, err := linked(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, noticesName), []byte(notices(modules)), 0o644)
}
