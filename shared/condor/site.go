package condor

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// site is the known configuration of HTCondor at a site.
type site struct {
	config *Config
	rules  *authorization
	// maps is the map file. If CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS is not known, other is
	// the same file, parsed with the other value of the setting.
	maps, other *MapFile
}

// optionalRead is the first version whose default configuration makes authentication
// optional, both for READ and for clients.
var optionalRead = service.Version{Major: 24}

// level is the authorization level of the operation.
func (c *CE) level() string {
	if c.write {
		return "WRITE"
	}
	return "READ"
}

// judgeSite checks a token against the site's configuration: authentication methods,
// mapping, and authorization of the user.
func (c *CE) judgeSite(p service.Presented) []finding.Finding {
	var out []finding.Finding
	if cfg := c.site.config; cfg != nil {
		out = append(out, cfg.mistakes()...)
		out = append(out, c.methods()...)
	}
	out = append(out, c.readOpen()...)
	if c.site.maps == nil {
		return out
	}
	iss, sub, missing := identity(p.JWT)
	if missing != nil {
		return append(out, *missing)
	}
	iss = c.mappedIssuer(iss, sub)
	list := c.site.maps.judge(c.site.other, iss, sub)
	out = append(out, list...)
	found := c.site.maps.find(iss, sub)
	if c.site.rules == nil || found.entry == nil || !found.certain || finding.AnyRefuses(list) || found.user == "" || strings.HasPrefix(found.user, "PLUGIN:") {
		return out
	}
	return append(out, c.site.rules.judge(c.level(), found.user))
}

// nameAudience adds the line of the configuration that determines the audience, or the line
// to add, to the findings about the audience.
func (c *CE) nameAudience(list []finding.Finding) []finding.Finding {
	if c.site.config == nil || len(c.options.Audiences) > 0 {
		return list
	}
	v, name := c.site.config.value(audienceSetting)
	for k := range list {
		f := &list[k]
		switch {
		case f.Code != finding.AudMismatch && f.Code != finding.AudMissing:
		case name == "":
			f.Hint = fmt.Sprintf("add this line to the server's configuration: %s = %s. Without one, it accepts only tokens for any service", audienceSetting, c.audience)
		default:
			f.Message += fmt.Sprintf(" (%s = %s)", name, finding.Brief(v))
		}
	}
	return list
}

// identity returns the issuer and the subject, which map files map, or a finding if one of
// them is missing.
func identity(j *token.JWT) (iss, sub string, missing *finding.Finding) {
	iss, _ = j.String("iss")
	sub, ok := j.String("sub")
	if !ok || iss == "" {
		return "", "", &finding.Finding{Code: finding.ClaimMissing, Missing: []string{"sub"}, Message: "the token has no issuer and subject to map",
			Hint: "the issuer must set iss and sub, as strings", Source: "RFC 7519 section 4.1"}
	}
	return iss, sub, nil
}

// mappedIssuer returns the issuer that is looked up in the map file. With
// SEC_SCITOKENS_ALLOW_EXTRA_SLASH, it may also be the issuer without a slash at its end, but
// a slash in the map file is not ignored (measured).
func (c *CE) mappedIssuer(iss, sub string) string {
	if c.site.config == nil || !c.site.config.boolean("SEC_SCITOKENS_ALLOW_EXTRA_SLASH", false) {
		return iss
	}
	for _, other := range []string{iss, strings.TrimSuffix(iss, "/")} {
		if c.site.maps.find(other, sub).entry != nil {
			return other
		}
	}
	return iss
}

// judge returns the findings of [MapFile.User]. If other, the file parsed with the other
// setting, maps the identity, they are only remarks.
func (m *MapFile) judge(other *MapFile, iss, sub string) []finding.Finding {
	list := m.User(iss, sub)
	if other == nil || !finding.AnyRefuses(list) {
		return list
	}
	found := other.find(iss, sub)
	if found.entry == nil {
		return list
	}
	setting := map[bool]string{true: "True, as an HTCondor-CE sets it", false: "False, HTCondor's default"}
	for i := range list {
		list[i].Remark = true
	}
	return append(list, finding.Finding{Code: finding.MapUnknown, Remark: true, Source: srcMapFile, Users: []string{found.user},
		Message: fmt.Sprintf("with CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = %s, map file line %d maps the token to %s", setting[other.hashKeys], found.entry.line, finding.Brief(found.user)),
		Hint:    "pass the output of condor_config_val -dump with --condor-config"})
}

// methods checks that the server accepts tokens for authentication.
func (c *CE) methods() []finding.Finding {
	cfg, level := c.site.config, c.level()
	if v, name := cfg.setting("SEC_", level, "_AUTHENTICATION"); strings.EqualFold(v, "NEVER") && (c.write || cfg.needsKey(level) || c.version.Before(optionalRead)) {
		return one(finding.Finding{Code: finding.MethodOff, Message: fmt.Sprintf("%s = %s: the server does not authenticate clients at level %s", name, v, level),
			Hint: fmt.Sprintf("set SEC_%s_AUTHENTICATION = REQUIRED", level), Source: srcConfig})
	}
	v, name := cfg.setting("SEC_", level, "_AUTHENTICATION_METHODS")
	methods := list(v)
	if name == "" || slices.ContainsFunc(methods, isSciTokens) {
		return nil
	}
	f := finding.Finding{Code: finding.MethodOff, Message: fmt.Sprintf("%s = %s: the server does not accept tokens for authentication", name, finding.Brief(v)),
		Hint: fmt.Sprintf("add SCITOKENS: %s = %s", name, finding.Brief(strings.Join(append([]string{"SCITOKENS"}, methods...), ", "))), Source: srcConfig}
	for _, m := range methods {
		if near := text.Nearest(strings.ToUpper(m), []string{"SCITOKENS"}); near != "" {
			f.Hint = fmt.Sprintf("write SCITOKENS instead of %s in %s", finding.Brief(m), name)
		}
	}
	return one(f)
}

// needsKey reports whether encryption or integrity is required. Both need a session key, and
// so authentication.
func (c *Config) needsKey(level string) bool {
	for _, what := range []string{"_ENCRYPTION", "_INTEGRITY"} {
		if v, _ := c.setting("SEC_", level, what); strings.EqualFold(v, "REQUIRED") {
			return true
		}
	}
	return false
}

// isSciTokens reports whether m is the method SCITOKENS. In lists of methods, HTCondor also
// accepts SCITOKEN (measured), but not in a map file.
func isSciTokens(m string) bool {
	return strings.EqualFold(m, "SCITOKENS") || strings.EqualFold(m, "SCITOKEN")
}

// readOpen returns a remark if viewing jobs may need no authentication.
func (c *CE) readOpen() []finding.Finding {
	if c.write || c.version.Before(optionalRead) {
		return nil
	}
	f := finding.Finding{Code: finding.ReadOpen, Remark: true, Source: "HTCondor, security configuration since 24.0; measured on HTCondor 25.14.1",
		Message: "viewing jobs may need no token: since HTCondor 24, the shipped configuration has SEC_READ_AUTHENTICATION = OPTIONAL",
		Hint:    "check with --condor-config, or set SEC_READ_AUTHENTICATION = REQUIRED on the server"}
	if cfg := c.site.config; cfg != nil {
		v, name := cfg.setting("SEC_", "READ", "_AUTHENTICATION")
		if strings.EqualFold(v, "REQUIRED") {
			return nil
		}
		setting := name + " = " + v
		if name == "" {
			setting = "SEC_READ_AUTHENTICATION is not set, so it is OPTIONAL"
		}
		f.Hint = "set SEC_READ_AUTHENTICATION = REQUIRED on the server"
		f.Message = setting + ": a client that does not insist on authentication views jobs without a token"
	}
	return one(f)
}

// LetsAllIn implements [service.Open].
func (c *CE) LetsAllIn() string {
	cfg := c.site.config
	if cfg == nil || c.write || c.version.Before(optionalRead) {
		return ""
	}
	v, name := cfg.setting("SEC_", "READ", "_AUTHENTICATION")
	if strings.EqualFold(v, "REQUIRED") || strings.EqualFold(v, "NEVER") && cfg.needsKey("READ") {
		return ""
	}
	if d := c.site.rules.decide("READ", "unauthenticated@unmapped"); !d.allowed {
		return ""
	}
	if name == "" {
		return "SEC_READ_AUTHENTICATION is OPTIONAL"
	}
	return name + " = " + v
}

// foreignIssuers is the default of SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS.
var foreignIssuers = []string{"https://aai-dev.egi.eu/auth/realms/egi"}

// foreign reports whether the token is of a foreign type: from one of
// SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS, and without a version claim.
func (c *CE) foreign(j *token.JWT) bool {
	issuers := foreignIssuers
	if cfg := c.site.config; cfg != nil {
		if !cfg.boolean("SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES", true) {
			return false
		}
		if v, found := cfg.value("SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS"); found != "" {
			issuers = list(v)
		}
	}
	iss, _ := j.String("iss")
	return !j.Has("wlcg.ver") && !j.Has("ver") && slices.Contains(issuers, iss) && !c.version.Before(foreignSince)
}

// foreignSince is the first version that accepts tokens of foreign types.
var foreignSince = service.Version{Major: 9}

// judgeForeign removes the findings that HTCondor does not apply to tokens of foreign types.
func (c *CE) judgeForeign(p service.Presented, list []finding.Finding) []finding.Finding {
	if !c.foreign(p.JWT) {
		return list
	}
	list = slices.DeleteFunc(list, func(f finding.Finding) bool {
		return f.Code == finding.VersionMissing || f.Code == finding.AudMissing || f.Code == finding.AudMismatch
	})
	return append(list, finding.Finding{Code: finding.ForeignIssuer, Remark: true, Source: srcConfig,
		Message: "the issuer is one of SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS: HTCondor accepts its tokens without a version claim, for any audience"})
}
