package inspect

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// benchToken is a token of 1 kB in the form of a WLCG issuer.
var benchToken = func() []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	var groups []string
	for i := range 16 {
		groups = append(groups, fmt.Sprintf(`"/wlcg/group-%02d"`, i))
	}
	claims := `{"wlcg.ver":"1.0","sub":"0f8a5f3b-5c1c-4d8a-9d4f-6c2d0f8a5f3b","aud":"ce.example.org:9619","nbf":1767225540,"scope":"compute.read compute.modify compute.cancel compute.create storage.read:/ storage.modify:/store",` +
		`"iss":"https://iam.example.org/","exp":1767229200,"iat":1767225600,"jti":"7e0f1c3f-93a1-4c53-8a55-1c117e0f1c3f","client_id":"a3f1b5c2-7d1e-4b57-9a4e-2f6f0d9c8b7a","wlcg.groups":[` + strings.Join(groups, ",") + `]}`
	return []byte(b64([]byte(`{"kid":"k1","alg":"ES256","typ":"JWT"}`)) + "." + b64([]byte(claims)) + "." + b64(make([]byte, 64)))
}()

// benchServices are typical checks of the tokens in a log.
var benchServices = []struct {
	name string
	args []string
}{
	{"ce", []string{"--ce", "ce.example.org"}}, {"xrd", []string{"--xrd", "root://x.example.org"}}, {"none", []string{"--scope", "compute.read", "--min-lifetime", "60"}},
}

// benchJudge returns a judge for the command line, whose time is half an hour after the
// tokens were issued.
func benchJudge(b *testing.B, args []string) (*judge, *output) {
	b.Helper()
	env := &cli.Env{Program: "jwt-inspect", Args: append([]string{"-o", "ndjson", "--now", "2026-01-01T00:30:00Z"}, args...), Stdout: io.Discard, Stderr: io.Discard,
		LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now}
	o, done, err := parse(env)
	if err != nil || done {
		b.Fatal(done, err)
	}
	jd, _, err := o.plan(env, false)
	if err != nil {
		b.Fatal(err)
	}
	return jd, &output{env: env, stdout: io.Discard, screen: screen{width: 80}, now: jd.now}
}

func benchInput(b *testing.B) (input, *token.JWT) {
	b.Helper()
	i, j := decode(nil, input{label: "stdin", line: 1, raw: benchToken})
	if j == nil {
		b.Fatal(i.err)
	}
	return i, j
}

// BenchmarkParse decodes tokens with a new decoder for each, and with the same one.
func BenchmarkParse(b *testing.B) {
	b.Run("decoder=new", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(benchToken)))
		for b.Loop() {
			if _, err := token.Decode(benchToken); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoder=reused", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(benchToken)))
		var d token.Decoder
		for b.Loop() {
			if _, err := d.Decode(benchToken); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheck runs the checks that helpers make before they print a token.
func BenchmarkCheck(b *testing.B) {
	t := token.New(string(benchToken))
	r := service.Required{Issuer: "https://iam.example.org", Audiences: []string{"ce.example.org:9619"}, Scopes: []string{"compute.read", "storage.modify:/store/me"}, MinLifetime: time.Minute}
	now := time.Unix(1_767_227_400, 0)
	b.ReportAllocs()
	for b.Loop() {
		if list := service.Check(t, r, now); len(list) != 0 {
			b.Fatal(list)
		}
	}
}

// BenchmarkJudge measures the verdicts of services.
func BenchmarkJudge(b *testing.B) {
	for _, s := range benchServices {
		b.Run("service="+s.name, func(b *testing.B) {
			jd, _ := benchJudge(b, s.args)
			i, j := benchInput(b)
			b.ReportAllocs()
			for b.Loop() {
				jd.verdict(i, j)
			}
		})
	}
}

// BenchmarkRender renders one token in each format.
func BenchmarkRender(b *testing.B) {
	for _, f := range formats {
		b.Run("format="+f.name, func(b *testing.B) {
			jd, out := benchJudge(b, benchServices[0].args)
			i, j := benchInput(b)
			v := jd.verdict(i, j)
			b.ReportAllocs()
			for b.Loop() {
				r := f.new(out)
				r.token(f.view(i, j, v, jd))
				if err := r.finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStream runs the program with many tokens, on all processors.
func BenchmarkStream(b *testing.B) {
	const lines = 1000
	tokens := bytes.Repeat(append(bytes.Clone(benchToken), '\n'), lines)
	log := bytes.Repeat(fmt.Appendf(nil, `{"time":"2026-01-01T00:00:00Z","msg":"request","request":{"headers":{"Authorization":["Bearer %s"]}}}`+"\n", benchToken), lines)
	for _, s := range benchServices {
		for name, stdin := range map[string][]byte{"tokens": tokens, "log": log} {
			b.Run("service="+s.name+"/input="+name, func(b *testing.B) {
				args := append([]string{"-o", "ndjson", "--now", "2026-01-01T00:30:00Z"}, s.args...)
				b.ReportAllocs()
				b.SetBytes(int64(len(stdin)))
				for b.Loop() {
					code := Main(&cli.Env{Program: "jwt-inspect", Args: args, Stdin: bytes.NewReader(stdin), Stdout: io.Discard, Stderr: io.Discard,
						LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now})
					if code != cli.OK && code != cli.Failed {
						b.Fatal(code)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/token")
			})
		}
	}
}
