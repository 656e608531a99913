package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// jsonRenderer writes one JSON document for each token, with header and claims as they
// are in the token.
type jsonRenderer struct{ *output }

func (r *jsonRenderer) token(v *view) {
	// encoding/json would indent and escape the claims again.
	var b bytes.Buffer
	res := v.result()
	res.Report = &originJSON{v.Origin.Tool, v.Origin.Command, v.Origin.Files}
	b.Write(bytes.TrimSuffix(res.encode(), []byte("}")))
	fmt.Fprintf(&b, `,"header":%s,"claims":%s`, v.token.Header, v.token.Claims)
	if r.showSignature {
		fmt.Fprintf(&b, `,"signature":%q`, v.token.Signature)
	}
	b.WriteString("}\n")
	r.writeEscaped(b.Bytes())
}

// ndjsonRenderer writes one line of JSON for each input, whether it is a token or not.
type ndjsonRenderer struct{ *output }

func (r *ndjsonRenderer) token(v *view) { r.writeEscaped(append(v.result().encode(), '\n')) }

func (r *ndjsonRenderer) notToken(i input) { r.failure(i.label, i.line, i.kind, i.err) }

func (r *ndjsonRenderer) unreadable(label string, err error) { r.failure(label, 1, "unreadable", err) }

func (r *ndjsonRenderer) failure(label string, line int, kind string, err error) {
	res := result{APIVersion: text.APIVersion, File: label, Line: line, Kind: kind, Verdict: "fail", Causes: []findingJSON{{Code: finding.NotAToken, Message: err.Error()}}}
	r.writeEscaped(append(res.encode(), '\n'))
}

type findingJSON struct {
	Code    finding.Code `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Command string       `json:"command,omitempty"`
	Source  string       `json:"source,omitempty"`
}

// result is what -o ndjson writes, and -o json in front of header and claims.
type result struct {
	APIVersion string        `json:"apiVersion"`
	File       string        `json:"file"`
	Line       int           `json:"line"`
	Kind       string        `json:"kind,omitempty"`
	Note       string        `json:"note,omitempty"`
	Issuer     string        `json:"iss,omitempty"`
	Subject    string        `json:"sub,omitempty"`
	ID         string        `json:"jti,omitempty"`
	Service    string        `json:"service,omitempty"`
	Versions   string        `json:"versions,omitempty"`
	Verdict    string        `json:"verdict"`
	Causes     []findingJSON `json:"causes"`
	Remarks    []findingJSON `json:"remarks,omitempty"`
	Signature  string        `json:"signatureState,omitempty"`
	// Report says how the report was made; only in -o json.
	Report *originJSON `json:"report,omitempty"`
}

type originJSON struct {
	Tool    string   `json:"tool"`
	Command string   `json:"command"`
	Files   []string `json:"files,omitempty"`
}

func (v *view) result() result {
	r := result{APIVersion: text.APIVersion, File: v.Label, Line: v.Line, Kind: v.Kind, Note: v.Note, Issuer: v.claim("iss"), Subject: v.claim("sub"), ID: v.claim("jti"),
		Service: v.Target, Versions: v.Versions, Verdict: "ok", Causes: findingsJSON(v.Causes), Remarks: findingsJSON(v.Remarks), Signature: v.Signature}
	if !v.OK {
		r.Verdict = "fail"
	}
	return r
}

func findingsJSON(list []finding.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range list {
		out = append(out, findingJSON{f.Code, f.Message, f.Hint, f.Command, f.Source})
	}
	return out
}

// encode cannot fail: a result has only strings and numbers.
func (r result) encode() []byte {
	b, _ := json.Marshal(r)
	return b
}
