package inspect

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
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

func TestTrim(t *testing.T) {
	for _, in := range []string{
		"a.b.c", " a.b.c\r\n", "\ufeffa.b.c", `"a.b.c"`, `'a.b.c'`, "Bearer a.b.c", "bearer  a.b.c", "Authorization: Bearer a.b.c", "authorization:Bearer a.b.c", "\ufeff \"Bearer a.b.c\" \n",
	} {
		if got := string(trim([]byte(in))); got != "a.b.c" {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// From bytes to report: whatever comes in, no panic, no raw escape comes out, and
// the code is one of ours.
func FuzzInspect(f *testing.F) {
	b64 := base64.RawURLEncoding.EncodeToString
	for _, claims := range []string{
		`{}`, `{"iss":"https://i","aud":["a",1],"scope":"read:/ compute.read x:","exp":1e300,"iat":-1,"nbf":"x"}`,
		`{"\u001b[31m":"\u202e\u0000","a":{"b":[null]},"a":2}`, "{\"a\":\"\u009b31m\u2066\"}", `{"scope":7,"wlcg.ver":1}`,
	} {
		f.Add([]byte(b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + "."))
	}
	f.Add([]byte("Bearer \"\n\n'"))
	f.Add([]byte("a.b.c.d.e\nx"))
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, args := range [][]string{{"-o", "text"}, {"-o", "json", "--aud", "x", "--scope", "y", "--issuer", "z", "--min-lifetime", "1h"}, {}} {
			code, out, said := inspect(input, args...)
			if code != cli.OK && code != cli.Failed && code != cli.NeedLogin {
				t.Fatalf("exit %d: %s", code, said)
			}
			shown := said
			if len(args) == 2 {
				shown += out
			}
			if i := strings.IndexFunc(shown, func(r rune) bool {
				return r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
			}); i >= 0 {
				t.Fatalf("raw at %d: %q", i, shown)
			}
		}
	})
}
