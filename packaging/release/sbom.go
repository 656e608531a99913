package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// The software bills of materials are CycloneDX 1.5 documents
// (https://cyclonedx.org/docs/1.5/json/). Like the notices, they are made from the build
// information in the programs, so that no other tool is needed and the document is the same in
// every build.
type (
	bom struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     bomMetadata  `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	bomMetadata struct {
		Timestamp string     `json:"timestamp"`
		Component component  `json:"component"`
		Props     []property `json:"properties"`
	}
	component struct {
		Ref      string    `json:"bom-ref"`
		Type     string    `json:"type"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Hashes   []hash    `json:"hashes,omitempty"`
		Licences []licence `json:"licenses"`
		PURL     string    `json:"purl"`
	}
	hash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	licence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// materials describes the programs for t and the modules in them.
func (r *release) materials(t target, modules []module) ([]byte, error) {
	main := component{Type: "application", Name: "token-helpers", Version: r.version, PURL: purl(mainModule, "v"+r.version)}
	main.Ref = main.PURL
	main.Licences = spdx("Apache-2.0")
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", Format: "CycloneDX", SpecVersion: "1.5", Version: 1,
		Metadata: bomMetadata{r.date.Format(time.RFC3339), main, []property{
			{"token-helpers:goos", t.os}, {"token-helpers:goarch", t.arch},
		}},
	}
	for _, p := range programs {
		b.Metadata.Props = append(b.Metadata.Props, property{"token-helpers:program", p})
	}
	depends := dependency{Ref: main.Ref}
	leaves := []dependency{}
	for _, m := range modules {
		c := component{Type: "library", Name: m.path, Version: m.version, PURL: purl(m.path, m.version), Licences: spdx(m.licence)}
		c.Ref = c.PURL
		if m.sum != "" {
			// go.sum's h1 is a SHA-256 of the module's files (https://go.dev/ref/mod#go-sum-files).
			raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.sum, "h1:"))
			if err != nil {
				return nil, fmt.Errorf("checksum of %s: %w", m.path, err)
			}
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
		b.Components = append(b.Components, c)
		depends.DependsOn = append(depends.DependsOn, c.Ref)
		leaves = append(leaves, dependency{Ref: c.Ref})
	}
	b.Dependencies = append([]dependency{depends}, leaves...)
	out, err := json.MarshalIndent(b, "", "  ")
	return append(out, '\n'), err
}

const mainModule = "example.org/token-helpers"

func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + url.QueryEscape(version)
}

func spdx(id string) []licence {
	l := licence{}
	l.Licence.ID = id
	return []licence{l}
}

func (r *release) writeMaterials(t target, bin string) error {
	modules, err := linked(bin)
	if err != nil {
		return err
	}
	b, err := r.materials(t, modules)
	if err != nil {
		return err
	}
	return os.WriteFile(r.artifact(r.name(t)+".cdx.json"), b, 0o644)
}
