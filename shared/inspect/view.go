package inspect

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

// view is the contents of a report on one token. Its strings may be from the token, so
// renderers must escape them.
type view struct {
	// Label is the token's file, stdin or a place of discovery. Line is the line in it.
	// Alone means that the input contains nothing else.
	Label string
	Line  int
	Alone bool
	// Kind is the kind of input, such as "access token" or "ID token". Note says from what it
	// was extracted, and is usually empty. KindNote says why services refuse tokens of this
	// kind.
	Kind, KindNote, Note string
	// Target describes the service, or is "" if there is none.
	Target string
	// Versions are the versions whose rules were applied, or "" if there is no service.
	Versions string
	// Origin describes how the report was made.
	Origin origin
	// OK is the verdict. Headline describes it.
	OK       bool
	Headline string
	// Causes are the findings because of which the token is refused. Remarks are the others.
	Causes, Remarks []finding.Finding
	Claims, Header  []claimView
	// Signature is the state of the signature: "not checked", "valid", "invalid", "none" or
	// "missing". SignatureNote describes it.
	Signature, SignatureNote string
	// The times are nil if the token has none.
	Issued, NotBefore, Expires *time.Time
	Now                        time.Time
	// Unknown lists what cannot be checked offline.
	Unknown []string

	token *token.JWT
	// size is the token's length in bytes.
	size int
}

// unknown lists what cannot be checked offline.
var unknown = []string{
	"whether the token was revoked, or its subject or client is banned",
	"the clocks of the servers, which allow no leeway",
	"what the site configured differently from the defaults: audiences, issuers, mappings, file permissions",
}

// newView returns the view of a token for a report.
func newView(i input, j *token.JWT, vd verdict, jd *judge) *view {
	v := newSummary(i, j, vd, jd)
	v.Claims = claimViews(j.Members(), claimMeaning, jd.now)
	v.Header = claimViews(j.HeaderMembers(), headerMeaning, jd.now)
	v.Issued, v.NotBefore, v.Expires = timeOf(j, "iat"), timeOf(j, "nbf"), timeOf(j, "exp")
	v.Headline = v.headline(jd.letsAllIn())
	v.SignatureNote = jd.keys.note(vd.signature)
	return v
}

// newSummary returns a view without claims, times, Headline and SignatureNote, for formats
// with one line for each token.
func newSummary(i input, j *token.JWT, vd verdict, jd *judge) *view {
	v := &view{Label: i.label, Line: i.line, Alone: i.only, Note: i.note, Now: jd.now, Target: jd.target, Versions: jd.versions, Signature: vd.signature,
		Unknown: unknown, OK: !finding.AnyRefuses(vd.findings), token: j, size: len(i.raw), Kind: vd.kind.name, KindNote: vd.kind.note, Origin: jd.origin}
	for _, f := range vd.findings {
		if f.Refuses() {
			v.Causes = append(v.Causes, f)
		} else {
			v.Remarks = append(v.Remarks, f)
		}
	}
	return v
}

// badView is the view of an input that is not a token.
func badView(i input, now time.Time) *view {
	return &view{Label: i.label, Line: i.line, Kind: i.kind, Headline: i.err.Error(), Now: now, Signature: notChecked}
}

func timeOf(j *token.JWT, claim string) *time.Time {
	if t, ok := j.Time(claim); ok {
		return &t
	}
	return nil
}

// headline returns the Headline.
func (v *view) headline(letsAllIn string) string {
	switch {
	case !v.OK && v.Target != "":
		return "refused by " + v.Target
	case len(v.Causes) == 1:
		return v.Causes[0].Message
	case !v.OK:
		return fmt.Sprintf("%d problems found", len(v.Causes))
	}
	h := "no problems found"
	switch {
	case letsAllIn != "":
		h = "accepted by " + v.Target + " with any token or none: " + letsAllIn
	case v.Target != "":
		h = "accepted by " + v.Target
	case v.KindNote != "":
		h = v.KindNote
	}
	switch {
	case v.Signature == sigMissing:
		h += " (signature missing)"
	case v.KindNote == "" && v.Signature == notChecked:
		h += " (signature not checked)"
	}
	return h
}

// note describes the state of a signature.
func (k *keys) note(state string) string {
	switch {
	case state == notChecked && k.none():
		return "NOT CHECKED: the contents are unverified (--jwks FILE or --fetch-keys checks the signature)"
	case state == notChecked:
		return "NOT CHECKED: see the causes"
	case state == sigValid && k.fetcher == nil:
		return "VALID: signed with a key in " + filepath.Base(k.file) // directories may identify the user
	case state == sigValid:
		return "VALID: signed with a key that the issuer publishes"
	case state == sigInvalid:
		return "INVALID: see the causes"
	}
	if state == sigMissing {
		return "MISSING: it was cut off, so the issuer cannot be verified; everything else was checked"
	}
	return "NONE: this token is not signed, and no service accepts it"
}

// claim returns the value of a claim in the form in which logs contain it: the contents of a
// string, or the JSON of other values.
func (v *view) claim(name string) string {
	if s, ok := v.token.String(name); ok {
		return s
	}
	return string(v.token.Raw(name))
}

// claimView is a claim or a header parameter.
type claimView struct {
	Name string
	// Value is the contents of a string, or the unchanged JSON of other values.
	Value string
	// Meaning describes the claim, Source is the document that defines it.
	Meaning, Source string
	// Words describe the value, one line each: scopes, times, groups.
	Words []string
	// Duplicate means that the name occurs more than once in the token.
	Duplicate bool
}

// maxRows is the maximum number of claims that a report shows.
const maxRows = 500

func claimViews(members []token.Member, known func(string) meaning, now time.Time) (out []claimView) {
	seen := map[string]int{}
	for _, m := range members {
		seen[m.Name]++
	}
	for i, m := range members {
		if i == maxRows {
			return append(out, claimView{Name: "…", Value: fmt.Sprintf("%d more, which -o claims shows", len(members)-i)})
		}
		out = append(out, newClaimView(m, known(m.Name), seen[m.Name] > 1, now))
	}
	return out
}

func newClaimView(m token.Member, what meaning, twice bool, now time.Time) claimView {
	c := claimView{Name: m.Name, Value: string(m.Value), Meaning: what.what, Source: what.source, Duplicate: twice}
	var s string
	var list []string
	switch {
	case m.Value[0] == '"' && json.Unmarshal(m.Value, &s) == nil:
		c.Value = s
		list = []string{s}
	case m.Value[0] == '[':
		_ = json.Unmarshal(m.Value, &list)
	}
	if isTime(m.Name) {
		c.Words = []string{timeInWords(m.Value, now)}
	}
	if m.Name == "scope" && s != "" {
		scopes := token.SplitScopes(s)
		c.Words, c.Source = scopesInWords(scopes), strings.Join(append([]string{what.source}, sourcesOf(scopes)...), "; ")
	}
	for _, e := range list {
		if w := urnInWords(e); w != "" {
			c.Words = append(c.Words, w)
		}
	}
	if n := len(c.Words); n > maxRows {
		c.Words = append(c.Words[:maxRows], fmt.Sprintf("… and %d more", n-maxRows))
	}
	return c
}

func timeInWords(raw json.RawMessage, now time.Time) string {
	if t, ok := token.NumericDate(raw); ok {
		return t.Local().Format("Mon 2006-01-02 15:04:05 MST") + ", " + relative(t, now)
	}
	if _, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return "after the year 9999: probably milliseconds instead of seconds"
	}
	return "not a time: it must be a number of seconds since 1970"
}
