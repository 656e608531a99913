// Package issuertest is an OpenID issuer for tests and the demo. It speaks real
// HTTPS with a CA of its own and behaves like INDIGO IAM on the wire: open client
// registration limited to supported scopes, a device flow with a page where a
// person types the code, refresh with scopes and audience of its own, scopes
// dropped silently. Named modes make it fail the way real issuers and networks do.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/token"
)

// Options say how an issuer behaves. The zero value is an issuer of WLCG tokens.
type Options struct {
	// Addr is where to listen, 127.0.0.1:0 by default.
	Addr string
	// NoTrailingSlash leaves the slash out that INDIGO IAM ends its issuer with.
	// HTCondor and XRootD compare iss byte for byte.
	NoTrailingSlash bool
	// Profile is wlcg (the default) or scitokens: the claims of the tokens.
	Profile string
	// Subject is the sub claim, demo-user by default.
	Subject string
	// Rotate gives a new refresh token at each refresh. The one before then ends
	// the whole grant when it is used again, unless Grace honours it.
	Rotate, Grace bool
	// Interval is the device flow's polling interval in seconds; 0 leaves it out of
	// the answer, as IAM does.
	Interval int
	// Lifetimes: 10 minutes, 1 hour and 30 days by default.
	DeviceLifetime, AccessLifetime, RefreshLifetime time.Duration
	// Scopes are scopes_supported, DefaultScopes if nil.
	Scopes []string
	// DropScopes are not granted, and nothing is said of it.
	DropScopes []string
	// DenyRegistration disables the registration endpoint.
	DenyRegistration bool
	// MoreKeys publishes keys of other kinds beside the one that tokens are signed
	// with, so that a token has to name its own.
	MoreKeys bool
	// Dir keeps CA and keys between runs, with host.pem and host.key for other
	// servers on this host; a temporary directory by default.
	Dir string
	Now func() time.Time
	// Answered, if set, is called with the tokens of each answer just before the
	// answer is written; refresh may be empty. It must not call the Server.
	Answered func(access, refresh string)
	// Wrap, if set, is put around the handler of all requests.
	Wrap func(http.Handler) http.Handler
}

// DefaultScopes are scopes_supported where Options.Scopes is nil.
func DefaultScopes() []string {
	return []string{
		"openid", "profile", "offline_access", "wlcg", "wlcg.groups",
		"compute.read", "compute.modify", "compute.create", "compute.cancel",
		"storage.read:/", "storage.modify:/", "storage.create:/", "storage.stage:/",
		"read:/", "write:/", "condor:/READ", "condor:/WRITE", "condor:/ALLOW",
	}
}

type client struct {
	id, secret, registrationToken string
	scopes                        []string
	name                          string
}

type deviceGrant struct {
	client           *client
	userCode, csrf   string
	scopes, audience []string
	expires, polled  time.Time
	state            string // pending, approved, denied
}

type grant struct {
	client          *client
	scopes          []string
	current, before string // refresh tokens
	ended           bool
	expires         time.Time
}

// Server is an issuer that runs.
type Server struct {
	opts   Options
	pki    *pki
	temp   string
	url    string
	http   *http.Server
	conns  *conns
	closed chan struct{}

	closing sync.Once

	mu       sync.Mutex
	mode     string
	requests map[string]int
	secrets  []string
	clients  map[string]*client
	devices  map[string]*deviceGrant // by device code
	refresh  map[string]*grant       // by refresh token, ended ones too
	lastForm url.Values
	auto     bool
	failed   bool // server-error-once has failed once

	sinceMode map[string]int // requests by endpoint since the mode was set
	challenge string         // of the last device code, if it must have one
}

// modes are the named failures, with what they do.
var modes = map[string]string{
	"":                    "all is well",
	"pending":             "nobody approves: a poll is always answered with authorization_pending",
	"slow-down":           "the first poll of each code is answered with slow_down",
	"denied":              "the user denies",
	"expired":             "the code has ended at the first poll",
	"non-json":            "the token endpoint answers with a web page",
	"html-discovery":      "the discovery document is a web page",
	"server-error":        "the token endpoint answers 500",
	"server-error-once":   "the token endpoint answers 500 once",
	"busy-once":           "the token endpoint answers 429 once, with Retry-After of a second",
	"busy-long":           "the token endpoint answers 429, with Retry-After of an hour",
	"cut-once":            "cut, once",
	"hang":                "the token endpoint never answers",
	"wrong-issuer":        "the discovery document names another issuer",
	"wrong-audience":      "tokens are for another audience than asked for",
	"no-audience":         "tokens have no audience",
	"short-lifetime":      "tokens live for 30 seconds",
	"expired-token":       "tokens have ended already",
	"invalid-grant":       "every refresh is refused, the token repeated in the text as IAM does",
	"opaque":              "access tokens are not JWTs",
	"big-reply":           "the token endpoint's answer has no end",
	"cut":                 "the connection breaks in the middle of the token endpoint's answer",
	"redirect-http":       "the token endpoint redirects to plain http",
	"redirect-host":       "the token endpoint redirects to another host",
	"refuse-registration": "no client is registered",
	"no-device":           "there is no device flow",
	"long-refresh-token":  "refresh tokens are of 20 kB",
	"no-refresh-token":    "a login comes without a refresh token",
}

// Modes are the names that SetMode accepts.
func Modes() []string { return slices.Sorted(maps.Keys(modes)) }

// Start starts an issuer.
func Start(opts Options) (*Server, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&opts.DeviceLifetime, 10*time.Minute)
	def(&opts.AccessLifetime, time.Hour)
	def(&opts.RefreshLifetime, 30*24*time.Hour)
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Profile == "" {
		opts.Profile = "wlcg"
	}
	if opts.Subject == "" {
		opts.Subject = "demo-user"
	}
	if opts.Scopes == nil {
		opts.Scopes = DefaultScopes()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Server{
		opts: opts, conns: newConns(), closed: make(chan struct{}),
		requests: map[string]int{}, clients: map[string]*client{}, devices: map[string]*deviceGrant{}, refresh: map[string]*grant{},
	}
	dir := opts.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "issuertest-"); err != nil {
			return nil, err
		}
		s.temp = dir
	}
	var err error
	if s.pki, err = loadPKI(dir); err != nil {
		return nil, err
	}
	if opts.MoreKeys {
		if s.pki.keys, err = LoadKeys(dir); err != nil {
			return nil, err
		}
	}
	cert, err := tls.X509KeyPair(s.pki.hostPEM, s.pki.hostKey)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.url = "https://localhost:" + port
	if !opts.NoTrailingSlash {
		s.url += "/"
	}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: s.conns.changed,
	}
	go func() { _ = s.http.ServeTLS(l, "", "") }()
	return s, nil
}

// Close stops it and removes what it made, Options.Dir excepted.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.closed) })
	err := s.http.Close()
	if s.temp != "" {
		_ = os.RemoveAll(s.temp)
	}
	return err
}

// URL is the issuer as its tokens name it.
func (s *Server) URL() string { return s.url }

// CAFile is a PEM file with the CA to trust.
func (s *Server) CAFile() string { return s.pki.caFile }

// Client is an HTTP client that trusts the issuer.
func (s *Server) Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.pki.caPEM)
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		// An idle connection would be one that Drain waits for.
		DisableKeepAlives: true,
	}}
}

// SetMode makes the issuer fail as named from now on; "" ends it.
func (s *Server) SetMode(mode string) error {
	if _, ok := modes[mode]; !ok {
		return fmt.Errorf("no mode %q: it is one of %q", mode, Modes())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode, s.failed, s.sinceMode = mode, false, map[string]int{}
	if enter := quirks[mode].enter; enter != nil {
		enter(s)
	}
	return nil
}

// AutoApprove makes every device code approved as a person would, over HTTP with
// the page's form.
func (s *Server) AutoApprove(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auto = on
}

// Requests counts what was asked for, by endpoint: discovery, registration, client,
// device, verification, token, jwks, revocation; and token:GRANT for each grant.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// ResetRequests begins counting anew.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.requests)
}

// Secrets are all that were ever handed out: tokens, device codes, client secrets
// and registration tokens.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// LastTokenRequest is the form of the last request to the token endpoint.
func (s *Server) LastTokenRequest() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastForm
}

// Mint signs any claims with the issuer's key.
func (s *Server) Mint(claims map[string]any) string {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	t.Header["kid"] = KeyID(s.pki.signing)
	raw, err := t.SignedString(s.pki.signing)
	if err != nil {
		panic(err) // signing with a key that was made here does not fail
	}
	return raw
}

// secret makes a random string and remembers it. s.mu is held.
func (s *Server) secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	v := base64.RawURLEncoding.EncodeToString(b)
	s.secrets = append(s.secrets, v)
	return v
}

func (s *Server) base() string { return strings.TrimSuffix(s.url, "/") }

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, name string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			s.mu.Lock()
			s.requests[name]++
			s.mu.Unlock()
			w.Header().Set("Date", s.opts.Now().UTC().Format(http.TimeFormat))
			s.quirky(name, h)(w, r)
		})
	}
	handle("GET /.well-known/openid-configuration", "discovery", s.discovery)
	handle("GET /.well-known/oauth-authorization-server", "discovery", s.oauthMetadata)
	handle("GET /jwk", "jwks", s.jwks)
	handle("POST /iam/api/client-registration", "registration", s.register)
	handle("DELETE /iam/api/client-registration/{id}", "client", s.unregister)
	handle("POST /devicecode", "device", s.device)
	handle("GET /device", "verification", s.verificationPage)
	handle("POST /device", "verification", s.verificationForm)
	handle("POST /token", "token", s.token)
	handle("POST /revoke", "revocation", s.revoke)
	if s.opts.Wrap != nil {
		return s.opts.Wrap(unmove(mux))
	}
	return unmove(mux)
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	mode := s.mode
	s.mu.Unlock()
	b := s.base()
	doc := map[string]any{
		"issuer": s.url, "token_endpoint": b + "/token", "jwks_uri": b + "/jwk",
		"authorization_endpoint":                b + "/authorize",
		"device_authorization_endpoint":         b + "/devicecode",
		"registration_endpoint":                 b + "/iam/api/client-registration",
		"revocation_endpoint":                   b + "/revoke",
		"scopes_supported":                      s.opts.Scopes,
		"grant_types_supported":                 []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
	}
	switch mode {
	case "html-discovery":
		page(w)
		return
	case "wrong-issuer":
		doc["issuer"] = "https://other.example.org/"
	case "no-device":
		delete(doc, "device_authorization_endpoint")
	}
	if s.opts.DenyRegistration {
		delete(doc, "registration_endpoint")
	}
	reply(w, http.StatusOK, doc)
}

// oauthMetadata serves RFC 8414's address, which only the mode oauth-metadata has.
func (s *Server) oauthMetadata(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	mode := s.mode
	s.mu.Unlock()
	if mode != "oauth-metadata" {
		http.NotFound(w, r)
		return
	}
	s.discovery(w, r)
}

func page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprint(w, "<!doctype html><title>Welcome to the guest network</title>")
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]string{"error": code, "error_description": description})
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	keys := []any{jwk(s.pki.signing, "ES256")}
	if s.opts.MoreKeys {
		keys = append(keys, jwk(s.pki.keys.P384, "ES384"), jwk(s.pki.keys.RSA, ""))
	}
	reply(w, http.StatusOK, map[string]any{"keys": keys})
}

// jwk is the public half of a key (RFC 7518 section 6); alg may be left out.
func jwk(key crypto.Signer, alg string) map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	k := map[string]string{"use": "sig", "kid": KeyID(key)}
	if alg != "" {
		k["alg"] = alg
	}
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		raw, err := pub.Bytes()
		if err != nil {
			panic(err) // a key that was made here
		}
		half := len(raw) / 2
		k["kty"], k["crv"], k["x"], k["y"] = "EC", pub.Params().Name, b64(raw[1:half+1]), b64(raw[half+1:])
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	}
	return k
}

// register is open (RFC 7591) and, like IAM, keeps only the scopes it supports and
// words errors as {"error": text}.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Name   string   `json:"client_name"`
		Grants []string `json:"grant_types"`
		Scope  string   `json:"scope"`
		Auth   string   `json:"token_endpoint_auth_method"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Name == "" || len(m.Grants) == 0 || s.mode == "refuse-registration" || s.opts.DenyRegistration {
		reply(w, http.StatusBadRequest, map[string]string{"error": "Invalid client registration request"})
		return
	}
	c := &client{id: rand.Text(), name: m.Name, registrationToken: s.secret(24)}
	if m.Auth != "none" {
		c.secret = s.secret(24)
	}
	for _, sc := range token.SplitScopes(m.Scope) {
		if token.Covers(s.opts.Scopes, sc) {
			c.scopes = append(c.scopes, sc)
		}
	}
	s.clients[c.id] = c
	reply(w, http.StatusCreated, map[string]any{
		"client_id": c.id, "client_secret": c.secret, "client_name": c.name,
		"token_endpoint_auth_method": m.Auth, "grant_types": m.Grants, "scope": strings.Join(c.scopes, " "),
		"registration_client_uri":   s.base() + "/iam/api/client-registration/" + c.id,
		"registration_access_token": c.registrationToken,
	})
}

func (s *Server) unregister(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[r.PathValue("id")]
	if c == nil || r.Header.Get("Authorization") != "Bearer "+c.registrationToken {
		refuse(w, http.StatusUnauthorized, "invalid_token", "unknown client or token")
		return
	}
	delete(s.clients, c.id)
	w.WriteHeader(http.StatusNoContent)
}

// authenticate finds the client and checks its secret (RFC 6749 section 2.3). A
// client that does not pass is refused here, and nil is returned.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) *client {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c := s.clients[id]
	if c == nil || c.secret != secret {
		refuse(w, http.StatusUnauthorized, "invalid_client", "Bad client credentials")
		return nil
	}
	return c
}

// audience reads it as IAM's IamOAuth2RequestFactory does: the first of resource,
// aud and audience that is there, split at spaces.
func audience(form url.Values) []string {
	for _, k := range []string{"resource", "aud", "audience"} {
		if l := token.SplitScopes(strings.Join(form[k], " ")); len(l) > 0 {
			return l
		}
	}
	return nil
}

// device begins a device flow (RFC 8628 section 3.1). IAM demands the client_id in
// the form, and answers 404 for one that it does not know.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[r.PostForm.Get("client_id")]
	if c == nil {
		refuse(w, http.StatusNotFound, "invalid_client", "Client not found")
		return
	}
	code := s.secret(24)
	d := &deviceGrant{
		client: c, userCode: userCode(), csrf: rand.Text(), state: "pending",
		scopes: s.allowed(c, token.SplitScopes(r.PostForm.Get("scope"))), audience: audience(r.PostForm),
		expires: s.opts.Now().Add(s.opts.DeviceLifetime),
	}
	s.devices[code] = d
	verification := s.base() + "/device"
	answer := map[string]any{
		"device_code": code, "user_code": d.userCode, "verification_uri": verification,
		"verification_uri_complete": verification + "?user_code=" + d.userCode,
		"expires_in":                int(s.opts.DeviceLifetime.Seconds()),
	}
	if s.opts.Interval > 0 {
		answer["interval"] = s.opts.Interval
	}
	reply(w, http.StatusOK, answer)
	if s.auto && s.mode != "pending" && s.mode != "denied" && s.mode != "expired" {
		go func() { _ = NewBrowser(s.Client()).Approve(verification, d.userCode) }()
	}
	if s.mode == "denied" {
		go func() { _ = NewBrowser(s.Client()).Deny(verification, d.userCode) }()
	}
}

// userCode has letters that no two of look alike (RFC 8628 section 6.1).
func userCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// allowed are the scopes that a client gets: those that it is registered with,
// without those that are dropped, and nothing is said of the others.
func (s *Server) allowed(c *client, scopes []string) []string {
	var out []string
	for _, sc := range scopes {
		if token.Covers(c.scopes, sc) && !slices.Contains(s.opts.DropScopes, sc) {
			out = append(out, sc)
		}
	}
	return out
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	form := r.PostForm
	s.lastForm = form
	name := form.Get("grant_type")
	name = name[strings.LastIndexByte(name, ':')+1:]
	s.requests["token:"+name]++
	mode := s.mode
	if strings.HasSuffix(mode, "-once") {
		if s.failed {
			mode = ""
		}
		s.failed = true
	}
	s.mu.Unlock()
	switch mode {
	case "hang":
		select {
		case <-s.closed:
		case <-r.Context().Done():
		}
		return
	case "non-json":
		page(w)
		return
	case "busy-once", "busy-long":
		if mode == "busy-once" {
			w.Header().Set("Retry-After", "1")
		} else {
			w.Header().Set("Retry-After", "3600")
		}
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
		return
	case "server-error", "server-error-once":
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case "redirect-http":
		http.Redirect(w, r, "http://localhost:1/token", http.StatusTemporaryRedirect)
		return
	case "redirect-host":
		http.Redirect(w, r, "https://127.0.0.2:1/token", http.StatusTemporaryRedirect)
		return
	case "big-reply":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`)
		junk := strings.Repeat("x", 1<<16)
		for range 1600 {
			if _, err := io.WriteString(w, junk); err != nil {
				return
			}
		}
		return
	case "cut", "cut-once":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.authenticate(w, r)
	if c == nil {
		return
	}
	switch name {
	case "device_code":
		s.deviceToken(w, c, form)
	case "refresh_token":
		s.refreshToken(w, c, form)
	case "token-exchange":
		s.exchange(w, c, form)
	case "client_credentials":
		s.answer(w, c, s.allowed(c, token.SplitScopes(form.Get("scope"))), audience(form), "")
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type")
	}
}

func (s *Server) deviceToken(w http.ResponseWriter, c *client, form url.Values) {
	code := form.Get("device_code")
	d := s.devices[code]
	now := s.opts.Now()
	if d == nil || d.client != c {
		refuse(w, http.StatusBadRequest, "invalid_grant", "unknown device code")
		return
	}
	first := d.polled.IsZero()
	fast := !first && now.Sub(d.polled) < time.Duration(s.opts.Interval)*time.Second/2
	d.polled = now
	switch {
	case now.After(d.expires), s.mode == "expired":
		delete(s.devices, code)
		refuse(w, http.StatusBadRequest, "expired_token", "The device code has expired")
	case s.mode == "slow-down" && first, fast:
		refuse(w, http.StatusBadRequest, "slow_down", "polling too fast")
	case d.state == "denied":
		delete(s.devices, code)
		refuse(w, http.StatusBadRequest, "access_denied", "The user denied the request")
	case d.state == "pending":
		refuse(w, http.StatusBadRequest, "authorization_pending", "Authorization pending for code")
	default:
		delete(s.devices, code)
		g := &grant{client: c, scopes: d.scopes, expires: now.Add(s.opts.RefreshLifetime)}
		refresh := ""
		if slices.Contains(d.scopes, "offline_access") && s.mode != "no-refresh-token" {
			refresh = s.newRefreshToken(g)
		}
		s.answer(w, c, d.scopes, d.audience, refresh)
	}
}

// exchange narrows a token of this issuer's (RFC 8693).
func (s *Server) exchange(w http.ResponseWriter, c *client, form url.Values) {
	var claims jwt.MapClaims
	_, err := jwt.ParseWithClaims(form.Get("subject_token"), &claims, func(*jwt.Token) (any, error) {
		return &s.pki.signing.PublicKey, nil
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.url), jwt.WithTimeFunc(s.opts.Now))
	scopes := token.SplitScopes(form.Get("scope"))
	has, _ := claims["scope"].(string)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid subject token")
	case len(scopes) == 0, len(token.MissingScopes(token.SplitScopes(has), scopes)) > 0:
		refuse(w, http.StatusBadRequest, "invalid_scope", "Up-scoping is not allowed.")
	default:
		s.answer(w, c, scopes, audience(form), "")
	}
}

// newRefreshToken is a JWT without a signature, as IAM's are.
func (s *Server) newRefreshToken(g *grant) string {
	claims := jwt.MapClaims{"jti": rand.Text(), "exp": g.expires.Unix()}
	if s.mode == "long-refresh-token" {
		claims["groups"] = strings.Repeat("x", 15<<10) // base64 makes 20 kB of it
	}
	t := jwt.NewWithClaims(jwt.SigningMethodNone, claims)
	raw, err := t.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		panic(err)
	}
	s.secrets = append(s.secrets, raw)
	g.before, g.current = g.current, raw
	s.refresh[raw] = g
	return raw
}

func (s *Server) refreshToken(w http.ResponseWriter, c *client, form url.Values) {
	raw := form.Get("refresh_token")
	g := s.refresh[raw]
	if g == nil || g.client != c || s.mode == "invalid-grant" || g.ended || s.opts.Now().After(g.expires) {
		// IAM repeats the token in its text: what is printed of it must not.
		refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid refresh token: "+raw)
		return
	}
	if raw != g.current && (!s.opts.Grace || raw != g.before) {
		// Reuse of a rotated token ends the whole grant (RFC 9700 section 4.14.2).
		g.ended = true
		refuse(w, http.StatusBadRequest, "invalid_grant", "refresh token was used before")
		return
	}
	scopes := token.SplitScopes(form.Get("scope"))
	if len(scopes) == 0 {
		scopes = g.scopes
	}
	if missing := token.MissingScopes(g.scopes, scopes); len(missing) > 0 {
		refuse(w, http.StatusBadRequest, "invalid_scope", "Up-scoping is not allowed.")
		return
	}
	refresh := g.current
	if s.opts.Rotate {
		refresh = s.newRefreshToken(g)
		// Who had to fall back on the one before may have to do it again.
		g.before = raw
	}
	s.answer(w, c, scopes, audience(form), refresh)
}

func (s *Server) answer(w http.ResponseWriter, c *client, scopes, aud []string, refresh string) {
	now := s.opts.Now().Truncate(time.Second)
	life := s.opts.AccessLifetime
	switch s.mode {
	case "short-lifetime":
		life = 30 * time.Second
	case "expired-token":
		life = -time.Minute
	}
	claims := map[string]any{
		"iss": s.url, "sub": s.opts.Subject, "jti": rand.Text(), "client_id": c.id,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(life).Unix(),
		"scope": strings.Join(scopes, " "),
	}
	// IAM takes the profile from the client's registered scopes.
	anyAudience := ""
	switch {
	case s.opts.Profile == "scitokens":
		claims["ver"], anyAudience = "scitoken:2.0", "ANY"
	case slices.Contains(c.scopes, "wlcg"):
		claims["wlcg.ver"], anyAudience = "1.0", "https://wlcg.cern.ch/jwt/v1/any"
	}
	if s.mode == "wrong-audience" {
		aud = []string{"https://elsewhere.example.org"}
	}
	switch {
	case s.mode == "no-audience":
	case len(aud) == 1:
		claims["aud"] = aud[0]
	case len(aud) > 1:
		claims["aud"] = aud
	case anyAudience != "":
		claims["aud"] = anyAudience
	}
	access := s.Mint(claims)
	if s.mode == "opaque" {
		access = s.secret(24)
	} else {
		s.secrets = append(s.secrets, access)
	}
	doc := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(life.Seconds()), "scope": strings.Join(scopes, " "),
	}
	if refresh != "" {
		doc["refresh_token"] = refresh
	}
	if s.opts.Answered != nil {
		s.opts.Answered(access, refresh)
	}
	reply(w, http.StatusOK, doc)
}

// revoke ends the whole grant (RFC 7009 section 2.1); an unknown token is no error.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.authenticate(w, r)
	if c == nil {
		return
	}
	if g := s.refresh[r.PostForm.Get("token")]; g != nil && g.client == c {
		g.ended = true
	}
	w.WriteHeader(http.StatusOK)
}
