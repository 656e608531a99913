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
)

// The sources of what is known of scitokens.cfg.
const (
	srcSciTokens = "XRootD src/XrdSciTokens/XrdSciTokensAccess.cc"
	srcReconfig  = srcSciTokens + ", Reconfig; " + srcXRootD
	srcAcls      = srcSciTokens + ", GenerateAcls; " + srcXRootD
	srcINI       = "XRootD src/XrdSciTokens/vendor/inih/INIReader.h; " + srcXRootD
)

// What scitokens.cfg can say grew with these versions (xrootd pull requests 1978,
// 2079, 2152 and 2205).
var (
	usernameClaimSince = service.Version{Major: 5, Minor: 6, Patch: 0}
	longLinesSince     = service.Version{Major: 5, Minor: 6, Patch: 2}
	broadScopeSince    = service.Version{Major: 5, Minor: 6, Patch: 9}
	strategySince      = service.Version{Major: 5, Minor: 7, Patch: 0}
)

// maxFaults is how many faults of a file are told.
const maxFaults = 20

// SciTokensConfig is a scitokens.cfg as XRootD's SciTokens plugin reads it: with all
// that it leaves out without a word, which [Server.Judge] tells.
type SciTokensConfig struct {
	audiences []string
	onMissing string // empty is passthrough
	issuers   []issuerSection
	// dropped are issuers of sections that the server ignores, with the reason.
	dropped map[string]string
	faults  []finding.Finding
	more    int
	// broken says that no server starts with the file.
	broken bool
}

// issuerSection is one [Issuer NAME] that the server takes.
type issuerSection struct {
	name, issuer      string
	line              int
	bases, restricted []string
	// What decides the user: the claim before the subject before the default.
	mapfile, claim, user string
	mapSubject           bool
	// strategy is authorization_strategy in lower case; nil is all there are.
	strategy []string
}

// ParseSciTokensConfig reads a scitokens.cfg. What is wrong in it is found by
// [Server.Judge], with its line; an error says that it is no such file.
// Servers before 5.6.2 cut lines that newer ones do not, so v is the server's version.
func ParseSciTokensConfig(b []byte, v service.Version) (*SciTokensConfig, error) {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not a scitokens.cfg: binary data")
	}
	c := &SciTokensConfig{dropped: map[string]string{}}
	f := c.readINI(string(b), v)
	if !f.headed {
		return nil, errors.New("not a scitokens.cfg: it has no [Global] and no [Issuer NAME]")
	}
	// The plugin walks the sections in the order of a std::set.
	for _, section := range slices.Sorted(slices.Values(f.sections)) {
		low := lowerASCII(section)
		switch {
		case strings.HasPrefix(low, "global"):
			c.global(f, section)
		case strings.HasPrefix(low, "issuer "):
			c.issuer(f, section)
		default:
			c.note(f.began[section], finding.CfgIgnored, fmt.Sprintf("section [%s] is ignored", finding.Brief(section)), "an issuer's section is [Issuer NAME], with one blank and a name", srcReconfig)
		}
	}
	if len(c.issuers) == 0 && !c.broken {
		c.fault(0, finding.CfgEmpty, "the server knows no issuer: every token is refused", "it takes an [Issuer NAME] section with issuer and base_path", srcReconfig+": \"No issuers configured\"")
	}
	return c, nil
}

// Audiences are those that the file names: audience and audience_json both count,
// whatever the README says (measured). Without any only tokens for any
// service pass.
func (c *SciTokensConfig) Audiences() []string { return slices.Clone(c.audiences) }

// ScopePaths are the paths that a scope of this issuer has to carry for a place on
// the server: what is left of the place below a base_path. None where it is outside.
func (c *SciTokensConfig) ScopePaths(issuer, place string) []string {
	sec := c.section(issuer)
	if sec == nil {
		return nil
	}
	var out []string
	for _, b := range sec.bases {
		if within(b, place) {
			out = append(out, path.Clean("/"+strings.TrimPrefix(place, b)))
		}
	}
	return out
}

func (c *SciTokensConfig) section(issuer string) *issuerSection {
	for i := range c.issuers {
		if c.issuers[i].issuer == issuer {
			return &c.issuers[i]
		}
	}
	return nil
}

func (sec *issuerSection) paths(scopePath string, v service.Version) []string {
	var out []string
	for _, p := range sec.restrict(scopePath, v) {
		for _, b := range sec.bases {
			out = append(out, path.Clean(b+p))
		}
	}
	return out
}

// restrict holds a scope's path to restricted_path. Before 5.6.9 it counted only
// where it began, as a string, with one of them; since then a broader one shrinks to
// those (xrootd pull request 2152; measured on both sides).
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
		case p == r || strings.HasPrefix(p, r+"/"): // "/" restricts to itself
			return append(out, p)
		case within(p, r):
			out = append(out, r)
		}
	}
	return out
}

// fault is one that refuses every token.
func (c *SciTokensConfig) fault(line int, code finding.Code, message, hint, source string) {
	c.add(line, finding.Finding{Code: code, Message: message, Hint: hint, Source: source})
}

// note is one that leaves the file in force.
func (c *SciTokensConfig) note(line int, code finding.Code, message, hint, source string) {
	c.add(line, finding.Finding{Code: code, Message: message, Hint: hint, Source: source, Remark: true})
}

// halt is one that no server starts with.
func (c *SciTokensConfig) halt(line int, message string) {
	if !c.broken { // the server stops at the first
		c.broken = true
		c.fault(line, finding.CfgBroken, message+": no server starts with it", "one that runs goes on with what it read before", srcReconfig)
	}
}

func (c *SciTokensConfig) add(line int, f finding.Finding) {
	// What refuses goes before all notes.
	at := slices.IndexFunc(c.faults, func(g finding.Finding) bool { return g.Remark })
	if f.Remark || at < 0 {
		at = len(c.faults)
	}
	where := "scitokens.cfg"
	if line > 0 {
		where += fmt.Sprintf(" line %d", line)
	}
	f.Message = where + ": " + f.Message
	if f.Remark && len(c.faults) >= maxFaults {
		c.more++
		return
	}
	c.faults = slices.Insert(c.faults, at, f)
}

func (c *SciTokensConfig) global(f *iniFile, section string) {
	c.known(f, section, globalKeys)
	if e := f.get(section, "audience"); e.value != "" {
		c.audiences = append(c.audiences, commaList(e.value)...)
	}
	if e := f.get(section, "audience_json"); e.value != "" {
		var v any
		// What follows the value does not matter (measured).
		if err := json.NewDecoder(strings.NewReader(e.value)).Decode(&v); err != nil {
			c.halt(e.line, "audience_json is no JSON")
			return
		}
		list, ok := v.([]any)
		if !ok {
			c.halt(e.line, "audience_json is no JSON list")
			return
		}
		for _, a := range list {
			s, ok := a.(string)
			if !ok {
				c.halt(e.line, "audience_json holds what is no string")
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
		c.halt(e.line, fmt.Sprintf("onmissing = %s is none of passthrough, allow and deny, in lower case", finding.Brief(e.value)))
	}
}

func (c *SciTokensConfig) issuer(f *iniFile, section string) {
	if c.broken {
		return
	}
	c.known(f, section, issuerKeys)
	began := f.began[section]
	iss, base := f.get(section, "issuer"), f.get(section, "base_path")
	name := strings.TrimLeft(section[len("issuer "):], iniSpace)
	drop := func(line int, why string) {
		c.note(line, finding.CfgIgnored, fmt.Sprintf("section [%s] is ignored: %s", finding.Brief(section), why), "", srcReconfig)
		if iss.value != "" {
			c.dropped[iss.value] = fmt.Sprintf("line %d names it, but its section is ignored: %s", iss.line, why)
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
		mapfile: f.get(section, "name_mapfile").value, claim: f.get(section, "username_claim").value, user: f.get(section, "default_user").value}
	sec.bases = c.pathList(base, "base_path")
	if len(sec.bases) == 0 {
		c.note(base.line, finding.CfgValue, "no path of base_path is absolute: no scope of this issuer counts", "base_path = /store", srcReconfig)
	}
	if r := f.get(section, "restricted_path"); r.value != "" {
		sec.restricted = c.pathList(r, "restricted_path")
		if len(sec.restricted) == 0 {
			c.note(r.line, finding.CfgRestriction, "no path of restricted_path is absolute, and then the issuer is not restricted at all", "write them absolute, counted from base_path", srcXRootD)
		}
		for _, p := range sec.restricted {
			if slices.ContainsFunc(sec.bases, func(b string) bool { return b != "/" && within(b, p) }) {
				c.note(r.line, finding.CfgRestriction, fmt.Sprintf("restricted_path %s counts from base_path: it is meant without that", finding.Brief(p)), "", srcXRootD)
			}
		}
		if slices.Contains(sec.restricted, "/") {
			c.note(r.line, finding.CfgRestriction, "restricted_path = / leaves scopes for / alone, from 5.6.9 on", "leave restricted_path out", srcAcls)
		}
	}
	switch e := f.get(section, "map_subject"); lowerASCII(e.value) {
	case "true", "yes", "on", "1":
		sec.mapSubject = true
	case "", "false", "no", "off", "0":
	default:
		c.note(e.line, finding.CfgValue, fmt.Sprintf("map_subject = %s is neither true nor false, and counts as false", finding.Brief(e.value)), "", srcINI)
	}
	if e := f.get(section, "authorization_strategy"); e.value != "" {
		sec.strategy = []string{}
		for w := range strings.SplitSeq(e.value, " ") { // no other separator
			switch l := lowerASCII(w); l {
			case "capability", "group", "mapping":
				sec.strategy = append(sec.strategy, l)
			case "":
			default:
				c.note(e.line, finding.CfgValue, fmt.Sprintf("authorization_strategy does not know %s, and goes on without", finding.Brief(w)), "blanks separate capability, group and mapping", srcSciTokens+", Reconfig; measured on XRootD 5.8.1")
			}
		}
	}
	if !strings.HasPrefix(iss.value, "https://") || strings.ContainsAny(iss.value, " \t\"'") {
		c.note(iss.line, finding.CfgValue, fmt.Sprintf("issuer = %s is no https URL that a token could name", finding.Brief(iss.value)), "no quotes; a comment is ; after a blank", srcReconfig)
	}
	if first := c.section(iss.value); first != nil {
		c.note(iss.line, finding.CfgDuplicate, fmt.Sprintf("[Issuer %s] in line %d has the same issuer: this section is ignored, for its name sorts behind", finding.Brief(first.name), first.line), "give both paths to one base_path", srcXRootD)
		return
	}
	c.issuers = append(c.issuers, sec)
}

// pathList reads a list of paths; what is not absolute is left out without a word.
func (c *SciTokensConfig) pathList(e iniValue, key string) []string {
	var out []string
	for _, p := range commaList(e.value) {
		if p[0] != '/' {
			c.note(e.line, finding.CfgValue, fmt.Sprintf("%s of %s is not absolute, and is left out", finding.Brief(p), key), "blanks and commas separate paths; only ; after a blank begins a comment", srcReconfig)
			continue
		}
		out = append(out, path.Clean(p))
	}
	return out
}

// commaList splits at blanks and commas, as the plugin does; a tab is none.
func commaList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

var (
	globalKeys = []string{"audience", "audience_json", "onmissing"}
	issuerKeys = []string{"issuer", "base_path", "restricted_path", "map_subject", "default_user", "name_mapfile",
		"username_claim", "groups_claim", "authorization_strategy"}
	// Pelican's builds of XRootD have them (xrootd pull request 2397, not merged).
	pelicanKeys = []string{"acceptable_authorization", "required_authorization"}
)

// known tells of keys that the plugin never asks for.
func (c *SciTokensConfig) known(f *iniFile, section string, keys []string) {
	for _, k := range f.keys[section] {
		low := lowerASCII(k)
		switch {
		case slices.Contains(keys, low):
		case slices.Contains(pelicanKeys, low) && strings.HasPrefix(lowerASCII(section), "issuer "):
			c.note(f.get(section, k).line, finding.CfgIgnored, low+" counts in builds for Pelican alone, and was not looked at", "", "xrootd pull request 2397")
		default:
			hint := "known here: " + strings.Join(keys, " ")
			c.note(f.get(section, k).line, finding.CfgIgnored, fmt.Sprintf("%s is no key of this section, and is ignored", finding.Brief(k)), hint, srcReconfig)
		}
	}
}
