package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/finding"
)

const hostile = "</code></style><script>alert(1)</script>]]>--><img src=https://evil.example/x onerror=alert(1)>\" onclick='x' {{.}} \u202egnp.exe\u2066\x1b[2J\t\u2028"

func hostileViews() []*view {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	bad := finding.Finding{Code: "audience", Message: "it is for another service: " + hostile, Missing: []string{"ce.example.org:9619", hostile},
		Hint: "ask for one with --ce other.example.org", Source: "RFC 7519 section 4.1.3 " + hostile}
	claims := []claimView{
		{Name: "iss", Value: "https://issuer.example.org/" + strings.Repeat("long/", 60), Meaning: "issuer, who signed it", Source: "RFC 7519 section 4.1.1"},
		{Name: hostile, Value: hostile, Meaning: hostile, Source: hostile, Words: []string{hostile}, Duplicate: true},
		{Name: "link", Value: "javascript:alert(1)"},
		{Name: "scope", Value: "compute.read compute.create storage.read:/", Meaning: "what it allows", Source: "RFC 8693 section 4.2",
			Words: []string{"compute.read: may look at jobs", "compute.create: may submit jobs", "storage.read:/: may read anywhere"}},
		{Name: "exp", Value: "1769860020", Words: []string{"Sat 2026-01-31 12:47:00 CET, 13m00s ago"}, Meaning: "expiry: at this time and later, no service accepts the token, except for the difference that it allows between two clocks", Source: "RFC 7519 section 4.1.4", Duplicate: true},
	}
	return []*view{
		{
			Label: "token " + hostile, Kind: "access token", Note: "a Bearer prefix was taken off", Target: "the compute element ce.example.org:9619",
			Headline: "ce.example.org:9619 would refuse this token", Causes: []finding.Finding{bad, {Code: "expired", Message: "the token expired 13m00s ago", Hint: "get a new one"}},
			Remarks: []finding.Finding{{Code: "jti", Message: "it has no id", Remark: true}}, Claims: claims,
			Header:    []claimView{{Name: "alg", Value: "RS256", Meaning: "how it is signed", Source: "RFC 7515 section 4.1.1"}, {Name: "kid", Value: hostile}},
			Signature: "not checked", SignatureNote: "the keys were not fetched",
			Issued: at(-73 * time.Minute), NotBefore: at(-73*time.Minute - time.Second), Expires: at(-13 * time.Minute), Now: now,
			Unknown: []string{"whether the issuer has withdrawn it", "how the service maps its user " + hostile},
		},
		{OK: true, Headline: "no problems found", Signature: "none", SignatureNote: "NONE: this token is not signed", Now: now},
		{OK: true, Label: "stdin", Headline: "no problems found", Signature: "valid", Now: now, Expires: at(500000 * time.Hour), Claims: claims[:1]},
	}
}

func TestPage(t *testing.T) {
	out := page(hostileViews())
	if name := os.Getenv("PAGE"); name != "" { // for testscripts/e2e/html/look.mjs
		if err := os.WriteFile(name, out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := page(hostileViews())
	if !bytes.Equal(out, again) {
		t.Error("the same views produce another page")
	}
	s := string(out)
	for _, no := range []string{"<script", "<img", "ZgotmplZ", "\u202e", "\u2066", "\u2028", "\x1b", "\t", "\r"} {
		if strings.Contains(strings.ToLower(s), strings.ToLower(no)) {
			t.Errorf("the page contains %q", no)
		}
	}
	for _, want := range []string{`\u202e`, `\u2066`, `\u001b`, `\u2028`, "&lt;script&gt;", "javascript:alert(1)", "REFUSED", "NOT CHECKED", "redacted", "more than once", "{{.}}", ">NOT CHECKED</span>: the keys", ">NONE</span>: this token", ">VALID</span></p>",
		">1 of 3 tokens refused</p>", "as of 2026-01-31 12:00:00 UTC", "Time (UTC)", "Sat 2026-01-31 11:47:00 UTC, 13m00s ago", "<code>storage.read:/</code> may read anywhere"} {
		if !strings.Contains(s, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
}

func TestPageWithoutTokens(t *testing.T) {
	if out := page(nil); len(out) > 0 {
		t.Errorf("%q", out)
	}
}

// unmentioned returns only what the message and the hint do not mention.
func TestUnmentioned(t *testing.T) {
	f := finding.Finding{Message: "it lacks read:/a, write:/b.", Hint: "ask for (stage:/c)", Missing: []string{"read:/a", "write:/b", "stage:/c", "read:/", "other"}}
	if got := strings.Join(unmentioned(f), " "); got != "read:/ other" {
		t.Errorf("%q", got)
	}
}

func TestPagePolicy(t *testing.T) {
	out := page(hostileViews())
	styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllSubmatch(out, -1)
	if len(styles) != 1 || len(styles[0][1]) < 1000 {
		t.Fatalf("%d style sheets", len(styles))
	}
	hash := sha256.Sum256(styles[0][1])
	policy := regexp.MustCompile(`"Content-Security-Policy" content="([^"]*)"`).FindSubmatch(out)
	if policy == nil {
		t.Fatal("no policy")
	}
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'"
	if got := html.UnescapeString(string(policy[1])); got != want {
		t.Errorf("policy %s, want %s", got, want)
	}
	if bytes.Contains(styles[0][1], []byte("url(")) || bytes.Contains(styles[0][1], []byte("@import")) {
		t.Error("the style sheet loads a resource")
	}
}

// TestPageElements checks that all elements are closed, that none loads a resource or runs a
// script, that IDs are unique, and that references have targets.
func TestPageElements(t *testing.T) {
	out := page(hostileViews())
	// The style sheet is not XML.
	out = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAll(out, nil)
	d := xml.NewDecoder(bytes.NewReader(out))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "link"}, xml.HTMLEntity
	var open, refs []string
	ids := map[string]bool{}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != tok.Name.Local {
				t.Fatalf("</%s> closes %v", tok.Name.Local, open)
			}
			open = open[:len(open)-1]
		case xml.StartElement:
			open = append(open, tok.Name.Local)
			if slices.Contains([]string{"script", "img", "iframe", "object", "embed", "form", "base", "use", "image", "foreignObject"}, tok.Name.Local) {
				t.Errorf("the page has <%s>", tok.Name.Local)
			}
			for _, a := range tok.Attr {
				switch name := strings.ToLower(a.Name.Local); {
				case name == "id":
					if ids[a.Value] {
						t.Errorf("ID %s occurs twice", a.Value)
					}
					ids[a.Value] = true
				case name == "aria-describedby", name == "aria-labelledby":
					refs = append(refs, a.Value)
				case name == "href" && strings.HasPrefix(a.Value, "#"):
					refs = append(refs, a.Value[1:])
				case name == "href" && a.Value == "data:,":
				case name == "href", name == "src", name == "srcset", name == "action", name == "style", strings.HasPrefix(name, "on"):
					t.Errorf("<%s %s=%q>", tok.Name.Local, name, a.Value)
				}
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	for _, r := range refs {
		if !ids[r] {
			t.Errorf("no element has the ID %s", r)
		}
	}
	if len(refs) < 10 {
		t.Errorf("only %d references", len(refs))
	}
}

func TestTimeline(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(s int64) *time.Time { t := time.Unix(s, 0); return &t }
	for _, tt := range []struct {
		name        string
		v           view
		marks       string
		valid       bool
		from, width string
		current     bool
	}{
		{"none", view{}, "", false, "", "", false},
		{"all at once", view{Issued: &now, NotBefore: &now, Expires: &now}, "iat 50.00%, nbf 50.00%, exp 50.00%, now 50.00%", false, "50.00%", "0.00%", false},
		{"valid now", view{Issued: at(1_799_999_000), Expires: at(1_800_001_000)}, "iat 2.00%, now 50.00%, exp 98.00%", true, "2.00%", "96.00%", true},
		{"expired", view{NotBefore: at(1_799_999_000), Expires: at(1_799_999_500)}, "nbf 2.00%, exp 50.00%, now 98.00%", true, "2.00%", "48.00%", false},
		{"only an expiry", view{Expires: at(1_800_001_000)}, "now 2.00%, exp 98.00%", true, "0.00%", "98.00%", true},
		{"no expiry", view{Issued: at(1_799_999_000)}, "iat 2.00%, now 98.00%", true, "2.00%", "98.00%", true},
		{"expires before it is valid", view{NotBefore: at(1_800_001_000), Expires: at(1_799_999_000)}, "exp 2.00%, now 50.00%, nbf 98.00%", false, "98.00%", "0.00%", false},
		{"not yet valid", view{NotBefore: at(1_800_000_001), Expires: at(1_800_001_000)}, "now 2.00%, nbf 2.10%, exp 98.00%", true, "2.10%", "95.90%", false},
		{"far away", view{Issued: at(-1 << 55), Expires: at(1 << 55)}, "iat 2.00%, now 50.00%, exp 98.00%", true, "2.00%", "96.00%", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.v.Now = now
			l := newTimeline(&tt.v)
			if l == nil {
				if tt.marks != "" {
					t.Error("no timeline")
				}
				return
			}
			var got []string
			rows := map[int]bool{}
			for _, m := range l.Marks {
				got = append(got, m.Name+" "+m.X)
				if rows[m.Y1] || m.Y1 < 11 || m.Y2 > l.Height {
					t.Errorf("%s is labelled at %d of %d", m.Name, m.Y1, l.Height)
				}
				rows[m.Y1] = true
			}
			if s := strings.Join(got, ", "); s != tt.marks {
				t.Errorf("marks %s, want %s", s, tt.marks)
			}
			if l.Current != tt.current {
				t.Errorf("current: %v", l.Current)
			}
			if l.Valid != tt.valid || l.From != tt.from || l.Width != tt.width {
				t.Errorf("valid %v from %s for %s, want %v from %s for %s", l.Valid, l.From, l.Width, tt.valid, tt.from, tt.width)
			}
		})
	}
}
