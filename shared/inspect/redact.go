package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// redactor masks data that identifies persons, for reports that are posted to tickets. A
// value has the same mask everywhere, in all tokens of a run. Case is ignored.
type redactor struct {
	masks  map[string]string
	counts map[string]int
	// forms has the values as they can occur in other texts. long has those that messages may
	// shorten at the beginning. All are in lower case.
	forms prefixes
	long  []string
}

func newRedactor() *redactor {
	return &redactor{masks: map[string]string{}, counts: map[string]int{}}
}

// personalName matches the names of claims whose values are masked, in lower case and without
// separators and URL prefixes, because issuers also use names such as displayName and
// https://example.org/claims/email.
var personalName = text.Pattern{Expr: `^(sub|subid|subject|subjectid|id|jti|sid|sessionstate|sessionid|nonce|uti|rh|aio|oid|puid|altsecid|originjti|eventid|tokenid|athash|chash|shash|ath|` +
	`cn|sn|gn|name|(nick|given|family|middle|first|last|full|display|common|sur|preferreduser|user|unique|principal|samaccount|userprincipal|cognito:?user|account)name|surname|` +
	`user|userid|userlogin|useridentities|uid|upn|login|actor|actorid|owner|person|personid|employee(id|number)|profile|picture|website|` +
	`.*mails?|.*mailaddress(es)?|contacts?|(tele)?phone(number)?|mobile|address|birthdate|gender|zoneinfo|locale|ssh(public)?keys?|externalid|ga4ghpassportv1|act|mayact|posix|` +
	`uidnumber|gidnumber|eppn|eptid|epuid|orcid|pairwiseid|persistentid|oidc|itrustuin|.*dn|x509.*|ipaddr|client(host|address)|` +
	`cern.*|onpremsid|device(id|key)|voperson.*(id|uid)|eduperson(principalname|targetedid|uniqueid|orcid)|kubernetesio.*|credentialsubject)$`}

// personal reports whether the values of a claim, or of a member of an object in a claim, are
// masked.
func personal(name string) bool {
	if strings.Contains(name, "://") {
		name = name[strings.LastIndexAny(name, "/#:")+1:]
	}
	name = strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
	return personalName.Get().MatchString(name) && !strings.HasSuffix(name, "verified")
}

// general reports whether a member of an object that describes a person does not identify
// the person, such as the issuer of a subject.
func general(name string) bool {
	switch name {
	case "iss", "issuer", "aud", "type", "typ", "format", "subject_type", "client_id":
		return true
	}
	return false
}

// inText matches data that identifies a person in any text: a mail address, the common name
// of a certificate's subject, and the owner of a home directory.
var inText = text.Pattern{Expr: `[\pL\pN._%+-][\pL\pN._%+'-]*(?:@|%40)[\pL\pN-]+(?:\.[\pL\pN-]+)+|CN=([^,/+"\s][^,/+"]*)|/(?:home|Users|store/user|user/[a-z0-9])/([A-Za-z0-9_][A-Za-z0-9._-]*)`}

// inTextChars has characters of which every match of inText contains one. It takes less time to
// search for them.
const inTextChars = "@%=/"

// learn collects the values of a token that are masked.
func (r *redactor) learn(j *token.JWT) {
	for _, list := range [][]token.Member{j.Members(), j.HeaderMembers()} {
		for _, m := range list {
			each(m, func(name string, v any, personal bool) {
				switch v := v.(type) {
				case string:
					if personal {
						r.add(name, v)
					}
				case json.Number:
					if personal {
						r.add(name, v.String())
					}
				}
			})
		}
	}
	// Do this last, because a mask is named after the claim with the value, if there is one.
	for _, list := range [][]token.Member{j.Members(), j.HeaderMembers()} {
		for _, m := range list {
			r.learnText(m.Name)
			each(m, func(_ string, v any, _ bool) {
				if s, ok := v.(string); ok {
					r.learnText(s)
				}
			})
		}
	}
	r.learnEscaped(j.Claims)
	r.learnEscaped(j.Header)
}

// learnEscaped collects the values of an object that are written with escapes, because messages
// may show the JSON of a claim.
func (r *redactor) learnEscaped(object []byte) {
	token.Strings(object, func(_ [][]byte, raw []byte) {
		var s string
		if bytes.IndexByte(raw, '\\') < 0 || json.Unmarshal(slices.Concat([]byte{'"'}, raw, []byte{'"'}), &s) != nil {
			return
		}
		if mask := r.masks[lowered(s)]; mask != "" && len(s) >= shortest {
			r.addForm(string(raw), mask)
		}
	})
}

// each calls f for all names and values in a claim. name is that of the outermost personal
// member that contains the value.
func each(m token.Member, f func(name string, v any, personal bool)) {
	var v any
	d := json.NewDecoder(bytes.NewReader(m.Value))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return
	}
	var walk func(string, any, bool)
	walk = func(name string, v any, masked bool) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(name, e, masked)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				inner := name
				if !masked {
					inner = k
				}
				f(k, k, false)
				walk(inner, v[k], masked && !general(k) || personal(k))
			}
		default:
			f(name, v, masked)
		}
	}
	walk(m.Name, v, personal(m.Name))
}

// learnText collects data in a text that identifies persons.
func (r *redactor) learnText(s string) {
	if !strings.ContainsAny(s, inTextChars) {
		return
	}
	for _, m := range inText.Get().FindAllStringSubmatch(s, -1) {
		switch {
		case m[1] != "":
			r.add("cn", m[1])
		case m[2] != "":
			r.add("user", m[2])
		default:
			r.add("mail", strings.ReplaceAll(m[0], "%40", "@"))
		}
	}
}

// identifies reports whether the name of a claim identifies a person.
func identifies(name string) bool {
	return strings.ContainsAny(name, inTextChars) && inText.Get().MatchString(name)
}

// users collects the local users to whom a site maps a token. It does not mask their domains,
// which matter for the authorization.
func (r *redactor) users(list []finding.Finding) {
	for _, f := range list {
		for _, u := range f.Users {
			if u, _, _ = strings.Cut(u, "@"); u != "anonymous" && u != "unmapped" {
				r.add("user", u)
			}
		}
	}
}

// shortest is the minimum length of values that are masked in other texts. Shorter ones are
// masked only if they are the whole text, because they would match by accident.
const shortest = 3

func (r *redactor) add(name, value string) {
	if value == "" || r.masks[lowered(value)] != "" {
		return
	}
	if identifies(name) {
		name = "id"
	}
	r.counts[name]++
	mask := fmt.Sprintf("[%s-%d]", name, r.counts[name])
	r.masks[lowered(value)] = mask
	if len(value) < shortest {
		return
	}
	// In a line of a map file, a backslash of an expression is written twice.
	expression, goString := strings.ReplaceAll(regexp.QuoteMeta(value), `\\`, `\\\\`), strconv.Quote(value)
	for _, form := range []string{value, expression, strings.ReplaceAll(expression, "/", `\/`), strings.ReplaceAll(expression, `"`, `\"`), url.PathEscape(value), url.QueryEscape(value), goString[1 : len(goString)-1]} {
		r.addForm(form, mask)
	}
	// The local part of an address is often a user name.
	if local, _, ok := strings.Cut(value, "@"); ok && len(local) >= shortest {
		r.addForm(local, mask)
	}
}

// addForm masks a form of a value in other texts, too.
func (r *redactor) addForm(form, mask string) {
	form = lowered(form)
	r.forms.add(form, mask)
	if len(form) > shortened {
		r.long = append(r.long, form)
	}
	if r.masks[form] == "" {
		r.masks[form] = mask
	}
}

// lowered converts a text to lower case, except for characters whose lower case has another length,
// so that indexes into the text are the same.
func lowered(s string) string {
	lower := strings.Map(func(c rune) rune {
		if l := unicode.ToLower(c); utf8.RuneLen(l) == utf8.RuneLen(c) {
			return l
		}
		return c
	}, s)
	if len(lower) != len(s) { // invalid UTF-8
		return text.LowerASCII(s)
	}
	return lower
}

// text masks all values in a text.
func (r *redactor) text(s string) string {
	lower := lowered(s)
	if mask := r.masks[lower]; mask != "" {
		return mask
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); {
		n, mask := r.at(lower, i)
		if n == 0 {
			i++
			continue
		}
		b.WriteString(s[last:i])
		b.WriteString(mask)
		i += n
		last = i
	}
	b.WriteString(s[last:])
	return b.String()
}

// ellipsis is what messages write for the rest of a text that they shorten at the end or in the
// middle.
const ellipsis = "…"

// at returns the length and the mask of the value that begins at index i of a text in lower
// case, or 0.
func (r *redactor) at(lower string, i int) (n int, mask string) {
	rest := lower[i:]
	n, mask = r.forms.longest(rest, func(n int) bool {
		return !digits(rest[:n]) || (i == 0 || !isDigit(lower[i-1])) && (n == len(rest) || !isDigit(rest[n]))
	})
	if n > 0 {
		return n, mask
	}
	if strings.HasPrefix(rest, ellipsis) {
		for _, v := range r.long {
			if k := overlap(v, rest[len(ellipsis):]); k >= shortest && len(ellipsis)+k > n {
				n, mask = len(ellipsis)+k, ellipsis+r.masks[v]
			}
		}
		return n, mask
	}
	k, mask := r.forms.cut(rest)
	for k > 0 && k < len(rest) && !utf8.RuneStart(rest[k]) {
		k--
	}
	if k >= shortest && strings.HasPrefix(rest[k:], ellipsis) {
		return k, mask
	}
	return 0, ""
}

// shortened is a length in bytes up to which messages do not shorten values at the beginning.
const shortened = 30

func commonPrefix(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// overlap returns the length of the longest suffix of value that is a prefix of text.
func overlap(value, text string) int {
	for k := min(len(value), len(text)); k > 0; k-- {
		if strings.HasSuffix(value, text[:k]) {
			return k
		}
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits reports whether a value is a number. Numbers are not masked within other numbers.
func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// label returns the masked name of a file without its directory, which may contain the name
// of a user.
func (r *redactor) label(s string) string {
	r.learnText(s)
	return text.Brief(r.text(filepath.Base(s)), 200)
}

func (r *redactor) texts(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = r.text(out[i])
	}
	return out
}

func (r *redactor) findings(list []finding.Finding) []finding.Finding {
	out := slices.Clone(list)
	for i := range out {
		f := &out[i]
		f.Message, f.Hint, f.Command, f.Missing = r.text(f.Message), r.text(f.Hint), r.text(f.Command), r.texts(f.Missing)
	}
	return out
}

// token returns the token with masked values. It keeps the order of the members, duplicates,
// and the spelling of numbers.
func (r *redactor) token(j *token.JWT) *token.JWT {
	masked := assemble(r.object(j.HeaderMembers()), r.object(j.Members()), "")
	out, err := token.Decode(masked)
	if err != nil {
		return j // not possible: it was made from a token
	}
	if j.Signature != "" {
		out.Signature = base64.RawURLEncoding.EncodeToString([]byte("redacted"))
	}
	return out
}

// object returns a JSON object with masked values.
func (r *redactor) object(members []token.Member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		name := m.Name
		if identifies(name) {
			name = r.text(name)
		}
		b.Write(encoded(name))
		b.WriteByte(':')
		b.Write(r.value(m.Value, personal(m.Name)))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// level is an object or a list in a JSON value.
type level struct {
	// object means that it is an object, key that the next string is a name, personal that
	// all values in it are masked, and next that the next value is masked.
	object, key, personal, next bool
}

// value masks strings in a JSON value, and also numbers if they are personal.
func (r *redactor) value(raw json.RawMessage, isPersonal bool) []byte {
	var b bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	levels := []level{{personal: isPersonal, next: isPersonal}}
	last := 0
	for {
		t, err := d.Token()
		if err != nil {
			break
		}
		end := int(d.InputOffset())
		top := &levels[len(levels)-1]
		key := top.object && top.key
		switch v := t.(type) {
		case string:
			start := last + bytes.IndexByte(raw[last:end], '"')
			b.Write(raw[last:start])
			b.Write(encoded(r.text(v)))
			if key {
				top.next = top.personal && !general(v) || personal(v)
			}
		case json.Number:
			start := end - len(v.String())
			b.Write(raw[last:start])
			if top.next {
				b.Write(encoded(r.text(v.String())))
			} else {
				b.Write(raw[start:end])
			}
		default:
			b.Write(raw[last:end])
		}
		last = end
		switch t {
		case json.Delim('{'), json.Delim('['):
			top.key = top.object
			object := t == json.Delim('{')
			levels = append(levels, level{object: object, key: object, personal: top.next, next: top.next})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		default:
			top.key = top.object && !key
		}
	}
	b.Write(raw[last:])
	return b.Bytes()
}

func encoded(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings can always be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
