package condor

import (
	"cmp"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
)

// authorization is the authorization policy of a site: its ALLOW and DENY rules.
type authorization struct {
	// allow and deny are the rules by level, READ or WRITE.
	allow, deny map[string]ruleList
	// uidDomain is the domain of users without a domain.
	uidDomain string
	// defaults means that these are the default rules of an HTCondor-CE, not a site's.
	defaults bool
}

// ruleList is the value of a parameter such as ALLOW_WRITE.
type ruleList struct {
	name  string
	rules []string
}

// ceDefaults returns the default rules of an HTCondor-CE (config/05-ce-auth-defaults.conf
// and 90-ban.conf of htcondor-ce).
func ceDefaults() *authorization {
	banned := []string{"*@banned.htcondor.org", "*@unmapped.htcondor.org", "*@unmapped", "anonymous@*", "unmapped@*"}
	return &authorization{defaults: true, uidDomain: "users.htcondor.org",
		allow: map[string]ruleList{"READ": {"ALLOW_READ", []string{"*"}}, "WRITE": {"ALLOW_WRITE", []string{"*@users.htcondor.org"}}},
		deny:  map[string]ruleList{"WRITE": {"DENY_WRITE", banned}},
	}
}

// authorization returns the rules in the configuration.
func (c *Config) authorization() *authorization {
	a := &authorization{allow: map[string]ruleList{}, deny: map[string]ruleList{}}
	a.uidDomain, _ = c.value("UID_DOMAIN")
	for _, level := range []string{"READ", "WRITE", "DAEMON", "ADMINISTRATOR"} {
		if v, found := c.setting("ALLOW_", level, ""); found != "" {
			a.allow[level] = ruleList{found, list(v)}
		}
		if v, found := c.setting("DENY_", level, ""); found != "" {
			a.deny[level] = ruleList{found, list(v)}
		}
	}
	return a
}

// impliedBy lists the levels that include a level (DCpermissionHierarchy).
func impliedBy(level string) []string {
	switch level {
	case "READ":
		return []string{"WRITE", "ADMINISTRATOR"}
	case "WRITE":
		return []string{"ADMINISTRATOR", "DAEMON"}
	}
	return nil
}

// decision is the result for a user.
type decision struct {
	allowed bool
	// rule is the rule that decided, such as "*@unmapped", and name its parameter. rule is
	// "" if no rule matched.
	name, rule string
	// host means that the decision depends on the client's host.
	host bool
}

// decide applies the rules to a user with a domain. DENY takes precedence (IpVerify::Verify).
func (a *authorization) decide(level, user string) decision {
	if d, ok := a.match(a.deny[level], user); ok && !d.host {
		d.allowed = false
		return d
	}
	d, ok := a.match(a.allow[level], user)
	if ok {
		d.allowed = true
		if hosts, ok := a.match(a.deny[level], user); ok && hosts.host {
			hosts.allowed = true
			return hosts
		}
		return d
	}
	for _, higher := range impliedBy(level) {
		if d := a.decide(higher, user); d.allowed {
			return d
		}
	}
	return decision{name: a.allow[level].name}
}

// match finds the rule that matches the user, preferably one for all hosts.
func (a *authorization) match(list ruleList, user string) (decision, bool) {
	var limited *decision
	for _, r := range list.rules {
		who, host := splitRule(r)
		if !wildcard(who, user) {
			continue
		}
		d := decision{name: list.name, rule: r, host: host != "*"}
		if !d.host {
			return d, true
		}
		if limited == nil {
			limited = &d
		}
	}
	if limited != nil {
		return *limited, true
	}
	return decision{}, false
}

// splitRule splits a rule USER/HOST. A rule without a slash is for a user on all hosts if it
// contains @, otherwise for all users on a host (IpVerify::split_entry).
func splitRule(r string) (user, host string) {
	user, host, slash := strings.Cut(r, "/")
	switch {
	case !slash && r == "*":
		return "*", "*"
	case !slash && strings.Contains(r, "@"):
		return r, "*"
	case !slash:
		return "*", r
	case !strings.Contains(user, "@") && user != "*":
		return "*", r // a network, such as 192.0.2.0/24
	}
	return user, host
}

// wildcard reports whether a pattern matches a user, ignoring case. Only the first * is a
// wildcard, except that a pattern may also both begin and end with one (measured).
func wildcard(pattern, user string) bool {
	pattern, user = strings.ToLower(pattern), strings.ToLower(user)
	before, after, star := strings.Cut(pattern, "*")
	switch {
	case !star:
		return pattern == user
	case before == "" && strings.HasSuffix(after, "*"):
		return strings.Contains(user, strings.TrimSuffix(after, "*"))
	}
	return len(user) >= len(before)+len(after) && strings.HasPrefix(user, before) && strings.HasSuffix(user, after)
}

// judge reports whether the rules authorize the user to whom the token is mapped for the
// level.
func (a *authorization) judge(level, user string) finding.Finding {
	if !strings.Contains(user, "@") {
		user += "@" + a.uidDomain
	}
	d := a.decide(level, user)
	where := "the configuration"
	source := srcConfig
	if a.defaults {
		where, source = "an HTCondor-CE's default configuration", "htcondor-ce config/05-ce-auth-defaults.conf and 90-ban.conf; measured on HTCondor 23.9.6 and 25.14.1"
	}
	f := finding.Finding{Code: finding.Denied, Source: source, Users: []string{user}}
	shown := finding.Brief(user)
	switch {
	case d.allowed && d.host:
		f.Code, f.Remark = finding.Authorized, true
		f.Message = fmt.Sprintf("%s: whether user %s has level %s depends on the client's host (%s = %s)", where, shown, level, d.name, finding.Brief(d.rule))
	case d.allowed:
		f.Code, f.Remark = finding.Authorized, true
		f.Message = fmt.Sprintf("%s authorizes user %s for %s (%s = %s)", where, shown, level, d.name, finding.Brief(d.rule))
	case d.rule != "":
		f.Message = fmt.Sprintf("%s denies %s to user %s (%s = %s)", where, level, shown, d.name, finding.Brief(d.rule))
		f.Hint = "map the token to another user, or remove the rule"
	default:
		// The configured parameter, such as ALLOW_WRITE_SCHEDD, takes precedence over
		// ALLOW_WRITE.
		name := cmp.Or(d.name, "ALLOW_"+level)
		f.Message = fmt.Sprintf("%s does not authorize user %s for %s: no rule in %s matches", where, shown, level, name)
		f.Hint = fmt.Sprintf("map the token to another user, or add this line: %s = $(%s) %s", name, name, shown)
	}
	return f
}
