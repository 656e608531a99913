package source

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is the environment of one run of a helper.
type world struct {
	*Env
	home string

	mu      sync.Mutex
	notes   []string
	verbose []string
	// onVerbose is called with each message of the store.
	onVerbose func(string)
}

func (w *world) add(list *[]string) func(string, ...any) {
	return func(format string, a ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		*list = append(*list, fmt.Sprintf(format, a...))
	}
}

// newWorld returns a run with the home directory home; "" means none.
func newWorld(home string, env ...string) *world {
	w := &world{home: home}
	lookup := func(k string) (string, bool) {
		if k == "HOME" {
			return home, home != ""
		}
		for _, kv := range env {
			if v, ok := strings.CutPrefix(kv, k+"="); ok {
				return v, true
			}
		}
		return "", false
	}
	getenv := func(k string) string { v, _ := lookup(k); return v }
	now := func() time.Time { return epoch }
	w.Env = &Env{
		Store: store.New(store.Options{
			LookupEnv: lookup, Now: now, LockTimeout: 5 * time.Minute, Note: w.add(&w.notes),
			Verbose: func(format string, a ...any) {
				if w.onVerbose != nil {
					w.onVerbose(fmt.Sprintf(format, a...))
				}
			},
		}),
		Prompt: &prompt.Terminal{Disabled: true}, Now: now, Getenv: getenv, Program: "test", Timeout: time.Minute,
		Note: w.add(&w.notes), Verbose: w.add(&w.verbose),
	}
	w.Logins = &login.Logins{
		Store: w.Store, Issuer: issuer.NewClient(issuer.HTTPOptions{Timeout: 5 * time.Minute, LookupEnv: lookup}), Prompt: w.Prompt,
		Now: now, Getenv: getenv, Note: w.Note, Verbose: w.Verbose, Hold: func() func() { return func() {} },
		ClientSecret:      func() (string, error) { return "", nil },
		RegistrationToken: func() (string, error) { return "", nil },
	}
	return w
}

// cached returns the number of cached tokens.
func (w *world) cached(t *testing.T) int {
	t.Helper()
	in, err := w.Store.Tokens()
	must(t, err)
	return len(in)
}

// jwt returns a token with these claims and an invalid signature.
func jwt(claims map[string]any) string {
	c := map[string]any{
		"iss": "https://i/", "sub": "me", "aud": "a", "scope": "s", "exp": epoch.Add(time.Hour).Unix(), "iat": epoch.Unix(), "nbf": epoch.Unix(),
	}
	for k, v := range claims {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"ES256"}`)) + "." + b64(b) + ".c2lnbmF0dXJl"
}

var request = token.Request{Issuer: "https://i/", Audiences: []string{"a"}, Scopes: []string{"s"}, MinLifetime: time.Minute}

// stub is a source that returns what give returns.
type stub struct {
	asked int
	give  func() (token.Token, error)
	whose string
	ready error
}

func (s *stub) Token(context.Context, token.Request) (token.Token, error) { s.asked++; return s.give() }
func (s *stub) subject() (string, error)                                  { return s.whose, nil }
func (s *stub) prepare(context.Context, token.Request) error              { return s.ready }

func gives(raw string) *stub {
	return &stub{give: func() (token.Token, error) { return token.New(raw), nil }}
}

func fails(err error) *stub {
	return &stub{give: func() (token.Token, error) { return token.Token{}, err }}
}

// chain returns a chain of the named stubs, optionally after the cache.
func (w *world) chain(cached bool, sources ...any) *Chain {
	c := &Chain{env: w.Env}
	if cached {
		c.cache = &cache{env: w.Env, chain: c}
		c.sources = append(c.sources, opened{kinds[0], "cache", c.cache})
	}
	for n := 0; n < len(sources); n += 2 {
		name := sources[n].(string)
		k := kind{name: name}
		for _, known := range kinds {
			if known.name == name {
				k = known
			}
		}
		c.sources = append(c.sources, opened{k, name, sources[n+1].(Source)})
	}
	return c
}

func TestChainOrder(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name    string
		sources []any
		asked   []int
		source  string // of the token
		err     error
	}{
		{"the first", []any{"login", gives(jwt(nil)), "device", gives(jwt(nil))}, []int{1, 0}, "login", nil},
		{"the second", []any{"login", fails(none("no login")), "device", gives(jwt(nil))}, []int{1, 1}, "device", nil},
		{"a login's reason", []any{"login", fails(&login.NoLoginError{Reason: "no login"}), "device", gives(jwt(nil))}, []int{1, 1}, "device", nil},
		{"an error", []any{"login", fails(broken), "device", gives(jwt(nil))}, []int{1, 0}, "", broken},
		{"not ready", []any{"login", &stub{ready: none("no login")}, "device", gives(jwt(nil))}, []int{0, 1}, "device", nil},
		{"a login is not ready", []any{"login", &stub{ready: &login.NoLoginError{Reason: "no login"}}, "device", gives(jwt(nil))}, []int{0, 1}, "device", nil},
		{"the keyring is broken", []any{"login", &stub{ready: broken}, "device", gives(jwt(nil))}, []int{0, 0}, "", broken},
		{"a bad grant", []any{"login", gives(jwt(map[string]any{"scope": "other"})), "device", gives(jwt(nil))}, []int{1, 0}, "", new(GrantError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t.TempDir())
			got, err := w.chain(false, tt.sources...).Token(context.Background(), request)
			var ge *GrantError
			switch {
			case tt.err == nil:
				if err != nil || got.Source != tt.source {
					t.Errorf("%q, %v", got.Source, err)
				}
			case errors.As(tt.err, &ge):
				if !errors.As(err, &ge) {
					t.Errorf("%T %v", err, err)
				}
			case !errors.Is(err, tt.err):
				t.Error(err)
			}
			for n, want := range tt.asked {
				if s := tt.sources[2*n+1].(*stub); s.asked != want {
					t.Errorf("%s was asked %d times", tt.sources[2*n], s.asked)
				}
			}
			if passed := len(tt.sources)/2 > 1 && tt.source == "device"; passed != slices.Contains(w.verbose, "login: no login") {
				t.Errorf("messages %q", w.verbose)
			}
		})
	}
}

func TestNoSourceHasAToken(t *testing.T) {
	for _, tt := range []struct {
		sources []any
		cached  bool
		want    string
		login   bool
	}{
		{nil, false, "no source was tried", true},
		{nil, true, "no token is cached for this request", false},
		{[]any{"login", fails(none("no login"))}, true, "no login", true},
		{[]any{"login", fails(none("no login")), "oidc-agent", fails(none("no agent"))}, true, "no login", true},
		{[]any{"bearer", fails(none("no file")), "oidc-agent", fails(none("no agent"))}, false, "no agent", false},
		{[]any{"oidc-agent", fails(none("no agent"))}, true, "no agent", false},
		{[]any{"exchange", fails(none("no client"))}, true, "no client", true},
		{[]any{"device", fails(none("no terminal"))}, false, "no terminal", true},
	} {
		w := newWorld(t.TempDir())
		_, err := w.chain(tt.cached, tt.sources...).Token(context.Background(), request)
		var ne *NoneError
		if !errors.As(err, &ne) || err.Error() != tt.want || ne.ExitCode() != cli.NeedLogin || ne.LoginHelps() != tt.login {
			t.Errorf("%v: %T %v, a login helps: %v", tt.sources, err, err, ne != nil && ne.LoginHelps())
		}
	}
}

// Robots may have no home directory.
func TestNoHomeDirectory(t *testing.T) {
	w := newWorld("")
	got, err := w.chain(true, "client-credentials", gives(jwt(nil))).Token(context.Background(), request)
	if err != nil || got.Raw() == "" || len(w.notes) > 0 {
		t.Errorf("%v, notes %q", err, w.notes)
	}
	if _, err := w.chain(true).Token(context.Background(), request); !errors.Is(err, store.ErrNoHome) {
		t.Errorf("the cache alone: %v", err)
	}
	var ne *NoneError
	if _, err := w.chain(true, "bearer", fails(none("no file"))).Token(context.Background(), request); !errors.As(err, &ne) || err.Error() != "no file" {
		t.Errorf("%T %v", err, err)
	}
}

func TestCheck(t *testing.T) {
	after := func(d time.Duration) map[string]any {
		at := float64(epoch.Add(d).UnixMilli()) / 1000
		return map[string]any{"iat": at, "nbf": at}
	}
	for _, tt := range []struct {
		name  string
		raw   string
		req   token.Request
		codes []finding.Code // of the findings; nil if the token is good
		note  string         // a part of the note; "" for none
	}{
		{"as requested", jwt(nil), request, nil, ""},
		{"audience in a list", jwt(map[string]any{"aud": []string{"b", "a"}}), request, nil, ""},
		{"opaque", "opaque-token", token.Request{Issuer: "https://i/"}, nil, ""},
		{"the profile's scopes are not demanded", jwt(nil), token.Request{Issuer: "https://i/", Scopes: []string{"s", "openid", "wlcg", "offline_access"}}, nil, ""},
		{"a broader scope", jwt(map[string]any{"scope": "read:/"}), token.Request{Issuer: "https://i/", Scopes: []string{"read:/store"}}, nil, "it includes read:/"},

		{"a scope is missing", jwt(nil), token.Request{Issuer: "https://i/", Scopes: []string{"s", "t", "u"}}, []finding.Code{finding.ScopeMissing}, ""},
		{"no scope", jwt(map[string]any{"scope": nil}), request, []finding.Code{finding.ScopeMissing}, ""},
		{"another audience", jwt(map[string]any{"aud": "b"}), request, []finding.Code{finding.AudMismatch}, ""},
		{"another case", jwt(map[string]any{"aud": "A"}), request, []finding.Code{finding.AudMismatch}, ""},
		{"no audience", jwt(map[string]any{"aud": nil}), request, []finding.Code{finding.AudMissing}, ""},
		{"another issuer", jwt(map[string]any{"iss": "https://j/"}), request, []finding.Code{finding.IssMismatch}, ""},
		{"expired", jwt(map[string]any{"exp": epoch.Unix()}), request, []finding.Code{finding.Expired}, ""},
		{"too short", jwt(map[string]any{"exp": epoch.Unix() + 59}), request, []finding.Code{finding.LifetimeShort}, ""},
		{"several", jwt(map[string]any{"aud": "b", "scope": "t"}), request, []finding.Code{finding.AudMismatch, finding.ScopeMissing}, ""},
		{"unsigned", "eyJhbGciOiJub25lIn0" + strings.TrimSuffix(jwt(nil)[strings.IndexByte(jwt(nil), '.'):], "c2lnbmF0dXJl"), request, []finding.Code{finding.NoSignature.Code}, ""},

		// This machine's clock may be behind the issuer's by a minute.
		{"0.2 s ahead", jwt(after(200 * time.Millisecond)), request, nil, ""},
		{"2 s ahead", jwt(after(2 * time.Second)), request, nil, ""},
		{"3 s ahead", jwt(after(3 * time.Second)), request, nil, "this machine's clock is 3s behind the issuer's"},
		{"30 s ahead", jwt(after(30 * time.Second)), request, nil, "this machine's clock is 30s behind the issuer's"},
		{"a minute ahead", jwt(after(time.Minute)), request, nil, "this machine's clock is 1m00s behind the issuer's"},
		{"61 s ahead", jwt(after(61 * time.Second)), request, []finding.Code{finding.NotYetValid}, ""},
		{"nbf alone", jwt(map[string]any{"nbf": epoch.Unix() + 61}), request, []finding.Code{finding.NotYetValid}, ""},
		{"iat alone, a minute", jwt(map[string]any{"iat": epoch.Unix() + 60, "nbf": nil}), request, nil, "1m00s behind"},
		{"nbf in time, iat far", jwt(map[string]any{"iat": epoch.Unix() + 3600, "nbf": epoch.Unix() + 1}), request, []finding.Code{finding.NotYetValid}, ""},

		// A token that may do more is returned, with a note.
		{"more scopes", jwt(map[string]any{"scope": "s t openid"}), request, nil, "it includes t"},
		{"any audience", jwt(map[string]any{"aud": token.AnyAudience}), request, nil, "it is valid at any service"},
		{"any audience, among others", jwt(map[string]any{"aud": []string{"a", token.AnyAudience}}), request, nil, "it is valid at any service"},
		{"both", jwt(map[string]any{"aud": token.AnyAudience, "scope": "s t"}), request, nil, "it includes t, and it is valid at any service"},
		{"nothing was requested", jwt(map[string]any{"aud": token.AnyAudience, "scope": "s t"}), token.Request{Issuer: "https://i/"}, nil, ""},
		{"hostile scopes", jwt(map[string]any{"scope": "s x\u001b[2J\u202e"}), request, nil, `x\u001b[2J\u202e`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t.TempDir())
			got, err := w.chain(false, "login", gives(tt.raw)).Token(context.Background(), tt.req)
			if tt.codes == nil {
				if err != nil || got.Raw() != tt.raw {
					t.Fatal(err)
				}
				if notes := strings.Join(w.notes, "\n"); (notes == "") != (tt.note == "") || !strings.Contains(notes, tt.note) || len(w.notes) > 1 || strings.ContainsAny(notes, "\x1b\n\u202e") {
					t.Errorf("notes %q", w.notes)
				}
				return
			}
			var ge *GrantError
			if !errors.As(err, &ge) || ge.ExitCode() != cli.GrantDiffer || ge.Error() == "" || !ge.FromIssuer {
				t.Fatalf("%T %v", err, err)
			}
			var codes []finding.Code
			for _, f := range ge.Findings {
				codes = append(codes, f.Code)
				if !ge.Has(f.Code) {
					t.Errorf("no finding %s", f.Code)
				}
			}
			if !slices.Equal(codes, tt.codes) {
				t.Errorf("findings %q", codes)
			}
			if w.cached(t) > 0 || got.Raw() != "" {
				t.Error("the token is used nevertheless")
			}
		})
	}
	for _, bad := range []string{"", "tok en", "token\n", "token\x00", "tokén", "token\x7f", "\tx", "token\xff"} {
		w := newWorld(t.TempDir())
		_, err := w.chain(false, "login", gives(bad)).Token(context.Background(), token.Request{})
		var known cli.Explained
		if !errors.As(err, &known) || w.cached(t) > 0 || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %T %v", bad, err, err)
		}
	}
}

func TestGrantErrorMessages(t *testing.T) {
	missing := finding.Finding{Code: finding.ScopeMissing, Missing: []string{"t"}, Message: "lacks t"}
	aud := finding.Finding{Code: finding.AudMismatch, Message: "the audience is b, not a", Hint: "request it"}
	expired := finding.Finding{Code: finding.Expired, Message: "expired", Hint: "get a new one"}
	iss := finding.Finding{Code: finding.IssMismatch, Message: "another issuer", Hint: "ask the other issuer"}
	for _, tt := range []struct {
		e     GrantError
		says  string
		hints []string
	}{
		{GrantError{Findings: []finding.Finding{missing}, Missing: []string{"t"}, Granted: []string{"s", "wlcg"}, FromIssuer: true}, "the issuer granted s but not t", nil},
		{GrantError{Findings: []finding.Finding{missing}, Missing: []string{"t"}, Granted: []string{"s"}}, "the token includes s but not t", nil},
		{GrantError{Findings: []finding.Finding{missing}, Missing: []string{"t"}, Granted: []string{"wlcg"}, FromIssuer: true}, "the token does not include the scope t", nil},
		{GrantError{Findings: []finding.Finding{missing}, Missing: []string{"t", "u"}}, "the token does not include the scopes t u", nil},
		{GrantError{Findings: []finding.Finding{aud, missing}, Missing: []string{"t"}, Granted: []string{"s"}, FromIssuer: true}, "the issuer granted s but not t; the audience is b, not a", nil},
		{GrantError{Findings: []finding.Finding{iss}}, "another issuer", []string{"ask the other issuer"}},
		{GrantError{Findings: []finding.Finding{expired}}, "expired", []string{"get a new one"}},
		{GrantError{Findings: []finding.Finding{expired}, Offset: time.Hour}, "expired", []string{"set this machine's clock: it is 1h00m behind the issuer's"}},
		{GrantError{Findings: []finding.Finding{expired}, Offset: -time.Hour}, "expired", []string{"set this machine's clock: it is 1h00m ahead of the issuer's"}},
		{GrantError{Findings: []finding.Finding{expired}, Offset: 30 * time.Second}, "expired", []string{"get a new one"}},
	} {
		if got := tt.e.Error(); got != tt.says {
			t.Errorf("%q, want %q", got, tt.says)
		}
		if got := tt.e.Hints(); !slices.Equal(got, tt.hints) {
			t.Errorf("%s: hints %q, want %q", tt.says, got, tt.hints)
		}
	}
	// With INDIGO IAM's profile iam, the issuer grants scopes that the token does not
	// contain.
	w := newWorld(t.TempDir())
	_, err := w.chain(false, "login", gives(jwt(map[string]any{"scope": nil}))).Token(context.Background(), request)
	var ge *GrantError
	if !errors.As(err, &ge) || !ge.Hidden {
		t.Errorf("%+v", ge)
	}
	if _, err = w.chain(false, "bearer", gives("opaque")).Token(context.Background(), request); err != nil {
		t.Errorf("a stored token is checked by its source: %v", err)
	}
}

// A token is cached, and then returned from the cache.
func TestChainCaches(t *testing.T) {
	w := newWorld(t.TempDir())
	s := gives(jwt(nil))
	for n, want := range []string{"login", "cache", "cache"} {
		got, err := w.chain(true, "login", s).Token(context.Background(), request)
		if err != nil || got.Source != want || s.asked != 1 {
			t.Errorf("run %d: %q, %v, asked %d times", n, got.Source, err, s.asked)
		}
	}
	w.ForceNew = true
	if got, err := w.chain(true, "login", s).Token(context.Background(), request); err != nil || got.Source != "login" || s.asked != 2 {
		t.Errorf("a new one: %q, %v", got.Source, err)
	}
	w.ForceNew = false
	long := request
	long.MinLifetime = 59 * time.Minute
	if got, err := w.chain(true, "login", s).Token(context.Background(), long); err != nil || got.Source != "cache" {
		t.Errorf("%q, %v", got.Source, err)
	}
	long.MinLifetime = 61 * time.Minute
	if _, err := w.chain(true, "login", fails(none("no login"))).Token(context.Background(), long); err == nil || !slices.Contains(w.verbose, "cache: the cached token expires too soon") {
		t.Errorf("%v, messages %q", err, w.verbose)
	}
	// Without the cache among the sources nothing is read from it.
	if got, err := w.chain(false, "login", s).Token(context.Background(), request); err != nil || got.Source != "login" {
		t.Errorf("%q, %v", got.Source, err)
	}
	// An existing token is not copied.
	w = newWorld(t.TempDir())
	if _, err := w.chain(true, "bearer", gives(jwt(nil))).Token(context.Background(), request); err != nil || w.cached(t) > 0 {
		t.Errorf("%v, %d cached", err, w.cached(t))
	}
}

// Cached tokens of different subjects are kept apart.
func TestCacheOfDifferentSubjects(t *testing.T) {
	home := t.TempDir()
	raw := func(sub string) string { return jwt(map[string]any{"sub": sub}) }
	for n := range 2 {
		for _, sub := range []string{"A", "B", ""} {
			w := newWorld(home)
			s := gives(raw(sub))
			s.whose = sub
			got, err := w.chain(true, "exchange", s).Token(context.Background(), request)
			if err != nil || got.Raw() != raw(sub) || s.asked != 1-n {
				t.Errorf("run %d of %q: %v, asked %d times", n, sub, err, s.asked)
			}
		}
	}
	// A chain returns the cached tokens of all its sources.
	a, b := gives(""), gives("")
	a.whose, b.whose = "A", "C"
	got, err := newWorld(home).chain(true, "exchange", b, "plugin", a).Token(context.Background(), request)
	if err != nil || got.Raw() != raw("A") {
		t.Error(err)
	}
	// The client is part of the key, too.
	w := newWorld(home)
	w.Logins.ClientID = "other"
	if _, err := w.chain(true, "exchange", fails(none("nothing"))).Token(context.Background(), request); err == nil {
		t.Error("the token of another client was returned")
	}
}

// With a cold cache, parallel runs make one request.
func TestColdCache(t *testing.T) {
	for _, k := range kinds {
		if !k.shared {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			home := t.TempDir()
			first, second := newWorld(home), newWorld(home)
			waits, done := make(chan struct{}), make(chan error, 1)
			var once sync.Once
			second.onVerbose = func(s string) {
				if strings.HasPrefix(s, "waiting for pid ") {
					once.Do(func() { close(waits) })
				}
			}
			unused := gives(jwt(nil))
			// The second run begins while the first one gets its token.
			asks := &stub{give: func() (token.Token, error) {
				go func() {
					_, err := second.chain(true, k.name, unused).Token(context.Background(), request)
					done <- err
				}()
				select {
				case <-waits:
				case err := <-done:
					t.Errorf("the second run did not wait (%v)", err)
					done <- err
				}
				return token.New(jwt(nil)), nil
			}}
			_, err := first.chain(true, k.name, asks).Token(context.Background(), request)
			must(t, err)
			must(t, <-done)
			if unused.asked > 0 {
				t.Error("the second run asked, too")
			}
		})
	}
	for _, k := range kinds {
		if k.name == "device" && k.shared {
			t.Error("a source that prompts must not make others wait")
		}
	}
}

func TestOpen(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	must(t, os.WriteFile(filepath.Join(bin, "token-source-vault"), []byte("#!/bin/sh\n"), 0o700))
	w := newWorld(t.TempDir())
	for spec, says := range map[string]string{
		"cache": "", "login": "", "device": "", "oidc-agent": "", "client-credentials": "", "htgettoken": "", "htgettoken:-a b": "",
		"bearer": "", "bearer:/a:b": "", "exchange": "", "exchange:/x": "", "plugin:vault": "", "plugin:other": "", "vault": "",
		"cache:x": `the source cache takes no argument, but got "x"`, "login:": "takes no argument", "": "unknown source", "CACHE": "unknown source",
		"other": "put an executable token-source-other on PATH", "vault:x": "unknown source", "../x": "unknown source",
		"plugin": "write it as plugin:NAME", "plugin:": "write it as plugin:NAME", "plugin:../x": "is not the name of a plugin", "plugin:a b": "is not the name of a plugin",
	} {
		_, err := NewChain(w.Env, []string{"cache", spec})
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestTable(t *testing.T) {
	help := Help()
	seen := map[string]bool{}
	for _, k := range kinds {
		if seen[k.name] || k.help == "" || k.open == nil || !strings.Contains(help, k.name) || !slices.Contains(Names(), k.name) {
			t.Errorf("%q", k.name)
		}
		seen[k.name] = true
	}
	if !strings.Contains(help, "plugin:NAME") || !strings.Contains(help, "bearer[:FILE]") || !strings.HasPrefix(help, "cache, login, ") {
		t.Error(help)
	}
	for _, tt := range []struct {
		agent    string
		terminal bool
		want     string
	}{
		{"", false, "cache login"}, {"", true, "cache login device"}, {"/s", false, "cache login oidc-agent"}, {"/s", true, "cache login oidc-agent device"},
	} {
		if got := strings.Join(Default(func(string) string { return tt.agent }, tt.terminal), " "); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	w := newWorld(t.TempDir(), "TMPDIR="+t.TempDir())
	c, err := NewChain(w.Env, []string{"cache", "login", "oidc-agent", "device", "client-credentials", "htgettoken", "bearer:/none", "exchange:/none", "plugin:none"})
	must(t, err)
	want := map[string]Status{
		"cache": {"cache", false, "no token is cached for this request"}, "login": {"login", false, "there is no login at https://i/"},
		"oidc-agent": {"oidc-agent", false, "no oidc-agent is running: OIDC_SOCK is not set"}, "device": {"device", true, "the login code would be printed to stderr, because there is no terminal"},
		"client-credentials": {"client-credentials", false, "no client was given: use --client-id and --client-secret-file"}, "htgettoken": {"htgettoken", false, "there is no htgettoken on PATH"},
		"bearer:/none": {"bearer:/none", false, "there is no file /none"}, "exchange:/none": {"exchange:/none", false, "there is no file /none"},
		"plugin:none": {"plugin:none", false, "there is no executable token-source-none on PATH"},
	}
	got := c.Report(context.Background(), request)
	if len(got) != len(want) {
		t.Errorf("%+v", got)
	}
	for _, s := range got {
		if s != want[s.Source] {
			t.Errorf("%+v, want %+v", s, want[s.Source])
		}
	}
	if _, err := os.Stat(filepath.Join(w.home, ".local")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a report created files: %v", err)
	}
	// With a token in the cache.
	_, err = w.chain(true, "login", gives(jwt(nil))).Token(context.Background(), request)
	must(t, err)
	if got := c.Report(context.Background(), request)[0]; !got.Has || got.What != "a token that expires in 1h0m0s" {
		t.Errorf("%+v", got)
	}
}
