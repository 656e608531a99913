package xrootd

import (
	"path"
	"strings"

	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// right is one scope as XRootD reads it.
type right struct {
	op, path string // read, write (overwrites too), create, stage, poll
	scope    string
}

// rightsOf returns the rights in the scopes as scitokens-cpp's Enforcer reads them.
func (s *Server) rightsOf(j *token.JWT) []right {
	kind, _ := scitokens.ProfileOf(j)
	list, _ := j.Scopes()
	out := make([]right, 0, len(list))
	for _, scope := range list {
		sc := scitokens.ReadScope(scope, s.library.Version)
		if op := operation(sc.Authz, kind == scitokens.WLCG); op != "" {
			out = append(out, right{op, sc.Path, sc.Text})
		}
	}
	return out
}

// operation returns what a scope's authorization allows, or "". The plugin knows the words
// modify and create in tokens of any profile (measured).
func operation(authz string, wlcg bool) string {
	switch authz {
	case "read", "write", "create":
		return authz
	case "modify":
		return "write"
	}
	if !wlcg {
		return ""
	}
	switch authz {
	case "storage.read":
		return "read"
	case "storage.modify":
		return "write"
	case "storage.create":
		return "create"
	case "storage.stage":
		return "stage"
	case "storage.poll":
		return "poll"
	}
	return ""
}

func (r right) allows(access string) bool {
	return r.op == access || r.op == "write" && access == "create"
}

// allows reports whether a right is the one that the operation requires.
func (s *Server) allows(r right) bool {
	if s.access == "stage" && !s.web {
		return r.op == "read" // prepare -s over root:// is authorized as reading
	}
	return r.allows(s.access)
}

// within reports whether place lies in or below base, on a component boundary.
func within(base, place string) bool {
	return base == "/" || place == base || strings.HasPrefix(place, base+"/")
}

// covers reports whether a scope covers the path, and whether it does so only because
// of the bug of older servers, if this is one.
func (s *Server) covers(p service.Presented, r right) (on, byBug bool) {
	places, ok := s.configured(p, r.path)
	if !ok {
		places = []string{r.path}
	}
	for _, b := range places {
		if b == "/" && s.version == rootOnly && s.config != nil {
			b = "/." // the bug of this version
		}
		on = on || within(b, s.path) || b == "/." && s.path == "/"
		byBug = byBug || strings.HasPrefix(s.path, b)
	}
	return on, byBug && !on && s.version.Before(prefixFixed)
}

// configured are the places on the server that the configuration makes of a scope's path. ok
// is false if the path stays as it is. The paths of an issuer that is not configured do,
// because another finding reports it.
func (s *Server) configured(p service.Presented, scopePath string) (places []string, ok bool) {
	if s.config == nil {
		return nil, false
	}
	iss, _ := p.JWT.String("iss")
	if sec := s.config.section(iss); sec != nil {
		return sec.paths(path.Clean("/"+scopePath), s.version), true
	}
	return nil, false
}

// reaches reports whether a scope covers the path, as the profile defines it or because
// of the bug of older servers.
func (s *Server) reaches(p service.Presented, r right) bool {
	on, byBug := s.covers(p, r)
	return on || byBug
}

// prefixFixed is the first version that compares paths by components.
var prefixFixed = service.Version{Major: 5, Minor: 6, Patch: 9}
