package inspect

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
)

func inspect(input []byte, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = Main(&cli.Env{
		Program: "jwt-inspect", Args: args, Stdin: bytes.NewReader(input), Stdout: &out, Stderr: &err,
		LookupEnv: func(string) (string, bool) { return "", false },
		Now:       func() time.Time { return time.Unix(1_767_225_600, 0) },
	})
	return code, out.String(), err.String()
}

// A separator in a cell follows an odd number of backslashes.
func TestCell(t *testing.T) {
	for in, want := range map[string]string{`a|b`: `a\|b`, `a\|b`: `a\\\|b`, `a\\|b`: `a\\\|b`, `||`: `\|\|`, `\`: `\`} {
		if got := cell(in); got != want {
			t.Errorf("cell(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestCode(t *testing.T) {
	for s, want := range map[string]string{"": "`  `", "a": "`a`", "a`b``c": "```a`b``c```", "`": "`` ` ``"} {
		if got := code(s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
	if got := code(strings.Repeat("`", 1_000_000)); len(got) != 3_000_004 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestTrim(t *testing.T) {
	for _, in := range []string{
		"a.b.c", " a.b.c\r\n", "\ufeffa.b.c", `"a.b.c"`, `'a.b.c'`, "Bearer a.b.c", "bearer  a.b.c", "Authorization: Bearer a.b.c", "authorization:Bearer a.b.c", "\ufeff \"Bearer a.b.c\" \n", "> a.b.c", ">> Bearer a.b.c", "“a.b.c”", "`a.b.c`", "**a.b.c**",
	} {
		if got := string(trim([]byte(in))); got != "a.b.c" {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// For any input, no format panics, writes raw escape sequences or returns an undocumented
// exit code, and the codes of all findings are in the table of causes.
func FuzzInspect(f *testing.F) {
	b64 := base64.RawURLEncoding.EncodeToString
	for _, claims := range []string{
		`{}`, `{"iss":"https://i","aud":["a",1],"scope":"read:/ compute.read x:","exp":1e300,"iat":-1,"nbf":"x"}`,
		`{"\u001b[31m":"\u202e\u0000","a":{"b":[null]},"a":2}`, "{\"a\":\"\u009b31m\u2066\"}", `{"scope":7,"wlcg.ver":1}`,
		`{"iss":"https://i/","sub":"s","aud":"c:9619","wlcg.ver":"1.0","scope":"compute.create storage.read:/%41/../b condor:/READ","exp":1767229200,"iat":1767225600,"jti":"j"}`,
		`{"wlcg.groups":["/a","/b"],"eduperson_entitlement":["urn:x:group:a:role=b#c"],"ver":"scitoken:2.0","aud":"ANY","nonce":"n"}`,
	} {
		f.Add([]byte(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + "."))
		f.Add([]byte(b64([]byte(`{"alg":"ES256","kid":"k","typ":"at+jwt","crit":["x"]}`)) + "." + b64([]byte(claims)) + "." + b64([]byte("sig"))))
	}
	for _, s := range []string{
		"Bearer \"\n\n'", "a.b.c.d.e\nx", "{\n{\"access_token\":\"e30.e30.\"}\n{\"keys\":[]}", "-----BEGIN X\n-----END X\n/etc/passwd\n",
		"{\"access_token\":\n\"\u202e\", \"error\": \"\u001b[2J\"}", "MDAxMWxvY2F0aW9uIGRDYWNoZQowMDE2aWRlbnRpZmllciBhYmNkCg",
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	keys := filepath.Join(dir, "jwks")
	if err := os.WriteFile(keys, []byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`), 0o600); err != nil {
		f.Fatal(err)
	}
	// These formats are for terminals and browsers.
	shown := map[string]bool{"text": true, "html": true}
	runs := [][]string{
		{"-o", "claims"}, {"-o", "text"}, {"-o", "html", "--ce", "c"},
		{"-o", "json", "--aud", "x", "--scope", "y", "--issuer", "z", "--min-lifetime", "1h", "--profile", "wlcg"},
		{"-o", "text", "--ce", "c", "--write", "--jwks", keys},
		{"-o", "ndjson", "--xrd", "root://x", "--write", "--path", "/b", "--server-version", "5.5.3"},
		{"-o", "text", "--xrd", "https://x", "--create", "--profile", "scitokens"},
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, args := range runs {
			code, out, stderr := inspect(input, args...)
			if code != cli.OK && code != cli.Failed && code != cli.NeedLogin {
				t.Fatalf("%q: exit %d: %s", args, code, stderr)
			}
			if args[1] == "ndjson" {
				for line := range strings.Lines(out) {
					var r result
					if err := json.Unmarshal([]byte(line), &r); err != nil {
						t.Fatalf("%v: %q", err, line)
					}
					for _, f := range slices.Concat(r.Causes, r.Remarks) {
						if _, ok := finding.Lookup(f.Code); !ok {
							t.Fatalf("unknown code %s", f.Code)
						}
					}
				}
			}
			text := stderr
			if shown[args[1]] {
				text += out
			}
			if i := strings.IndexFunc(text, func(r rune) bool {
				return r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
			}); i >= 0 {
				t.Fatalf("%q: raw at %d: %q", args, i, text)
			}
		}
	})
}

// Inputs have the correct line number, and only is set if there is just one, regardless of
// what precedes them.
func TestInputLines(t *testing.T) {
	half := "eyJhbGciOiJFUzI1NiJ9" + strings.Repeat("x", 30)
	for _, tt := range []struct{ in, want string }{
		{"a.b.c", "1 only"},
		{"a.b.c\n\n\n", "1 only"},
		{"\n\na.b.c\nd.e.f\n", "3, 4"},
		{"a.b.c\n\n\nd.e.f\n", "1, 4"},
		{"{\"a\":\n1}\n\n", "1 only"},
		{"{\"a\":\"x\n{\"b\":1}\n\n\n", "1, 2"},
		{half + "\n\n", "1 only"},
		{half + "\nop que\n\n\n", "1, 2"},
		{half + "\n" + half[20:40] + "\nd.e.f\n", "1, 3"},
		{"-----BEGIN X\nMII=\n-----END X\na.b.c\n", "1, 4"},
	} {
		var got []string
		if err := inputs(strings.NewReader(tt.in), func(i input) {
			s := strconv.Itoa(i.line)
			if i.only {
				s += " only"
			}
			got = append(got, s)
		}, func() {}); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, s, tt.want)
		}
	}
}

// endless is a reader that repeats text up to a total of n bytes.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.n > 0 {
		p[n] = e.text[len(e.text)-1-(e.n-1)%len(e.text)]
		n++
		e.n--
	}
	return n, nil
}

// watched calls measure after each quarter of an input of n bytes.
type watched struct {
	io.Reader
	n, read, next int
	measure       func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.read += n; w.read >= w.next && n > 0 {
		w.next += w.n / 4
		w.measure()
	}
	return n, err
}

// zip compresses the contents of r.
func zip(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, r); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Memory does not grow with the input, regardless of its form: it is limited to a few of the
// longest tokens, or to the contents of a page.
func TestBoundedMemory(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	token := b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte(`{"pad":"`+strings.Repeat("x", 1000)+`"}`)) + ".c2ln\n"
	const size = 12 << 20
	for name, text := range map[string]string{
		"one line": "a", "truncated objects": "{" + strings.Repeat(" ", 100) + "\n", "an object without an end": "{\"a\":\n", "a PEM file without an end": "-----BEGIN X\n", "white space": " \n", "many tokens": token,
		"a log without tokens": `{"msg":"request","status":200}` + "\n", "a log": `{"msg":"Bearer ` + strings.TrimSpace(token) + `"}` + "\n", "compressed": token, "compressed line": "a",
	} {
		for format, limit := range map[string]uint64{"ndjson": 6 << 20, "html": 12 << 20} {
			if format == "html" && name != "many tokens" {
				continue
			}
			input := &watched{Reader: &endless{text: text, n: size}, n: size}
			if strings.HasPrefix(name, "compressed") {
				z := zip(t, input.Reader)
				input = &watched{Reader: bytes.NewReader(z), n: len(z)}
			}
			var mu sync.Mutex
			kept := func() uint64 {
				mu.Lock()
				defer mu.Unlock()
				var stats runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&stats)
				return stats.HeapAlloc
			}
			before, most := kept(), uint64(0)
			input.measure = func() { most = max(most, kept()) }
			code := Main(&cli.Env{
				Program: "jwt-inspect", Args: []string{"-o", format}, Stdin: input, Stdout: io.Discard, Stderr: io.Discard,
				LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
			})
			input.measure()
			if code != cli.OK && code != cli.NeedLogin {
				t.Errorf("%s: exit %d", name, code)
			}
			if most > before+limit {
				t.Errorf("%s, %s: %d MB in use", name, format, (most-before)>>20)
			}
		}
	}
}
