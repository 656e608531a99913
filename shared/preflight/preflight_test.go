package preflight

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/token"
)

var now = time.Unix(1_767_225_600, 0)

// issued returns a token with these claims. aud may be empty.
func issued(aud, scope string, exp time.Duration) token.Token {
	b64 := base64.RawURLEncoding.EncodeToString
	claims := map[string]any{"iss": "https://i.example.org", "sub": "u", "jti": "x", "wlcg.ver": "1.0", "scope": scope,
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(exp).Unix()}
	if aud != "" {
		claims["aud"] = aud
	}
	c, _ := json.Marshal(claims) // strings and numbers only
	return token.New(b64([]byte(`{"alg":"ES256","kid":"k"}`)) + "." + b64(c) + ".c2ln")
}

// granting is an issuer that grants all requests, except those of the service nobody.
type granting struct{ lifetime time.Duration }

func (g granting) Token(_ context.Context, c submit.Credential) (token.Token, error) {
	if c.Service == "nobody" {
		return token.Token{}, cli.Errorf(cli.NeedLogin, "there is no login").Hint("log in with\n  condor-token-helper login")
	}
	return issued(c.Audience, strings.Join(c.Scopes, " "), g.lifetime), nil
}

func checked(t *testing.T, text string, o Options) *Report {
	t.Helper()
	f, err := submit.Read("job.sub", []byte(text), submit.Options{Dir: "/", FS: fstest.MapFS{}, Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	o.Now, o.Program = func() time.Time { return now }, "condor-token-helper"
	if o.Tokens == nil {
		o.Tokens = granting{time.Hour}
	}
	o.File = func(name string) (token.Token, error) {
		if name != "/token" {
			return token.Token{}, cli.Errorf(cli.NeedLogin, "there is no token in %s", name)
		}
		return issued("ce.example.org:9619", "compute.create compute.modify compute.cancel", time.Hour), nil
	}
	r, err := Check(context.Background(), "job.sub", f, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdicts returns for each endpoint its verdict, name, causes and the commands of the hints.
func (r *Report) verdicts() []string {
	var out []string
	for _, e := range r.Endpoints {
		s := e.Verdict + " " + e.What
		for _, f := range e.Causes {
			s += " " + string(f.Code)
			if f.Command != "" {
				s += " [" + f.Command + "]"
			}
		}
		out = append(out, s)
	}
	return out
}

const se = "use_oauth_services = s\ns_oauth_permissions_se = read:/store/in, write:/store/out\ns_oauth_resource_se = https://se.example.org\n"

func TestCheck(t *testing.T) {
	tests := []struct {
		name, text string
		code       int
		want       []string
	}{
		{"accepted", se + "transfer_input_files = s.se+https://se.example.org/store/in/a\noutput_destination = s.se+https://se.example.org/store/out\nqueue", 0,
			[]string{"ok s.se+https://se.example.org/store/in/a", "ok s.se+https://se.example.org/store/out"}},
		{"another server", se + "transfer_input_files = s.se+https://other.example.org/store/in/a\nqueue", 1,
			[]string{"fail s.se+https://other.example.org/store/in/a aud-mismatch [s_oauth_resource_se = https://other.example.org]"}},
		{"root:// with a token's name", se + "transfer_input_files = s.se+root://se.example.org//store/in/a\nqueue", 1,
			[]string{"fail s.se+root://se.example.org//store/in/a aud-mismatch [s_oauth_resource_se = https://se.example.org:1094]"}},
		{"another path", se + "transfer_input_files = s.se+https://se.example.org/store/x/a\nqueue", 1,
			[]string{"fail s.se+https://se.example.org/store/x/a path-mismatch [s_oauth_permissions_se = read:/store/in, write:/store/out, read:/store/x]"}},
		{"the wrong operation", se + "transfer_output_remaps = \"a = s.se+https://se.example.org/store/in/a\"\nqueue", 1,
			[]string{"fail s.se+https://se.example.org/store/in/a path-mismatch [s_oauth_permissions_se = read:/store/in, write:/store/out, write:/store/in]"}},
		{"the token's name is missing", se + "transfer_input_files = https://se.example.org/store/in/a, https://other.example.org/x, osdf:///x, root://se.example.org//x, http://h/x\nqueue", 1,
			[]string{"fail https://se.example.org/store/in/a credential-missing [s.se+https://se.example.org/store/in/a]", "unknown https://other.example.org/x", "unknown osdf:///x",
				"unknown root://se.example.org//x", "unknown http://h/x", "ok https://se.example.org/store/in", "ok https://se.example.org/store/out"}[:5]},
		{"a handle that is not requested", se + "transfer_input_files = s.x+https://se.example.org/store/in/a, t+https://h/a\nqueue", 1,
			[]string{"fail s.x+https://se.example.org/store/in/a credential-missing [s_oauth_permissions_x = SCOPE]", "fail t+https://h/a credential-missing [use_oauth_services = t]",
				"ok https://se.example.org/store/in", "ok https://se.example.org/store/out"}},
		{"a handle in another case", se + "transfer_input_files = s.SE+https://se.example.org/store/in/a\nqueue", 1,
			[]string{"fail s.SE+https://se.example.org/store/in/a credential-missing [s.se+https://se.example.org/store/in/a]", "ok https://se.example.org/store/in", "ok https://se.example.org/store/out"}},
		{"davs with a token", se + "transfer_input_files = s.se+davs://se.example.org/store/in/a\nqueue", 1,
			[]string{"fail s.se+davs://se.example.org/store/in/a url-unusable [s.se+https://se.example.org/store/in/a]"}},
		{"a broken URL", se + "transfer_input_files = s.se+https://se.example.org:x/a, s.se+s3://b/c\nqueue", 1,
			[]string{"fail s.se+https://se.example.org:x/a url-unusable", "unknown s.se+s3://b/c"}},
		{"no login", "use_oauth_services = nobody\nnobody_oauth_permissions = read:/\nnobody_oauth_resource = https://h\ntransfer_input_files = nobody+https://h/a\nqueue", 3,
			[]string{"fail nobody+https://h/a token-unavailable [condor-token-helper login]"}},
		{"no login, and a mistake", "use_oauth_services = nobody\nnobody_oauth_permissions = read:/\ntransfer_input_files = nobody+https://h/a, x+https://h/a\nqueue", 1,
			[]string{"fail nobody+https://h/a token-unavailable [condor-token-helper login]", "fail x+https://h/a credential-missing [use_oauth_services = x]"}},
		{"a CE to view", "use_oauth_services = s\ns_oauth_permissions = compute.read\ns_oauth_resource = ce.example.org\nqueue", 1,
			[]string{"fail ce.example.org:9619 aud-mismatch [s_oauth_resource = ce.example.org:9619]"}},
		{"a CE to submit to", "use_oauth_services = s\ns_oauth_permissions = compute.create\ns_oauth_resource = ce.example.org:9619\nqueue", 1,
			[]string{"fail ce.example.org:9619 write-incomplete [s_oauth_permissions = compute.create, compute.modify, compute.cancel]"}},
		{"a CE named by a URL", "use_oauth_services = s\ns_oauth_permissions = compute.read\ns_oauth_resource = https://ce.example.org:9619/\nqueue", 1,
			[]string{"fail ce.example.org:9619 aud-mismatch [s_oauth_resource = ce.example.org:9619]"}},
		{"no audience", "use_oauth_services = s\ns_oauth_permissions = compute.read\nqueue", 0, []string{"ok none"}},
		{"an unusual audience", "use_oauth_services = s\ns_oauth_permissions = x\ns_oauth_resource = urn://a\nqueue", 0, []string{"ok urn://a"}},
		{"the grid universe", "universe = grid\ngrid_resource = condor s ce.example.org:9619\nscitokens_file = token\nqueue", 0, []string{"ok ce.example.org:9619"}},
		{"another CE", "universe = grid\ngrid_resource = condor s other.example.org:9619\nscitokens_file = token\nqueue", 1,
			[]string{"fail other.example.org:9619 aud-mismatch [condor-token-helper --ce other.example.org:9619 --file /token]"}},
		{"no token for the CE", "universe = grid\ngrid_resource = condor s ce.example.org:9619\nqueue", 0, []string{"unknown ce.example.org:9619"}},
		{"the token's file is missing", "universe = grid\ngrid_resource = condor s ce.example.org:9619\nscitokens_file = nothere\nqueue", 3,
			[]string{"fail ce.example.org:9619 token-unavailable [condor-token-helper --ce ce.example.org:9619 --file /nothere]"}},
		{"an invalid CE", "universe = grid\ngrid_resource = condor s https://ce\nscitokens_file = token\nqueue", 1, []string{"fail https://ce url-unusable"}},
		{"nothing", "queue", 0, nil},
	}
	for _, tt := range tests {
		r := checked(t, tt.text+"\n", Options{})
		if got := r.verdicts(); r.Code != tt.code || !slices.Equal(got, tt.want) {
			t.Errorf("%s: exit code %d, %q\nwant %d, %q", tt.name, r.Code, got, tt.code, tt.want)
		}
		// The report must be valid in both formats.
		out, err := r.json()
		if err != nil || !json.Valid(out) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %s %v", tt.name, out, err)
		}
		for _, e := range r.Endpoints {
			if !strings.Contains(strings.Join(strings.Fields(r.text(80, false)), " "), e.What) {
				t.Errorf("%s: the report does not contain %s:\n%s", tt.name, e.What, r.text(80, false))
			}
		}
	}
}

// A token is accepted if the issuer's clock is slightly ahead, and refused if it has expired.
func TestTimes(t *testing.T) {
	text := se + "transfer_input_files = s.se+https://se.example.org/store/in/a\nqueue\n"
	if r := checked(t, text, Options{Tokens: granting{-time.Minute}}); r.Code != 1 || r.Endpoints[0].Causes[0].Code != "expired" {
		t.Errorf("%q", r.verdicts())
	}
	c := &check{Options: Options{Now: func() time.Time { return now.Add(-time.Hour - 30*time.Second) }}}
	if at := c.at(issued("", "x", time.Hour)); !at.Equal(now.Add(-time.Hour)) {
		t.Errorf("judged at %s", at)
	}
	c.Now = func() time.Time { return now.Add(-2 * time.Hour) }
	if at := c.at(issued("", "x", time.Hour)); !at.Equal(c.Now()) {
		t.Errorf("judged at %s", at)
	}
}

// Versions of servers differ in path prefixes and in statements after the queue statement.
func TestVersions(t *testing.T) {
	text := se + "transfer_input_files = s.se+https://se.example.org/store/inside\nqueue\nqueue\n"
	if r := checked(t, text, Options{XRootD: service.Version{Major: 5, Minor: 5, Patch: 3}}); r.Code != 0 {
		t.Errorf("XRootD 5.5.3: %q", r.verdicts())
	}
	r := checked(t, text, Options{})
	if r.Code != 1 || !strings.Contains(r.text(200, false), "XRootD 5.5.3 with scitokens-cpp 0.7.3 accepts this token") {
		t.Errorf("%s", r.text(200, false))
	}
	text = strings.ReplaceAll(text, "inside", "in")
	for v, code := range map[service.Version]int{{}: 0, {Major: 23, Minor: 9, Patch: 6}: 0, {Major: 25}: 1} {
		if r := checked(t, text, Options{HTCondor: v}); r.Code != code {
			t.Errorf("HTCondor %s: exit code %d", v, r.Code)
		}
	}
}

// The report about many jobs with different URLs is short.
func TestManyJobs(t *testing.T) {
	r := checked(t, se+"transfer_input_files = s.se+https://se.example.org/store/in/$(Process), s.se+https://se.example.org/x/$(Process)\nqueue 5000\n", Options{})
	if len(r.Endpoints) != 10000 || r.Code != 1 {
		t.Errorf("%d endpoints, exit code %d", len(r.Endpoints), r.Code)
	}
	out := r.text(80, false)
	if n := strings.Count(out, "\n"); n > 60 || strings.Count(out, "4997 more like these") != 2 {
		t.Errorf("%d lines:\n%.3000s", n, out)
	}
}

// What tokens and submit files contain cannot control the terminal.
func TestEscapes(t *testing.T) {
	r := checked(t, se+"transfer_input_files = s.se+https://se.example.org/\x1b[31m\x1b]0;x\a\n+x = 1\nqueue\n", Options{})
	if out := r.text(80, false); strings.ContainsAny(out, "\x1b\a") {
		t.Errorf("%q", out)
	}
}

func TestReadToken(t *testing.T) {
	if _, err := readToken(t.TempDir() + "/nothere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for content, want := range map[string]string{"a.b.c\n": "", `{"access_token":"a.b.c"}`: "", "": "contains no token", "a b": "contains no token", "{}": "contains no access_token", "{": "contains no access_token"} {
		name := t.TempDir() + "/t.use"
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readToken(name)
		if want == "" && (err != nil || got.Raw() != "a.b.c") || want != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}
