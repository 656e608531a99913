package xrootd

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
)

// explain says which section of the file is for the token's issuer, what the token's
// scopes become there, which user it makes of the token, and what of the file speaks
// against it; the file's own faults come first.
func (s *Server) explain(p service.Presented) []finding.Finding {
	c := s.config
	out := slices.Clone(c.faults)
	if c.more > 0 {
		out = append(out, finding.Finding{Code: finding.CfgMore, Remark: true, Message: fmt.Sprintf("scitokens.cfg has %d more faults", c.more)})
	}
	iss, ok := p.JWT.String("iss")
	if c.broken || len(c.issuers) == 0 || !ok || iss == "" {
		return out
	}
	if len(s.library.Audiences) == 0 {
		out = append(out, finding.Finding{Code: finding.CfgAudience, Remark: true, Message: "scitokens.cfg names no audience: only tokens for any service pass",
			Hint: "set audience in [Global]", Source: srcReconfig})
	}
	sec := c.section(iss)
	if sec == nil {
		return append(append(out, c.unknownIssuer(iss)), c.missing()...)
	}
	out = append(out, sec.match(p, s.version), sec.who(p, s.version))
	if sec.capability(s.version) {
		refused := sec.reach(p, s)
		out = append(out, refused...)
		if len(refused) > 0 || !sec.reaches(p, s) || c.onMissing == "allow" {
			out = append(out, c.missing()...)
		}
		return out
	}
	f := finding.Finding{Code: finding.StrategyNoCapability, Remark: c.onMissing != "deny",
		Message: fmt.Sprintf("authorization_strategy of [Issuer %s] is %q: scopes count for nothing there", finding.Brief(sec.name), finding.Brief(strings.Join(sec.strategy, " "))),
		Hint:    "add capability to it, if scopes are to count", Source: srcSciTokens + ", Access; measured on XRootD 5.8.1"}
	return append(append(out, f), c.missing()...)
}

// missing says what becomes of what the token does not authorise.
func (c *SciTokensConfig) missing() []finding.Finding {
	switch c.onMissing {
	case "deny":
		return nil
	case "allow":
		return one(finding.Finding{Code: finding.OnMissingAllow, Remark: true, Message: "onmissing = allow: over https the server lets in whom it does not authorise, without a token too",
			Hint: "onmissing = deny, unless the file system itself decides", Source: srcXRootD})
	}
	return one(finding.Finding{Code: finding.OnMissingNext, Remark: true, Message: "what the token does not authorise is asked of the next plugin, which this file does not tell of",
		Hint: "see whether ofs.authlib has ++ and what the authorization database says; onmissing = deny ends it here", Source: srcSciTokens + ", OnMissing"})
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
			near = "quotes are part of the value"
		case strings.HasPrefix(sec.issuer, iss+" ") || strings.HasPrefix(sec.issuer, iss+"\t"):
			near = "what follows the issuer is part of the value: only ; after a blank begins a comment"
		default:
			continue
		}
		f.Hint = fmt.Sprintf("[Issuer %s] in line %d has %s: %s, and it is compared byte for byte", finding.Brief(sec.name), sec.line, finding.Brief(sec.issuer), near)
		return f
	}
	return f
}

// match tells the section and what the token's scopes become in it.
func (sec *issuerSection) match(p service.Presented, v service.Version) finding.Finding {
	scopes, _ := p.JWT.Scopes()
	kind, _ := scitokens.ProfileOf(p.JWT)
	var becomes []string
	for _, r := range rightsOf(scopes, kind) {
		places := sec.paths(r.path, v)
		to := "nothing, for restricted_path leaves nothing of it"
		if len(sec.bases) == 0 {
			to = "nothing"
		}
		if len(places) > 0 {
			to = briefPaths(places, " and ")
		}
		becomes = append(becomes, finding.Brief(r.scope)+" covers "+to)
	}
	if len(becomes) == 0 {
		becomes = []string{"the token has no scope for storage"}
	}
	return finding.Finding{Code: finding.CfgMatch, Remark: true, Source: srcAcls,
		Message: fmt.Sprintf("[Issuer %s] in line %d is for this issuer: %s", finding.Brief(sec.name), sec.line, joinFew(becomes, "; "))}
}

// who tells the user that the request gets.
func (sec *issuerSection) who(p service.Presented, v service.Version) finding.Finding {
	f := finding.Finding{Code: finding.CfgUser, Remark: true, Source: srcAcls}
	sub, _ := p.JWT.String("sub")
	switch {
	case sec.claim != "" && !v.Before(usernameClaimSince):
		if name, ok := p.JWT.String(sec.claim); ok {
			f.Message = fmt.Sprintf("the user is %s, the token's %s (username_claim)", finding.Brief(name), finding.Brief(sec.claim))
		} else {
			f.Code, f.Remark, f.Missing = finding.ClaimMissing, false, []string{sec.claim}
			f.Message = fmt.Sprintf("the token has no %s claim, which username_claim demands", finding.Brief(sec.claim))
			f.Hint, f.Source = "let the issuer write it, or use map_subject or default_user", "measured on XRootD 5.8.1"
			return f
		}
	case sec.mapSubject:
		f.Message = fmt.Sprintf("the user is %s, the token's subject (map_subject)", finding.Brief(sub))
	case sec.user != "":
		f.Message = fmt.Sprintf("the user is %s (default_user)", finding.Brief(sec.user))
	default:
		f.Message = "the request gets no user of its own: there is no default_user and no map_subject"
	}
	if sec.mapfile != "" {
		f.Message += fmt.Sprintf("; the first rule of name_mapfile that holds comes before, and %s was not read", finding.Brief(sec.mapfile))
		f.Hint = "a name_mapfile that is missing or no JSON list keeps the server from starting"
	}
	return f
}

func (sec *issuerSection) capability(v service.Version) bool {
	return sec.strategy == nil || v.Before(strategySince) || slices.Contains(sec.strategy, "capability")
}

// reaches reports whether a scope of the token covers what is to be done.
func (sec *issuerSection) reaches(p service.Presented, s *Server) bool {
	scopes, _ := p.JWT.Scopes()
	kind, _ := scitokens.ProfileOf(p.JWT)
	return slices.ContainsFunc(rightsOf(scopes, kind), func(r right) bool {
		return r.allows(s.access) && s.reaches(p, r)
	})
}

// reach finds what of base_path and restricted_path keeps the token from the path.
func (sec *issuerSection) reach(p service.Presented, s *Server) []finding.Finding {
	if sec.reaches(p, s) {
		return nil
	}
	bases := slices.DeleteFunc(slices.Clone(sec.bases), func(b string) bool { return !within(b, s.path) })
	if len(bases) == 0 {
		return one(finding.Finding{Code: finding.PathOutsideBase, Message: fmt.Sprintf("%s is outside base_path %s of [Issuer %s]: no token of this issuer gets there", finding.Brief(s.path), orNothing(sec.bases), finding.Brief(sec.name)),
			Hint: "check with a --path below base_path, or add to base_path what the issuer may give away", Source: srcAcls})
	}
	scopes, _ := p.JWT.Scopes()
	kind, _ := scitokens.ProfileOf(p.JWT)
	var open []string // what a scope has to carry, as far as restricted_path lets it
	for _, b := range bases {
		rel := path.Clean("/" + strings.TrimPrefix(s.path, b))
		if slices.ContainsFunc(sec.restrict(rel, s.version), func(q string) bool { return within(q, rel) }) {
			open = append(open, rel)
		}
	}
	if len(open) == 0 {
		return one(finding.Finding{Code: finding.PathRestricted, Message: fmt.Sprintf("restricted_path %s of [Issuer %s] leaves nothing of %s to this issuer", orNothing(sec.restricted), finding.Brief(sec.name), finding.Brief(s.path)),
			Hint: "restricted_path names what the issuer may give away, and counts from base_path", Source: srcAcls})
	}
	for _, r := range rightsOf(scopes, kind) {
		if !r.allows(s.access) {
			continue
		}
		want, _, _ := strings.Cut(r.scope, ":")
		want = finding.Brief(want + ":" + open[0])
		switch {
		case len(sec.restricted) > 0 && slices.ContainsFunc(open, func(rel string) bool { return within(r.path, rel) }):
			return one(finding.Finding{Code: finding.PathRestricted, Message: fmt.Sprintf("%s is broader than restricted_path %s, and servers before %s take nothing of it", finding.Brief(r.scope), orNothing(sec.restricted), broadScopeSince),
				Hint: "ask for " + want, Source: srcXRootD + "; xrootd pull request 2152"})
		case within(r.path, s.path):
			means := "nothing"
			if places := sec.paths(r.path, s.version); len(places) > 0 {
				means = briefPaths(places, " and ")
			}
			return one(finding.Finding{Code: finding.PathBase, Message: fmt.Sprintf("%s means %s here, for a scope's path counts from base_path", finding.Brief(r.scope), means),
				Hint: "ask for " + want, Source: srcAcls})
		}
	}
	return nil
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "(none that counts)"
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
