package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The images contain the static programs, the CA certificates of Mozilla, and a user. They are
// written as archives with one layer, which podman load, docker load and skopeo read: an OCI
// image layout (https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md) with
// the manifest.json of docker save. An image is a tar file and four small documents, so neither
// a daemon nor a library is needed, and the image is the same in every build.
// packaging/Containerfile makes the same image from the same layer.

const (
	// imageUser is the user of the image. It can be run as any other user, too.
	imageUser = 65532
	// maxImage is the maximum compressed size of an image in bytes.
	maxImage = 15_000_000
)

type (
	imageConfig struct {
		Created      string        `json:"created"`
		Architecture string        `json:"architecture"`
		OS           string        `json:"os"`
		Config       runConfig     `json:"config"`
		RootFS       rootFS        `json:"rootfs"`
		History      []imageChange `json:"history"`
	}
	runConfig struct {
		User       string            `json:"User"`
		Env        []string          `json:"Env"`
		Cmd        []string          `json:"Cmd"`
		WorkingDir string            `json:"WorkingDir"`
		Labels     map[string]string `json:"Labels"`
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	imageChange struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
	}
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Platform    *platform         `json:"platform,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	platform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	imageManifest struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}
	imageIndex struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}
	dockerManifest struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// images writes an image for each architecture, and its layer for packaging/Containerfile.
func (r *release) images() error {
	for _, t := range r.linuxTargets() {
		bin, err := r.build(t)
		if err != nil {
			return err
		}
		entries, err := imageFiles(bin)
		if err != nil {
			return err
		}
		layer := filepath.Join(r.dir, "build", "image-"+t.String()+".tar")
		if err := writeFile(layer, func(w io.Writer) error { return writeTar(w, entries, r.date) }); err != nil {
			return err
		}
		size, err := r.writeImage(t, entries)
		if err != nil {
			return err
		}
		r.say("wrote the image for %s: %.1f MB compressed", t, float64(size)/1e6)
	}
	return nil
}

// imageFiles returns the root file system of an image.
func imageFiles(bin string) ([]entry, error) {
	dir := func(name string) entry { return entry{name: name, mode: fs.ModeDir | 0o755} }
	file := func(name, content string) entry { return entry{name: name, mode: 0o644, data: []byte(content)} }
	third, err := os.ReadFile(filepath.Join(bin, noticesName))
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	login := dir("login")
	login.mode, login.uid = fs.ModeDir|0o700, imageUser
	entries := []entry{
		dir("etc"),
		file("etc/group", "root:x:0:\ntoken-helper:x:65532:\n"),
		file("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\ntoken-helper:x:65532:65532:Token Helpers:/login:/sbin/nologin\n"),
		dir("etc/ssl"), dir("etc/ssl/certs"), file("etc/ssl/certs/ca-certificates.crt", certificates()),
		dir("etc/token-helpers"),
		login,
		dir("usr"), dir("usr/bin"),
	}
	for _, p := range programs {
		b, err := os.ReadFile(filepath.Join(bin, p))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name: "usr/bin/" + p, mode: 0o755, data: b})
	}
	return append(entries, dir("usr/share"), dir("usr/share/doc"), dir("usr/share/doc/token-helpers"),
		file("usr/share/doc/token-helpers/LICENSE", string(licence)),
		file("usr/share/doc/token-helpers/"+noticesName, string(third))), nil
}

// certificates returns Mozilla's CAs for servers in PEM. A file cannot express that a CA is
// trusted only for certificates issued before some date, so such CAs are omitted.
func certificates() string {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if c, err := x509.ParseCertificate(root.Certificate); err == nil {
			fmt.Fprintf(&b, "# %s\n", c.Subject)
		}
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
	}
	return b.String()
}

// config returns the configuration of an image. It must match packaging/Containerfile; the
// end-to-end tests compare them.
func (r *release) config(t target, diff string) imageConfig {
	created := r.date.Format(time.RFC3339)
	return imageConfig{
		Created: created, Architecture: t.arch, OS: t.os,
		Config: runConfig{
			User: fmt.Sprintf("%d:%d", imageUser, imageUser),
			Env:  []string{"PATH=/usr/bin", "HOME=/login"},
			Cmd:  []string{"condor-token-helper", "--help"}, WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":    "Token Helpers",
				"org.opencontainers.image.version":  r.version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
		RootFS:  rootFS{"layers", []string{diff}},
		History: []imageChange{{created, "make image"}},
	}
}

const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// writeImage writes the archive and returns the size of the compressed layer.
func (r *release) writeImage(t target, entries []entry) (int, error) {
	var plain, layer bytes.Buffer
	if err := writeTar(&plain, entries, r.date); err != nil {
		return 0, err
	}
	diff := digest(plain.Bytes())
	err := compress(&layer, func(w io.Writer) error {
		_, err := w.Write(plain.Bytes())
		return err
	})
	if err != nil {
		return 0, err
	}
	if layer.Len() > maxImage {
		return 0, fmt.Errorf("the image for %s is %d bytes compressed, more than %d", t, layer.Len(), maxImage)
	}
	var blobs []entry
	add := func(mediaType string, data []byte) descriptor {
		d := descriptor{MediaType: mediaType, Digest: digest(data), Size: len(data)}
		blobs = append(blobs, entry{name: blobName(d), mode: 0o644, data: data})
		return d
	}
	layerD := add(typeLayer, layer.Bytes())
	config, err := json.Marshal(r.config(t, diff))
	if err != nil {
		return 0, err
	}
	configD := add(typeConfig, config)
	manifest, err := json.Marshal(imageManifest{2, typeManifest, configD, []descriptor{layerD}})
	if err != nil {
		return 0, err
	}
	manifestD := add(typeManifest, manifest)
	manifestD.Platform = &platform{t.arch, t.os}
	tag := "localhost/token-helpers:" + r.version
	manifestD.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version, "io.containerd.image.name": tag}
	index, err := json.Marshal(imageIndex{2, typeIndex, []descriptor{manifestD}})
	if err != nil {
		return 0, err
	}
	docker, err := json.Marshal([]dockerManifest{{blobName(configD), []string{tag}, []string{blobName(layerD)}}})
	if err != nil {
		return 0, err
	}
	files := append([]entry{{name: "blobs", mode: fs.ModeDir | 0o755}, {name: "blobs/sha256", mode: fs.ModeDir | 0o755}}, blobs...)
	files = append(files,
		entry{name: "index.json", mode: 0o644, data: index},
		entry{name: "manifest.json", mode: 0o644, data: docker},
		entry{name: "oci-layout", mode: 0o644, data: []byte(`{"imageLayoutVersion":"1.0.0"}`)})
	return layer.Len(), writeFile(r.artifact(r.imageName(t)), func(w io.Writer) error { return writeTar(w, files, r.date) })
}

func (r *release) imageName(t target) string { return r.name(t) + "-image.tar" }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blobName(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }
