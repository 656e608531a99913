package condor

import (
	"slices"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// Ecosystem is HTCondor's entry in the table of ecosystems.
var Ecosystem = service.Descriptor{
	Scopes: slices.Concat(computeAll, []string{condorRead, condorWrite, condorAllow}),
	Flag:   "--ce",
	Target: func() service.Target { return new(Target) },
}

// Target are the flags of jwt-inspect for HTCondor.
type Target struct {
	CE      string `name:"ce" placeholder:"HOST[:PORT]" help:"Check whether this compute element accepts the token, and why not."`
	Mapfile string `placeholder:"FILE" help:"Show the local user to which this HTCondor map file maps the token."`
}

// Service implements [service.Target]. A map file alone judges without a compute element.
func (t *Target) Service(a service.Asked) (service.Service, error) {
	if a.Read && a.Write {
		return nil, &service.UsageError{Flag: "--read", Problem: "cannot be combined with --write", Form: "--read or --write"}
	}
	var m *MapFile
	if t.Mapfile != "" {
		err := a.ReadFile("--mapfile", t.Mapfile, func(b []byte) (err error) {
			// HTCondor-CE sets CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS.
			m, err = ParseMapFile(b, true)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if t.CE == "" {
		return mapping{m}, nil
	}
	return New(t.CE, Options{Write: !a.Read, Version: a.Version, Audiences: a.Audiences, MapFile: m})
}

// mapping judges only by a map file.
type mapping struct{ m *MapFile }

func (mapping) Name() string                                  { return "" }
func (mapping) Purpose() string                               { return "" }
func (m mapping) Judge(p service.Presented) []finding.Finding { return m.m.Judge(p) }
