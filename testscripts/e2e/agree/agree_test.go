//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/inspect"
	"example.org/token-helpers/shared/issuertest"
)

// samples returns the tokens that are presented to the real servers, and random ones.
func samples(t *testing.T) (raws []string, keys string) {
	t.Helper()
	dir := t.TempDir()
	p := options{work: filepath.Join(dir, "work"), pki: filepath.Join(dir, "pki")}
	for _, d := range []string{p.work, p.pki, filepath.Join(p.work, "other")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list, err := p.mint()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		raws = append(raws, s.raw)
	}
	k, err := issuertest.LoadKeys(p.pki)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // repeatable tokens, not secrets
	for range 1000 {
		d := shape{}.draft(pick(r, wlcg, scitokens, plain, atjwt), pick(r, "ce", "xrd"), time.Now())
		for range r.IntN(3) + 1 {
			pick(r, mutations...)(r, d)
		}
		raw, err := sign(d, k, k)
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	// Input that is not a token, between tokens.
	raws = append(raws, "opaque", raws[0][:len(raws[0])/2], raws[1]+".x", "e30.e30.", raws[2])
	r.Shuffle(len(raws), func(i, j int) { raws[i], raws[j] = raws[j], raws[i] })
	keys = filepath.Join(dir, "keys")
	point, err := k.Signing.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	pub := k.RSA.Public().(*rsa.PublicKey)
	b, err := json.Marshal(map[string]any{"keys": []any{
		map[string]string{"kty": "EC", "crv": "P-256", "kid": issuertest.KeyID(k.Signing), "x": b64(point[1:33]), "y": b64(point[33:])},
		map[string]string{"kty": "RSA", "kid": issuertest.KeyID(k.RSA), "n": b64(pub.N.Bytes()), "e": "AQAB"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keys, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return raws, keys
}

// judged is the part of a report that does not depend on its format or the form of the input.
type judged struct {
	Line                         int
	Kind, Iss, Sub, Jti, Verdict string
	SignatureState               string
	Causes, Remarks              []map[string]string
}

func judge(t *testing.T, input []byte, args ...string) (list []judged) {
	t.Helper()
	var out, stderr bytes.Buffer
	now := time.Now().Truncate(time.Second)
	code := inspect.Main(&cli.Env{Program: "jwt-inspect", Args: args, Stdin: bytes.NewReader(input), Stdout: &out, Stderr: &stderr,
		LookupEnv: func(string) (string, bool) { return "", false }, Now: func() time.Time { return now }})
	if code == cli.Usage {
		t.Fatalf("%q: %s", args, stderr.String())
	}
	for d := json.NewDecoder(&out); ; {
		var j judged
		if err := d.Decode(&j); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, j)
	}
}

// The verdicts on a stream, which are made in parallel and with memory that is used again,
// are the same and in the same order as those of -o json, which judges one token after the other. It does not
// matter whether the tokens stand alone, in lines of a JSON log, or in compressed input.
func TestStreamsAreJudgedLikeTokens(t *testing.T) {
	raws, keys := samples(t)
	var stream, log, zipped bytes.Buffer
	for i, raw := range raws {
		fmt.Fprintln(&stream, raw)
		line, err := json.Marshal(map[string]any{"msg": "request", "n": i, "request": map[string]any{"headers": []string{"Accept: */*", "Authorization: Bearer " + raw}}})
		if err != nil {
			t.Fatal(err)
		}
		log.Write(append(line, '\n'))
	}
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(log.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	for _, flags := range [][]string{
		{"--ce", audiences["ce"]}, {"--ce", audiences["ce"], "--read", "--jwks", keys}, {"--xrd", "root://localhost:11094", "--write", "--path", "/store/user"},
		{"--xrd", "https://localhost:11094", "--server-version", "5.5.3"}, {"--aud", "x", "--scope", "compute.read", "--issuer", wlcgIssuer, "--min-lifetime", "1h", "--profile", "wlcg"},
	} {
		flags = append(flags, "--now", now)
		ordinary := map[int]judged{}
		for _, j := range judge(t, stream.Bytes(), append([]string{"-o", "json"}, flags...)...) {
			ordinary[j.Line] = j
		}
		var want, inLog []judged
		for i, raw := range raws {
			one, ok := ordinary[i+1]
			if !ok { // -o json reports on stderr what is not a token
				alone := judge(t, []byte(raw+"\n"), append([]string{"-o", "ndjson"}, flags...)...)
				if len(alone) != 1 || alone[0].Kind == "access token" {
					t.Fatalf("%q: %+v", raw, alone)
				}
				one = alone[0]
				one.Line = i + 1
			}
			want = append(want, one)
			if raw != "opaque" && raw != "e30.e30." { // these do not begin with a JWT header
				inLog = append(inLog, one)
			}
		}
		for name, tt := range map[string]struct {
			input []byte
			want  []judged
		}{"tokens": {stream.Bytes(), want}, "log": {log.Bytes(), inLog}, "compressed log": {zipped.Bytes(), inLog}} {
			got := judge(t, tt.input, append([]string{"-o", "ndjson"}, flags...)...)
			if len(got) != len(tt.want) {
				t.Errorf("%s, %q: %d verdicts, want %d", name, flags, len(got), len(tt.want))
				continue
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], tt.want[i]) {
					t.Fatalf("%s, %q: verdict %d is\n%+v\nwant\n%+v", name, flags, i, got[i], tt.want[i])
				}
			}
		}
	}
}
