package xrootd

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// srcXRootD cites the measurement of rules.
const srcXRootD = "measured on XRootD 5.5.3 and 5.8.1"

// maxZTN is the longest token that the root:// login reads, in bytes.
const maxZTN = 4095

// Server judges tokens like an XRootD server.
type Server struct {
	name string
	// access is read, write, create, stage or poll. path is the path on the server.
	access, path string
	// pathNamed means that the user gave the path.
	pathNamed bool
	// web means https, where there is no login before the authorization.
	web     bool
	version service.Version
	library scitokens.Library
	config  *SciTokensConfig
	names   *NameMap
	url     string
	options Options
	// request is the command that requests a token for the server's audience.
	request string
	// insecure are the known vulnerabilities of the library.
	insecure []finding.Finding
	// quiet omits rules that only return remarks, if only the verdict is needed.
	quiet bool
}

// Options describe a server and the operation intended there.
type Options struct {
	// Flag is the flag that errors about the URL name, by default --server.
	Flag string
	// Access is read, write (which includes overwriting), create, stage (from tape) or poll
	// (query whether files were staged).
	Access string
	// Path is the path on the server, by default the path in the URL, or /.
	Path string
	// Version is the version of XRootD, by default the newest one. Library is the version
	// of its scitokens-cpp, by default the one that it usually comes with.
	Version, Library service.Version
	// Audiences replace the derived and the configured ones.
	Audiences []string
	// Config, if set, is the server's scitokens.cfg, parsed for the same version.
	Config *SciTokensConfig
	// Names, if set, is the name_mapfile of the issuer's section.
	Names *NameMap
}

// Newest is the newest version of XRootD whose rules were measured.
var Newest = service.Version{Major: 6, Minor: 2}

// usualLibrary returns the version of scitokens-cpp that a version of XRootD usually
// comes with.
func usualLibrary(v service.Version) service.Version {
	switch {
	case v.Before(service.Version{Major: 5, Minor: 6}):
		return service.Version{Minor: 7, Patch: 3} // Debian 12's
	case v.Before(service.Version{Major: 6}):
		return service.Version{Major: 1, Minor: 1, Patch: 3} // Debian 13's
	}
	return scitokens.Newest
}

// New returns the server at a URL. With root://, clients log in with ztn before the
// authorization; with https://, there is no login.
func New(server string, o Options) (*Server, error) {
	aud, err := service.StorageAudience(cmp.Or(o.Flag, "--server"), server)
	if err != nil {
		return nil, err
	}
	host, urlPath := splitURL(server)
	named := cmp.Or(o.Path, urlPath)
	s := &Server{name: "XRootD at " + host, request: "xrd-token-helper --server " + text.ShellWord(host),
		pathNamed: named != "", url: server, options: o, access: o.Access, version: cmp.Or(o.Version, Newest), config: o.Config, names: o.Names,
		web: strings.HasPrefix(host, "https:") || strings.HasPrefix(host, "davs:")}
	if s.path, err = serverPath(named); err != nil {
		return nil, err
	}
	audiences := []string{aud}
	if o.Config != nil {
		audiences = o.Config.Audiences()
	}
	if len(o.Audiences) > 0 {
		audiences = o.Audiences
	}
	if len(audiences) > 0 && !slices.Contains(audiences, aud) {
		s.request = "xrd-token-helper --aud " + text.ShellWord(audiences[0])
	}
	s.library = scitokens.Library{Version: cmp.Or(o.Library, usualLibrary(s.version)), Audiences: audiences, IssuersKnown: o.Config != nil, Remedy: s.command}
	s.insecure = scitokens.Vulnerable(s.library.Version)
	return s, nil
}

// splitURL splits a server's URL into the path and what precedes it, in lower case.
func splitURL(server string) (host, urlPath string) {
	scheme, rest, ok := strings.Cut(server, "://")
	if !ok {
		return strings.ToLower(server), ""
	}
	rest, _, _ = strings.Cut(rest, "?") // the query may contain authz=TOKEN
	rest, urlPath, _ = strings.Cut(rest, "/")
	if urlPath = strings.TrimLeft(urlPath, "/"); urlPath != "" {
		urlPath = "/" + urlPath
	}
	return strings.ToLower(scheme + "://" + rest), urlPath
}

// serverPath returns the path on the server for a value of --path.
func serverPath(p string) (string, error) {
	if p == "" {
		return "/", nil
	}
	encoded, err := service.ScopePath("--path", p)
	if err != nil {
		return "", err
	}
	decoded, err := url.PathUnescape(encoded)
	if err != nil {
		return "", &service.UsageError{Flag: "--path", Problem: strconv.Quote(p) + " is not a path", Form: "--path /store/user/me"}
	}
	return decoded, nil
}

// Name implements [service.Service].
func (s *Server) Name() string { return s.name }

// Purpose implements [service.Service].
func (s *Server) Purpose() string {
	if s.access == "poll" {
		return "ask whether " + s.path + " was staged"
	}
	return s.access + " " + s.path
}

// doing returns the operation as a gerund.
func (s *Server) doing() string {
	return map[string]string{"read": "reading", "write": "writing", "create": "creating", "stage": "staging", "poll": "asking about the staging of"}[s.access]
}

// Versions implements [service.Versioned].
func (s *Server) Versions() string {
	return fmt.Sprintf("XRootD %s with scitokens-cpp %s", s.version, s.library.Version)
}

// Others implements [service.Versioned]. It returns the versions of Debian 12 and 13.
func (s *Server) Others() []service.Service {
	var out []service.Service
	for _, v := range []service.Version{{Major: 5, Minor: 8, Patch: 1}, {Major: 5, Minor: 5, Patch: 3}} {
		o := s.options
		o.Version, o.Library = v, usualLibrary(v)
		if other, err := New(s.url, o); err == nil { // s was made from the same URL
			other.quiet = true
			out = append(out, other)
		}
	}
	return out
}

// Judge implements [service.Service].
func (s *Server) Judge(p service.Presented) []finding.Finding {
	list := make([][]finding.Finding, 0, 12)
	add := func(found ...[]finding.Finding) { list = append(list, found...) }
	if !s.web {
		add(scitokens.TooLong(p, maxZTN, srcXRootD+": the ztn login says \"message too long\""))
	}
	rights := s.rightsOf(p.JWT)
	add(s.library.Judge(p), s.rights(p, rights))
	if !s.quiet {
		add(pathForm(rights))
	}
	if !s.web {
		add(s.statFirst(p, rights), fileMode(p), scitokens.FileForm(p))
	} else {
		add(scitokens.HeaderForm(p))
	}
	if !s.quiet {
		add(scitokens.Recommended(p), s.vulnerable(rights))
	}
	if s.config != nil {
		add(s.explain(p))
	}
	return s.cached(p, finding.Merge(list...))
}

// cacheFixed is the first version that refuses a token over https as soon as it expires.
var cacheFixed = service.Version{Major: 5, Minor: 9, Patch: 3}

// cached adds the hint that an older server may still accept a token over https that has
// just expired (measured on 5.5.3).
func (s *Server) cached(p service.Presented, list []finding.Finding) []finding.Finding {
	exp, ok := p.JWT.Time("exp")
	if !s.web || !ok || !s.version.Before(cacheFixed) || p.Now.Sub(exp) > time.Minute {
		return list
	}
	for i := range list {
		if list[i].Code == finding.Expired {
			list[i].Hint += fmt.Sprintf("; over https, XRootD before %s accepts a token that it has seen before for up to 60 s longer", cacheFixed)
		}
	}
	return list
}

// LetsAllIn implements [service.Open]. It applies only to https, because root:// requires a
// login.
func (s *Server) LetsAllIn() string {
	if s.config != nil && s.config.onMissing == "allow" && s.web && !s.config.broken {
		return "onmissing = allow"
	}
	return ""
}

// command returns the command that gets a token for the operation, with the same profile as
// the one presented.
func (s *Server) command(p service.Presented) string {
	kind, _ := scitokens.ProfileOf(p.JWT)
	c := s.request
	if kind == scitokens.WLCG {
		c += " --profile wlcg"
	}
	switch {
	case s.access == "stage" || s.access == "poll":
		c = s.request + " --profile wlcg --read --stage"
	case s.access == "create" && kind == scitokens.WLCG:
		c += " --read --create"
	case s.access != "read":
		c += " --write"
	}
	if sp := s.scopePath(p); sp != "/" {
		c += " --path " + text.ShellWord(sp)
	}
	return c
}

// scopePath returns the path that a scope must have, not encoded. If the path needs encoding
// and the server does not decode it, scopePath returns a parent directory that does not.
func (s *Server) scopePath(p service.Presented) string {
	out := s.path
	if s.config != nil {
		iss, _ := p.JWT.String("iss")
		if list := s.config.ScopePaths(iss, s.path); len(list) > 0 {
			out = list[0]
		}
	}
	for !s.library.DecodesPaths() && out != "/" && encoded(out) != out {
		out = path.Dir(out)
	}
	return out
}

// encoded returns a path as it is written in a scope.
func encoded(p string) string { return (&url.URL{Path: p}).EscapedPath() }

func one(f finding.Finding) []finding.Finding { return []finding.Finding{f} }

// fileMode checks the permissions of the token file as the ztn client does.
func fileMode(p service.Presented) []finding.Finding {
	if p.Mode&0o077 == 0 {
		return nil
	}
	return one(finding.Finding{Code: finding.FileMode, Message: fmt.Sprintf("the token file has mode %04o: XRootD clients reject token files that other users can access", p.Mode.Perm()),
		Hint: "run chmod 600 on the token file", Source: srcXRootD + "; xrootd issue 2125"})
}

// rights checks that a scope allows the operation on the path.
func (s *Server) rights(p service.Presented, rights []right) []finding.Finding {
	scopes, ok := p.JWT.Scopes()
	kind, _ := scitokens.ProfileOf(p.JWT)
	if !ok || kind == scitokens.Unknown {
		return nil
	}
	var elsewhere, other []string
	for _, r := range rights {
		covered, byBug := s.covers(p, r)
		switch {
		case s.allows(r) && (covered || byBug):
			if !covered {
				return one(finding.Finding{Code: finding.PathPrefix, Remark: true, Message: fmt.Sprintf("%s covers %s only because of a bug in servers before %s", text.Brief(r.scope, 200), s.path, prefixFixed),
					Hint: "request a scope for the path itself", Source: srcXRootD + "; fixed in 5.6.9"})
			}
			return nil
		case s.allows(r):
			elsewhere = append(elsewhere, r.scope)
		case covered:
			other = append(other, r.scope)
		}
	}
	names := map[string]string{"read": "read:", "write": "write:", "create": "write:", "stage": "storage.stage:", "poll": "storage.poll:"}
	if kind == scitokens.WLCG {
		names["read"], names["write"], names["create"] = "storage.read:", "storage.modify:", "storage.create:"
	}
	if !s.web {
		names["stage"] = names["read"] // prepare -s is authorized as reading
	}
	want := names[s.access] + encoded(s.scopePath(p))
	f := finding.Finding{Code: finding.ScopeMissing, Missing: []string{want}, Source: srcXRootD,
		Message: fmt.Sprintf("no scope of the token allows %s %s: the token lacks %s", s.doing(), s.path, want),
		Hint:    "request the scope, or ask the issuer who may have it", Command: s.command(p)}
	storage := slices.ContainsFunc(scopes, func(sc string) bool { return strings.HasPrefix(sc, "storage.") })
	switch {
	case len(elsewhere) > 0:
		f.Code = finding.PathMismatch
		f.Message = fmt.Sprintf("%s does not cover %s", scopeList(elsewhere), s.path)
		f.Hint = "request " + want + ": a scope covers its path and everything below"
		if !s.pathNamed {
			f.Hint, f.Command = "give the path with --path: without it, / is checked", ""
		}
		f.Source = scitokens.WLCGSource + ", \"Capability based authorization: scope\"; " + srcXRootD
	case storage && kind != scitokens.WLCG:
		f.Code = finding.StorageWithoutWLCG
		f.Message = "the token's storage.* scopes do not count, because it has no wlcg.ver \"1.0\""
		f.Hint, f.Command = "request the WLCG profile from the issuer, or read: and write: scopes", s.command(p)
	case s.access == "write" && slices.ContainsFunc(rights, func(r right) bool { return r.op == "create" }):
		f.Code = finding.CreateNotOverwrite
		f.Message = "storage.create does not allow overwriting or deleting files"
		f.Hint = "request storage.modify, or check with --create"
	case len(other) > 0:
		f.Message = fmt.Sprintf("%s does not allow %s %s: the token lacks %s", scopeList(other), s.doing(), s.path, want)
	}
	return one(f)
}

// scopeList lists a few scopes.
func scopeList(list []string) string {
	var out []string
	for _, sc := range list[:min(len(list), 5)] {
		out = append(out, text.Brief(sc, 200))
	}
	return joinFew(append(out, list[len(out):]...), " ")
}

// pathForm reports paths in scopes that the profile forbids, or that some servers do not
// decode.
func pathForm(rights []right) []finding.Finding {
	for _, r := range rights {
		_, written, _ := strings.Cut(r.scope, ":")
		switch {
		case !strings.HasPrefix(written, "/"):
			return one(finding.Finding{Code: finding.PathMissing, Remark: true, Message: fmt.Sprintf("%s has no absolute path, which the profile requires: XRootD reads it as %s", text.Brief(r.scope, 200), text.Brief(r.path, 200)),
				Hint: "request the scope with its path", Source: scitokens.WLCGSource + ", \"Capability based authorization: scope\"; measured on XRootD 5.5.3 and 5.8.1"})
		case strings.Contains(written, "%"):
			return one(finding.Finding{Code: finding.PathEncoded, Remark: true, Message: fmt.Sprintf("%s has a percent-encoded path, which scitokens-cpp before 1.4.1 does not decode", text.Brief(r.scope, 200)),
				Hint: "request a parent directory whose path needs no encoding", Source: scitokens.PathSource})
		}
	}
	return nil
}

// statFirst checks that a token for writing also allows reading, which servers before 5.6.9
// require because xrdcp calls stat before it writes.
func (s *Server) statFirst(p service.Presented, rights []right) []finding.Finding {
	kind, _ := scitokens.ProfileOf(p.JWT)
	if s.access != "write" && s.access != "create" || kind == scitokens.Unknown {
		return nil
	}
	if slices.ContainsFunc(rights, func(r right) bool { return r.op == "read" && s.reaches(p, r) }) ||
		!slices.ContainsFunc(rights, func(r right) bool { return s.allows(r) && s.reaches(p, r) }) {
		return nil
	}
	return one(finding.Finding{Code: finding.WriteWithoutRead, Remark: !s.version.Before(prefixFixed),
		Message: "the token allows writing but not reading, and xrdcp calls stat before it writes",
		Hint:    "request both, or use https", Command: s.command(p), Source: srcXRootD + "; fixed in 5.6.9"})
}
