package condor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/finding"
)

// measuredMap is a map file that was measured with HTCondor 23.9.6, with another host name.
const measuredMap = `# comment
   # comment indented
SCITOKENS /^https:\/\/i.example.org,anchored$/ u-anchored
SCITOKENS /https:\/\/i.example.org,loose/ u-loose
SCITOKENS https://i.example.org,bare u-bare
SCITOKENS "https://i.example.org,quoted" u-quoted
SCITOKENS "https://i.example.org,with \"quote\" and space" u-spaces
SCITOKENS "https:\/\/i.example.org,litesc" u-litesc
scitokens /^https:\/\/i.example.org,lower$/ u-lower
SciTokens /^https:\/\/i.example.org,mixed$/ u-mixed
GSI /^https:\/\/i.example.org,gsi$/ u-gsi
SCITOKENS /^HTTPS:\/\/I.EXAMPLE.ORG,casei$/i u-casei
SCITOKENS /^https:\/\/i.example.org,ungreedy-(.+)(.*)$/U u-\1-\2
SCITOKENS /^https:\/\/i.example.org,opt-x$/x u-opt-x
SCITOKENS /^https:\/\/i.example.org,opt-iz$/iz u-opt-iz
SCITOKENS /^https:\/\/i.example.org,opt-glued$/u-glued more
SCITOKENS /^https:\/\/i.example.org,group-([a-z]+)-([a-z]+)$/ \1_\2_\3_\0_\x
SCITOKENS https://i.example.org,hashgroup \0
SCITOKENS https://i.example.org,order-hash-first u-hash1
SCITOKENS /^https:\/\/i.example.org,order-/ u-regex
SCITOKENS https://i.example.org,order-hash-last u-hash2
SCITOKENS https://i.example.org,dup u-dup1
SCITOKENS https://i.example.org,dup u-dup2
SCITOKENS /^https:\/\/i.example.org,bad(paren/ u-bad
SCITOKENS /^https:\/\/i.example.org,noend
SCITOKENS /^https:\/\/i.example.org,noclose u-noclose
SCITOKENS /^https:\/\/i.example.org,extra$/ u-extra trailing words
SCITOKENS /^https:\/\/i.example.org,hashcomment$/ u-hc # comment
SCITOKENS /^https:\/\/i.example.org,quser$/ "user with space"
SCITOKENS /^https:\/\/i.example.org,atuser$/ someone@else.org
	SCITOKENS	/^https:\/\/i.example.org,tabs$/	u-tabs
SCITOKENS /^https:\\/\\/i.example.org,dblslash$/ u-dblslash
SCITOKENS /^https:\/\/i.example.org,dot\.dot$/ u-dot
SCITOKENS /^https:\/\/i.example.org,bs\\.x$/ u-bs
SCITOKENS /^https:\/\/i.example.org,dollar\$x/ u-dollar
SCITOKENS /^https:\/\/i.example.org,space space$/ u-sp
SCITOKENS /^https:\/\/i.example.org\/,sl$/ u-sl
SCITOKENS /^https:\/\/i.example.org,sl2$/ u-sl2
SCITOKENS /^https:\/\/i.example.org,empty()$/ ""
SCITOKENS /^https:\/\/i.example.org,unanch/ u-unanch
"SCITOKENS" /^https:\/\/i.example.org,qmethod$/ u-qmethod
SCITOKENS /^https:\/\/i.example.org,posix-[[:digit:]]+$/ u-posix
SCITOKENS /^https:\/\/i.example.org,contin$/ \
 u-contin
SCITOKENS /^https:\/\/i.example.org,midbs$/ u\mid
SCITOKENS /^https:\/\/i.example.org,(?i)inline$/ u-inline
SCITOKENS /^https:\/\/i.example.org,end\z/ u-endz
` + "SCITOKENS /^https:\\/\\/i.example.org,crlf$/ u-crlf\r\nSCITOKENS /^https:\\/\\/i.example.org,nonl$/ u-nonl"

// userOf returns the user in a finding.
func userOf(list []finding.Finding) (user string, ok bool) {
	for _, f := range list {
		if f.Code == "mapped" {
			if _, user, ok = strings.Cut(f.Message, " maps the token to "); ok {
				return user, true
			}
			return f.Message, true
		}
	}
	return "", false
}

func parseMap(t *testing.T, text string, hash bool) *MapFile {
	t.Helper()
	m, err := ParseMapFile([]byte(text), hash)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The users are the "Remote Mapping" of condor_ping with HTCondor 23.9.6.
func TestMapFileMeasured(t *testing.T) {
	m := parseMap(t, measuredMap, true)
	for sub, want := range map[string]string{
		"anchored": "u-anchored", "anchoredX": "", "loose": "u-loose", "loose2": "u-loose", "bare": "u-bare", "quoted": "u-quoted",
		`with "quote" and space`: "u-spaces", "litesc": "", "lower": "u-lower", "mixed": "u-mixed", "gsi": "", "casei": "u-casei",
		"ungreedy-abc": "u-a-bc", "opt-x": "x", "opt-iz": "z", "opt-glued": "u-glued",
		"group-ab-cd": `ab_cd_\3_https://i.example.org,group-ab-cd_\x`, "hashgroup": "https://i.example.org,hashgroup",
		"order-hash-first": "u-hash1", "order-hash-last": "u-regex", "order-other": "u-regex", "dup": "u-dup1",
		"bad(paren": "", "badparen": "", "noend": "", "noclose": "", "extra": "u-extra", "hashcomment": "u-hc", "quser": "user with space",
		"atuser": "someone@else.org", "tabs": "u-tabs", "dblslash": "", "dot.dot": "u-dot", "dotXdot": "", "bs.x": "u-bs", `bs\.x`: "",
		"dollar$x": "u-dollar", "space space": "u-sp", "sl": "", "sl2": "u-sl2", "empty": "", "unanch": "u-unanch", "unanch2": "u-unanch",
		"qmethod": "u-qmethod", "posix-12": "u-posix", "contin": "an empty name", "midbs": `u\mid`, "INLINE": "u-inline", "end": "u-endz",
		"crlf": "u-crlf", "nonl": "u-nonl", "nobody": "", "evil,https://i.example.org,anchored": "",
	} {
		list := m.User("https://i.example.org", sub)
		got, ok := userOf(list)
		if ok != (want != "") || want != "an empty name" && got != want || want == "an empty name" && !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", sub, got, want)
		}
		if refused := slices.ContainsFunc(list, func(f finding.Finding) bool { return !f.Remark }); refused == ok {
			t.Errorf("%s: refused %v, mapped %v", sub, refused, ok)
		}
	}
	for iss, want := range map[string]string{"https://i.example.org/": "u-sl", "https://i.example.org": ""} {
		if got, _ := userOf(m.User(iss, "sl")); got != want {
			t.Errorf("%s: got %q, want %q", iss, got, want)
		}
	}
}

// Measured without CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS.
func TestMapFileAllExpressions(t *testing.T) {
	m := parseMap(t, `SCITOKENS https://i.example.org,bare u-bare
SCITOKENS "https://i.example.org,quo ted" u-quoted
SCITOKENS /^https:\/\/i.example.org,slashed$/ u-slashed
SCITOKENS ^https://i.example.org,anch$ u-anch
SCITOKENS ^https:\/\/i.example.org,esc$ u-esc
SCITOKENS /https://i.example.org,pre u-pre
SCITOKENS ^https://i.example.org,first u-1
SCITOKENS ^https://i.example.org,first.* u-2
`, false)
	for sub, want := range map[string]string{
		"bare": "u-bare", "bareX": "u-bare", "quo ted": "u-quoted", "slashed": "", "anch": "u-anch", "esc": "u-esc", "pre": "", "first": "u-1", "firstx": "u-1",
	} {
		if got, _ := userOf(m.User("https://i.example.org", sub)); got != want {
			t.Errorf("%s: got %q, want %q", sub, got, want)
		}
	}
}

func TestMapFileFindings(t *testing.T) {
	const iss = "https://i.example.org"
	for _, tt := range []struct {
		name, text  string
		noHash      bool
		codes, says string
	}{
		{"exact", `SCITOKENS /^https:\/\/i\.example\.org,me$/ me`, false, "(mapped)", "line 1 maps the token to me"},
		{"name", "\n\nSCITOKENS https://i.example.org,me me", false, "(mapped)", "line 3"},
		{"no line", "FS /(.*)/ \\1", false, "map-missing", `SCITOKENS /^https:\/\/i\.example\.org,me$/ USER`},
		{"empty file", "", false, "map-missing", "USER"},
		{"slash too many", `SCITOKENS /^https:\/\/i\.example\.org\/,me$/ me`, false, "map-missing", "compare line 1: it has a slash at the end of the issuer, which the token lacks; or add this line"},
		{"method", `GSI "https://i.example.org,me" me`, false, "map-missing", "its method is GSI"},
		{"case", `SCITOKENS "https://I.example.org,me" me`, false, "map-missing", "it differs in upper and lower case"},
		{"case of an expression", `SCITOKENS /^https:\/\/i.example.org,ME$/ me`, false, "map-missing", "it differs in upper and lower case"},
		{"issuer only", `SCITOKENS "https://i.example.org" me`, false, "map-missing", "has only the issuer"},
		{"escaped name", `SCITOKENS "https:\/\/i.example.org,me" me`, false, "map-missing", "a backslash is part of the name"},
		{"expression without slashes", `SCITOKENS ^https:\/\/i\.example\.org,me$ me`, false, "map-missing", "must be between slashes"},
		{"slashes with all expressions", `SCITOKENS /^https:\/\/i.example.org,me$/ me`, true, "map-missing", `without CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS|SCITOKENS "^https://i\.example\.org,me$" USER`},
		{"another subject", `SCITOKENS /^https:\/\/i\.example\.org,you$/ you`, false, "map-missing", "it is for another subject of this issuer"},
		{"any issuer", `SCITOKENS /https:\/\/i\.example\.org,me$/ me`, false, "(mapped) (map-loose)", "also matches https://issuer.invalid,https://i.example.org,me|begin the expression with ^"},
		{"longer issuer", `SCITOKENS /^https:\/\/i\.example\.org/ me`, false, "(mapped) (map-loose)", "also matches https://i.example.org.invalid,me"},
		{"any subject", `SCITOKENS /^https:\/\/i\.example\.org,(.*)$/ x\1`, false, "(mapped) (map-loose)", "maps the token to xme|another-subject becomes xanother-subject"},
		{"longer subject", `SCITOKENS /^https:\/\/i\.example\.org,me/ me`, false, "(mapped) (map-loose)", "longer subjects, such as me0|end the expression with $"},
		{"a name with all expressions", `SCITOKENS https://i.example.org,me me`, true, "(mapped) (map-loose)", "issuer.invalid"},
		{"include", "@include mapfiles.d", false, "(map-include) (map-missing)", "line 1 includes mapfiles.d, which was not read|unless one of the lines above does"},
		{"include before", "@include \"a b\"\nSCITOKENS https://i.example.org,me me", false, "(map-include) (mapped)", "includes a b,|unless one of the lines above does"},
		{"include behind", "SCITOKENS https://i.example.org,me me\n@include x", false, "(mapped)", ""},
		{"lookahead", `SCITOKENS /^https:\/\/i.example.org,m(?=e)/ me`, false, "(map-unknown) (map-missing)", "line 1 cannot be evaluated (invalid or unsupported Perl syntax: (?=): if it matches, the user is me"},
		{"back reference", `SCITOKENS /^https:\/\/i.example.org,(m)\1/ me` + "\nSCITOKENS https://i.example.org,me me2", false, "(map-unknown) (mapped)", "maps the token to me2, unless"},
		{"possessive", `SCITOKENS /^https:\/\/i.example.org,m++e/ me`, false, "(map-unknown) (map-missing)", ""},
		{`\h and \Z`, `SCITOKENS /\h?me\Z/ me`, false, "(map-unknown) (map-missing)", ""},
		{"a quantifier of an anchor", `SCITOKENS /^*https:\/\/i.example.org,me$/ me`, false, "(map-unknown) (map-missing)", "line 1 cannot be evaluated (it repeats something that can be empty)"},
		{"not for tokens", `SSL /(?=x)/ me`, false, "map-missing", ""},
		{"glued", `SCITOKENS /^https:\/\/i\.example\.org,me$/x you`, false, "(map-line) (mapped)", "line 1: HTCondor reads what follows the closing slash as the user: x"},
		{"no end", "SCITOKENS /^https:\\/\\/i me\nFS a b", false, "(map-line) map-missing", "line 1: the expression has no closing slash"},
		{"two fields", "SCITOKENS a\nFS a b", false, "(map-line) map-missing", "line 1: a field is missing"},
		{"does not compile", "SCITOKENS /a(b/ c\nFS a b", false, "(map-line) map-missing", "does not compile (missing closing ))"},
		{"include of nothing", "@include\nFS a b", false, "(map-line) map-missing", "has no file name"},
		{"plugin", `SCITOKENS /^https:\/\/i\.example\.org,me$/ PLUGIN:x`, false, "(mapped)", "leaves the choice of the user to the plugin x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := parseMap(t, tt.text, !tt.noHash).User(iss, "me")
			servicetest.Find(t, list, tt.codes, tt.says)
		})
	}
}

// The number of expressions that are compiled to find a similar line is limited.
func TestMapFileManySimilarLines(t *testing.T) {
	var b strings.Builder
	for i := range 2 * maxNear {
		fmt.Fprintf(&b, "SCITOKENS ^https:..i%d.example.org,me$ me\n", i)
	}
	m := parseMap(t, b.String(), true)
	servicetest.Find(t, m.User("https://i1.example.org", "me"), "map-missing", "compare line 2: a regular expression must be between slashes")
	servicetest.Find(t, m.User("https://x.example.org", "me"), "map-missing", "add this line")
	if n := len(m.nearExpressions); n != maxNear {
		t.Errorf("%d expressions", n)
	}
}

// In PCRE2, $ also matches before a line break at the end.
func TestMapFileLineBreak(t *testing.T) {
	list := parseMap(t, `SCITOKENS /^https:\/\/i\.example\.org,me$/ me`, true).User("https://i.example.org", "me\n")
	servicetest.Find(t, list, "(map-unknown) (map-missing)", "line 1 cannot be evaluated (the identity has a line break")
}

// The line in the hint maps only this identity. HTCondor 23.9.6 accepts each of these lines.
func TestMapFileLineToAdd(t *testing.T) {
	for _, sub := range awkwardSubjects {
		for _, hash := range []bool{true, false} {
			m := parseMap(t, "FS a b", hash)
			line := m.line("https://i.example.org/a_b", sub)
			if line == "" {
				t.Fatalf("%q: no line", sub)
			}
			if got := servicetest.Codes(t, parseMap(t, line, hash).User("https://i.example.org/a_b", sub)); got != "(mapped)" {
				t.Errorf("%q, %v: %s: %s", sub, hash, line, got)
			}
		}
	}
	if line := parseMap(t, "", true).line("https://i.example.org", "a\nb"); line != "" {
		t.Errorf("a line with a line break: %q", line)
	}
}

var awkwardSubjects = []string{
	"3d1a7c3e-55fb-4a5e-8e1d-000000000000", "me@example.org", "a.b+c", "a/b//c", `back\slash`, `two\\`, "blank blank", `quote"quote`, "#hash", "$HOME", "(a|b)[c]{2}^?*", "ümläut", "/a/", `\/`, "end\\",
}

func TestNotMapFile(t *testing.T) {
	for _, text := range []string{"a\x00b", "hello\n", "[Global]\naudience\n"} {
		if m, err := ParseMapFile([]byte(text), true); err == nil {
			t.Errorf("%q: got %+v", text, m)
		}
	}
	if m := parseMap(t, strings.Repeat("x\n", 500)+"FS a b", true); len(m.User("a", "b")) != maxMistakes+2 {
		t.Errorf("%d findings", len(m.User("a", "b")))
	}
}

func FuzzParseMapFile(f *testing.F) {
	f.Add(measuredMap, "https://i.example.org", "me", true)
	f.Add("@include x\nSCITOKENS /(?=a)(b)\\1/iU \\1\\", "https://i.example.org", "\u00fc", false)
	f.Add("SCITOKENS \"a\\\"b\\\\\" \x1b[31m\\0", "a\"b\\", "", true)
	f.Fuzz(func(t *testing.T, text, iss, sub string, hash bool) {
		m, err := ParseMapFile([]byte(text), hash)
		if err != nil {
			return
		}
		servicetest.Bounded(t, m.User(iss, sub), maxMistakes+8)
		// The line in the hint maps the identity.
		if line := m.line(iss, sub); line != "" {
			if got := servicetest.Codes(t, parseMap(t, line, hash).User(iss, sub)); got != "(mapped)" {
				t.Errorf("%q: %s: %s", iss+","+sub, line, got)
			}
		}
	})
}
