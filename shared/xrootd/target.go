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

// Target contains the flags of jwt-inspect for XRootD.
type Target struct {
	Xrd          string `placeholder:"URL" complete:"host" common:"" help:"Check whether this XRootD server accepts the token, and why not. root:// logs in first, https:// does not."`
	Create       bool   `help:"Check the right to create files (--xrd)."`
	Stage        bool   `help:"Check the right to stage files from tape (--xrd)."`
	Poll         bool   `help:"Check the right to ask whether files were staged (--xrd)."`
	Path         string `placeholder:"/P" complete:"none" common:"" help:"The path on the storage server. Default: the path in the URL."`
	SciTokensCfg string `name:"scitokens-cfg" placeholder:"FILE" complete:"file" help:"Apply this scitokens.cfg of the XRootD server."`
	NameMapfile  string `placeholder:"FILE" complete:"file" help:"Apply this file, which name_mapfile in scitokens.cfg names."`
}

// Service implements [service.Target].
func (t *Target) Service(a service.Asked) (service.Service, error) {
	if t.Xrd == "" {
		return nil, &service.UsageError{Flag: "--create, --stage, --poll, --path, --scitokens-cfg and --name-mapfile", Problem: "require --xrd", Form: "--xrd https://x.example.org"}
	}
	o := Options{Flag: "--xrd", Access: "read", Path: t.Path, Version: a.Version, Library: a.Library, Audiences: a.Audiences}
	n := 0
	for access, given := range map[string]bool{"read": a.Read, "write": a.Write, "create": t.Create, "stage": t.Stage, "poll": t.Poll} {
		if given {
			o.Access = access
			n++
		}
	}
	if n > 1 {
		return nil, &service.UsageError{Flag: "--read, --write, --create, --stage and --poll", Problem: "cannot be combined", Form: "--xrd https://x.example.org --write"}
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
	if t.NameMapfile != "" {
		if t.SciTokensCfg == "" {
			return nil, &service.UsageError{Flag: "--name-mapfile", Problem: "requires --scitokens-cfg", Form: "--scitokens-cfg scitokens.cfg --name-mapfile map.json"}
		}
		err := a.ReadFile("--name-mapfile", t.NameMapfile, func(b []byte) (err error) {
			o.Names, err = ParseNameMap(b)
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
