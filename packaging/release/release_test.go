package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var commitTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newRelease(t *testing.T) *release {
	return &release{version: "1.2.3", date: commitTime, dir: t.TempDir(), stderr: io.Discard, done: map[string]bool{}}
}

func TestVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"1.2.3": true, "1.2.3-rc.1": true, "0.0.0-20260102.0123456789ab": true,
		"v1.2.3": false, "1.2": false, "1.2.3 ": false, "1.2.3-": false, "1.2.3\n": false, "1.2.3'": false,
	} {
		if versionForm.MatchString(version) != ok {
			t.Errorf("%q: accepted = %v", version, !ok)
		}
	}
}

func TestUnknownArchitecture(t *testing.T) {
	if err := run([]string{"-dir", t.TempDir(), "-arch", "x86_64", "packages"}, io.Discard); err == nil || !strings.Contains(err.Error(), "use amd64 or arm64") {
		t.Error(err)
	}
}

// The texts are the beginnings of licences, wrapped in different ways.
func TestIdentifier(t *testing.T) {
	for want, text := range map[string]string{
		"MIT":          "The MIT License\n\nPermission is hereby granted, free of\ncharge, to any person obtaining a copy\nof this software",
		"BSD-2-Clause": "2. Redistributions in binary form must reproduce the above\n   copyright notice, this list of conditions",
		"BSD-3-Clause": "Redistributions in binary form must reproduce the above copyright notice\nmay be used to endorse or\npromote products derived from this software",
		"Apache-2.0":   "                                 Apache License\n                           Version 2.0, January 2004\n",
	} {
		if got, err := identifier([]licenceText{{"LICENSE", text}}); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if got, err := identifier([]licenceText{{"COPYING", "GNU GENERAL PUBLIC LICENSE"}}); err == nil {
		t.Errorf("an unknown licence is %q", got)
	}
}

func TestLicenceTexts(t *testing.T) {
	dir := t.TempDir()
	if _, err := licenceTexts(dir); err == nil {
		t.Error("a module without a licence is accepted")
	}
	for _, name := range []string{"LICENSE", "Copying.txt", "NOTICE", "licenses.go", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := licenceTexts(dir)
	var names []string
	for _, l := range texts {
		names = append(names, l.name+"="+l.text)
	}
	if got := strings.Join(names, " "); got != "Copying.txt=Copying.txt LICENSE=LICENSE NOTICE=NOTICE" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

var modules = []module{
	{path: "example.org/a", version: "v1.0.0", sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", licence: "MIT",
		texts: []licenceText{{"LICENSE", "Copyright (c) 2020 A\n\nPermission"}, {"NOTICE", "by A"}}},
	{path: "std", version: "1.26.0", licence: "BSD-3-Clause", texts: []licenceText{{"LICENSE", "Copyright 2009 The Go Authors."}}},
}

func TestNotices(t *testing.T) {
	page := notices(modules)
	for _, want := range []string{"example.org/a v1.0.0 (MIT)", "--- NOTICE\n\nby A\n", "Go's standard library and runtime 1.26.0 (BSD-3-Clause)"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
}

func TestCopyright(t *testing.T) {
	want := "Files: usr/bin/*\nCopyright: 2020 A\nLicense: MIT-example-org-a\nComment: example.org/a v1.0.0\n\n" +
		"License: MIT-example-org-a\n Copyright (c) 2020 A\n .\n Permission\n .\n by A\n"
	if page := copyright(modules, commitTime); !strings.Contains(page, want) {
		t.Errorf("got\n%s", page)
	}
}

func TestContents(t *testing.T) {
	licence, bundled := contents([]module{{path: "example.org/a", version: "v1.0.0-rc.1", licence: "MIT"}, {path: "std", version: "1.26.0", licence: "BSD-3-Clause"}})
	if licence != "Apache-2.0 AND BSD-3-Clause AND MIT" {
		t.Error(licence)
	}
	if want := "- \"bundled(golang(example.org/a)) = 1.0.0~rc.1\"\n      - \"bundled(golang(std)) = 1.26.0\""; bundled != want {
		t.Errorf("%q, want %q", bundled, want)
	}
}

func TestMaterials(t *testing.T) {
	r := newRelease(t)
	b, err := r.materials(target{"linux", "arm64"}, modules)
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	a := got.Components[0]
	if a.PURL != "pkg:golang/example.org/a@v1.0.0" || a.Licences[0].Licence.ID != "MIT" ||
		a.Hashes[0].Content != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("%+v", a)
	}
	if got.Metadata.Timestamp != "2026-01-02T03:04:05Z" || got.Metadata.Component.Version != "1.2.3" {
		t.Errorf("%+v", got.Metadata)
	}
	if d := got.Dependencies[0]; d.Ref != "pkg:golang/example.org/token-helpers@v1.2.3" || len(d.DependsOn) != len(modules) {
		t.Errorf("%+v", d)
	}
}

// listTarball returns the mode, the name and the target of each member of a tarball.
func listTarball(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(got, "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname)
	}
}

func TestTarballsDependOnlyOnTheContents(t *testing.T) {
	var archives [2][]byte
	var last string
	for i, mode := range []os.FileMode{0o755, 0o700} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "bin"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bin", "program"), []byte("program"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("program", filepath.Join(dir, "bin", "link")); err != nil {
			t.Skip(err)
		}
		path := filepath.Join(t.TempDir(), "x.tar.gz")
		if err := writeTarball(path, dir, "top", commitTime); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		last = path
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the archives differ")
	}
	want := "drwxr-xr-x top/bin/ \nLrwxrwxrwx top/bin/link program\n-rwxr-xr-x top/bin/program "
	if got := listTarball(t, last); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestImage(t *testing.T) {
	r := newRelease(t)
	amd := target{"linux", "amd64"}
	size, err := r.writeImage(amd, []entry{{name: "login", mode: fs.ModeDir | 0o700, uid: imageUser}})
	if err != nil || size == 0 {
		t.Fatalf("%d bytes, %v", size, err)
	}
	b, err := os.ReadFile(r.artifact(r.imageName(amd)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
	// From the index to the layer, every blob must match the digest in its reference.
	var index imageIndex
	var manifest imageManifest
	var config imageConfig
	follow := func(d descriptor, v any) {
		t.Helper()
		blob := files[blobName(d)]
		if digest(blob) != d.Digest || len(blob) != d.Size {
			t.Errorf("the blob %s does not match its digest", d.Digest)
		}
		if v != nil {
			if err := json.Unmarshal(blob, v); err != nil {
				t.Error(err)
			}
		}
	}
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	follow(index.Manifests[0], &manifest)
	follow(manifest.Config, &config)
	follow(manifest.Layers[0], nil)
	gz, err := gzip.NewReader(bytes.NewReader(files[blobName(manifest.Layers[0])]))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(gz)
	if err != nil || digest(layer) != config.RootFS.DiffIDs[0] {
		t.Errorf("the layer does not match the configuration: %v", err)
	}
	if config.Config.User != "65532:65532" || config.Config.Labels["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("%+v", config.Config)
	}
}

func TestCertificates(t *testing.T) {
	rest, n := []byte(certificates()), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 50 {
		t.Errorf("only %d certificates", n)
	}
}

func TestDescriptions(t *testing.T) {
	r := newRelease(t)
	if err := r.descriptions(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(r.dir); len(files) != 0 || err != nil {
		t.Errorf("without a URL, %d files are written, %v", len(files), err)
	}
	r.url = "https://example.org/releases/1.2.3/"
	for _, target := range targets {
		staged := filepath.Join(r.dir, "build", "stage", r.name(target))
		files := map[string]string{
			r.artifact(r.name(target) + ".tar.gz"):                  target.String(),
			staged + "/share/doc/token-helpers/LICENSE":             "licence",
			staged + "/share/doc/token-helpers/THIRD-PARTY-NOTICES": "notices",
		}
		for _, program := range programs {
			if target.os == "windows" {
				program += ".exe"
			}
			files[staged+"/bin/"+program] = program
		}
		for file, data := range files {
			if err := writeFile(file, func(w io.Writer) error { _, err := io.WriteString(w, data); return err }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.descriptions(); err != nil {
		t.Fatal(err)
	}
	sum := func(name string) string {
		t.Helper()
		sum, err := checksum(r.artifact(name))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	for name, wants := range map[string][]string{
		"token-helpers.rb": {
			"    on_arm do\n      url \"https://example.org/releases/1.2.3/token-helpers-1.2.3-darwin-arm64.tar.gz\"\n" +
				"      sha256 \"" + sum("token-helpers-1.2.3-darwin-arm64.tar.gz") + "\"\n",
		},
		"xrd-token.yaml": {
			"  name: xrd-token\n", "  version: v1.2.3\n", "Get tokens for XRootD", "kubectl-xrd_token is",
			"          os: linux\n          arch: amd64\n      uri: https://example.org/releases/1.2.3/kubectl-xrd-token-1.2.3-linux-amd64.tar.gz\n" +
				"      sha256: " + sum("kubectl-xrd-token-1.2.3-linux-amd64.tar.gz") + "\n      bin: xrd-token-helper\n",
			"-windows-amd64.tar.gz\n      sha256: " + sum("kubectl-xrd-token-1.2.3-windows-amd64.tar.gz") + "\n      bin: xrd-token-helper.exe\n",
		},
		"condor-token.yaml": {"  name: condor-token\n", "Get tokens for HTCondor", "kubectl-condor_token is"},
	} {
		b, err := os.ReadFile(r.artifact(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, b)
			}
		}
	}
	for name, program := range map[string]string{
		"kubectl-condor-token-1.2.3-linux-arm64.tar.gz": "condor-token-helper",
		"kubectl-xrd-token-1.2.3-windows-amd64.tar.gz":  "xrd-token-helper.exe",
	} {
		// krew accepts only files and directories.
		want := "-rw-r--r-- LICENSE \n-rw-r--r-- THIRD-PARTY-NOTICES \n-rwxr-xr-x " + program + " "
		if got := listTarball(t, r.artifact(name)); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	r.url = "http://example.org"
	if err := r.descriptions(); err == nil {
		t.Error("http is accepted")
	}
}

func TestWindowsName(t *testing.T) {
	for name, want := range map[string]string{
		"bin/jwt-inspect.exe":                   "jwt-inspect.exe",
		"share/doc/token-helpers/docs/fresh.md": "docs/fresh.md",
		"etc/token-helpers/config.toml":         "config.toml",
		"share/man/man1/jwt-inspect.1.gz":       "",
	} {
		got, ok := windowsName(name)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}
