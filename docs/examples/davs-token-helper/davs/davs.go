// Package davs is the ecosystem of WebDAV servers that accept tokens of the WLCG profile.
package davs

import "example.org/token-helpers/shared/service"

var webdav = service.Storage{Name: "WebDAV", Flag: "--davs", Read: "storage.read:/", Write: "storage.modify:/"}

// Ecosystem is the entry in the table of ecosystems.
var Ecosystem = service.Descriptor{Flag: webdav.Flag, Scopes: []string{webdav.Read, webdav.Write}, Target: func() service.Target { return new(Server) }}

// Server is the flag that names a server, of davs-token-helper and of jwt-inspect.
type Server struct {
	Davs string `placeholder:"URL" help:"The WebDAV server that the token is for."`
}

func (s *Server) Service(a service.Asked) (service.Service, error) { return webdav.Service(s.Davs, a) }

// Flags are the flags of davs-token-helper.
type Flags struct {
	Server
	Write bool `help:"Request write access too."`
}

func (*Flags) Describe() (string, []string) {
	return "Get a token that WebDAV servers accept, on stdout.", []string{"davs-token-helper --davs davs://se.example.org > token"}
}

func (f *Flags) Want(g service.Given) (service.Want, error) { return webdav.Want(f.Davs, f.Write, g) }

func (*Flags) Alternative([]string) string { return "" }
