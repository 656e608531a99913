package main

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
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

type publishedArchive struct{ OS, Arch, Dir, URL, SHA256 string }

// descriptions writes a formula for Homebrew and manifests for krew, kubectl's plugin manager.
// They contain URLs, so they are written only if RELEASE_URL is set.
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
		name := r.name(t) + ".tar.gz"
		if t.os == "windows" {
			name = r.name(t) + ".zip"
		}
		sum, err := checksum(r.artifact(name))
		if err != nil {
			return err
		}
		p.Archives = append(p.Archives, publishedArchive{t.os, t.arch, r.name(t), strings.TrimSuffix(r.url, "/") + "/" + name, sum})
	}
	if err := r.describe("homebrew.rb", "token-helpers.rb", p); err != nil {
		return err
	}
	for _, program := range []string{"condor-token-helper", "xrd-token-helper"} {
		p.Program, p.Plugin = program, strings.TrimSuffix(program, "-helper")
		if err := r.describe("krew.yaml", p.Plugin+".krew.yaml", p); err != nil {
			return err
		}
	}
	return nil
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
