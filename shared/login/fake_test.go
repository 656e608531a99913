package login

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// TestMain lets many tests run in parallel: in each device flow a test only waits a second
// for the first poll.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a response of the issuer instead of the usual one.
type answer struct {
	status      int
	contentType string
	body        string
}

func refusal(status int, code, description string) *answer {
	b, _ := json.Marshal(map[string]string{"error": code, "error_description": description})
	return &answer{status, "application/json", string(b)}
}

// session is the session of one approval, with its client and current refresh token.
type session struct {
	client, current string
	ended           bool
}

// fake is an issuer that rotates refresh tokens and ends a session when an old refresh token
// is used again. It logs requests, and its responses can be replaced.
type fake struct {
	*httptest.Server
	t *testing.T

	// The hooks are called before a request is handled, without the lock. A nil answer means
	// the usual response.
	onToken, onDevice, onRegister, onRevoke func(url.Values) *answer
	onDelete                                func(id string) *answer
	// decide returns the user's decision about the codes of a client: "" is an approval,
	// anything else an error of RFC 8628 section 3.5.
	decide func(client string) string
	// token returns the response to a token request.
	token func(access, refresh string, form url.Values) *answer
	// metadata changes the discovery document.
	metadata func(map[string]any)

	mu       sync.Mutex
	log      []string
	clients  map[string]string // registration tokens by client
	scopes   map[string]string // by client
	codes    map[string]url.Values
	sessions map[string]*session // by refresh token
	n        int
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, clients: map[string]string{}, scopes: map[string]string{}, codes: map[string]url.Values{}, sessions: map[string]*session{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", f.discovery)
	mux.HandleFunc("POST /register", f.register)
	mux.HandleFunc("DELETE /client/{id}", f.unregister)
	mux.HandleFunc("POST /device", f.device)
	mux.HandleFunc("POST /token", f.tokenEndpoint)
	mux.HandleFunc("POST /revoke", f.revoke)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) note(format string, a ...any) { f.log = append(f.log, fmt.Sprintf(format, a...)) }

// seen returns the log of the requests. Polls are not logged.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = nil
}

// count returns the number of log entries with the prefix.
func (f *fake) count(prefix string) int {
	n := 0
	for _, l := range f.seen() {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) send(w http.ResponseWriter, a *answer) {
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	} else {
		w.Header()["Content-Type"] = nil
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (f *fake) json(w http.ResponseWriter, status int, v any) {
	b, _ := json.Marshal(v)
	f.send(w, &answer{status, "application/json", string(b)})
}

func (f *fake) discovery(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	f.note("discovery")
	f.mu.Unlock()
	doc := map[string]any{
		"issuer": f.URL, "token_endpoint": f.URL + "/token", "device_authorization_endpoint": f.URL + "/device",
		"registration_endpoint": f.URL + "/register", "revocation_endpoint": f.URL + "/revoke",
	}
	if f.metadata != nil {
		f.metadata(doc)
	}
	f.json(w, 200, doc)
}

func (f *fake) register(w http.ResponseWriter, r *http.Request) {
	var m struct{ Scope string }
	_ = json.NewDecoder(r.Body).Decode(&m)
	if f.onRegister != nil {
		if a := f.onRegister(url.Values{"scope": {m.Scope}}); a != nil {
			f.send(w, a)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	id := fmt.Sprintf("client%d", f.n)
	f.clients[id], f.scopes[id] = "reg-token-"+id, m.Scope
	f.note("register %s", id)
	f.json(w, 201, map[string]any{
		"client_id": id, "client_secret": "secret-" + id, "scope": m.Scope,
		"registration_client_uri": f.URL + "/client/" + id, "registration_access_token": f.clients[id],
	})
}

func (f *fake) unregister(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	f.mu.Lock()
	f.note("delete %s", id)
	f.mu.Unlock()
	if f.onDelete != nil {
		if a := f.onDelete(id); a != nil {
			f.send(w, a)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+f.clients[id] {
		f.send(w, refusal(401, "invalid_token", ""))
		return
	}
	delete(f.clients, id)
	w.WriteHeader(http.StatusNoContent)
}

// clientOf reads the client and its secret from a request.
func clientOf(r *http.Request) (id, secret string) {
	_ = r.ParseForm()
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	return id, secret
}

func (f *fake) device(w http.ResponseWriter, r *http.Request) {
	id, _ := clientOf(r)
	if f.onDevice != nil {
		if a := f.onDevice(r.PostForm); a != nil {
			f.send(w, a)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	code := fmt.Sprintf("device-code-%d", f.n)
	f.codes[code] = url.Values{"client": {id}, "scope": {r.PostForm.Get("scope")}}
	f.note("device %s", id)
	// The shortest possible interval: x/oauth2 waits that long before it polls.
	f.json(w, 200, map[string]any{"device_code": code, "user_code": "ABCD", "verification_uri": f.URL + "/verify", "interval": 1, "expires_in": 600})
}

func (f *fake) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	id, _ := clientOf(r)
	form := r.PostForm
	if f.onToken != nil {
		if a := f.onToken(form); a != nil {
			f.send(w, a)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch grant := form.Get("grant_type"); {
	case strings.HasSuffix(grant, "device_code"):
		code := f.codes[form.Get("device_code")]
		if code == nil || code.Get("client") != id {
			f.send(w, refusal(400, "invalid_grant", "unknown device code"))
			return
		}
		if f.decide != nil {
			if e := f.decide(id); e != "" {
				f.send(w, refusal(400, e, ""))
				return
			}
		}
		delete(f.codes, form.Get("device_code"))
		f.note("approve %s", id)
		f.grant(w, &session{client: id}, form, code.Get("scope"))
	case grant == "refresh_token":
		old := form.Get("refresh_token")
		f.note("refresh %s", old)
		s := f.sessions[old]
		switch {
		case s == nil || s.client != id:
			f.send(w, refusal(400, "invalid_grant", "unknown refresh token"))
		case s.ended:
			f.send(w, refusal(400, "invalid_grant", "the session has ended"))
		case s.current != old:
			s.ended = true
			f.note("REUSE %s", old)
			f.send(w, refusal(400, "invalid_grant", "the refresh token was used before"))
		default:
			f.grant(w, s, form, form.Get("scope"))
		}
	default:
		f.send(w, refusal(400, "unsupported_grant_type", ""))
	}
}

// grant answers with new tokens. f.mu is held.
func (f *fake) grant(w http.ResponseWriter, s *session, form url.Values, scope string) {
	access, refresh := f.issue(s)
	if f.token != nil {
		if a := f.token(access, refresh, form); a != nil {
			f.send(w, a)
			return
		}
	}
	f.json(w, 200, map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600, "scope": scope})
}

func (f *fake) issue(s *session) (access, refresh string) {
	f.n++
	access, refresh = fmt.Sprintf("access-%d", f.n), fmt.Sprintf("refresh-%d", f.n)
	s.current = refresh
	f.sessions[refresh] = s
	return access, refresh
}

func (f *fake) revoke(w http.ResponseWriter, r *http.Request) {
	_, _ = clientOf(r)
	if f.onRevoke != nil {
		if a := f.onRevoke(r.PostForm); a != nil {
			f.send(w, a)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := r.PostForm.Get("token")
	f.note("revoke %s", old)
	if s := f.sessions[old]; s != nil {
		if s.current != old {
			f.note("REVOKED AFTER ROTATION %s", old)
		}
		s.ended = true
	}
}

// home is a user's home directory, which the processes of a test share.
type home struct {
	t   *testing.T
	dir string
	f   *fake
}

func newHome(t *testing.T, f *fake) *home {
	t.Helper()
	h := &home{t, t.TempDir(), f}
	must(t, os.WriteFile(h.path("passphrase"), []byte("pw"), 0o600))
	return h
}

func (h *home) path(p string) string { return filepath.Join(h.dir, p) }

func (h *home) env(k string) (string, bool) {
	v, ok := map[string]string{"HOME": h.dir, "TOKEN_HELPER_PASSPHRASE_FILE": h.path("passphrase")}[k]
	return v, ok
}

// process simulates one process of a helper.
type process struct {
	*Logins
	mu      sync.Mutex
	notes   []string
	verbose []string
	// onVerbose is called with each message of the store.
	onVerbose func(string)
}

func (h *home) process(change ...func(*Logins)) *process {
	p := &process{}
	add := func(list *[]string) func(string, ...any) {
		return func(format string, a ...any) {
			p.mu.Lock()
			defer p.mu.Unlock()
			*list = append(*list, fmt.Sprintf(format, a...))
		}
	}
	p.Logins = &Logins{
		Sources: []string{"login", "device", "exchange"},
		Store: store.New(store.Options{
			LookupEnv: h.env, Now: time.Now, Backend: "file", LockTimeout: 5 * time.Minute, Note: add(&p.notes),
			Verbose: func(format string, a ...any) {
				if s := fmt.Sprintf(format, a...); p.onVerbose != nil {
					p.onVerbose(s)
				}
			},
		}),
		Issuer: issuer.NewClient(issuer.HTTPOptions{Timeout: 5 * time.Minute, LookupEnv: h.env}),
		Now:    time.Now, Getenv: func(k string) string { v, _ := h.env(k); return v },
		Note: add(&p.notes), Verbose: add(&p.verbose), Hold: func() func() { return func() {} },
		ClientSecret:      func() (string, error) { return "", nil },
		RegistrationToken: func() (string, error) { return "", nil },
		LoginScopes:       []string{"wlcg"},
		Events:            func(Event) {},
	}
	for _, c := range change {
		c(p.Logins)
	}
	return p
}

// waits returns a channel that is closed when the process starts to wait for a lock.
func (p *process) waits() <-chan struct{} {
	c := make(chan struct{})
	var once sync.Once
	p.onVerbose = func(s string) {
		if strings.HasPrefix(s, "waiting for pid ") {
			once.Do(func() { close(c) })
		}
	}
	return c
}

func given(id string) func(*Logins) { return func(l *Logins) { l.ClientID = id } }

func events(f func(Event)) func(*Logins) { return func(l *Logins) { l.Events = f } }

func (h *home) request(scopes ...string) token.Request {
	return token.Request{Issuer: h.f.URL, Scopes: scopes}
}

// seed saves a login and registers it at the issuer, as if it had been approved.
func (h *home) seed(change ...func(*store.Login)) *store.Login {
	h.t.Helper()
	l := &store.Login{
		Issuer: h.f.URL, ClientID: "seeded", ClientSecret: "seeded-secret", AuthMethod: "client_secret_basic", Registered: true,
		RegistrationURI: h.f.URL + "/client/seeded", RegistrationToken: "reg-token-seeded", RegisteredScopes: []string{"read:/", "wlcg"},
		Scopes: []string{"read:/", "wlcg"}, Created: time.Now(), Refreshed: time.Now(),
	}
	for _, c := range change {
		c(l)
	}
	h.f.mu.Lock()
	if l.RefreshToken == "" {
		_, l.RefreshToken = h.f.issue(&session{client: l.ClientID})
	}
	h.f.clients[l.ClientID] = l.RegistrationToken
	h.f.mu.Unlock()
	s := h.process().Store
	must(h.t, s.Unlock(context.Background(), l.Issuer, l.ClientID))
	tx, err := s.Begin(context.Background(), l.Issuer)
	must(h.t, err)
	defer tx.End()
	must(h.t, tx.Prepare(context.Background(), l.ClientID))
	must(h.t, tx.Save(context.Background(), l))
	return l
}

// stored returns the login that another process would load, or nil.
func (h *home) stored(clientID string) *store.Login {
	h.t.Helper()
	s := h.process().Store
	tx, err := s.Begin(context.Background(), h.f.URL)
	must(h.t, err)
	defer tx.End()
	l, err := tx.Load(context.Background(), clientID)
	if err != nil {
		return nil
	}
	return l
}

// works checks that the login can be used twice.
func (h *home) works(change ...func(*Logins)) {
	h.t.Helper()
	for range 2 {
		if _, err := h.process(change...).Refresh(context.Background(), h.request("read:/")); err != nil {
			h.t.Errorf("the login does not work: %v", err)
		}
	}
}

// clients returns the clients in the index.
func (h *home) clients() string {
	h.t.Helper()
	in, err := h.process().Store.Index()
	must(h.t, err)
	var out []string
	for _, e := range in {
		out = append(out, e.ClientID+map[bool]string{true: "", false: " (waits)"}[len(e.Scopes) > 0])
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}
