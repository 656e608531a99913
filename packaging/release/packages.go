package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// packages builds a .deb and an .rpm for each architecture.
func (r *release) packages() error {
	// Packages of another version must not be published with this one.
	for _, pattern := range []string{"*.deb", "*.rpm"} {
		old, err := filepath.Glob(r.artifact(pattern))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for _, t := range r.linuxTargets() {
		for _, kind := range []string{"deb", "rpm"} {
			if err := r.pack(kind, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *release) pack(kind string, t target) error {
	variables := []string{"PREFIX=/usr"}
	if kind == "deb" {
		variables = append(variables, "ZSHDIR=/usr/share/zsh/vendor-completions")
	}
	stage, err := r.stage(kind+"-"+t.arch, t, variables...)
	if err != nil {
		return err
	}
	var pages string
	if kind == "deb" {
		err = r.debianize(stage, t)
	} else {
		pages, err = rpmPages(stage)
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(stage, "changelog.yaml"), []byte(r.changelog()), 0o644); err != nil {
		return err
	}
	if err := r.normalize(stage); err != nil {
		return err
	}
	template, err := os.ReadFile("packaging/nfpm.yaml")
	if err != nil {
		return err
	}
	// nfpm does not expand variables in all of its keys.
	modules, err := linked(filepath.Join(r.dir, "build", t.String(), "bin"))
	if err != nil {
		return err
	}
	licence, bundled := contents(modules)
	config := os.Expand(string(template), func(name string) string {
		return map[string]string{"ARCH": t.arch, "VERSION": r.version, "STAGE": stage, "KEY": r.key, "PAGES": pages,
			"LICENCE": licence, "BUNDLED": bundled}[name]
	})
	path := filepath.Join(stage, "nfpm.yaml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	cmd := command("go", "tool", "-modfile=packaging/tools.mod", "nfpm", "package", "--config", path, "--packager", kind, "--target", r.dir)
	cmd.Env = append(cmd.Env, "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
	if err := runCommand(cmd); err != nil {
		return err
	}
	r.say("wrote the .%s for %s", kind, t.arch)
	return nil
}

// contents returns the field License of an .rpm, with the licences of all modules, and the
// bundled(...) provides, by which a distribution finds packages that contain a module
// (https://docs.fedoraproject.org/en-US/packaging-guidelines/#bundling).
func contents(modules []module) (licence, bundled string) {
	licences := []string{"Apache-2.0"}
	var b strings.Builder
	for _, m := range modules {
		licences = append(licences, m.licence)
		fmt.Fprintf(&b, "      - %q\n", "bundled(golang("+m.path+")) = "+strings.ReplaceAll(strings.TrimPrefix(m.version, "v"), "-", "~"))
	}
	slices.Sort(licences)
	return strings.Join(slices.Compact(licences), " AND "), strings.TrimSpace(b.String())
}

// normalize sets the times of files to the commit's, and modes that do not depend on the umask.
func (r *release) normalize(stage string) error {
	return filepath.WalkDir(stage, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if fi.IsDir() || fi.Mode()&0o111 != 0 {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Chtimes(path, r.date, r.date)
	})
}

// debianize adds the files that Debian's policy requires, and moves the licences to the
// copyright file.
func (r *release) debianize(stage string, t target) error {
	doc := filepath.Join(stage, "usr/share/doc/token-helpers")
	third, err := os.ReadFile(filepath.Join(doc, noticesName))
	if err != nil {
		return err
	}
	bin := filepath.Join(r.dir, "build", t.String(), "bin")
	modules, err := linked(bin)
	if err != nil {
		return err
	}
	if string(third) != notices(modules) {
		return errors.New("the notices do not belong to the programs")
	}
	for _, name := range []string{"LICENSE", noticesName} {
		if err := os.Remove(filepath.Join(doc, name)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(doc, "copyright"), []byte(copyright(modules, r.date)), 0o644); err != nil {
		return err
	}
	// The upstream changelog; nfpm writes changelog.Debian.gz.
	upstream, err := os.ReadFile(filepath.Join(doc, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(doc, "CHANGELOG.md")); err != nil {
		return err
	}
	err = writeFile(filepath.Join(doc, "changelog.gz"), func(w io.Writer) error {
		return compress(w, func(w io.Writer) error {
			_, err := w.Write(upstream)
			return err
		})
	})
	if err != nil {
		return err
	}
	overrides, err := os.ReadFile("packaging/lintian-overrides")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(stage, "usr/share/lintian/overrides/token-helpers"), func(w io.Writer) error {
		_, err := w.Write(overrides)
		return err
	})
}

// rpmPages moves documentation and licences out of the tree, and returns the entries for
// them: nfpm accepts file types such as doc and licence for single files only.
func rpmPages(stage string) (string, error) {
	var b strings.Builder
	add := func(kind, dir, to string) error {
		from := filepath.Join(stage, dir)
		aside := filepath.Join(stage, "pages", filepath.Base(dir))
		if err := os.MkdirAll(filepath.Dir(aside), 0o755); err != nil {
			return err
		}
		if err := os.Rename(from, aside); err != nil {
			return err
		}
		entries, err := tree(aside)
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch {
			case e.mode.IsDir() && strings.HasPrefix(e.name, "token-helpers"):
				fmt.Fprintf(&b, "  - {dst: %q, type: dir, file_info: {mode: 0755}}\n", to+e.name)
			case e.mode.IsDir(): // belongs to other packages
			case e.target != "":
				fmt.Fprintf(&b, "  - {src: %q, dst: %q, type: symlink}\n", e.target, to+e.name)
			default:
				fmt.Fprintf(&b, "  - {src: %q, dst: %q, type: %s, file_info: {mode: 0%o}}\n", filepath.Join(aside, filepath.FromSlash(e.name)), to+e.name, kind, e.mode.Perm())
			}
		}
		return nil
	}
	licences := filepath.Join(stage, "usr/share/licenses/token-helpers")
	if err := os.MkdirAll(licences, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"LICENSE", noticesName} {
		if err := os.Rename(filepath.Join(stage, "usr/share/doc/token-helpers", name), filepath.Join(licences, name)); err != nil {
			return "", err
		}
	}
	for _, d := range []struct{ kind, name string }{{"doc", "doc"}, {"doc", "man"}, {"license", "licenses"}} {
		if err := add(d.kind, "usr/share/"+d.name, "/usr/share/"+d.name+"/"); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// changelog returns the packages' changelog in the format of nfpm. It refers to CHANGELOG.md,
// which the packages contain.
func (r *release) changelog() string {
	return fmt.Sprintf(`---
- semver: %s
  date: %s
  packager: Token Helpers maintainers <maintainers@example.org>
  deb:
    urgency: medium
    distributions: [unstable]
  changes:
    - note: Release %s. The upstream changelog describes the changes.
`, strings.Replace(r.version, "-", "~", 1)+"-1", r.date.Format(time.RFC3339), r.version)
}

// copyright returns the machine-readable copyright file
// (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/). The licences of third
// parties are quoted in full, because each names different copyright holders.
func copyright(modules []module, date time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Token Helpers
Comment: The programs are static and contain the modules below. Each paragraph about
 /usr/bin applies to the part of the programs that comes from the module.

Files: *
Copyright: %d the authors of Token Helpers
License: Apache-2.0
 On Debian systems, the text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`, date.Year())
	for _, m := range modules {
		var text, holders strings.Builder
		for i, t := range m.texts {
			if i > 0 {
				text.WriteString(" .\n")
			}
			for line := range strings.Lines(t.text) {
				line = strings.TrimRight(line, " \t\n")
				if line == "" {
					line = "."
				}
				text.WriteString(" " + line + "\n")
				if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "Copyright ") && len(trimmed) < 100 {
					holders.WriteString(strings.TrimPrefix(strings.TrimPrefix(trimmed, "Copyright "), "(c) ") + "\n ")
				}
			}
		}
		by := strings.TrimSpace(holders.String())
		if by == "" {
			by = "the authors of " + m.path
		}
		fmt.Fprintf(&b, "\nFiles: usr/bin/*\nCopyright: %s\nLicense: %s-%s\nComment: %s %s\n\nLicense: %s-%s\n%s",
			by, m.licence, short(m.path), m.path, m.version, m.licence, short(m.path), text.String())
	}
	return b.String()
}

// short converts a module's path to a part of a licence's short name.
func short(path string) string {
	return strings.NewReplacer("/", "-", ".", "-").Replace(path)
}
