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
	Kind:   kind,
	Target: func() service.Target { return new(Target) },
}

// Target contains the flags of jwt-inspect for HTCondor.
type Target struct {
	CE           string `name:"ce" placeholder:"HOST[:PORT]" complete:"host" common:"" help:"Check whether this compute element accepts the token, and why not."`
	Mapfile      string `placeholder:"FILE" complete:"file" help:"Apply this map file of HTCondor: show the local user, and what a CE lets this user do."`
	CondorConfig string `name:"condor-config" placeholder:"FILE" complete:"file" help:"Apply this configuration of HTCondor: the output of condor_config_val -dump or condor_ce_config_val -dump (--ce)."`
}

// Service implements [service.Target]. Without a compute element, only the map file is
// applied.
func (t *Target) Service(a service.Asked) (service.Service, error) {
	if a.Read && a.Write {
		return nil, &service.UsageError{Flag: "--read", Problem: "cannot be combined with --write", Form: "--read or --write"}
	}
	if t.CE == "" && t.CondorConfig != "" {
		return nil, &service.UsageError{Flag: "--condor-config", Problem: "requires --ce", Form: "--ce ce.example.org --condor-config FILE"}
	}
	o := Options{Write: !a.Read, Version: a.Version, Library: a.Library, Audiences: a.Audiences}
	if t.CondorConfig != "" {
		err := a.ReadFile("--condor-config", t.CondorConfig, func(b []byte) (err error) {
			o.Config, err = ParseConfig(b)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var m mapping
	if t.Mapfile != "" {
		err := a.ReadFile("--mapfile", t.Mapfile, func(b []byte) (err error) {
			o.MapFile = append([]byte{}, b...)
			if m.m, err = ParseMapFile(b, true); err == nil {
				m.other, err = ParseMapFile(b, false)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if t.CE == "" {
		return m, nil
	}
	return New(t.CE, o)
}

// mapping applies only a map file. m is the file as an HTCondor-CE reads it, other as
// HTCondor reads it by default.
type mapping struct{ m, other *MapFile }

func (mapping) Name() string    { return "" }
func (mapping) Purpose() string { return "" }
func (m mapping) Judge(p service.Presented) []finding.Finding {
	iss, sub, missing := identity(p.JWT)
	if missing != nil {
		return one(*missing)
	}
	return m.m.judge(m.other, iss, sub)
}
