// Package servicetest provides helpers for testing the rules of services.
package servicetest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// Now is the current time in the tests, 2026-01-01 00:00:00 UTC.
var Now = time.Unix(1_767_225_600, 0)

// ES256 is a header that every service accepts.
const ES256 = `{"alg":"ES256","kid":"k","typ":"JWT"}`

// JWT returns a token with the header and the claims, and a signature of three bytes.
func JWT(t testing.TB, header, claims string) *token.JWT {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	j, err := token.Decode([]byte(b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64([]byte("sig"))))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Claims returns the claims of a token that services accept. profile is wlcg, scitokens or
// "". edit has pairs of old and new strings to replace in the JSON.
func Claims(profile, aud, scope string, edit ...string) string {
	version := map[string]string{"wlcg": `,"wlcg.ver":"1.0"`, "scitokens": `,"ver":"scitoken:2.0"`}[profile]
	claims := `{"iss":"https://i.example.org","sub":"u","aud":"` + aud + `","iat":1767225000,"nbf":1767225000,"exp":1767228600,"jti":"j","scope":"` + scope + `"` + version + `}`
	return strings.NewReplacer(edit...).Replace(claims)
}

// Judge presents a token to a service.
func Judge(t testing.TB, s service.Service, header, claims string) []finding.Finding {
	t.Helper()
	return s.Judge(service.Presented{JWT: JWT(t, header, claims), Size: 500, Now: Now})
}

// Codes returns the codes of the findings, with those of remarks in parentheses. It checks
// that each finding agrees with the table of causes.
func Codes(t testing.TB, list []finding.Finding) string {
	t.Helper()
	var out []string
	for _, f := range list {
		c, ok := finding.Lookup(f.Code)
		if !ok || c.Effect == finding.Always && f.Remark || c.Effect == finding.Never && f.Refuses() {
			t.Errorf("%s with Remark %v contradicts the table of causes", f.Code, f.Remark)
		}
		if f.Message == "" {
			t.Errorf("%s has no message", f.Code)
		}
		if f.Remark {
			out = append(out, "("+string(f.Code)+")")
		} else {
			out = append(out, string(f.Code))
		}
	}
	return strings.Join(out, " ")
}

// Find checks the codes of the findings, and that each of the phrases, which are separated
// by |, occurs in their texts.
func Find(t testing.TB, list []finding.Finding, codes, phrases string) {
	t.Helper()
	if got := Codes(t, list); got != codes {
		t.Errorf("found %s, want %s", got, codes)
	}
	text := ""
	for _, f := range list {
		text += f.Message + "\n" + f.Hint + "\n" + f.Command + "\n"
	}
	for p := range strings.SplitSeq(phrases, "|") {
		if !strings.Contains(text, p) {
			t.Errorf("no finding contains %q:\n%s", p, text)
		}
	}
}

// Bounded checks that there are at most most findings, and that none is too long.
func Bounded(t testing.TB, list []finding.Finding, most int) {
	t.Helper()
	if len(list) > most {
		t.Errorf("%d findings", len(list))
	}
	for _, f := range list {
		if n := utf8.RuneCountInString(fmt.Sprintf("%s%s%s", f.Message, f.Hint, f.Source)); n > 3000 {
			t.Errorf("a finding of %d characters: %.200q", n, f.Message)
		}
	}
}
