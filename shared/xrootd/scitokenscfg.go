package xrootd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// The sources of the rules for scitokens.cfg.
const (
	srcSciTokens = "XRootD src/XrdSciTokens/XrdSciTokensAccess.cc"
	srcReconfig  = srcSciTokens + ", Reconfig; " + srcXRootD
	srcAcls      = srcSciTokens + ", GenerateAcls; " + srcXRootD
	srcINI       = "XRootD src/XrdSciTokens/vendor/inih/INIReader.h; " + srcXRootD
)

// The versions in which the meaning of scitokens.cfg changed (xrootd pull requests 1978,
// 2079, 2152 and 2205).
var (
	usernameClaimSince = service.Version{Major: 5, Minor: 6, Patch: 0}
	longLinesSince     = service.Version{Major: 5, Minor: 6, Patch: 2}
	broadScopeSince    = service.Version{Major: 5, Minor: 6, Patch: 9}
	strategySince      = service.Version{Major: 5, Minor: 7, Patch: 0}
)

// maxMistakes is the maximum number of findings about a file.
const maxMistakes = 20

// SciTokensConfig is a scitokens.cfg as XRootD's SciTokens plugin reads it. [Server.Judge]
// also reports what the plugin silently ignores.
type SciTokensConfig struct {
	audiences []string
	onMissing string // empty is passthrough
	issuers   []issuerSection
	byIssuer  map[string]int // indexes of issuers
	// dropped are the issuers of sections that the server ignores, with the reasons.
	dropped map[string]string
	// mistakes are the findings about the file itself, more the number of those that were
	// dropped.
	mistakes []finding.Finding
	more     int
	// broken means that no server starts with the file.
	broken bool
}

// issuerSection is a section [Issuer NAME] that the server uses.
type issuerSection struct {
	name, issuer      string
	line              int
	bases, restricted []string
	// mapfile is name_mapfile, claim is username_claim, user is default_user, and groups is
	// groups_claim. claim takes precedence over mapSubject, and mapSubject over user.
	mapfile, claim, user, groups string
	mapSubject                   bool
	// strategy is authorization_strategy in lower case; nil means all strategies.
	strategy []string
}

// ParseSciTokensConfig parses a scitokens.cfg like a server of version v: servers before
// 5.6.2 split lines that newer ones do not. [Server.Judge] reports mistakes in the file.
// ParseSciTokensConfig returns an error if b is not a scitokens.cfg.
func ParseSciTokensConfig(b []byte, v service.Version) (*SciTokensConfig, error) {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not a scitokens.cfg: binary data")
	}
	c := &SciTokensConfig{byIssuer: map[string]int{}, dropped: map[string]string{}}
	f := c.readINI(string(b), v)
	if !f.hasSection {
		return nil, errors.New("not a scitokens.cfg: it has no [Global] or [Issuer NAME] section")
	}
	// The plugin reads the sections in the order of a std::set.
	for _, section := range slices.Sorted(slices.Values(f.sections)) {
		low := text.LowerASCII(section)
		switch {
		case strings.HasPrefix(low, "global"):
			c.global(f, section)
		case strings.HasPrefix(low, "issuer "):
			c.issuer(f, section)
		default:
			c.note(f.began[section], finding.CfgIgnored, fmt.Sprintf("section [%s] is ignored", finding.Brief(section)), "name the section of an issuer [Issuer NAME], with one space", srcReconfig)
		}
	}
	if len(c.issuers) == 0 && !c.broken {
		c.cause(0, finding.CfgEmpty, "no issuer is configured, so every token is refused", "add an [Issuer NAME] section with issuer and base_path", srcReconfig+": \"No issuers configured\"")
	}
	return c, nil
}

// Audiences returns the audiences in the file. Contrary to the README, they are those of
// both audience and audience_json (measured). Without an audience, the server accepts only
// tokens for any service.
func (c *SciTokensConfig) Audiences() []string { return slices.Clone(c.audiences) }

// ScopePaths returns the paths that a scope of the issuer must have to cover the path p on
// the server, relative to each base_path that contains p.
func (c *SciTokensConfig) ScopePaths(issuer, p string) []string {
	sec := c.section(issuer)
	if sec == nil {
		return nil
	}
	var out []string
	for _, b := range sec.bases {
		if within(b, p) {
			out = append(out, path.Clean("/"+strings.TrimPrefix(p, b)))
		}
	}
	return out
}

// section returns the section of the issuer, or nil.
func (c *SciTokensConfig) section(issuer string) *issuerSection {
	if i, ok := c.byIssuer[issuer]; ok {
		return &c.issuers[i]
	}
	return nil
}

// paths returns the paths on the server that a scope with the path scopePath covers.
func (sec *issuerSection) paths(scopePath string, v service.Version) []string {
	var out []string
	for _, p := range sec.restrict(scopePath, v) {
		for _, b := range sec.bases {
			out = append(out, path.Clean(b+p))
		}
	}
	return out
}

// restrict applies restricted_path to a scope's path. Before 5.6.9, the path counts only if
// a restricted path is a string prefix of it. Since then, a broader path is reduced to the
// restricted ones (xrootd pull request 2152; both measured).
func (sec *issuerSection) restrict(p string, v service.Version) []string {
	if len(sec.restricted) == 0 {
		return []string{p}
	}
	var out []string
	for _, r := range sec.restricted {
		switch {
		case v.Before(broadScopeSince):
			if strings.HasPrefix(p, r) {
				return []string{p}
			}
		case p == r || strings.HasPrefix(p, r+"/"): // with restricted_path = /, only / matches
			return append(out, p)
		case within(p, r):
			out = append(out, r)
		}
	}
	return out
}

// cause adds a finding because of which every token is refused.
func (c *SciTokensConfig) cause(line int, code finding.Code, message, hint, source string) {
	c.add(line, finding.Finding{Code: code, Message: message, Hint: hint, Source: source})
}

// note adds a remark.
func (c *SciTokensConfig) note(line int, code finding.Code, message, hint, source string) {
	c.add(line, finding.Finding{Code: code, Message: message, Hint: hint, Source: source, Remark: true})
}

// halt adds a mistake because of which no server starts.
func (c *SciTokensConfig) halt(line int, message string) {
	if !c.broken { // the server stops at the first
		c.broken = true
		c.cause(line, finding.CfgBroken, message+": no server starts with this file", "correct the line; a running server continues with the previous file", srcReconfig)
	}
}

func (c *SciTokensConfig) add(line int, f finding.Finding) {
	// Insert causes before remarks.
	at := slices.IndexFunc(c.mistakes, func(g finding.Finding) bool { return g.Remark })
	if f.Remark || at < 0 {
		at = len(c.mistakes)
	}
	where := "scitokens.cfg"
	if line > 0 {
		where += fmt.Sprintf(" line %d", line)
	}
	f.Message = where + ": " + f.Message
	if f.Remark && len(c.mistakes) >= maxMistakes {
		c.more++
		return
	}
	c.mistakes = slices.Insert(c.mistakes, at, f)
}

func (c *SciTokensConfig) global(f *iniFile, section string) {
	c.checkKeys(f, section, globalKeys)
	if e := f.get(section, "audience"); e.value != "" {
		c.audiences = append(c.audiences, commaList(e.value)...)
	}
	if e := f.get(section, "audience_json"); e.value != "" {
		var v any
		// The plugin ignores text after the JSON value (measured).
		if err := json.NewDecoder(strings.NewReader(e.value)).Decode(&v); err != nil {
			c.halt(e.line, "audience_json is not JSON")
			return
		}
		list, ok := v.([]any)
		if !ok {
			c.halt(e.line, "audience_json is not a JSON list")
			return
		}
		for _, a := range list {
			s, ok := a.(string)
			if !ok {
				c.halt(e.line, "audience_json contains something other than strings")
				return
			}
			c.audiences = append(c.audiences, s)
		}
	}
	switch e := f.get(section, "onmissing"); e.value {
	case "passthrough", "allow", "deny":
		c.onMissing = e.value
	case "":
	default:
		c.halt(e.line, fmt.Sprintf("onmissing = %s is not passthrough, allow or deny, in lower case", finding.Brief(e.value)))
	}
}

func (c *SciTokensConfig) issuer(f *iniFile, section string) {
	if c.broken {
		return
	}
	c.checkKeys(f, section, issuerKeys)
	began := f.began[section]
	iss, base := f.get(section, "issuer"), f.get(section, "base_path")
	name := strings.TrimLeft(section[len("issuer "):], iniSpace)
	drop := func(line int, why string) {
		c.note(line, finding.CfgIgnored, fmt.Sprintf("section [%s] is ignored: %s", finding.Brief(section), why), "", srcReconfig)
		if iss.value != "" {
			c.dropped[iss.value] = fmt.Sprintf("check line %d, which has this issuer, but its section is ignored: %s", iss.line, why)
		}
	}
	switch {
	case iss.value == "":
		drop(began, "it has no issuer")
		return
	case base.value == "":
		drop(began, "it has no base_path")
		return
	case name == "":
		drop(began, "it has no name")
		return
	}
	sec := issuerSection{name: name, issuer: iss.value, line: began,
		mapfile: f.get(section, "name_mapfile").value, claim: f.get(section, "username_claim").value, groups: f.get(section, "groups_claim").value, user: f.get(section, "default_user").value}
	sec.bases = c.pathList(base, "base_path")
	if len(sec.bases) == 0 {
		c.note(base.line, finding.CfgValue, "base_path has no absolute path, so no scope of this issuer counts", "write base_path = /store", srcReconfig)
	}
	if r := f.get(section, "restricted_path"); r.value != "" {
		sec.restricted = c.pathList(r, "restricted_path")
		if len(sec.restricted) == 0 {
			c.note(r.line, finding.CfgRestriction, "restricted_path has no absolute path, so the issuer is not restricted at all", "write absolute paths, relative to base_path", srcXRootD)
		}
		for _, p := range sec.restricted {
			if slices.ContainsFunc(sec.bases, func(b string) bool { return b != "/" && within(b, p) }) {
				c.note(r.line, finding.CfgRestriction, fmt.Sprintf("restricted_path %s is relative to base_path, so it must not repeat it", finding.Brief(p)), "", srcXRootD)
			}
		}
		if slices.Contains(sec.restricted, "/") {
			c.note(r.line, finding.CfgRestriction, "restricted_path = / accepts only scopes for / since 5.6.9", "remove restricted_path", srcAcls)
		}
	}
	switch e := f.get(section, "map_subject"); text.LowerASCII(e.value) {
	case "true", "yes", "on", "1":
		sec.mapSubject = true
	case "", "false", "no", "off", "0":
	default:
		c.note(e.line, finding.CfgValue, fmt.Sprintf("map_subject = %s is neither true nor false, so it counts as false", finding.Brief(e.value)), "", srcINI)
	}
	if e := f.get(section, "authorization_strategy"); e.value != "" {
		sec.strategy = []string{}
		for w := range strings.SplitSeq(e.value, " ") { // no other separator
			switch l := text.LowerASCII(w); l {
			case "capability", "group", "mapping":
				sec.strategy = append(sec.strategy, l)
			case "":
			default:
				c.note(e.line, finding.CfgValue, fmt.Sprintf("authorization_strategy ignores the unknown word %s", finding.Brief(w)), "separate capability, group and mapping with spaces", srcSciTokens+", Reconfig; measured on XRootD 5.8.1")
			}
		}
	}
	if !strings.HasPrefix(iss.value, "https://") || strings.ContainsAny(iss.value, " \t\"'") {
		c.note(iss.line, finding.CfgValue, fmt.Sprintf("issuer = %s is not an https URL, so no token has it", finding.Brief(iss.value)), "write the URL without quotes; only ; after a space starts a comment", srcReconfig)
	}
	if first := c.section(iss.value); first != nil {
		c.note(iss.line, finding.CfgDuplicate, fmt.Sprintf("[Issuer %s] in line %d has the same issuer: this section is ignored, because its name sorts after the other", finding.Brief(first.name), first.line), "write both paths in one base_path", srcXRootD)
		return
	}
	c.byIssuer[sec.issuer] = len(c.issuers)
	c.issuers = append(c.issuers, sec)
}

// pathList parses a list of paths. It reports relative ones, which the plugin silently
// ignores.
func (c *SciTokensConfig) pathList(e iniValue, key string) []string {
	var out []string
	for _, p := range commaList(e.value) {
		if p[0] != '/' {
			c.note(e.line, finding.CfgValue, fmt.Sprintf("%s in %s is not absolute and is ignored", finding.Brief(p), key), "separate paths with spaces or commas; only ; after a space starts a comment", srcReconfig)
			continue
		}
		out = append(out, path.Clean(p))
	}
	return out
}

// commaList splits a list at spaces and commas, but not at tabs, like the plugin.
func commaList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

var (
	globalKeys = []string{"audience", "audience_json", "onmissing"}
	issuerKeys = []string{"issuer", "base_path", "restricted_path", "map_subject", "default_user", "name_mapfile",
		"username_claim", "groups_claim", "authorization_strategy"}
	// Pelican's builds of XRootD have these keys (xrootd pull request 2397, not merged).
	pelicanKeys = []string{"acceptable_authorization", "required_authorization"}
)

// checkKeys reports keys that are not in keys, because the plugin does not read them.
func (c *SciTokensConfig) checkKeys(f *iniFile, section string, keys []string) {
	for _, k := range f.keys[section] {
		low := text.LowerASCII(k)
		switch {
		case slices.Contains(keys, low):
		case slices.Contains(pelicanKeys, low) && strings.HasPrefix(text.LowerASCII(section), "issuer "):
			c.note(f.get(section, k).line, finding.CfgIgnored, low+" is read only by builds for Pelican, and was not checked", "", "xrootd pull request 2397")
		default:
			hint := "use one of: " + strings.Join(keys, " ")
			c.note(f.get(section, k).line, finding.CfgIgnored, fmt.Sprintf("%s is not a key of this section and is ignored", finding.Brief(k)), hint, srcReconfig)
		}
	}
}
