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
	// op is read, write (which includes overwriting), create, stage or poll.
	op, path string
	scope    string
}

// rightsOf returns the rights that scitokens-cpp's Enforcer reads from the scopes.
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

// operation returns the operation that a scope's authorization allows, or "". The plugin
// accepts modify and create in tokens of any profile (measured).
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

// allows reports whether a right allows the operation of s.
func (s *Server) allows(r right) bool {
	if s.access == "stage" && !s.web {
		return r.op == "read" // prepare -s over root:// is authorized as reading
	}
	return r.allows(s.access)
}

// within reports whether p is base or below it, on a component boundary.
func within(base, p string) bool {
	return base == "/" || p == base || strings.HasPrefix(p, base+"/")
}

// covers reports whether a scope covers the path, and whether it does so only because of
// the bug of servers before [prefixFixed].
func (s *Server) covers(p service.Presented, r right) (covered, byBug bool) {
	paths, ok := s.configured(p, r.path)
	if !ok {
		paths = []string{r.path}
	}
	for _, b := range paths {
		if b == "/" && s.version == rootOnly && s.config != nil {
			b = "/." // the bug of this version
		}
		covered = covered || within(b, s.path) || b == "/." && s.path == "/"
		byBug = byBug || strings.HasPrefix(s.path, b)
	}
	return covered, byBug && !covered && s.version.Before(prefixFixed)
}

// configured returns the paths on the server to which the configuration maps a scope's path.
// ok is false if it does not map the path: there is no configuration, or it does not have
// the issuer, which another finding reports.
func (s *Server) configured(p service.Presented, scopePath string) (paths []string, ok bool) {
	if s.config == nil {
		return nil, false
	}
	iss, _ := p.JWT.String("iss")
	if sec := s.config.section(iss); sec != nil {
		return sec.paths(path.Clean("/"+scopePath), s.version), true
	}
	return nil, false
}

// reaches reports whether a scope covers the path, even if only because of the bug of older
// servers.
func (s *Server) reaches(p service.Presented, r right) bool {
	covered, byBug := s.covers(p, r)
	return covered || byBug
}

// prefixFixed is the first version that compares paths by components.
var prefixFixed = service.Version{Major: 5, Minor: 6, Patch: 9}
