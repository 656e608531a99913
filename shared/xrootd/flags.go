package xrootd

import (
	"slices"

	"example.org/token-helpers/shared/service"
)

// storageAll are the storage scopes of both profiles, for the path /.
var storageAll = []string{
	"read:/", "write:/",
	"storage.read:/", "storage.modify:/", "storage.create:/", "storage.stage:/",
}

// Flags are the flags of xrd-token-helper.
type Flags struct {
	Server    string   `placeholder:"URL" complete:"host" help:"The server that the token is for. URL may also be HOST[:PORT]. The audience is derived from it."`
	Read      bool     `help:"Request read access: read:/ (the default)."`
	Write     bool     `help:"Request read and write access: read:/ and write:/. To write, xrdcp needs both, because it calls stat first."`
	WriteOnly bool     `common:"no" help:"Request write access only: write:/."`
	Create    bool     `common:"no" help:"Request access to create files, but not to overwrite them: storage.create:/ (--profile wlcg)."`
	Stage     bool     `common:"no" help:"Request access to stage files from tape: storage.stage:/ (--profile wlcg)."`
	Path      []string `placeholder:"/PATH" help:"Limit each scope to this absolute path. Repeatable."`
	Profile   string   `enum:"scitokens,wlcg" default:"scitokens" placeholder:"scitokens|wlcg" common:"no" help:"Spelling of the scopes: scitokens (read:/, write:/) or wlcg (storage.*:/). Default: scitokens."`
}

// Describe implements [service.Ecosystem].
func (*Flags) Describe() (string, []string) {
	return "Get a token that XRootD accepts, on stdout.", []string{
		"file: ${program} --server root://x.example.org --write --file token",
		"cron: ${program} --server URL --bearer-file --no-prompt",
		"robot: ${program} --server root://x.example.org --from client-credentials --client-id ID --client-secret-file FILE",
		"curl: ${program} --server URL -o header | curl -H @- URL",
		"issuer: ${program} --issuer https://HOST/ --server URL -- xrdcp URL .",
	}
}

// Endpoint sets the server that is given as an argument without a flag.
func (f *Flags) Endpoint(server string) { f.Server = server }

// Want implements [service.Ecosystem].
func (f *Flags) Want(given service.Given) (service.Want, error) {
	var w service.Want
	if f.Server != "" || given.Service {
		a, err := service.StorageAudience("--server", f.Server)
		if err != nil {
			return service.Want{}, err
		}
		w.Audiences = []string{a}
	}
	if err := f.conflict(); err != nil {
		return service.Want{}, err
	}
	paths := []string{"/"}
	if len(f.Path) > 0 {
		paths = nil
		for _, p := range f.Path {
			n, err := service.ScopePath("--path", p)
			if err != nil {
				return service.Want{}, err
			}
			paths = append(paths, n)
		}
	}
	capabilities := f.capabilities(given)
	if len(capabilities) == 0 && len(f.Path) > 0 {
		return service.Want{}, &service.UsageError{Flag: "--path", Problem: "does not apply to --scope, which is requested as it is",
			Form: "--scope read:/store/user, or --read --path /store/user"}
	}
	for _, c := range capabilities {
		for _, p := range paths {
			w.Scopes = append(w.Scopes, c+":"+p)
		}
	}
	var err error
	w.Services, err = f.services(paths, given.Audiences)
	return w, err
}

// conflict returns an error if flags cannot be combined.
func (f *Flags) conflict() error {
	switch {
	case f.Profile != "wlcg" && f.Create:
		return &service.UsageError{Flag: "--create", Problem: "the scitokens profile has no such scope", Form: "--create --profile wlcg"}
	case f.Profile != "wlcg" && f.Stage:
		return &service.UsageError{Flag: "--stage", Problem: "the scitokens profile has no such scope", Form: "--stage --profile wlcg"}
	case f.WriteOnly && (f.Read || f.Write):
		return &service.UsageError{Flag: "--write-only", Problem: "cannot be combined with --read or --write", Form: "--write-only without them, or --write"}
	}
	return nil
}

// capabilities returns the scopes to request, without paths.
func (f *Flags) capabilities(given service.Given) []string {
	read, write := "read", "write"
	if f.Profile == "wlcg" {
		read, write = "storage.read", "storage.modify"
	}
	var out []string
	add := func(requested bool, capability string) {
		if requested {
			out = append(out, capability)
		}
	}
	add(f.Read || f.Write, read)
	add(f.Write || f.WriteOnly, write)
	add(f.Create, "storage.create")
	add(f.Stage, "storage.stage")
	add(len(out) == 0 && !given.Scope, read)
	return out
}

// services returns the services that the token is for, one for each path.
func (f *Flags) services(paths, audiences []string) ([]service.Service, error) {
	access := "read"
	switch {
	case f.Server == "":
		return nil, nil
	case f.Write || f.WriteOnly:
		access = "write"
	case f.Create && !f.Read:
		access = "create"
	case f.Stage && !f.Read:
		return nil, nil // not known how servers authorize this
	}
	var out []service.Service
	for _, p := range paths {
		s, err := New(f.Server, Options{Access: access, Path: p, Audiences: audiences})
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Alternative implements [service.Ecosystem].
func (f *Flags) Alternative(supported []string) string {
	has := func(s string) bool { return slices.Contains(supported, s) }
	switch {
	case f.Profile != "wlcg" && has("storage.read:/") && !has("read:/"):
		return "--profile wlcg"
	case f.Profile == "wlcg" && has("read:/") && !has("storage.read:/"):
		return "--profile scitokens"
	}
	return ""
}
