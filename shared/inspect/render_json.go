package inspect

import (
	"encoding/json"
	"strconv"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// jsonRenderer prints one JSON document for each token, with the unchanged header and claims.
type jsonRenderer struct{ *output }

func (r *jsonRenderer) token(v *view) {
	// encoding/json would change the header and the claims.
	b := v.appendResult(nil)
	b = append(b, `,"report":{"tool":`...)
	b = appendString(b, v.Origin.Tool)
	b = appendMember(b, "command", v.Origin.Command)
	for k, f := range v.Origin.Files {
		b = append(b, map[bool]string{true: `,"files":[`, false: ","}[k == 0]...)
		b = appendString(b, f)
	}
	if len(v.Origin.Files) > 0 {
		b = append(b, ']')
	}
	b = append(b, `},"header":`...)
	b = append(b, v.token.Header...)
	b = append(b, `,"claims":`...)
	b = append(b, v.token.Claims...)
	if r.showSignature {
		b = appendMember(b, "signature", v.token.Signature)
	}
	r.writeEscaped(append(b, "}\n"...))
}

// ndjsonRenderer prints one line of JSON for each input, including those that are not tokens.
type ndjsonRenderer struct {
	*output
	buf []byte
}

func (r *ndjsonRenderer) token(v *view) {
	r.buf = append(v.appendResult(r.buf[:0]), "}\n"...)
	r.writeEscaped(r.buf)
}

func (r *ndjsonRenderer) notToken(i input) { r.failure(i.label, i.line, i.kind, i.err) }

func (r *ndjsonRenderer) unreadable(label string, err error) { r.failure(label, 1, "unreadable", err) }

func (r *ndjsonRenderer) failure(label string, line int, kind string, err error) {
	v := &view{Label: label, Line: line, Kind: kind, Causes: []finding.Finding{{Code: finding.NotAToken, Message: err.Error()}}}
	r.buf = append(v.appendResult(r.buf[:0]), "}\n"...)
	r.writeEscaped(r.buf)
}

// appendResult appends the members that -o ndjson and -o json have in common, without the
// closing brace. The result is the same as that of encoding/json, whose reflection would take
// longer than all checks.
func (v *view) appendResult(b []byte) []byte {
	b = append(b, `{"apiVersion":"`+text.APIVersion+`","file":`...)
	b = appendString(b, v.Label)
	b = append(b, `,"line":`...)
	b = strconv.AppendInt(b, int64(v.Line), 10)
	b = appendMember(b, "kind", v.Kind)
	b = appendMember(b, "note", v.Note)
	if v.token != nil {
		b = appendMember(b, "iss", v.claim("iss"))
		b = appendMember(b, "sub", v.claim("sub"))
		b = appendMember(b, "jti", v.claim("jti"))
	}
	b = appendMember(b, "service", v.Target)
	b = appendMember(b, "versions", v.Versions)
	b = appendMember(b, "verdict", map[bool]string{true: "ok", false: "fail"}[v.OK])
	b = append(b, `,"causes":`...)
	b = appendFindings(b, v.Causes)
	if len(v.Remarks) > 0 {
		b = append(b, `,"remarks":`...)
		b = appendFindings(b, v.Remarks)
	}
	return appendMember(b, "signatureState", v.Signature)
}

func appendFindings(b []byte, list []finding.Finding) []byte {
	b = append(b, '[')
	for k := range list {
		f := &list[k]
		if k > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = appendString(b, string(f.Code))
		b = append(b, `,"message":`...)
		b = appendString(b, f.Message)
		b = appendMember(b, "hint", f.Hint)
		b = appendMember(b, "command", f.Command)
		b = appendMember(b, "source", f.Source)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendMember appends a member that follows others, unless it is empty.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendString(b, value)
}

// plainJSON marks the ASCII bytes that encoding/json does not escape.
var plainJSON = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = true
	}
	for _, c := range []byte(`"\<>&`) {
		t[c] = false
	}
	return t
}()

// appendString appends a string as encoding/json writes it.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plainJSON[s[i]] {
			quoted, _ := json.Marshal(s) // strings can always be encoded
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
