// Package issuertest provides an OpenID issuer for tests and the demo. It serves HTTPS
// with its own CA and implements the protocol of INDIGO IAM: open client registration
// limited to supported scopes, a device flow with a page for the code, refresh with the
// requested scopes and audience, scopes dropped silently. Named modes make it fail like
// real issuers and networks.
package issuertest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Options are the options of an issuer. By default it issues WLCG tokens.
type Options struct {
	// Addr is the address to listen on, 127.0.0.1:0 by default.
	Addr string
	// NoTrailingSlash omits the slash that ends INDIGO IAM's issuer URL. HTCondor and
	// XRootD compare iss byte for byte.
	NoTrailingSlash bool
	// Profile is the token profile: wlcg (the default) or scitokens.
	Profile string
	// Subject is the sub claim, demo-user by default.
	Subject string
	// Rotate issues a new refresh token at each refresh. Reuse of the previous one
	// revokes the whole grant, unless Grace accepts it.
	Rotate, Grace bool
	// Interval is the device flow's polling interval in seconds; 0 omits it from the
	// answer, like IAM.
	Interval int
	// The lifetimes are 10 minutes, 1 hour and 30 days by default.
	DeviceLifetime, AccessLifetime, RefreshLifetime time.Duration
	// Scopes are scopes_supported, DefaultScopes if nil.
	Scopes []string
	// DropScopes are silently not granted.
	DropScopes []string
	// DenyRegistration disables the registration endpoint.
	DenyRegistration bool
	// MoreKeys publishes more keys than the one that signs tokens, so that a token must
	// name its own.
	MoreKeys bool
	// Dir keeps CA and keys between runs, with host.pem and host.key for other
	// servers on this host; a temporary directory by default.
	Dir string
	Now func() time.Time
	// Answered, if set, is called with the tokens of each answer just before the
	// answer is written; refresh may be empty. It must not call the Server.
	Answered func(access, refresh string)
	// Wrap, if set, wraps the handler of all requests.
	Wrap func(http.Handler) http.Handler
}

// DefaultScopes returns the default of Options.Scopes.
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
	revoked         bool
	expires         time.Time
}

// Server is a running issuer.
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
	refresh  map[string]*grant       // by refresh token, also revoked ones
	lastForm url.Values
	auto     bool
	failed   bool // server-error-once has failed once

	sinceMode map[string]int // requests by endpoint since the mode was set
	challenge string         // the code challenge of the last device code
}

// modes are the named failures with their descriptions.
var modes = map[string]string{
	"":                    "no failure",
	"pending":             "nobody approves: a poll is always answered with authorization_pending",
	"slow-down":           "the first poll of each code is answered with slow_down",
	"denied":              "the user denies",
	"expired":             "the code has expired at the first poll",
	"non-json":            "the token endpoint answers with a web page",
	"html-discovery":      "the discovery document is a web page",
	"server-error":        "the token endpoint answers 500",
	"server-error-once":   "the token endpoint answers 500 once",
	"busy-once":           "the token endpoint answers 429 once, with Retry-After of a second",
	"busy-long":           "the token endpoint answers 429, with Retry-After of an hour",
	"cut-once":            "cut, once",
	"hang":                "the token endpoint never answers",
	"wrong-issuer":        "the discovery document names another issuer",
	"wrong-audience":      "tokens are for another audience than requested",
	"no-audience":         "tokens have no audience",
	"short-lifetime":      "tokens live for 30 seconds",
	"expired-token":       "tokens have already expired",
	"invalid-grant":       "every refresh is refused, and the error repeats the token, as at IAM",
	"opaque":              "access tokens are not JWTs",
	"big-reply":           "the token endpoint's answer never ends",
	"cut":                 "the connection breaks in the middle of the token endpoint's answer",
	"redirect-http":       "the token endpoint redirects to plain http",
	"redirect-host":       "the token endpoint redirects to another host",
	"refuse-registration": "no client is registered",
	"no-device":           "there is no device flow",
	"long-refresh-token":  "refresh tokens are 20 kB long",
	"no-refresh-token":    "a login comes without a refresh token",
}

// Modes returns the names that SetMode accepts.
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

// Close stops the issuer and deletes its files, except in Options.Dir.
func (s *Server) Close() error {
	s.closing.Do(func() { close(s.closed) })
	err := s.http.Close()
	if s.temp != "" {
		_ = os.RemoveAll(s.temp)
	}
	return err
}

// URL returns the issuer URL that is in its tokens.
func (s *Server) URL() string { return s.url }

// CAFile returns the path of a PEM file with the CA to trust.
func (s *Server) CAFile() string { return s.pki.caFile }

// Client returns an HTTP client that trusts the issuer.
func (s *Server) Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.pki.caPEM)
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		// Drain would wait for an idle connection.
		DisableKeepAlives: true,
	}}
}

// SetMode makes the issuer fail as named from now on; "" means no failure.
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

// AutoApprove sets whether device codes are approved like by a user, over HTTP with the
// page's form.
func (s *Server) AutoApprove(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auto = on
}

// Requests returns the number of requests by endpoint: discovery, registration, client,
// device, verification, token, jwks, revocation; and token:GRANT for each grant.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// ResetRequests sets the counts to 0.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.requests)
}

// Secrets returns all secrets that were issued: tokens, device codes, client secrets and
// registration tokens.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// LastTokenRequest returns the form of the last request to the token endpoint.
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
		panic(err) // cannot fail with a generated key
	}
	return raw
}

// secret returns a random string and adds it to s.secrets. s.mu is held.
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
