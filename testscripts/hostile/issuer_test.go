//go:build unix

package hostile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// kind is a kind of request that an issuer answers.
type kind string

const (
	discovery    kind = "discovery"
	registration kind = "registration"
	device       kind = "device"
	poll         kind = "poll"
	refresh      kind = "refresh"
	revocation   kind = "revocation"
	deletion     kind = "deletion"
	metadata     kind = "RFC 8414 metadata"
)

// hostileIssuer answers one kind of request with a hostile answer, and all others correctly.
type hostileIssuer struct {
	srv       *httptest.Server
	elsewhere *trap

	// The client ID, and secrets that must not be printed.
	clientID, clientSecret, registrationToken, deviceCode, initialToken string
	// old is the refresh token of the login, and next replaces the placeholder {refresh}.
	old, next string

	mu      sync.Mutex
	on      kind
	answer  answer
	left    int      // the number of further hostile answers; negative: unlimited
	given   int      // the number of hostile answers so far
	current string   // the only valid refresh token
	access  []string // the access tokens that were issued
	sent    []string // the secrets that clients have sent
}

// answer writes an answer to a request.
type answer func(h *hostileIssuer, w http.ResponseWriter, r *http.Request)

// authority is a self-signed server certificate, and a CA file with it.
type authority struct {
	cert   tls.Certificate
	caFile string
}

// newAuthority creates a self-signed certificate with the names of the template.
func newAuthority(t *testing.T, names *x509.Certificate) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := *names
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile: t.TempDir() + "/ca.pem"}
	if err := os.WriteFile(a.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// trap is a server to which the helper must not connect. It is the target of hostile
// redirects, and the proxy for all hosts that are not on loopback.
type trap struct {
	l    net.Listener
	mu   sync.Mutex
	seen []string
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	tr := &trap{l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 2048)
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			n, _ := c.Read(b)
			tr.mu.Lock()
			tr.seen = append(tr.seen, string(b[:n]))
			tr.mu.Unlock()
			_ = c.Close()
		}
	}()
	return tr
}

func (tr *trap) address() string { return tr.l.Addr().String() }

// caught returns what clients have sent to the server.
func (tr *trap) caught() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.seen)
}

// newHostileIssuer starts an issuer with a hostile answer to requests of the kind.
func newHostileIssuer(t *testing.T, ca *authority, on kind, a answer) *hostileIssuer {
	t.Helper()
	// The secrets contain characters that encodings change.
	secret := func(name string) string { return name + "/" + rand.Text() + "+a=b&c%d~e" }
	h := &hostileIssuer{
		elsewhere: newTrap(t), clientID: "client-" + rand.Text()[:8],
		clientSecret: secret("client-secret"), registrationToken: secret("registration-token"), deviceCode: secret("device-code"),
		initialToken: "initial-token-" + rand.Text() + "~e", old: secret("refresh-old"), next: secret("refresh-new"),
		on: on, answer: a,
	}
	h.srv = httptest.NewUnstartedServer(h)
	h.srv.TLS = &tls.Config{Certificates: []tls.Certificate{ca.cert}}
	h.srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.srv.StartTLS()
	t.Cleanup(func() {
		h.srv.CloseClientConnections()
		h.srv.Close()
	})
	return h
}

func (h *hostileIssuer) issuer() string { return h.srv.URL + "/" }

// answerFirst sets how many of the next requests get the hostile answer: all of them if n is
// negative.
func (h *hostileIssuer) answerFirst(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = n
}

// hostilities returns the number of hostile answers so far.
func (h *hostileIssuer) hostilities() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.given
}

// replace makes a refresh token the only valid one.
func (h *hostileIssuer) replace(refreshToken string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = refreshToken
}

// kindOf returns the kind of a request, or "" for other paths. It reads the body.
func (h *hostileIssuer) kindOf(r *http.Request) kind {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		return discovery
	case "/.well-known/oauth-authorization-server":
		return metadata
	case "/register":
		return registration
	case "/register/" + h.clientID:
		return deletion
	case "/devicecode":
		return device
	case "/revoke":
		return revocation
	case "/token":
		if r.FormValue("grant_type") == "refresh_token" {
			return refresh
		}
		return poll
	}
	return ""
}

func (h *hostileIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	k := h.kindOf(r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.mu.Lock()
	h.recordSecrets(r, body)
	hostile := k == h.on && h.left != 0
	if hostile {
		h.given++
		h.left--
	}
	h.mu.Unlock()
	if hostile {
		h.answer(h, w, r)
		return
	}
	good := map[kind]answer{
		discovery: js(200, goodDiscovery), registration: js(201, goodRegistration), deletion: js(204, ""),
		device: js(200, goodDevice), poll: js(200, `{"access_token":"{access}","refresh_token":"{refresh}","expires_in":3600}`),
		refresh: goodRefresh, revocation: js(200, ""),
	}
	if a := good[k]; a != nil {
		a(h, w, r)
		return
	}
	http.NotFound(w, r)
}

// recordSecrets adds the secrets in a request to h.sent. The caller must hold h.mu.
func (h *hostileIssuer) recordSecrets(r *http.Request, body []byte) {
	user, password, _ := r.BasicAuth()
	values := []string{r.Header.Get("Authorization"), user, password, string(body)}
	if plain, err := url.QueryUnescape(password); err == nil {
		values = append(values, plain)
	}
	if form, err := url.ParseQuery(string(body)); err == nil {
		for _, v := range form {
			values = append(values, v...)
		}
	}
	for _, s := range []string{h.clientSecret, h.registrationToken, h.deviceCode, h.initialToken, h.old, h.next} {
		if !slices.Contains(h.sent, s) && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, s) }) {
			h.sent = append(h.sent, s)
		}
	}
}

// sentSecrets returns the secrets that clients have sent.
func (h *hostileIssuer) sentSecrets() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sent)
}

const (
	goodDiscovery = `{"issuer":"{issuer}","token_endpoint":"{base}/token","device_authorization_endpoint":"{base}/devicecode",` +
		`"registration_endpoint":"{base}/register","revocation_endpoint":"{base}/revoke",` +
		`"scopes_supported":["openid","offline_access","wlcg","compute.read","compute.modify","compute.cancel","compute.create"],` +
		`"token_endpoint_auth_methods_supported":["client_secret_basic"]}`
	goodRegistration = `{"client_id":"{client}","client_secret":"{secret}","token_endpoint_auth_method":"client_secret_basic",` +
		`"registration_client_uri":"{base}/register/{client}","registration_access_token":"{registration}"}`
	goodDevice = `{"device_code":"{device}","user_code":"ABCD-EFGH","verification_uri":"{base}/device","expires_in":600,"interval":1}`
)

// goodRefresh accepts only the current refresh token.
func goodRefresh(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	known := r.PostFormValue("refresh_token") == h.current
	h.mu.Unlock()
	if !known {
		js(400, `{"error":"invalid_grant","error_description":"unknown refresh token"}`)(h, w, r)
		return
	}
	js(200, `{"access_token":"{access}","expires_in":3600}`)(h, w, r)
}

// mint issues an access token. claims override the default claims.
func (h *hostileIssuer) mint(claims map[string]any) string {
	now := time.Now().Unix()
	all := map[string]any{
		"iss": h.issuer(), "sub": "user", "jti": rand.Text(), "iat": now, "nbf": now - 60, "exp": now + 3600, "aud": audience, "wlcg.ver": "1.0",
		"scope": requested,
	}
	for name, v := range claims {
		all[name] = v
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // the claims are in this file
	}
	return h.issue(encodeJWT(`{"alg":"ES256","kid":"k"}`, string(b)))
}

const (
	audience  = "ce.example.org:9619"
	requested = "compute.read compute.modify compute.cancel compute.create"
)

// encodeJWT returns a JWT with a random signature.
func encodeJWT(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signature := make([]byte, 64)
	_, _ = rand.Read(signature)
	return b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64(signature)
}

// issue records an access token as issued, and returns it.
func (h *hostileIssuer) issue(access string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.access = append(h.access, access)
	return access
}

func (h *hostileIssuer) accessTokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.access)
}

// issued reports whether this issuer issued a token.
func (h *hostileIssuer) issued(token string) bool {
	return token == "opaque" || token == "a.b.c.d.e" || slices.ContainsFunc(h.accessTokens(), func(a string) bool { return strings.HasPrefix(token, a) })
}

// expand replaces the placeholders in a body. {refresh} also replaces the valid refresh token.
func (h *hostileIssuer) expand(body string) string {
	if strings.Contains(body, "{refresh}") {
		h.replace(h.next)
	}
	if strings.Contains(body, "{access}") {
		body = strings.ReplaceAll(body, "{access}", h.mint(nil))
	}
	return strings.NewReplacer(
		"{base}", h.srv.URL, "{issuer}", h.issuer(), "{client}", h.clientID, "{secret}", h.clientSecret,
		"{registration}", h.registrationToken, "{secrets}", strings.Join(h.sentSecrets(), " "), "{encoded}", url.PathEscape(strings.Join(h.sentSecrets(), "/")), "{device}", h.deviceCode, "{refresh}", h.next, "{old}", h.old,
		"{device-form}", url.QueryEscape(h.deviceCode), "{base-form}", url.QueryEscape(h.srv.URL), "{elsewhere}", h.elsewhere.address(),
	).Replace(body)
}
