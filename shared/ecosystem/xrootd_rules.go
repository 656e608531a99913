package ecosystem

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/text"
)

// NewXRootD is a storage server, reached by the URL's scheme: root:// logs in with
// ztn before it authorises, https:// does not log in. access is read, write (which
// may overwrite) or create; where is the path, / unless given.
func NewXRootD(server, access, where string) (*Service, error) {
	aud, err := XRootDAudience(server)
	if err != nil {
		ue := err.(*UsageError)
		return nil, &UsageError{"--xrd", ue.Problem, "--xrd root://x.example.org or --xrd https://x.example.org:1094"}
	}
	host := strings.ToLower(server)
	if scheme, rest, ok := strings.Cut(server, "://"); ok {
		rest, _, _ = strings.Cut(rest, "?") // an authz could stand there
		rest, below, _ := strings.Cut(rest, "/")
		host = strings.ToLower(scheme + "://" + rest)
		if where == "" {
			where = strings.TrimLeft(below, "/")
			if where != "" {
				where = "/" + where
			}
		}
	}
	named := where != ""
	if !named {
		where = "/"
	}
	if where, err = ScopePath(where); err != nil {
		return nil, err
	}
	if where, err = url.PathUnescape(where); err != nil {
		return nil, &UsageError{"--path", strconv.Quote(where) + " is not a path", "--path /store/user/me"}
	}
	s := &Service{Name: "XRootD at " + host, ask: "xrd-token-helper --server " + text.ShellWord(host), pathNamed: named, Audiences: []string{aud}, Access: access, Path: where}
	s.web = strings.HasPrefix(host, "https:") || strings.HasPrefix(host, "davs:")
	if !s.web {
		s.rules = append(s.rules, tooLong(4095, srcXRootD+": the ztn login says \"message too long\""))
	}
	s.rules = append(s.rules, signed, keyID, issuerNamed, times, notBefore(Version{5, 6, 0}), versioned, audience, scoped, identity, storageRights, pathForm)
	if !s.web {
		s.rules = append(s.rules, looksFirst, fileMode, fileForm)
	}
	s.rules = append(s.rules, profileRange)
	return s, nil
}

// fileMode: the ztn client refuses a file that others may touch.
func fileMode(p Presented, _ *Service) []Finding {
	if p.Mode&0o077 == 0 {
		return nil
	}
	return one(Finding{Code: "file-mode", Message: fmt.Sprintf("the token's file has mode %04o, and XRootD's client takes none that others may touch", p.Mode.Perm()),
		Hint: "chmod 600 it", Source: srcXRootD + "; xrootd issue 2125"})
}

// right is one scope as XRootD reads it.
type right struct {
	op, path string // read, write (overwrites too), create, stage
	scope    string
}

// rightsOf are the token's scopes as scitokens-cpp's Enforcer reads them.
func rightsOf(scopes []string, kind profileOf) []right {
	words := map[string]string{"read": "read", "write": "write"}
	if kind == profileWLCG {
		words["storage.read"], words["storage.modify"], words["storage.create"], words["storage.stage"] = "read", "write", "create", "stage"
	}
	var out []right
	for _, sc := range scopes {
		authz, p, _ := strings.Cut(sc, ":")
		if op, ok := words[authz]; ok {
			out = append(out, right{op, path.Clean("/" + p), sc})
		}
	}
	return out
}

func (r right) allows(access string) bool {
	return r.op == access || r.op == "write" && access == "create"
}

// within reports whether place lies in or below base, on a component boundary.
func within(base, place string) bool {
	return base == "/" || place == base || strings.HasPrefix(place, base+"/")
}

func (s *Service) covers(p Presented, r right) (on, byBug bool) {
	bases := []string{r.path}
	if s.Paths != nil {
		iss, _ := p.JWT.String("iss")
		bases = s.Paths(iss, r.path)
	}
	for _, b := range bases {
		on = on || within(b, s.Path)
		byBug = byBug || strings.HasPrefix(s.Path, b)
	}
	return on, byBug && !on
}

// reaches reports whether a scope covers the path, by the words of the profile or by a
// fault of the service's version.
func (s *Service) reaches(p Presented, r right) bool {
	on, byBug := s.covers(p, r)
	return on || byBug && s.Version.Before(prefixFixed)
}

// prefixFixed is the first XRootD that compares paths by components.
var prefixFixed = Version{5, 6, 9}

// storageRights: a scope must allow the operation at or above the path.
func storageRights(p Presented, s *Service) []Finding {
	scopes, ok := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	if !ok || kind == profileUnknown {
		return nil
	}
	rights := rightsOf(scopes, kind)
	var elsewhere, other []string
	for _, r := range rights {
		on, _ := s.covers(p, r)
		switch {
		case r.allows(s.Access) && s.reaches(p, r):
			if !on {
				return one(Finding{Code: "path-prefix", Remark: true, Message: fmt.Sprintf("%s covers %s only by a fault of servers before %s", r.scope, s.Path, prefixFixed),
					Hint: "ask for the path itself", Source: srcXRootD + "; fixed in 5.6.9"})
			}
			return nil
		case r.allows(s.Access):
			elsewhere = append(elsewhere, r.scope)
		case on:
			other = append(other, r.scope)
		}
	}
	names := map[string]string{"read": "read:", "write": "write:", "create": "write:"}
	if kind == profileWLCG {
		names = map[string]string{"read": "storage.read:", "write": "storage.modify:", "create": "storage.create:"}
	}
	want := names[s.Access] + s.scopePath(p)
	f := Finding{Code: "scope-missing", Missing: []string{want}, Source: srcXRootD,
		Message: fmt.Sprintf("the token has no scope that lets it %s %s: it lacks %s", s.Access, s.Path, want),
		Hint:    "ask for it, or ask the issuer who may have it", Command: s.command(p)}
	storage := slices.ContainsFunc(scopes, func(sc string) bool { return strings.HasPrefix(sc, "storage.") })
	switch {
	case len(elsewhere) > 0:
		f.Code = "path-mismatch"
		f.Message = fmt.Sprintf("%s does not cover %s", scopeList(elsewhere), s.Path)
		f.Hint = "a scope covers its path and what is below it: ask for " + want
		if !s.pathNamed {
			f.Hint, f.Command = "no path was named, and / was judged: name it with --path", ""
		}
		f.Source = srcWLCG + ", \"Capability based authorization: scope\"; " + srcXRootD
	case storage && kind != profileWLCG:
		f.Code = "storage-without-wlcg"
		f.Message = "the token's storage.* scopes do not count, for it has no wlcg.ver \"1.0\""
		f.Hint, f.Command = "ask the issuer for the WLCG profile, or for read: and write: scopes", s.command(p)
	case s.Access == "write" && slices.ContainsFunc(rights, func(r right) bool { return r.op == "create" }):
		f.Code = "create-not-overwrite"
		f.Message = "storage.create makes new files, but overwrites and deletes none"
		f.Hint = "ask for storage.modify, or check with --create"
	case len(other) > 0:
		f.Message = fmt.Sprintf("%s does not let it %s %s: the token lacks %s", scopeList(other), s.Access, s.Path, want)
	}
	return one(f)
}

// scopeList names a few scopes.
func scopeList(list []string) string {
	var out []string
	for _, sc := range list[:min(len(list), 5)] {
		out = append(out, text.Brief(sc, 200))
	}
	return joinFew(append(out, list[len(out):]...), " ")
}

// pathForm: what a scope's path says that the profile forbids, or that a server
// reads differently than was meant.
func pathForm(p Presented, _ *Service) []Finding {
	scopes, _ := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	for _, r := range rightsOf(scopes, kind) {
		_, written, _ := strings.Cut(r.scope, ":")
		switch {
		case !strings.HasPrefix(written, "/"):
			return one(Finding{Code: "path-missing", Remark: true, Message: fmt.Sprintf("%s names no absolute path: the profile demands one, and XRootD takes it for %s", r.scope, r.path),
				Hint: "ask for it with the path that is meant", Source: srcWLCG + ", \"Capability based authorization: scope\"; measured on XRootD 5.5.3 and 5.8.1"})
		case strings.Contains(written, "%"):
			return one(Finding{Code: "path-encoded", Remark: true, Message: fmt.Sprintf("%s has an encoded character, which XRootD compares as it stands and never decodes", r.scope),
				Hint: "name a folder above it that needs no encoding", Source: "measured on XRootD 5.5.3 and 5.8.1"})
		}
	}
	return nil
}

// looksFirst: xrdcp looks before it writes, which takes the right to read before
// 5.6.9.
func looksFirst(p Presented, s *Service) []Finding {
	scopes, _ := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	if s.Access == "read" || kind == profileUnknown {
		return nil
	}
	rights := rightsOf(scopes, kind)
	if slices.ContainsFunc(rights, func(r right) bool { return r.op == "read" && s.reaches(p, r) }) ||
		!slices.ContainsFunc(rights, func(r right) bool { return r.allows(s.Access) && s.reaches(p, r) }) {
		return nil
	}
	return one(Finding{Code: "write-without-read", Remark: !s.Version.Before(prefixFixed),
		Message: "the token may write but not read, and xrdcp looks before it writes",
		Hint:    "ask for both, or use https", Command: s.command(p), Source: srcXRootD + "; fixed in 5.6.9"})
}
