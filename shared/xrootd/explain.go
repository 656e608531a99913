package xrootd

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// explain returns findings about the configuration: first mistakes in the file, then the
// section for the token's issuer, the paths that the token's scopes cover there, the user,
// and the settings because of which the token is refused.
func (s *Server) explain(p service.Presented) []finding.Finding {
	c := s.config
	out := slices.Clone(c.mistakes)
	if c.more > 0 {
		out = append(out, finding.Finding{Code: finding.CfgMore, Remark: true, Message: fmt.Sprintf("scitokens.cfg has %d more findings", c.more)})
	}
	iss, ok := p.JWT.String("iss")
	if c.broken || len(c.issuers) == 0 || !ok || iss == "" {
		return out
	}
	out = append(out, s.nameMapUnused(iss)...)
	if len(s.library.Audiences) == 0 {
		out = append(out, finding.Finding{Code: finding.CfgAudience, Remark: true, Message: "scitokens.cfg has no audience, so only tokens for any service are accepted",
			Hint: "set audience in [Global]", Source: srcReconfig})
	}
	sec := c.section(iss)
	if sec == nil {
		return append(append(out, c.unknownIssuer(iss)), c.missing()...)
	}
	out = append(out, sec.match(p, s), sec.requestUser(p, s))
	if sec.capability(s.version) {
		refused := sec.refusal(p, s)
		out = append(out, refused...)
		if len(refused) > 0 || !sec.authorizes(p, s) || c.onMissing == "allow" {
			out = append(out, c.missing()...)
		}
		return out
	}
	f := finding.Finding{Code: finding.StrategyNoCapability, Remark: c.onMissing != "deny",
		Message: fmt.Sprintf("authorization_strategy of [Issuer %s] is %q, which ignores scopes", finding.Brief(sec.name), finding.Brief(strings.Join(sec.strategy, " "))),
		Hint:    "add capability to it if scopes should count", Source: srcSciTokens + ", Access; measured on XRootD 5.8.1"}
	return append(append(out, f), c.missing()...)
}

// nameMapUnused reports a name_mapfile that was passed although the section has none, and
// keys in it that the plugin ignores.
func (s *Server) nameMapUnused(iss string) []finding.Finding {
	if s.names == nil {
		return nil
	}
	f := finding.Finding{Code: finding.CfgIgnored, Remark: true, Source: srcNameMap}
	sec := s.config.section(iss)
	switch {
	case sec != nil && sec.mapfile == "":
		f.Message = fmt.Sprintf("[Issuer %s] has no name_mapfile, so the file of --name-mapfile is not used", finding.Brief(sec.name))
		f.Hint = "add name_mapfile to the section"
	case len(s.names.unread) > 0:
		f.Message = "name_mapfile: the server ignores the keys " + briefPaths(s.names.unread, " ")
		f.Hint = "use sub, username, path, group, result and ignore"
	default:
		return nil
	}
	return one(f)
}

// missing reports how the server handles requests that the token does not authorize.
func (c *SciTokensConfig) missing() []finding.Finding {
	switch c.onMissing {
	case "deny":
		return nil
	case "allow":
		return one(finding.Finding{Code: finding.OnMissingAllow, Remark: true, Message: "onmissing = allow: over https, the server admits requests that it did not authorize, even without a token",
			Hint: "set onmissing = deny, unless the file system decides", Source: srcXRootD})
	}
	return one(finding.Finding{Code: finding.OnMissingNext, Remark: true, Message: "the next plugin decides whether to allow what the token does not authorize; this file does not configure it",
		Hint: "check whether ofs.authlib has ++, and the authorization database; or set onmissing = deny", Source: srcSciTokens + ", OnMissing"})
}

func (c *SciTokensConfig) unknownIssuer(iss string) finding.Finding {
	f := finding.Finding{Code: finding.IssNotConfigured, Message: fmt.Sprintf("scitokens.cfg has no section for the issuer %s", finding.Brief(iss)),
		Hint:   "add a section [Issuer NAME] with issuer = " + finding.Brief(iss) + " and a base_path",
		Source: srcXRootD + ": \"Token issuer is not in list of allowed issuers.\""}
	if why, ok := c.dropped[iss]; ok {
		f.Hint = why
		return f
	}
	for _, sec := range c.issuers {
		near := ""
		switch {
		case strings.TrimSuffix(sec.issuer, "/") == strings.TrimSuffix(iss, "/"):
			near = "only the slash at the end differs"
		case strings.EqualFold(strings.TrimSuffix(sec.issuer, "/"), strings.TrimSuffix(iss, "/")):
			near = "only upper and lower case differ"
		case strings.Trim(sec.issuer, `"'`) == iss:
			near = "the quotes are part of the value"
		case strings.HasPrefix(sec.issuer, iss+" ") || strings.HasPrefix(sec.issuer, iss+"\t"):
			near = "what follows the issuer is part of the value, because only ; after a space starts a comment"
		default:
			continue
		}
		f.Hint = fmt.Sprintf("compare [Issuer %s] in line %d, which has %s: %s, but values are compared byte for byte", finding.Brief(sec.name), sec.line, finding.Brief(sec.issuer), near)
		return f
	}
	return f
}

// match reports the section, and the paths that the token's scopes cover in it.
func (sec *issuerSection) match(p service.Presented, s *Server) finding.Finding {
	var scopes []string
	for _, r := range s.rightsOf(p.JWT) {
		paths := sec.paths(r.path, s.version)
		covered := "nothing, because of restricted_path"
		if len(sec.bases) == 0 {
			covered = "nothing"
		}
		if len(paths) > 0 {
			covered = briefPaths(paths, " and ")
		}
		scopes = append(scopes, finding.Brief(r.scope)+" covers "+covered)
	}
	if len(scopes) == 0 {
		scopes = []string{"the token has no scope for storage"}
	}
	return finding.Finding{Code: finding.CfgMatch, Remark: true, Source: srcAcls,
		Message: fmt.Sprintf("[Issuer %s] in line %d is for this issuer: %s", finding.Brief(sec.name), sec.line, joinFew(scopes, "; "))}
}

// capability reports whether the section authorizes by scopes.
func (sec *issuerSection) capability(v service.Version) bool {
	return sec.strategy == nil || v.Before(strategySince) || slices.Contains(sec.strategy, "capability")
}

// authorizes reports whether a scope of the token allows the operation on the path.
func (sec *issuerSection) authorizes(p service.Presented, s *Server) bool {
	return slices.ContainsFunc(s.rightsOf(p.JWT), func(r right) bool {
		return s.allows(r) && s.reaches(p, r)
	})
}

// refusal returns why the token does not give access to the path, if this is because of
// base_path or restricted_path.
func (sec *issuerSection) refusal(p service.Presented, s *Server) []finding.Finding {
	if sec.authorizes(p, s) {
		return nil
	}
	bases := slices.DeleteFunc(slices.Clone(sec.bases), func(b string) bool { return !within(b, s.path) })
	if len(bases) == 0 {
		return one(finding.Finding{Code: finding.PathOutsideBase, Message: fmt.Sprintf("%s is outside base_path %s of [Issuer %s]: no token of this issuer gives access", finding.Brief(s.path), orNothing(sec.bases), finding.Brief(sec.name)),
			Hint: "use a path below base_path, or add the directory to base_path", Source: srcAcls})
	}
	var open []string // the paths relative to base_path that restricted_path allows
	for _, b := range bases {
		rel := path.Clean("/" + strings.TrimPrefix(s.path, b))
		if slices.ContainsFunc(sec.restrict(rel, s.version), func(q string) bool { return within(q, rel) }) {
			open = append(open, rel)
		}
	}
	if len(open) == 0 {
		return one(finding.Finding{Code: finding.PathRestricted, Message: fmt.Sprintf("restricted_path %s of [Issuer %s] does not let this issuer give access to %s", orNothing(sec.restricted), finding.Brief(sec.name), finding.Brief(s.path)),
			Hint: "add the directory to restricted_path, relative to base_path", Source: srcAcls})
	}
	for _, r := range s.rightsOf(p.JWT) {
		if !s.allows(r) {
			continue
		}
		want, _, _ := strings.Cut(r.scope, ":")
		want = finding.Brief(want + ":" + encoded(open[0]))
		switch {
		case len(sec.restricted) > 0 && slices.ContainsFunc(open, func(rel string) bool { return within(r.path, rel) }):
			return one(finding.Finding{Code: finding.PathRestricted, Message: fmt.Sprintf("%s is broader than restricted_path %s, and servers before %s ignore such a scope", finding.Brief(r.scope), orNothing(sec.restricted), broadScopeSince),
				Hint: "request " + want, Source: srcXRootD + "; xrootd pull request 2152"})
		case s.version == rootOnly && r.path == "/":
			return one(finding.Finding{Code: finding.PathBase, Message: fmt.Sprintf("%s covers / and nothing below, because of a bug in XRootD %s", finding.Brief(r.scope), rootOnly),
				Hint: "request " + want + ", or update the server", Source: "xrootd issue 2254; fixed in 5.7.0"})
		case within(r.path, s.path):
			covered := "nothing"
			if paths := sec.paths(r.path, s.version); len(paths) > 0 {
				covered = briefPaths(paths, " and ")
			}
			return one(finding.Finding{Code: finding.PathBase, Message: fmt.Sprintf("%s covers %s on this server, because the path of a scope is relative to base_path", finding.Brief(r.scope), covered),
				Hint: "request " + want, Source: srcAcls})
		}
	}
	return nil
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "(none)"
	}
	return briefPaths(list, " ")
}

func briefPaths(list []string, sep string) string {
	short := slices.Clone(list)
	for i := range short {
		short[i] = finding.Brief(short[i])
	}
	return joinFew(short, sep)
}

func joinFew(list []string, sep string) string {
	const most = 4
	if len(list) <= most {
		return strings.Join(list, sep)
	}
	return strings.Join(list[:most], sep) + sep + fmt.Sprintf("%d more", len(list)-most)
}
