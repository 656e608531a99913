package inspect

import (
	"encoding/json"
	"testing"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// result is a line of -o ndjson.
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
}

type findingJSON struct {
	Code    finding.Code `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Command string       `json:"command,omitempty"`
	Source  string       `json:"source,omitempty"`
}

// The line is the same as that of encoding/json.
func TestAppendResult(t *testing.T) {
	for _, s := range []string{"", "plain", `"quoted" \ `, "<a href='x'>&amp;</a>", "a\nb\tc\x00\x1f\x7f", "grüße\u2028\u202e", "\xff\xfe broken", "\u0080"} {
		f := findingJSON{finding.Code("code-" + s), s, s, s, s}
		want := result{text.APIVersion, s, 7, s, s, "", "", "", s, s, "fail", []findingJSON{f, f}, []findingJSON{f}, s}
		g := finding.Finding{Code: f.Code, Message: f.Message, Hint: f.Hint, Command: f.Command, Source: f.Source}
		v := &view{Label: s, Line: 7, Kind: s, Note: s, Target: s, Versions: s, Causes: []finding.Finding{g, g}, Remarks: []finding.Finding{g}, Signature: s}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(v.appendResult(nil)) + "}"; got != string(b) {
			t.Errorf("%q:\n%s\nwant\n%s", s, got, b)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\<>&\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendString(nil, s)); got != string(b) {
			t.Errorf("%s, want %s", got, b)
		}
	})
}
