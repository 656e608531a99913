package xrootd

import (
	"example.org/token-helpers/shared/service"
)

// Ecosystem is XRootD's entry in the table of ecosystems.
var Ecosystem = service.Descriptor{
	Scopes: storageAll,
	Flag:   "--xrd",
	Target: func() service.Target { return new(Target) },
}

// Target are the flags of jwt-inspect for XRootD.
type Target struct {
	Xrd          string `placeholder:"URL" help:"Say whether this XRootD server takes it: root:// logs in first, https:// does not." group:"Services"`
	Create       bool   `help:"To make new files (--xrd)." group:"Services"`
	Path         string `placeholder:"/P" help:"Where on the storage server; the URL's path unless given." group:"Services"`
	SciTokensCfg string `name:"scitokens-cfg" placeholder:"FILE" help:"Judge by this scitokens.cfg of an XRootD server." group:"Services"`
}

// Given implements [service.Target].
func (t *Target) Given() string {
	switch {
	case t.Xrd != "":
		return "--xrd"
	case t.Create:
		return "--create"
	case t.Path != "":
		return "--path"
	case t.SciTokensCfg != "":
		return "--scitokens-cfg"
	}
	return ""
}

// Service implements [service.Target].
func (t *Target) Service(a service.Asked) (service.Service, error) {
	if t.Xrd == "" {
		return nil, &service.UsageError{Flag: t.Given(), Problem: "goes with --xrd", Form: "--xrd https://x.example.org " + t.Given()}
	}
	o := Options{Flag: "--xrd", Access: "read", Path: t.Path, Version: a.Version, Audiences: a.Audiences}
	n := 0
	for access, given := range map[string]bool{"read": a.Read, "write": a.Write, "create": t.Create} {
		if given {
			o.Access = access
			n++
		}
	}
	if n > 1 {
		return nil, &service.UsageError{Flag: "--read, --write and --create", Problem: "give one of them, for each has a verdict of its own", Form: "--xrd https://x.example.org --write"}
	}
	if t.SciTokensCfg != "" {
		err := a.ReadFile("--scitokens-cfg", t.SciTokensCfg, func(b []byte) (err error) {
			o.Config, err = ParseSciTokensConfig(b, a.Version)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	s, err := New(t.Xrd, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}
