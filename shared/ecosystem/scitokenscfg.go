package ecosystem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
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
	usernameClaimSince = Version{5, 6, 0}
	longLinesSince     = Version{5, 6, 2}
	broadScopeSince    = Version{5, 6, 9}
	strategySince      = Version{5, 7, 0}
)

// iniLimits are the bytes of a line and of a name that the INI reader takes; the
// larger ones were measured on 5.8.1.
func iniLimits(v Version) (line, name int) {
	if v.Before(longLinesSince) {
		return 199, 49
	}
	return 1023, 1023
}

// maxFaults is how many faults of a file are told.
const maxFaults = 20

// SciTokensConfig is a scitokens.cfg as XRootD's SciTokens plugin reads it: with all
// that it leaves out without a word, which [SciTokensConfig.Explain] tells.
type SciTokensConfig struct {
	text      string
	audiences []string
	onMissing string // empty is passthrough
	issuers   []issuerSection
	// dropped are issuers of sections that the server ignores, with the reason.
	dropped map[string]string
	faults  []Finding
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
// [SciTokensConfig.Explain], with its line; an error says that it is no such file.
func ParseSciTokensConfig(b []byte) (*SciTokensConfig, error) {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not a scitokens.cfg: binary data")
	}
	return parseSciTokens(string(b), Version{})
}

func parseSciTokens(text string, v Version) (*SciTokensConfig, error) {
	c := &SciTokensConfig{text: text, dropped: map[string]string{}}
	f := c.readINI(text, v)
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
			c.note(f.began[section], "cfg-ignored", fmt.Sprintf("section [%s] is ignored", brief(section)), "an issuer's section is [Issuer NAME], with one blank and a name", srcReconfig)
		}
	}
	if len(c.issuers) == 0 && !c.broken {
		c.fault(0, "cfg-empty", "the server knows no issuer: every token is refused", "it takes an [Issuer NAME] section with issuer and base_path", srcReconfig+": \"No issuers configured\"")
	}
	return c, nil
}

// Audiences are those that the file names: audience and audience_json both count,
// whatever the README says (measured). Without any only tokens for any
// service pass.
func (c *SciTokensConfig) Audiences() []string { return slices.Clone(c.audiences) }

// Apply makes the service check audiences and paths as the file says: a scope's path
// counts from each base_path, held to restricted_path as the service's version does.
// The paths of an issuer that is not configured stay as they are, for
// [SciTokensConfig.Explain] tells of that.
func (c *SciTokensConfig) Apply(s *Service) {
	// Old servers cut lines that today's do not.
	if s.Version.Before(longLinesSince) {
		if old, err := parseSciTokens(c.text, s.Version); err == nil {
			*c = *old
		}
	}
	s.Accept(c.Audiences())
	s.ScopePaths = c.ScopePaths
	s.Paths = func(issuer, scopePath string) []string {
		if sec := c.section(issuer); sec != nil {
			return sec.paths(path.Clean("/"+scopePath), s.Version)
		}
		return []string{scopePath}
	}
}

// LetsAllIn reports whether the service lets in whom it does not authorise, with any
// token or none: onmissing = allow, where no login comes before.
func (c *SciTokensConfig) LetsAllIn(s *Service) bool {
	return c.onMissing == "allow" && s.web && !c.broken
}

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

func (sec *issuerSection) paths(scopePath string, v Version) []string {
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
func (sec *issuerSection) restrict(p string, v Version) []string {
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

// Explain says which section of the file is for the token's issuer, what the token's
// scopes become there, which user it makes of the token, and what of the file speaks
// against it; the file's own faults come first. s is the service that
// [SciTokensConfig.Apply] was called with.
func (c *SciTokensConfig) Explain(p Presented, s *Service) []Finding {
	out := slices.Clone(c.faults)
	if c.more > 0 {
		out = append(out, Finding{Code: "cfg-more", Remark: true, Message: fmt.Sprintf("scitokens.cfg has %d more faults", c.more)})
	}
	iss, ok := p.JWT.String("iss")
	if c.broken || len(c.issuers) == 0 || !ok || iss == "" {
		return out
	}
	if len(s.Audiences) == 0 {
		out = append(out, Finding{Code: "cfg-audience", Remark: true, Message: "scitokens.cfg names no audience: only tokens for any service pass",
			Hint: "set audience in [Global]", Source: srcReconfig})
	}
	sec := c.section(iss)
	if sec == nil {
		return append(append(out, c.unknownIssuer(iss)), c.missing()...)
	}
	out = append(out, sec.match(p, s.Version), sec.who(p, s.Version))
	if sec.capability(s.Version) {
		refused := sec.reach(p, s)
		out = append(out, refused...)
		if len(refused) > 0 || !sec.reaches(p, s) || c.onMissing == "allow" {
			out = append(out, c.missing()...)
		}
		return out
	}
	f := Finding{Code: "strategy-no-capability", Remark: c.onMissing != "deny",
		Message: fmt.Sprintf("authorization_strategy of [Issuer %s] is %q: scopes count for nothing there", brief(sec.name), brief(strings.Join(sec.strategy, " "))),
		Hint:    "add capability to it, if scopes are to count", Source: srcSciTokens + ", Access; measured on XRootD 5.8.1"}
	return append(append(out, f), c.missing()...)
}

// missing says what becomes of what the token does not authorise.
func (c *SciTokensConfig) missing() []Finding {
	switch c.onMissing {
	case "deny":
		return nil
	case "allow":
		return one(Finding{Code: "onmissing-allow", Remark: true, Message: "onmissing = allow: over https the server lets in whom it does not authorise, without a token too",
			Hint: "onmissing = deny, unless the file system itself decides", Source: srcXRootD})
	}
	return one(Finding{Code: "onmissing-next", Remark: true, Message: "what the token does not authorise is asked of the next plugin, which this file does not tell of",
		Hint: "see whether ofs.authlib has ++ and what the authorization database says; onmissing = deny ends it here", Source: srcSciTokens + ", OnMissing"})
}

func (c *SciTokensConfig) unknownIssuer(iss string) Finding {
	f := Finding{Code: "iss-not-configured", Message: fmt.Sprintf("scitokens.cfg has no section for the issuer %s", brief(iss)),
		Hint:   "add a section [Issuer NAME] with issuer = " + brief(iss) + " and a base_path",
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
		f.Hint = fmt.Sprintf("[Issuer %s] in line %d has %s: %s, and it is compared byte for byte", brief(sec.name), sec.line, brief(sec.issuer), near)
		return f
	}
	return f
}

// match tells the section and what the token's scopes become in it.
func (sec *issuerSection) match(p Presented, v Version) Finding {
	scopes, _ := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
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
		becomes = append(becomes, brief(r.scope)+" covers "+to)
	}
	if len(becomes) == 0 {
		becomes = []string{"the token has no scope for storage"}
	}
	return Finding{Code: "cfg-match", Remark: true, Source: srcAcls,
		Message: fmt.Sprintf("[Issuer %s] in line %d is for this issuer: %s", brief(sec.name), sec.line, joinFew(becomes, "; "))}
}

// who tells the user that the request gets.
func (sec *issuerSection) who(p Presented, v Version) Finding {
	f := Finding{Code: "cfg-user", Remark: true, Source: srcAcls}
	sub, _ := p.JWT.String("sub")
	switch {
	case sec.claim != "" && !v.Before(usernameClaimSince):
		if name, ok := p.JWT.String(sec.claim); ok {
			f.Message = fmt.Sprintf("the user is %s, the token's %s (username_claim)", brief(name), brief(sec.claim))
		} else {
			f.Code, f.Remark, f.Missing = "claim-missing", false, []string{sec.claim}
			f.Message = fmt.Sprintf("the token has no %s claim, which username_claim demands", brief(sec.claim))
			f.Hint, f.Source = "let the issuer write it, or use map_subject or default_user", "measured on XRootD 5.8.1"
			return f
		}
	case sec.mapSubject:
		f.Message = fmt.Sprintf("the user is %s, the token's subject (map_subject)", brief(sub))
	case sec.user != "":
		f.Message = fmt.Sprintf("the user is %s (default_user)", brief(sec.user))
	default:
		f.Message = "the request gets no user of its own: there is no default_user and no map_subject"
	}
	if sec.mapfile != "" {
		f.Message += fmt.Sprintf("; the first rule of name_mapfile that holds comes before, and %s was not read", brief(sec.mapfile))
		f.Hint = "a name_mapfile that is missing or no JSON list keeps the server from starting"
	}
	return f
}

func (sec *issuerSection) capability(v Version) bool {
	return sec.strategy == nil || v.Before(strategySince) || slices.Contains(sec.strategy, "capability")
}

// reaches reports whether a scope of the token covers what is to be done.
func (sec *issuerSection) reaches(p Presented, s *Service) bool {
	scopes, _ := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	return slices.ContainsFunc(rightsOf(scopes, kind), func(r right) bool {
		return r.allows(s.Access) && s.reaches(p, r)
	})
}

// reach finds what of base_path and restricted_path keeps the token from the path.
func (sec *issuerSection) reach(p Presented, s *Service) []Finding {
	if sec.reaches(p, s) {
		return nil
	}
	bases := slices.DeleteFunc(slices.Clone(sec.bases), func(b string) bool { return !within(b, s.Path) })
	if len(bases) == 0 {
		return one(Finding{Code: "path-outside-base", Message: fmt.Sprintf("%s is outside base_path %s of [Issuer %s]: no token of this issuer gets there", brief(s.Path), orNothing(sec.bases), brief(sec.name)),
			Hint: "check with a --path below base_path, or add to base_path what the issuer may give away", Source: srcAcls})
	}
	scopes, _ := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	var open []string // what a scope has to carry, as far as restricted_path lets it
	for _, b := range bases {
		rel := path.Clean("/" + strings.TrimPrefix(s.Path, b))
		if slices.ContainsFunc(sec.restrict(rel, s.Version), func(q string) bool { return within(q, rel) }) {
			open = append(open, rel)
		}
	}
	if len(open) == 0 {
		return one(Finding{Code: "path-restricted", Message: fmt.Sprintf("restricted_path %s of [Issuer %s] leaves nothing of %s to this issuer", orNothing(sec.restricted), brief(sec.name), brief(s.Path)),
			Hint: "restricted_path names what the issuer may give away, and counts from base_path", Source: srcAcls})
	}
	for _, r := range rightsOf(scopes, kind) {
		if !r.allows(s.Access) {
			continue
		}
		want, _, _ := strings.Cut(r.scope, ":")
		want = brief(want + ":" + open[0])
		switch {
		case len(sec.restricted) > 0 && slices.ContainsFunc(open, func(rel string) bool { return within(r.path, rel) }):
			return one(Finding{Code: "path-restricted", Message: fmt.Sprintf("%s is broader than restricted_path %s, and servers before %s take nothing of it", brief(r.scope), orNothing(sec.restricted), broadScopeSince),
				Hint: "ask for " + want, Source: srcXRootD + "; xrootd pull request 2152"})
		case within(r.path, s.Path):
			means := "nothing"
			if places := sec.paths(r.path, s.Version); len(places) > 0 {
				means = briefPaths(places, " and ")
			}
			return one(Finding{Code: "path-base", Message: fmt.Sprintf("%s means %s here, for a scope's path counts from base_path", brief(r.scope), means),
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
		short[i] = brief(short[i])
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

// fault is one that refuses every token.
func (c *SciTokensConfig) fault(line int, code, message, hint, source string) {
	c.add(line, Finding{Code: code, Message: message, Hint: hint, Source: source})
}

// note is one that leaves the file in force.
func (c *SciTokensConfig) note(line int, code, message, hint, source string) {
	c.add(line, Finding{Code: code, Message: message, Hint: hint, Source: source, Remark: true})
}

// halt is one that no server starts with.
func (c *SciTokensConfig) halt(line int, message string) {
	if !c.broken { // the server stops at the first
		c.broken = true
		c.fault(line, "cfg-broken", message+": no server starts with it", "one that runs goes on with what it read before", srcReconfig)
	}
}

func (c *SciTokensConfig) add(line int, f Finding) {
	// What refuses goes before all notes.
	at := slices.IndexFunc(c.faults, func(g Finding) bool { return g.Remark })
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
		c.halt(e.line, fmt.Sprintf("onmissing = %s is none of passthrough, allow and deny, in lower case", brief(e.value)))
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
		c.note(line, "cfg-ignored", fmt.Sprintf("section [%s] is ignored: %s", brief(section), why), "", srcReconfig)
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
		c.note(base.line, "cfg-value", "no path of base_path is absolute: no scope of this issuer counts", "base_path = /store", srcReconfig)
	}
	if r := f.get(section, "restricted_path"); r.value != "" {
		sec.restricted = c.pathList(r, "restricted_path")
		if len(sec.restricted) == 0 {
			c.note(r.line, "cfg-restriction", "no path of restricted_path is absolute, and then the issuer is not restricted at all", "write them absolute, counted from base_path", srcXRootD)
		}
		for _, p := range sec.restricted {
			if slices.ContainsFunc(sec.bases, func(b string) bool { return b != "/" && within(b, p) }) {
				c.note(r.line, "cfg-restriction", fmt.Sprintf("restricted_path %s counts from base_path: it is meant without that", brief(p)), "", srcXRootD)
			}
		}
		if slices.Contains(sec.restricted, "/") {
			c.note(r.line, "cfg-restriction", "restricted_path = / leaves scopes for / alone, from 5.6.9 on", "leave restricted_path out", srcAcls)
		}
	}
	switch e := f.get(section, "map_subject"); lowerASCII(e.value) {
	case "true", "yes", "on", "1":
		sec.mapSubject = true
	case "", "false", "no", "off", "0":
	default:
		c.note(e.line, "cfg-value", fmt.Sprintf("map_subject = %s is neither true nor false, and counts as false", brief(e.value)), "", srcINI)
	}
	if e := f.get(section, "authorization_strategy"); e.value != "" {
		sec.strategy = []string{}
		for w := range strings.SplitSeq(e.value, " ") { // no other separator
			switch l := lowerASCII(w); l {
			case "capability", "group", "mapping":
				sec.strategy = append(sec.strategy, l)
			case "":
			default:
				c.note(e.line, "cfg-value", fmt.Sprintf("authorization_strategy does not know %s, and goes on without", brief(w)), "blanks separate capability, group and mapping", srcSciTokens+", Reconfig; measured on XRootD 5.8.1")
			}
		}
	}
	if !strings.HasPrefix(iss.value, "https://") || strings.ContainsAny(iss.value, " \t\"'") {
		c.note(iss.line, "cfg-value", fmt.Sprintf("issuer = %s is no https URL that a token could name", brief(iss.value)), "no quotes; a comment is ; after a blank", srcReconfig)
	}
	if first := c.section(iss.value); first != nil {
		c.note(iss.line, "cfg-duplicate", fmt.Sprintf("[Issuer %s] in line %d has the same issuer: this section is ignored, for its name sorts behind", brief(first.name), first.line), "give both paths to one base_path", srcXRootD)
		return
	}
	c.issuers = append(c.issuers, sec)
}

// pathList reads a list of paths; what is not absolute is left out without a word.
func (c *SciTokensConfig) pathList(e iniValue, key string) []string {
	var out []string
	for _, p := range commaList(e.value) {
		if p[0] != '/' {
			c.note(e.line, "cfg-value", fmt.Sprintf("%s of %s is not absolute, and is left out", brief(p), key), "blanks and commas separate paths; only ; after a blank begins a comment", srcReconfig)
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
			c.note(f.get(section, k).line, "cfg-ignored", low+" counts in builds for Pelican alone, and was not looked at", "", "xrootd pull request 2397")
		default:
			hint := "known here: " + strings.Join(keys, " ")
			c.note(f.get(section, k).line, "cfg-ignored", fmt.Sprintf("%s is no key of this section, and is ignored", brief(k)), hint, srcReconfig)
		}
	}
}

// iniFile is what the INI reader hands to the plugin.
type iniFile struct {
	// headed says that there is a section at all.
	headed   bool
	sections []string // those with a key, in their spelling
	began    map[string]int
	keys     map[string][]string
	values   map[string]iniValue
}

type iniValue struct {
	value string
	line  int
}

func (f *iniFile) get(section, key string) iniValue { return f.values[lowerASCII(section+"="+key)] }

// iniSpace is C's isspace.
const iniSpace = " \t\n\v\f\r"

// readINI reads as the plugin's INI reader does: sections and keys in any case, = or
// : between key and value, ; and # at the beginning of a line and ; behind a blank as
// comments; a later value replaces an earlier one, and so does an indented line,
// which belongs to the key before it.
func (c *SciTokensConfig) readINI(text string, v Version) *iniFile {
	iniLine, iniName := iniLimits(v)
	f := &iniFile{began: map[string]int{}, keys: map[string][]string{}, values: map[string]iniValue{}}
	section, previous, alike := "", "", map[string]int{}
	set := func(line int, key, value string, continued bool) {
		if section == "" {
			c.note(line, "cfg-ignored", fmt.Sprintf("%s stands before any section, and is ignored", brief(key)), "", srcINI)
			return
		}
		old, again := f.values[lowerASCII(section+"="+key)]
		if len(f.keys[section]) == 0 {
			f.sections = append(f.sections, section)
		}
		if !again {
			f.keys[section] = append(f.keys[section], key)
		}
		switch {
		case continued:
			c.note(line, "cfg-line", fmt.Sprintf("the indented line is a new value of %s: it replaces %s", brief(key), orEmpty(old.value)), "begin each key at the beginning of its line, and keep a list in one", srcINI)
		case again:
			c.note(line, "cfg-duplicate", fmt.Sprintf("%s replaces what line %d says", brief(key), old.line), "", srcINI)
		}
		f.values[lowerASCII(section+"="+key)] = iniValue{value, line}
	}
	n := 0
	for raw := range strings.Lines(text) {
		n++
		if strings.TrimRight(raw[min(len(raw), iniLine):], iniSpace) != "" {
			c.note(n, "cfg-line", fmt.Sprintf("longer than %d bytes: the rest is read as a line of its own", iniLine), "shorten it; comments count too", srcINI)
		}
		for first := true; first || raw != ""; first = false {
			chunk := raw[:min(len(raw), iniLine)]
			raw = raw[len(chunk):]
			if n == 1 && first {
				chunk = strings.TrimPrefix(chunk, "\ufeff")
			}
			text := strings.TrimRight(chunk, iniSpace)
			start := strings.TrimLeft(text, iniSpace)
			switch {
			case start == "" || start[0] == ';' || start[0] == '#':
			case previous != "" && len(start) < len(text):
				set(n, previous, uncomment(start), true)
			case start[0] == '[':
				end := iniEnd(start[1:], "]")
				if end == len(start)-1 || start[1+end] != ']' {
					c.halt(n, "a section's name has no ] at its end")
					continue
				}
				section, previous = start[1:1+end], ""
				f.headed = true
				if len(section) > iniName {
					section = section[:iniName]
					c.note(n, "cfg-line", fmt.Sprintf("the section's name is longer than %d bytes: the rest is cut off, and sections that are alike so far are one", iniName), "shorten it", srcINI)
				}
				if began, ok := f.began[section]; ok {
					c.note(n, "cfg-duplicate", fmt.Sprintf("section [%s] is in line %d too: they are one, and later values count", brief(section), began), "", srcINI)
					continue
				}
				if began, ok := alike[lowerASCII(section)]; ok {
					c.note(n, "cfg-duplicate", fmt.Sprintf("section [%s] is in line %d too: upper and lower case count for nothing", brief(section), began), "", srcINI)
				}
				f.began[section], alike[lowerASCII(section)] = n, n
			default:
				end := iniEnd(start, "=:")
				if end == len(start) || start[end] != '=' && start[end] != ':' {
					c.halt(n, "neither a section nor key = value")
					continue
				}
				key := strings.TrimRight(start[:end], iniSpace)
				set(n, key, uncomment(strings.TrimLeft(start[end+1:], iniSpace)), false)
				previous = key[:min(len(key), iniName)]
			}
		}
	}
	return f
}

func orEmpty(s string) string {
	if s == "" {
		return "an empty one"
	}
	return brief(s)
}

// iniEnd is where one of the characters stands, or a comment begins, or s ends.
func iniEnd(s, chars string) int {
	for i := range len(s) {
		if strings.IndexByte(chars, s[i]) >= 0 || s[i] == ';' && i > 0 && strings.IndexByte(iniSpace, s[i-1]) >= 0 {
			return i
		}
	}
	return len(s)
}

func uncomment(s string) string { return strings.TrimRight(s[:iniEnd(s, "")], iniSpace) }

// lowerASCII is C's tolower on each byte.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
