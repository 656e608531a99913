package xrootd

import (
	"fmt"
	"slices"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// rootOnly is the version in which, with base_path = /, a scope for / covers / and nothing
// below.
var rootOnly = service.Version{Major: 5, Minor: 6, Patch: 9}

// vulnerable returns remarks on known vulnerabilities and bugs, if versions were given. It
// omits the bugs of XRootD that do not affect tokens with these rights.
func (s *Server) vulnerable(rights []right) []finding.Finding {
	if s.options.Version == (service.Version{}) && s.options.Library == (service.Version{}) {
		return nil
	}
	out := slices.Clip(s.insecure)
	for _, r := range rights {
		switch {
		case r.path != "/" && s.version.Before(prefixFixed):
			return append(out, finding.Finding{Code: finding.VersionVulnerable, Remark: true, Source: srcXRootD + "; fixed in 5.6.9",
				Message: fmt.Sprintf("XRootD %s compares paths as strings: %s also covers %s", s.version, finding.Brief(r.scope), finding.Brief(r.path+"athan")),
				Hint:    "update the server: a user's token for /john reads /johnathan"})
		case r.path == "/" && s.version == rootOnly:
			return append(out, finding.Finding{Code: finding.VersionVulnerable, Remark: true, Source: "xrootd issue 2254; fixed in 5.7.0",
				Message: fmt.Sprintf("XRootD 5.6.9 has a bug: with base_path = /, %s covers / and nothing below", finding.Brief(r.scope)),
				Hint:    "update the server, or request a scope for a directory below /"})
		}
	}
	return out
}
