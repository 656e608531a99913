package xrootd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// NameMap is the JSON file that name_mapfile names. Its rules map requests to users.
type NameMap struct {
	rules []nameRule
	// unread lists the first keys that the plugin ignores, without duplicates.
	unread []string
}

// nameRule is one rule. Empty conditions match everything.
type nameRule struct {
	number                     int
	sub, username, path, group string
	result                     string
}

// srcNameMap cites the source of the rules for name_mapfile.
const srcNameMap = srcSciTokens + ", ParseMapfile; measured on XRootD 5.5.3, 5.8.1 and 6.2.0"

// maxNameRules limits the cost of a malicious file.
const maxNameRules = 10000

// ParseNameMap parses a name_mapfile. An error gives the reason why no server starts with
// it.
func ParseNameMap(b []byte) (*NameMap, error) {
	var list []json.RawMessage
	// The plugin ignores text after the JSON value.
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&list); err != nil || list == nil {
		return nil, errors.New("not a name_mapfile: it must be a JSON list of objects, and no server starts with this file")
	}
	if len(list) > maxNameRules {
		return nil, fmt.Errorf("more than %d rules", maxNameRules)
	}
	m := &NameMap{}
	for i, raw := range list {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil || object == nil {
			return nil, fmt.Errorf("rule %d is not a JSON object, so no server starts with the file", i+1)
		}
		r, ignored, err := m.rule(object)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		switch {
		case ignored:
		case r.result == "":
			return nil, fmt.Errorf("rule %d has no result, so no server starts with the file", i+1)
		default:
			r.number = i + 1
			m.rules = append(m.rules, r)
		}
	}
	return m, nil
}

// rule parses one rule. ignored means that the rule has the key ignore, so the plugin skips
// it. The plugin reads keys in the order of a std::map, and stops at ignore.
func (m *NameMap) rule(object map[string]json.RawMessage) (r nameRule, ignored bool, err error) {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		var s string
		isString := object[k][0] == '"' && json.Unmarshal(object[k], &s) == nil
		field := map[string]*string{"sub": &r.sub, "username": &r.username, "path": &r.path, "group": &r.group, "result": &r.result}[k]
		switch {
		case !isString && slices.Contains([]string{"sub", "path", "group", "result"}, k):
			return r, false, fmt.Errorf("%s is not a string, so no server starts with the file", k)
		case !isString:
		case k == "ignore":
			return r, true, nil
		case field == nil:
			if !slices.Contains(m.unread, k) && len(m.unread) < 5 {
				m.unread = append(m.unread, k)
			}
		case k == "path":
			if !strings.HasPrefix(s, "/") {
				return r, false, fmt.Errorf("the path %s is not absolute, so no server starts with the file", finding.Brief(s))
			}
			r.path = path.Clean(s)
		default:
			*field = s
		}
	}
	return r, false, nil
}

// requester is the user of a token, as the rules match it.
type requester struct {
	sub, username string
	groups        []string
}

// user returns the result of the first matching rule and the number of the rule, or 0 if no
// rule matches. The path of a rule is relative to each base_path.
func (m *NameMap) user(q requester, bases []string, requested string, v service.Version) (user string, number int) {
	for _, r := range m.rules {
		for _, b := range bases {
			if r.matches(q, path.Clean(b+"/"+r.path), requested, v) {
				return r.result, r.number
			}
		}
	}
	return "", 0
}

// matches reports whether the rule, with the path dir on the server, matches a request for a
// path.
func (r nameRule) matches(q requester, dir, requested string, v service.Version) bool {
	switch {
	case r.sub != "" && r.sub != q.sub:
	case r.username != "" && r.username != q.username && !v.Before(usernameClaimSince):
	case v.Before(mapPathFixed) && !strings.HasPrefix(requested, dir):
	case !v.Before(mapPathFixed) && !within(dir, requested):
	case r.group != "" && !slices.Contains(q.groups, r.group):
	default:
		return true
	}
	return false
}

// mapPathFixed is the first version that compares the paths of rules by components
// (measured: 5.8.1 does not, 6.2.0 does).
var mapPathFixed = service.Version{Major: 5, Minor: 9, Patch: 3}

// groupsOf returns the groups of a token, from wlcg.groups or the claim that groups_claim
// names.
func (sec *issuerSection) groupsOf(j *token.JWT, v service.Version) []string {
	claim := "wlcg.groups"
	if sec.groups != "" && !v.Before(usernameClaimSince) {
		claim = sec.groups
	}
	var out []string
	if json.Unmarshal(j.Raw(claim), &out) != nil {
		return nil
	}
	return out
}

// safeName matches the user names that are accepted from username_claim since 5.9.3 and
// 6.0.1.
var safeName = text.Pattern{Expr: `^[A-Za-z0-9._@][A-Za-z0-9._@-]*$`}

// checkedNames reports whether the version checks user names from username_claim.
func checkedNames(v service.Version) bool {
	return !v.Before(service.Version{Major: 5, Minor: 9, Patch: 3}) && v != service.Version{Major: 6}
}

// claimed returns the user name before name_mapfile is applied, and where it comes from.
// refused is not nil if the server refuses the token because of the name.
func (sec *issuerSection) claimed(j *token.JWT, v service.Version) (name, from string, refused *finding.Finding) {
	switch {
	case sec.claim != "" && !v.Before(usernameClaimSince):
		name, ok := j.String(sec.claim)
		if !ok {
			return "", "", &finding.Finding{Code: finding.ClaimMissing, Missing: []string{sec.claim},
				Message: fmt.Sprintf("the token has no %s claim, which username_claim requires", finding.Brief(sec.claim)),
				Hint:    "let the issuer set it, or use map_subject or default_user", Source: "measured on XRootD 5.8.1"}
		}
		if checkedNames(v) && !safeName.Get().MatchString(name) {
			return "", "", &finding.Finding{Code: finding.CfgUserName,
				Message: fmt.Sprintf("the token's %s is %s, which is not a user name for XRootD 5.9.3, 6.0.1 and later (\"contains unsafe characters; rejecting\")", finding.Brief(sec.claim), strconv.Quote(finding.Brief(name))),
				Hint:    "use a claim whose values consist of letters, digits and ._@-, and do not begin with -", Source: "measured on XRootD 6.2.0"}
		}
		return name, "the token's " + finding.Brief(sec.claim) + " (username_claim)", nil
	case sec.mapSubject:
		name, _ := j.String("sub")
		return name, "the token's subject (map_subject)", nil
	case sec.user != "":
		return sec.user, "default_user", nil
	}
	return "", "", nil
}

// requestUser reports the user of the request.
func (sec *issuerSection) requestUser(p service.Presented, s *Server) finding.Finding {
	name, from, refused := sec.claimed(p.JWT, s.version)
	if refused != nil {
		return *refused
	}
	f := finding.Finding{Code: finding.CfgUser, Remark: true, Source: srcAcls}
	f.Message = "the request has no user, because there is no default_user and no map_subject"
	if from != "" {
		f.Message, f.Users = fmt.Sprintf("the user is %s: %s", finding.Brief(name), from), []string{name}
	}
	switch {
	case sec.mapfile == "":
		return f
	case s.names == nil:
		f.Message += fmt.Sprintf("; a matching rule in name_mapfile takes precedence, but %s was not read", finding.Brief(sec.mapfile))
		f.Hint = "pass the file with --name-mapfile"
		return f
	}
	sub, _ := p.JWT.String("sub")
	q := requester{sub: sub, username: name, groups: sec.groupsOf(p.JWT, s.version)}
	f.Source = srcNameMap
	if user, number := s.names.user(q, sec.bases, s.path, s.version); number > 0 {
		f.Message, f.Users = fmt.Sprintf("the user is %s: rule %d of name_mapfile", finding.Brief(user), number), []string{user}
		return f
	}
	f.Message += "; no rule of name_mapfile matches"
	return f
}
