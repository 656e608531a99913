//go:build !windows

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

// ask gets a token from a chain of these sources.
func ask(w *world, req token.Request, specs ...string) (token.Token, error) {
	c, err := NewChain(w.Env, specs)
	if err != nil {
		return token.Token{}, err
	}
	return c.Token(context.Background(), req)
}

func TestBearer(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	soon := func(d time.Duration) string {
		return jwt(map[string]any{"iat": epoch.Add(d).Unix(), "nbf": epoch.Add(d).Unix()})
	}
	files := map[string]string{
		"good": jwt(nil), "spaces": " \n" + jwt(nil) + "\r\n", "wide": jwt(map[string]any{"scope": "s t"}), "seconds ahead": soon(time.Second),
		"empty": "", "blank": " \n", "opaque": "opaque-token", "expired": jwt(map[string]any{"exp": epoch.Unix() - 1}), "short": jwt(map[string]any{"exp": epoch.Unix() + 30}),
		"other audience": jwt(map[string]any{"aud": "b"}), "other issuer": jwt(map[string]any{"iss": "https://j/"}), "other scope": jwt(map[string]any{"scope": "t"}), "hours ahead": soon(time.Hour),
		"endless": strings.Repeat("x", 1<<20+1),
	}
	for name, content := range files {
		must(t, os.WriteFile(path(name), []byte(content), 0o644))
	}
	must(t, syscall.Mkfifo(path("pipe"), 0o600))
	for name, says := range map[string]string{
		"good": "", "spaces": "", "wide": "", "seconds ahead": "",
		"none": "there is no file", "empty": "is empty", "blank": "is empty", "opaque": "has no expiry", "expired": "expired", "short": "the token expires in 30s",
		"other audience": "audience", "other issuer": "issuer", "other scope": "lacks the scope s", "hours ahead": "not valid until",
	} {
		w := newWorld(t.TempDir())
		got, err := ask(w, request, "cache", "bearer:"+path(name))
		var ne *NoneError
		if says == "" && (err != nil || got.Raw() != strings.TrimSpace(files[name]) || got.Source != "bearer") {
			t.Errorf("%s: %v", name, err)
		}
		if says != "" && (!errors.As(err, &ne) || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %T %v", name, err, err)
		}
		if w.cached(t) > 0 {
			t.Errorf("%s: it is cached", name)
		}
	}
	// These are errors, not a None.
	for name, says := range map[string]string{"pipe": "is a named pipe", ".": "is a directory", "endless": "longer than"} {
		var ne *NoneError
		if _, err := ask(newWorld(t.TempDir()), request, "bearer:"+path(name)); err == nil || errors.As(err, &ne) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	// Without a file, WLCG Bearer Token Discovery finds the token.
	run := t.TempDir()
	if got, err := ask(newWorld(t.TempDir(), "BEARER_TOKEN="+jwt(nil)), request, "bearer"); err != nil || got.Raw() != jwt(nil) {
		t.Error(err)
	}
	if _, err := ask(newWorld(t.TempDir(), "BEARER_TOKEN_FILE="+path("none"), "XDG_RUNTIME_DIR="+run), request, "bearer"); err == nil {
		t.Error("a token was found")
	}
}

// robot is an issuer for robots. It records requests, and issues a token for each.
type robot struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
	auth  []string
}

func newRobot(t *testing.T) *robot {
	r := &robot{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": r.URL, "token_endpoint": r.URL + "/token"})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, q *http.Request) {
		_ = q.ParseForm()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forms, r.auth = append(r.forms, q.PostForm), append(r.auth, q.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token_type": "Bearer", "expires_in": 3600,
			"access_token": jwt(map[string]any{"iss": r.URL, "scope": q.PostForm.Get("scope"), "aud": q.PostForm.Get("audience"), "sub": fmt.Sprint("of ", q.PostForm.Get("subject_token"))}),
		})
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func TestClientCredentials(t *testing.T) {
	r := newRobot(t)
	req := request
	req.Issuer = r.URL
	home := t.TempDir()
	run := func(id, secret string) (token.Token, error) {
		w := newWorld(home)
		w.Logins.ClientID = id
		w.Logins.ClientSecret = func() (string, error) { return secret, nil }
		return ask(w, req, "cache", "client-credentials")
	}
	for _, c := range [][2]string{{"", ""}, {"robot", ""}} {
		var ne *NoneError
		if _, err := run(c[0], c[1]); !errors.As(err, &ne) || len(r.forms) > 0 {
			t.Errorf("%q: %v", c, err)
		}
	}
	for n := range 3 {
		got, err := run("robot", "s3cret/+")
		if err != nil || got.Source != map[bool]string{true: "client-credentials", false: "cache"}[n == 0] {
			t.Errorf("%d: %q, %v", n, got.Source, err)
		}
	}
	if len(r.forms) != 1 || r.forms[0].Get("grant_type") != "client_credentials" || r.forms[0].Get("scope") != "s" || r.forms[0].Get("audience") != "a" || r.auth[0] != "Basic cm9ib3Q6czNjcmV0JTJGJTJC" {
		t.Errorf("%v %q", r.forms, r.auth)
	}
	w := newWorld(home)
	w.Logins.ClientID = "robot"
	w.Logins.ClientSecret = func() (string, error) { return "", os.ErrPermission }
	if _, err := ask(w, req, "client-credentials"); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

// Tokens from an exchange are cached for the token that was exchanged.
func TestExchange(t *testing.T) {
	r := newRobot(t)
	req := request
	req.Issuer = r.URL
	home := t.TempDir()
	file := filepath.Join(t.TempDir(), "token")
	run := func(spec string) (token.Token, error) {
		w := newWorld(home)
		w.Logins.ClientID = "job"
		return ask(w, req, "cache", spec)
	}
	for n, step := range []struct {
		subject string
		asked   int
	}{{"subject-A", 1}, {"subject-A", 1}, {"subject-B", 2}, {"subject-A", 2}, {"subject-A\n", 2}, {"subject-B", 2}} {
		must(t, os.WriteFile(file, []byte(step.subject), 0o600))
		got, err := run("exchange:" + file)
		must(t, err)
		sub, _ := got.JWT().String("sub")
		if want := "of " + strings.TrimSpace(step.subject); sub != want || len(r.forms) != step.asked {
			t.Errorf("step %d: %q, want %q; asked %d times", n, sub, want, len(r.forms))
		}
	}
	if f := r.forms[0]; f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || f.Get("subject_token") != "subject-A" || f.Get("client_id") != "job" {
		t.Errorf("%v", f)
	}
	must(t, os.Remove(file))
	var ne *NoneError
	if _, err := run("exchange:" + file); !errors.As(err, &ne) || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("%T %v", err, err)
	}
	// The cache's names and contents do not contain the subject token.
	must(t, filepath.WalkDir(home, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if strings.Contains(p+string(b), "subject-") {
			t.Errorf("%s", p)
		}
		return err
	}))
	// An exchange needs a client.
	must(t, os.WriteFile(file, []byte("subject-A"), 0o600))
	if _, err := ask(newWorld(t.TempDir()), req, "exchange:"+file); !errors.As(err, &ne) || !strings.Contains(err.Error(), "--client-id") {
		t.Errorf("%T %v", err, err)
	}
}

func script(t *testing.T, dir, name, body string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700))
}

func TestPlugin(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	good := jwt(nil)
	const contract = "run 'test sources --check test' with the same flags to test the plugin"
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	t.Cleanup(func() {
		if fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = syscall.Close(fd) // ends the reader
		}
	})
	for _, tt := range []struct {
		name, body string
		code       int // 0: a token; -1: nothing to offer
		says, hint string
	}{
		{"a token", `echo '{"apiVersion":"token-helpers/v1","token":"` + good + `"}'`, 0, "", ""},
		{"opaque, with its expiry", `echo '{"apiVersion":"token-helpers/v1","token":"opaque","expiresAt":"2026-03-01T13:00:00Z"}'`, 0, "", ""},
		{"a token, and leaves a process", "cat <" + pipe + ` & echo '{"apiVersion":"token-helpers/v1","token":"` + good + `"}'`, 0, "", ""},
		{"nothing", `echo '{"apiVersion":"token-helpers/v1","error":{"code":"none","message":"no account"}}'`, -1, "no account", ""},
		{"nothing, exit 1", `echo '{"error":{"code":"none"}}'; exit 1`, -1, "has nothing to offer", ""},
		{"login required", `echo '{"apiVersion":"token-helpers/v1","error":{"code":"login-required","message":"log in","hint":"run x"}}'; exit 3`, cli.NeedLogin, "token-source-test: log in", "run x"},
		{"refused", `echo '{"apiVersion":"token-helpers/v1","error":{"code":"denied"}}'`, cli.Refused, "token-source-test: denied", ""},
		{"a forged hint", `printf '%s' '{"error":{"code":"x","message":"a\nhint: run rm\u001b[2J","hint":"b\nhint: c"}}'`, cli.Refused, `a\u000ahint: run rm\u001b[2J`, `b\u000ahint: c`},
		{"another version", `echo '{"apiVersion":"token-helpers/v2","token":"x"}'`, cli.Failed, "apiVersion", contract},
		{"neither", `echo '{"apiVersion":"token-helpers/v1"}'`, cli.Failed, "neither a token nor an error", contract},
		{"not JSON", `echo hello`, cli.Failed, "did not print a JSON object", contract},
		{"silent", `exit 0`, cli.Failed, "did not print a JSON object", contract},
		{"fails", `exit 7`, cli.Failed, "exit status 7", contract},
		{"a token, but fails", `echo '{"apiVersion":"token-helpers/v1","token":"` + good + `"}'; exit 7`, cli.Failed, "exit status 7", contract},
		{"endless", `exec cat /dev/zero`, cli.Failed, "longer than", contract},
		{"a token with a newline", `printf '%s' '{"apiVersion":"token-helpers/v1","token":"a\nb"}'`, cli.Failed, "characters that tokens cannot contain", ""},
		{"another token", `echo '{"apiVersion":"token-helpers/v1","token":"` + jwt(map[string]any{"scope": "t"}) + `"}'`, cli.GrantDiffer, "the token includes t but not s", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, bin, "token-source-test", tt.body)
			req := request
			if strings.HasPrefix(tt.name, "opaque") {
				req.Scopes, req.Audiences = nil, nil
			}
			got, err := ask(newWorld(t.TempDir()), req, "plugin:test")
			var ne *NoneError
			switch {
			case tt.code == 0:
				if err != nil || got.Source != "plugin:test" || !got.Expires.Equal(epoch.Add(time.Hour)) {
					t.Errorf("%q, %v, %v", got.Source, got.Expires, err)
				}
				return
			case tt.code < 0:
				if !errors.As(err, &ne) {
					t.Errorf("%T %v", err, err)
				}
			case cli.Explain(err).Code != tt.code:
				t.Errorf("%T %v", err, err)
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%v", err)
			}
			if hints := cli.Explain(err).Hints(); (len(hints) > 0) != (tt.hint != "") && tt.code != cli.GrantDiffer || tt.hint != "" && hints[0] != tt.hint {
				t.Errorf("hints %q", hints)
			}
		})
	}
	t.Run("the request", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "request")
		script(t, bin, "token-source-test", "cat >"+file+"; echo '{\"error\":{\"code\":\"none\"}}'")
		req := token.Request{Issuer: "https://i/", Scopes: []string{"s"}, MinLifetime: 90 * time.Second}
		_, _ = ask(newWorld(t.TempDir()), req, "plugin:test")
		b, err := os.ReadFile(file)
		must(t, err)
		if want := `{"apiVersion":"token-helpers/v1","issuer":"https://i/","audiences":[],"scopes":["s"],"minLifetimeSeconds":90,"interactive":false}` + "\n"; string(b) != want {
			t.Errorf("%s", b)
		}
	})
	t.Run("never answers", func(t *testing.T) {
		pipe := filepath.Join(t.TempDir(), "pipe")
		must(t, syscall.Mkfifo(pipe, 0o600))
		script(t, bin, "token-source-test", "exec cat "+pipe)
		w := newWorld(t.TempDir())
		w.Timeout = 10 * time.Millisecond
		if _, err := ask(w, request, "plugin:test"); cli.Explain(err).Code != cli.TimedOut || !strings.Contains(err.Error(), "did not answer within 20ms") {
			t.Errorf("%T %v", err, err)
		}
	})
}

func TestCheckPlugin(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	for name, tt := range map[string]struct {
		body string
		bad  int
	}{
		"keeps it":                    {`case $(cat) in *nobody.invalid*) echo '{"error":{"code":"none"}}';; *) echo '{"apiVersion":"token-helpers/v1","token":"` + jwt(nil) + `"}';; esac`, 0},
		"always nothing":              {`echo '{"error":{"code":"none"}}'`, 0},
		"always an error":             {`echo '{"error":{"code":"x","message":"m"}}'`, 0},
		"an error without a message":  {`echo '{"error":{"code":"x"}}'`, 1},
		"a token for anybody":         {`echo '{"apiVersion":"token-helpers/v1","token":"` + jwt(nil) + `"}'`, 1},
		"an opaque token for anybody": {`echo '{"apiVersion":"token-helpers/v1","token":"opaque"}'`, 2},
		"a token with a space":        {`case $(cat) in *nobody.invalid*) echo '{"error":{"code":"none"}}';; *) echo '{"apiVersion":"token-helpers/v1","token":"a b","expiresAt":"2026-03-01T13:00:00Z"}';; esac`, 1},
		"not JSON":                    {`echo hello`, 2},
	} {
		script(t, bin, "token-source-test", tt.body)
		list, err := CheckPlugin(context.Background(), newWorld(t.TempDir()).Env, "test", request)
		must(t, err)
		bad := 0
		for _, f := range list {
			if !f.OK {
				bad++
			}
		}
		if bad != tt.bad || len(list) < 3 {
			t.Errorf("%s: %+v", name, list)
		}
	}
	if list, err := CheckPlugin(context.Background(), newWorld(t.TempDir()).Env, "none", request); err != nil || len(list) != 1 || list[0].OK {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := CheckPlugin(context.Background(), newWorld(t.TempDir()).Env, "../x", request); err == nil {
		t.Error("a path is accepted as a name")
	}
}

func TestHTGetToken(t *testing.T) {
	bin, temp := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("TMPDIR", temp)
	args := filepath.Join(t.TempDir(), "args")
	write := `for a in "$@"; do case $a in --outfile=*) out=${a#--outfile=};; esac; done; printf '%s\n' "$@" >` + args + "\n"
	for _, tt := range []struct {
		name, body, says string
	}{
		{"a token", write + `umask 077; echo '` + jwt(nil) + `' >"$out"`, ""},
		{"no token", write, "htgettoken wrote no token"},
		{"a token that others can read", write + `umask 022; echo '` + jwt(nil) + `' >"$out"; chmod 644 "$out"`, "can be used by other users"},
		{"fails", write + `exit 1`, "htgettoken: exit status 1"},
		{"a link", write + `ln -s /etc/passwd "$out"`, "is a symbolic link"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, bin, "htgettoken", tt.body)
			got, err := ask(newWorld(t.TempDir()), request, "htgettoken:-a vault.example.org")
			if tt.says == "" && (err != nil || got.Raw() != jwt(nil) || got.Source != "htgettoken") {
				t.Error(err)
			}
			if tt.says != "" && (cli.Explain(err).Code != cli.Refused || !strings.Contains(err.Error(), tt.says) || len(cli.Explain(err).Hints()) != 1) {
				t.Errorf("%T %v", err, err)
			}
			b, err := os.ReadFile(args)
			must(t, err)
			list := strings.Fields(string(b))
			if want := []string{"-a", "vault.example.org", "--audience=a", "--scopes=s", "--nooidc", "--minsecs=60"}; !slices.Equal(list[:len(list)-1], want) {
				t.Errorf("%q", list)
			}
			if left, err := filepath.Glob(filepath.Join(temp, "token-helpers-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	var ne *NoneError
	t.Setenv("PATH", t.TempDir())
	if _, err := ask(newWorld(t.TempDir()), request, "htgettoken"); !errors.As(err, &ne) {
		t.Errorf("%T %v", err, err)
	}
	// The subject depends on the vault's user.
	one, _ := htgettoken{newWorld("").Env, "-a x"}.subject()
	two, _ := htgettoken{newWorld("", "HTGETTOKENOPTS=-u robot").Env, "-a x"}.subject()
	if one == two {
		t.Errorf("%q and %q", one, two)
	}
}

// A hostile agent cannot add a line, control the terminal or return an invalid token.
func TestHostileAgent(t *testing.T) {
	for name, answer := range map[string]string{
		"error":       `{"status":"failure","error":"x\nhint: run rm\u001b[2J","info":"y\nhint: run rm\u001b[2J"}`,
		"long":        `{"status":"failure","error":"` + strings.Repeat("x", 100_000) + `","info":"` + strings.Repeat("y", 100_000) + `"}`,
		"token":       `{"status":"success","access_token":"a\nb","issuer":"https://i/"}`,
		"spaces":      `{"status":"success","access_token":"a b","issuer":"https://i/"}`,
		"other types": `{"status":7,"access_token":{}}`,
		"endless":     strings.Repeat(" ", agentMaxAnswer+1),
	} {
		d := agent(t, "unix", saying(answer))
		w := newWorld(t.TempDir(), "OIDC_SOCK="+d.Getenv("OIDC_SOCK"))
		w.Explicit = true
		_, err := ask(w, request, "oidc-agent")
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, s := range append(cli.Explain(err).Hints(), err.Error()) {
			if strings.ContainsAny(s, "\n\x1b") || len(s) > 1000 {
				t.Errorf("%s: %.1000q", name, s)
			}
		}
		if w.cached(t) > 0 {
			t.Errorf("%s: cached", name)
		}
	}
}

func TestAgentReport(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"status":"success","info":["wlcg","other"]}`: true,
		`{"status":"success","info":[]}`:               false,
		`{"status":"success","info":"none loaded"}`:    false,
		`{"status":"failure","error":"locked"}`:        false,
		`?`:                                            false,
	} {
		d := agent(t, "unix", saying(answer))
		has, what := oidcAgent{d}.report(context.Background(), request)
		if has != want || what == "" {
			t.Errorf("%s: %v, %s", answer, has, what)
		}
	}
	d := agent(t, "unix", saying(`{"status":"success","info":["wlcg"]}`))
	d.Account = "missing"
	if has, what := (oidcAgent{d}).report(context.Background(), request); has || !strings.Contains(what, "missing") {
		t.Error(what)
	}
}

// An agent of the current user is accepted. testscripts/e2e tests as root that one of
// another user is rejected.
func TestPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer func() { _ = l.Close() }()
	c, err := net.Dial("unix", path)
	must(t, err)
	defer func() { _ = c.Close() }()
	must(t, checkPeer(c))
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	must(t, checkPeer(a))
}

// After a service rejected a token, the agent's cache is bypassed.
func TestRejectedToken(t *testing.T) {
	old, fresh := jwt(map[string]any{"jti": "old"}), jwt(map[string]any{"jti": "new"})
	var asked atomic.Int32
	d := agent(t, "unix", func(c net.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		asked.Add(1)
		give := old
		if strings.Contains(string(b[:n]), `"min_valid_period":-1`) {
			give = fresh
		}
		_, _ = io.WriteString(c, `{"status":"success","access_token":"`+give+`"}`)
	})
	w := newWorld(t.TempDir(), "OIDC_SOCK="+d.Getenv("OIDC_SOCK"))
	chain, err := NewChain(w.Env, []string{"cache", "oidc-agent"})
	must(t, err)
	for n, step := range []struct {
		rejected string
		want     string
		asked    int32
	}{
		{"", old, 1},
		{fresh, old, 1}, // another token than the cached one
		{old, fresh, 3},
		{"", fresh, 3},
	} {
		if step.rejected != "" {
			must(t, chain.Forget(request, step.rejected))
		}
		got, err := chain.Token(context.Background(), request)
		if err != nil || got.Raw() != step.want || asked.Load() != step.asked {
			t.Errorf("step %d: %v, asked %d times, %v", n, got.Raw() == step.want, asked.Load(), err)
		}
	}
	// Without a cache there is nothing to forget.
	alone, err := NewChain(w.Env, []string{"oidc-agent"})
	must(t, err)
	must(t, alone.Forget(request, ""))
}

// Without a token, the login's is exchanged, and the report says so.
func TestExchangeReport(t *testing.T) {
	home := t.TempDir()
	report := func() Status {
		c, err := NewChain(newWorld(home, "XDG_RUNTIME_DIR="+home).Env, []string{"exchange"})
		must(t, err)
		return c.Report(context.Background(), request)[0]
	}
	if st := report(); st.Has || !strings.Contains(st.What, "no bearer token was found") {
		t.Errorf("%+v", st)
	}
	dir := filepath.Join(home, ".local", "state", "token-helpers")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "logins.json"), []byte(`{"version":1,"logins":[{"issuer":"`+request.Issuer+`","client_id":"c","backend":"file","scopes":["s"]}]}`), 0o600))
	if st := report(); !st.Has || !strings.Contains(st.What, "a token of your login") {
		t.Errorf("%+v", st)
	}
}

// Only executable files are plugins.
func TestPlugins(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	script(t, one, "token-source-b", "")
	script(t, two, "token-source-b", "")
	script(t, two, "token-source-a", "")
	script(t, two, "another", "")
	must(t, os.Symlink("token-source-a", filepath.Join(two, "token-source-link")))
	must(t, os.Symlink("nowhere", filepath.Join(two, "token-source-dangling")))
	must(t, os.Mkdir(filepath.Join(two, "token-source-dir"), 0o700))
	must(t, os.WriteFile(filepath.Join(two, "token-source-data"), nil, 0o600))
	if got := Plugins(one + ":" + two + ":/nonexistent"); !slices.Equal(got, []string{"a", "b", "link"}) {
		t.Errorf("%q", got)
	}
}
