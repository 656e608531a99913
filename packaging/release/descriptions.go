package main

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// published is the data of the templates.
type published struct {
	Version  string
	Plugin   string // kubectl's name of the program
	Program  string
	Archives []publishedArchive
}

type publishedArchive struct{ OS, Arch, URL, SHA256 string }

// descriptions writes a formula for Homebrew, and manifests and archives for krew, kubectl's plugin
// manager. The formula and the manifests contain URLs, so all of them are written only if
// RELEASE_URL is set.
func (r *release) descriptions() error {
	if r.url == "" {
		r.say("no formula and no manifests for krew, because RELEASE_URL is not set")
		return nil
	}
	if !strings.HasPrefix(r.url, "https://") {
		return fmt.Errorf("RELEASE_URL %q does not begin with https://", r.url)
	}
	p := published{Version: r.version}
	for _, t := range targets {
		if t.os == "windows" {
			continue
		}
		a, err := r.published(t, r.name(t)+".tar.gz")
		if err != nil {
			return err
		}
		p.Archives = append(p.Archives, a)
	}
	if err := r.describe("homebrew.rb", "token-helpers.rb", p); err != nil {
		return err
	}
	for _, program := range []string{"condor-token-helper", "xrd-token-helper"} {
		p := published{Version: r.version, Program: program, Plugin: strings.TrimSuffix(program, "-helper")}
		for _, t := range targets {
			name := fmt.Sprintf("kubectl-%s-%s-%s.tar.gz", p.Plugin, r.version, t)
			if err := r.writePlugin(r.artifact(name), program, t); err != nil {
				return err
			}
			a, err := r.published(t, name)
			if err != nil {
				return err
			}
			p.Archives = append(p.Archives, a)
		}
		// krew requires that the file has the name of the plugin.
		if err := r.describe("krew.yaml", p.Plugin+".yaml", p); err != nil {
			return err
		}
	}
	return nil
}

// published describes an archive for t.
func (r *release) published(t target, name string) (publishedArchive, error) {
	sum, err := checksum(r.artifact(name))
	return publishedArchive{t.os, t.arch, strings.TrimSuffix(r.url, "/") + "/" + name, sum}, err
}

// writePlugin writes the archive of a plugin: a program and its licences, without directories. It
// exists because krew rejects archives that contain symbolic links. archives has staged the files.
func (r *release) writePlugin(file, program string, t target) error {
	if t.os == "windows" {
		program += ".exe"
	}
	staged := filepath.Join(r.dir, "build", "stage", r.name(t))
	var entries []entry
	for _, e := range []entry{
		{name: "share/doc/token-helpers/LICENSE", mode: 0o644},
		{name: "share/doc/token-helpers/" + noticesName, mode: 0o644},
		{name: "bin/" + program, mode: 0o755},
	} {
		data, err := os.ReadFile(filepath.Join(staged, filepath.FromSlash(e.name)))
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: path.Base(e.name), mode: e.mode, data: data})
	}
	return writeFile(file, func(w io.Writer) error {
		return compress(w, func(w io.Writer) error { return writeTar(w, entries, r.date) })
	})
}

func (r *release) describe(name, artifact string, p published) error {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"only": func(os string, archives []publishedArchive) []publishedArchive {
			return slices.DeleteFunc(slices.Clone(archives), func(a publishedArchive) bool { return a.OS != os })
		},
	}).ParseFS(templates, "templates/"+name)
	if err != nil {
		return err
	}
	return writeFile(r.artifact(artifact), func(w io.Writer) error { return t.Execute(w, p) })
}

func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

const sumsName = "SHA256SUMS"

// checksums writes the checksums of all artifacts, for sha256sum --check, and signs them if
// there is a key.
func (r *release) checksums() error {
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range files {
		if !f.Type().IsRegular() || strings.HasPrefix(f.Name(), sumsName) {
			continue
		}
		sum, err := checksum(r.artifact(f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, f.Name())
	}
	if err := os.WriteFile(r.artifact(sumsName), []byte(b.String()), 0o644); err != nil {
		return err
	}
	if r.key == "" {
		return nil
	}
	return r.sign(r.artifact(sumsName))
}

// sign writes a detached signature next to a file. The key is imported to a keyring that
// exists only for the signature, so the user's own keyring does not change.
func (r *release) sign(path string) (err error) {
	home, err := os.MkdirTemp("", "release-key-")
	if err != nil {
		return err
	}
	gpg := func(args ...string) error {
		args = append([]string{"--batch", "--no-tty", "--homedir", home}, args...)
		cmd := command("gpg", args...)
		if p := os.Getenv("NFPM_PASSPHRASE"); p != "" {
			cmd.Args = slices.Insert(cmd.Args, 1, "--pinentry-mode", "loopback", "--passphrase-fd", "0")
			cmd.Stdin = strings.NewReader(p + "\n")
		}
		return runCommand(cmd)
	}
	defer func() {
		// The agent that gpg started exits when its directory is removed.
		if removeErr := os.RemoveAll(home); err == nil {
			err = removeErr
		}
	}()
	if err := gpg("--import", r.key); err != nil {
		return err
	}
	signature := path + ".asc"
	if err := os.Remove(signature); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := gpg("--armor", "--detach-sign", "--output", signature, path); err != nil {
		return fmt.Errorf("sign %s: %w", filepath.Base(path), err)
	}
	return nil
}
