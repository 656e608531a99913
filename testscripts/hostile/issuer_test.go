//go:build unix

package hostile

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
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

// hostileIssuer answers one kind of request with a scripted answer, and all others the
// way an issuer should.
type hostileIssuer struct {
	srv       *httptest.Server
	elsewhere *trap

	// What the issuer and its client know, and nobody else may see.
	clientID, clientSecret, registrationToken, deviceCode, initialToken string
	// old is the refresh token of the login, and next the one that {refresh} stands for.
	old, next string

	mu      sync.Mutex
	on      kind
	answer  answer
	left    int // hostile answers that are still to be given; below 0 without end
	given   int // hostile answers that were given
	current string
	access  []string // the access tokens that were handed out
	spoken  []string // the secrets that clients have sent
}

// answer writes an answer to a request.
type answer func(h *hostileIssuer, w http.ResponseWriter, r *http.Request)

// authority is a CA with a certificate for this host, and the file that names it.
type authority struct {
	cert   tls.Certificate
	caFile string
}

// newAuthority makes a CA that is its own server, with the names of the template.
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

// trap is a place where nobody should ever connect: the target of hostile redirects,
// and the proxy for every host that is not on loopback.
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

func (tr *trap) caught() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.seen)
}

// newHostileIssuer starts an issuer that gives the answer to the first requests of the
// kind, or to all of them if first is 0.
func newHostileIssuer(t *testing.T, ca *authority, on kind, a answer, first int) *hostileIssuer {
	t.Helper()
	// Every character that an encoding changes is in the secrets.
	secret := func(name string) string { return name + "/" + rand.Text() + "+a=b&c%d~e" }
	h := &hostileIssuer{
		elsewhere: newTrap(t), clientID: "client-" + rand.Text()[:8],
		clientSecret: secret("client-secret"), registrationToken: secret("registration-token"), deviceCode: secret("device-code"),
		initialToken: "initial-token-" + rand.Text() + "~e", old: secret("refresh-old"), next: secret("refresh-new"),
		on: on, answer: a, left: first,
	}
	if first == 0 {
		h.left = -1
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

// behave ends the hostility.
func (h *hostileIssuer) behave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = 0
}

// hostilities counts the hostile answers.
func (h *hostileIssuer) hostilities() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.given
}

// replace makes a refresh token the only one that is accepted.
func (h *hostileIssuer) replace(refreshToken string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = refreshToken
}

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
	h.listen(r, body)
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

// listen notes which secrets a request holds. h.mu is held.
func (h *hostileIssuer) listen(r *http.Request, body []byte) {
	user, password, _ := r.BasicAuth()
	holds := []string{r.Header.Get("Authorization"), user, password, string(body)}
	if plain, err := url.QueryUnescape(password); err == nil {
		holds = append(holds, plain)
	}
	if form, err := url.ParseQuery(string(body)); err == nil {
		for _, v := range form {
			holds = append(holds, v...)
		}
	}
	for _, s := range []string{h.clientSecret, h.registrationToken, h.deviceCode, h.initialToken, h.old, h.next} {
		if !slices.Contains(h.spoken, s) && slices.ContainsFunc(holds, func(v string) bool { return strings.Contains(v, s) }) {
			h.spoken = append(h.spoken, s)
		}
	}
}

func (h *hostileIssuer) sent() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.spoken)
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

// goodRefresh accepts the current refresh token alone.
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

// mint makes an access token, with the claims that are given instead of its own.
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
	return h.handOut(encodeJWT(`{"alg":"ES256","kid":"k"}`, string(b)))
}

const (
	audience  = "ce.example.org:9619"
	requested = "compute.read compute.modify compute.cancel compute.create"
)

func encodeJWT(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signature := make([]byte, 64)
	_, _ = rand.Read(signature)
	return b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64(signature)
}

func (h *hostileIssuer) handOut(access string) string {
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

// made reports whether a token is one that this issuer handed out.
func (h *hostileIssuer) made(token string) bool {
	return token == "opaque" || token == "a.b.c.d.e" || slices.ContainsFunc(h.accessTokens(), func(a string) bool { return strings.HasPrefix(token, a) })
}

// expand fills in a body. One that has {refresh} in it replaces the refresh token.
func (h *hostileIssuer) expand(body string) string {
	if strings.Contains(body, "{refresh}") {
		h.replace(h.next)
	}
	if strings.Contains(body, "{access}") {
		body = strings.ReplaceAll(body, "{access}", h.mint(nil))
	}
	return strings.NewReplacer(
		"{base}", h.srv.URL, "{issuer}", h.issuer(), "{client}", h.clientID, "{secret}", h.clientSecret,
		"{registration}", h.registrationToken, "{secrets}", strings.Join(h.sent(), " "), "{encoded}", url.PathEscape(strings.Join(h.sent(), "/")), "{device}", h.deviceCode, "{refresh}", h.next, "{old}", h.old,
		"{device-form}", url.QueryEscape(h.deviceCode), "{base-form}", url.QueryEscape(h.srv.URL), "{elsewhere}", h.elsewhere.address(),
	).Replace(body)
}

// js answers with JSON.
func js(status int, body string) answer { return typed(status, "application/json", body) }

// typed answers with a body and its label, which is left out if it is empty.
func typed(status int, contentType, body string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		b := h.expand(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, b)
	}
}

// claims answers with an access token that has the claims, and a new refresh token.
func claims(c map[string]any) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		js(200, `{"access_token":"`+h.mint(c)+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// jwt answers with an access token of this header and these claims.
func jwt(header, claims string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		raw := h.handOut(encodeJWT(header, h.expand(claims)))
		js(200, `{"access_token":"`+raw+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// refreshToken answers with a new refresh token that ends with the suffix.
func refreshToken(suffix string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		h.replace(h.next + suffix)
		b, err := json.Marshal(map[string]any{"access_token": h.mint(nil), "refresh_token": h.next + suffix, "expires_in": 3600})
		if err != nil {
			panic(err) // two strings and a number
		}
		js(200, string(b))(h, w, r)
	}
}

// echo refuses with everything that the request holds in the description, in the form
// in which it came and decoded.
func echo(status int, code string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		authorization := r.Header.Get("Authorization")
		user, password, _ := r.BasicAuth()
		plainUser, _ := url.QueryUnescape(user)
		plain, _ := url.QueryUnescape(password)
		said := fmt.Sprintf("%s: %s", authorization, body)
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, v := range form {
				said = fmt.Sprintf("%s=%s %s", name, v[0], said)
			}
		}
		said = fmt.Sprintf("%s %s %s %s %s", user, password, plainUser, plain, said)
		b, err := json.Marshal(map[string]string{"error": code, "error_description": said})
		if err != nil {
			panic(err) // strings
		}
		js(status, string(b))(h, w, r)
	}
}

// recode is echo with the secrets in another encoding.
func recode(status int, code string, f func(string) string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		b, err := json.Marshal(map[string]string{"error": code, "error_description": "no: " + f(h.old) + " " + f(h.clientSecret)})
		if err != nil {
			panic(err) // strings
		}
		js(status, string(b))(h, w, r)
	}
}

// lowerHex percent-encodes with lower-case digits.
func lowerHex(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// inTurn gives the answers of several rows one after the other.
func inTurn(rows ...hostile) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		rows[(h.hostilities()-1)%len(rows)].answer(h, w, r)
	}
}

// redirect answers with a redirect.
func redirect(status int, to string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", h.expand(to))
		w.WriteHeader(status)
	}
}

// ending is how a raw answer ends.
type ending int

const (
	closed ending = iota
	hangs
	resets
	halfClosed // the TCP connection, without TLS's own close
	repeats    // what was written last, without end
	drips      // a byte of it every now and then
)

const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// raw answers with exactly these bytes, of which the last part is repeated or dripped if
// the ending says so.
func raw(end ending, parts ...string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err) // HTTP/1.1 is all that is spoken here
		}
		defer func() { _ = conn.Close() }()
		tcp := conn.(*tls.Conn).NetConn().(*net.TCPConn)
		for _, p := range parts {
			if _, err := io.WriteString(conn, h.expand(p)); err != nil {
				return
			}
		}
		last := []byte(h.expand(parts[len(parts)-1]))
		switch end {
		case hangs:
			waitForEnd(conn)
		case resets:
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		case halfClosed:
			_ = tcp.CloseWrite()
			waitForEnd(conn)
		case repeats:
			for err == nil {
				_, err = conn.Write(last)
			}
		case drips:
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for i := 0; err == nil; i++ {
				<-tick.C
				_, err = conn.Write(last[i%len(last) : i%len(last)+1])
			}
		}
	}
}

// waitForEnd waits until the client closes the connection.
func waitForEnd(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// sized answers with a Content-Length that is off by so much.
func sized(off int, body string, end ending) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		b := h.expand(body)
		raw(end, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok200, len(b)+off, b))(h, w, r)
	}
}

// zipped answers with a gzip stream of the body, without its last bytes.
func zipped(body string, cut int) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, h.expand(body))
		_ = z.Close()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes()[:b.Len()-cut])
	}
}

// bomb answers with a JSON object that unpacks to 200 MB.
func bomb(_ *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed())
}

var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"error":"`)
	block := bytes.Repeat([]byte("a"), 1<<20)
	for range 200 {
		_, _ = z.Write(block)
	}
	_, _ = io.WriteString(z, `"}`)
	_ = z.Close()
	return b.Bytes()
})

// utf16 encodes ASCII as UTF-16 with a byte order mark.
func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(s) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

// instead returns s with the first occurrence of a part replaced, which must be there.
func instead(s, part, by string) string {
	if !strings.Contains(s, part) {
		panic(part + " is not in " + s)
	}
	return strings.Replace(s, part, by, 1)
}
