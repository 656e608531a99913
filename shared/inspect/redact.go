package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// redactor masks what identifies a person, for reports that are posted to tickets. A value
// has the same mask wherever it occurs, in all tokens of a run.
type redactor struct {
	masks  map[string]string
	counts map[string]int
	// order lists the values, the longest first, so that none hides in another.
	order []string
}

func newRedactor() *redactor {
	return &redactor{masks: map[string]string{}, counts: map[string]int{}}
}

// personal matches the claims whose values are masked.
var personal = text.Pattern{Expr: `(?i)^(sub|sub_id|jti|sid|session_state|nonce|uti|rh|aio|oid|origin_jti|event_id|token_id|at_hash|c_hash|s_hash|ath|` +
	`name|nickname|given_name|family_name|middle_name|preferred_username|username|unique_name|upn|login|user_login|user_id|user_email|actor|actor_id|profile|picture|website|` +
	`email|mail|phone_number|address|birthdate|gender|zoneinfo|locale|ssh_keys|external_id|ga4gh_passport_v1|act|may_act|posix|` +
	`uidnumber|gidnumber|eppn|eptid|epuid|orcid|subject_id|pairwise_id|oidc|itrustuin|cert_subject_dn|ipaddr|client(host|address)|` +
	`cern_.*|cognito:username|voperson_.*(id|uid|email|mail)|eduperson_(principal_name|targeted_id|unique_id|orcid)|kubernetes\.io|.*_email|.*_mail)$`}

// learn collects the values of a token that are masked.
func (r *redactor) learn(j *token.JWT) {
	for _, m := range j.Members() {
		if personal.Get().MatchString(m.Name) && !strings.HasSuffix(m.Name, "_verified") {
			r.values(m.Name, m.Value)
		}
	}
	slices.SortFunc(r.order, func(a, b string) int { return len(b) - len(a) })
}

// values collects all strings and numbers in a value.
func (r *redactor) values(name string, raw json.RawMessage) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			r.add(name, v)
		case json.Number:
			r.add(name, v.String())
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, k := range slices.Sorted(func(yield func(string) bool) {
				for k := range v {
					if !yield(k) {
						return
					}
				}
			}) {
				walk(v[k])
			}
		}
	}
	walk(v)
}

// shortest is the length below which a value is masked only in its own claim: it would
// match by accident elsewhere.
const shortest = 3

func (r *redactor) add(name, value string) {
	if value == "" || r.masks[value] != "" {
		return
	}
	r.counts[name]++
	mask := fmt.Sprintf("[%s-%d]", name, r.counts[name])
	r.masks[value] = mask
	if len(value) < shortest {
		return
	}
	forms := []string{value, regexp.QuoteMeta(value), strings.ReplaceAll(regexp.QuoteMeta(value), "/", `\/`), strings.TrimSuffix(text.Brief(value, 60), "…")}
	// Names of users are often a part of an address.
	if local, _, ok := strings.Cut(value, "@"); ok && len(local) >= shortest {
		forms = append(forms, local)
	}
	for _, f := range forms {
		if f == "" || slices.Contains(r.order, f) {
			continue
		}
		r.order = append(r.order, f)
		r.masks[f] = mask
	}
}

// text masks all values in a text.
func (r *redactor) text(s string) string {
	if mask := r.masks[s]; mask != "" {
		return mask
	}
	for _, v := range r.order {
		s = strings.ReplaceAll(s, v, r.masks[v])
	}
	return s
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

// token returns the token with masked values. Order, duplicates and the spelling of
// numbers are kept.
func (r *redactor) token(j *token.JWT) *token.JWT {
	masked := assemble(r.object(j.HeaderMembers(), false), r.object(j.Members(), true), "")
	out, err := token.Decode(masked)
	if err != nil {
		return j // not possible: it was made from a token
	}
	if j.Signature != "" {
		out.Signature = base64.RawURLEncoding.EncodeToString([]byte("redacted"))
	}
	return out
}

// object returns a JSON object with masked values; claims says that claims are masked by
// their names, too.
func (r *redactor) object(members []token.Member, claims bool) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encoded(m.Name))
		b.WriteByte(':')
		b.Write(r.value(m.Value, claims && personal.Get().MatchString(m.Name)))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// value masks strings in a JSON value, and numbers too if the claim is personal.
func (r *redactor) value(raw json.RawMessage, personal bool) []byte {
	var b bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	last := 0
	for {
		t, err := d.Token()
		if err != nil {
			break
		}
		end := int(d.InputOffset())
		switch v := t.(type) {
		case string:
			start := last + bytes.IndexByte(raw[last:end], '"')
			b.Write(raw[last:start])
			b.Write(encoded(r.text(v)))
		case json.Number:
			start := end - len(v.String())
			b.Write(raw[last:start])
			if personal {
				b.Write(encoded(r.text(v.String())))
			} else {
				b.Write(raw[start:end])
			}
		default:
			b.Write(raw[last:end])
		}
		last = end
	}
	b.Write(raw[last:])
	return b.Bytes()
}

func encoded(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
