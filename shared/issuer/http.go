// Package issuer implements the wire protocol with an OpenID issuer: discovery, dynamic
// client registration, device authorization, token requests and revocation.
//
// Secrets are sent only to the endpoints that the issuer's discovery document names, over
// https (plain http on loopback only). Errors and the trace contain URLs without queries,
// status codes, and the issuer's messages with the secrets removed.
package issuer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/text"
)

// maxBody is the maximum size of an answer, in bytes. Discovery documents and token
// answers are a few kB.
const maxBody = 1 << 20

// maxStatus is the maximum length of a status line in messages, in characters.
const maxStatus = 60

// idleTimeout is how long an unused connection is kept, as in [http.DefaultTransport]. A process
// that renews tokens for days must not keep one for each issuer.
const idleTimeout = 90 * time.Second

// gridCertificates is where grid sites keep the certificates of IGTF's CAs.
const gridCertificates = "/etc/grid-security/certificates"

// HTTPOptions are the options of a [Client].
type HTTPOptions struct {
	// If CAFile or CAPath is set, only their certificates are trusted. The default is the
	// system's store (SSL_CERT_FILE, SSL_CERT_DIR) together with X509_CERT_DIR or
	// /etc/grid-security/certificates.
	CAFile, CAPath string
	// Timeout is the limit for one exchange, from dialing to the last byte.
	Timeout   time.Duration
	LookupEnv func(string) (string, bool)
	// UserAgent returns the User-Agent header; nil means Go's default.
	UserAgent func() string
	// Trace, if set, is called with a line for each exchange, without secrets.
	Trace func(format string, a ...any)
}

// Client is a client for issuers. It reads certificates and connects at its first use.
type Client struct {
	opts   HTTPOptions
	once   sync.Once
	http   *http.Client
	err    error
	offset atomic.Int64
	// plainBasic means that the issuer does not decode credentials in HTTP Basic.
	plainBasic atomic.Bool
	redactor
}

// NewClient returns a Client and opens nothing.
func NewClient(opts HTTPOptions) *Client { return &Client{opts: opts} }

// Ready reads the certificates now, rather than at the first exchange. Its error is a
// [LocalError].
func (c *Client) Ready() error {
	_, err := c.client()
	return err
}

func (c *Client) client() (*http.Client, error) {
	c.once.Do(func() {
		var roots *x509.CertPool
		if c.err = c.checkProxy(); c.err != nil {
			return
		}
		if roots, c.err = c.roots(); c.err != nil {
			return
		}
		base := &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: c.opts.Timeout}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    c.opts.Timeout,
			IdleConnTimeout:        idleTimeout,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxBody,
		}
		c.http = &http.Client{
			Transport:     &transport{base: base, c: c},
			Timeout:       c.opts.Timeout,
			CheckRedirect: checkRedirect,
		}
	})
	return c.http, c.err
}

// checkProxy rejects a proxy that net/http would silently ignore.
func (c *Client) checkProxy() error {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		v, _ := c.opts.LookupEnv(name)
		if v == "" {
			continue
		}
		if !strings.Contains(v, "://") {
			v = "http://" + v // net/http reads HOST:PORT like this
		}
		u, err := url.Parse(v)
		if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Host, " \t") || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return &LocalError{fmt.Errorf("%s is not the URL of a proxy", name), "write it as " + name + "=http://proxy.example.org:3128, or unset it"}
		}
	}
	return nil
}

// checkRedirect follows a redirect only if it cannot leak a secret: a GET, to the same
// host, with the same scheme.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	no := func(why string) error { return &RedirectError{bare(first.URL), target(req.URL), why} }
	switch {
	case first.Method != http.MethodGet:
		return no("the request carries secrets")
	case req.URL.Host != first.URL.Host:
		return no("it is another host")
	case req.URL.Scheme != first.URL.Scheme:
		return no("it is not https")
	case len(via) > 5:
		return no("there are too many redirects")
	}
	return nil
}

func (c *Client) roots() (*x509.CertPool, error) {
	if c.opts.CAFile != "" || c.opts.CAPath != "" {
		pool := x509.NewCertPool()
		if f := c.opts.CAFile; f != "" {
			pem, err := readCA(f)
			if err != nil {
				return nil, &LocalError{fmt.Errorf("read the CA file: %w", err), hintCA}
			}
			if !pool.AppendCertsFromPEM(pem) {
				return nil, &LocalError{fmt.Errorf("no PEM certificate in the CA file %s", f), hintCA}
			}
		}
		if d := c.opts.CAPath; d != "" {
			n, err := appendDir(pool, d)
			if err != nil {
				return nil, &LocalError{fmt.Errorf("read the CA directory: %w", err), hintCA}
			}
			if n == 0 {
				return nil, &LocalError{fmt.Errorf("no certificate in the CA directory %s", d), hintCA}
			}
		}
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	// Ignore a directory that does not exist or cannot be read: the handshake reports a
	// missing authority.
	_, _ = appendDir(pool, c.gridDir())
	return pool, nil
}

const hintCA = "check --cafile and --capath: a PEM file, or a directory of them"

// readCA reads a certificate file. All such files are smaller than the limit.
func readCA(name string) ([]byte, error) {
	f, err := private.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return private.ReadAll(f)
}

// appendDir adds the CA certificates of a directory in the layout of OpenSSL and IGTF:
// HASH.0 files (and .pem, .crt), beside policies and revocation lists.
func appendDir(pool *x509.CertPool, dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != ".pem" && ext != ".crt" && (len(ext) != 2 || ext[1] < '0' || ext[1] > '9') {
			continue
		}
		if pem, err := readCA(filepath.Join(dir, e.Name())); err == nil && pool.AppendCertsFromPEM(pem) {
			n++
		}
	}
	return n, nil
}

// ClockOffset returns how far the issuer's clock is ahead of this machine's, according to the
// Date of its last answer (RFC 9110 section 6.6.1), to about a second.
func (c *Client) ClockOffset() time.Duration { return time.Duration(c.offset.Load()) }

type transport struct {
	base http.RoundTripper
	c    *Client
}

// The waits between attempts, before jitter. INDIGO IAM behind its proxies recovers from
// a restart within seconds; after that an error helps more than waiting.
var waits = []time.Duration{200 * time.Millisecond, 800 * time.Millisecond}

type onceKey struct{}

// once marks a request that must not be made twice: it is repeated only if the status
// means that the issuer did nothing.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// exchange makes a whole exchange: it reads the answer's body, so that a connection that
// breaks in the middle of it counts as broken. A temporary failure (5xx, 429, a broken
// connection) is retried within the exchange's time limit: a GET twice, others once,
// because a rotated refresh token may already be invalid.
func (t *transport) exchange(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if name := t.c.opts.UserAgent; name != nil {
		req.Header.Set("User-Agent", name())
	}
	tries := 2
	if req.Method == http.MethodGet {
		tries = 3
	}
	for n := 1; ; n++ {
		resp, err := t.try(req)
		if n == tries || req.Body != nil && req.GetBody == nil || !retryable(req, resp, err) {
			return resp, err
		}
		wait := waits[n-1]/2 + rand.N(waits[n-1])
		if resp != nil {
			wait = max(wait, retryAfter(resp.Header.Get("Retry-After")))
		}
		if end, ok := req.Context().Deadline(); ok && time.Until(end) < wait {
			return resp, err
		}
		t.c.trace("trying again in %s", wait.Round(10*time.Millisecond))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-req.Context().Done():
			timer.Stop()
			return nil, req.Context().Err()
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// retryable reports whether the same request may succeed later.
func retryable(req *http.Request, resp *http.Response, err error) bool {
	if e, _ := req.Context().Value(answerKey{}).(*expected); e != nil && e.found != nil && *e.found != "" {
		return false // the refresh token of the request is no longer valid
	}
	if resp != nil {
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
			return true
		}
		return resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented && req.Context().Value(onceKey{}) == nil
	}
	var (
		certificate *tls.CertificateVerificationError
		notJSON     *NotJSONError
		dns         *net.DNSError
	)
	switch {
	case req.Context().Err() != nil, errors.As(err, &certificate), errors.As(err, &notJSON):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary
	}
	return req.Context().Value(onceKey{}) == nil
}

// retryAfter parses both forms of the header (RFC 9110 section 10.2.3).
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return time.Until(at)
	}
	return 0
}

func (c *Client) trace(format string, a ...any) {
	if c.opts.Trace != nil {
		c.opts.Trace(format, a...)
	}
}

func (t *transport) try(req *http.Request) (*http.Response, error) {
	start := time.Now()
	var sent atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) { sent.Store(i.Err == nil) },
	}))
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		if at, derr := http.ParseTime(resp.Header.Get("Date")); derr == nil {
			t.c.offset.Store(int64(at.Sub(time.Now().Truncate(time.Second))))
		}
		err = readBody(resp, req)
	}
	took := time.Since(start).Round(time.Millisecond)
	if e, _ := req.Context().Value(answerKey{}).(*expected); e != nil && err != nil && sent.Load() {
		e.unanswered = true
	}
	if err != nil {
		t.c.trace("%s %s: %s (%s)", req.Method, bare(req.URL), t.c.redact(err.Error()), took)
		return nil, err
	}
	t.c.trace("%s %s: %s (%s)", req.Method, bare(req.URL), t.c.status(resp.Status), took)
	return resp, nil
}

// readBody reads the answer's body, up to its limit, and normalises it if the request
// requires that. A web page instead of JSON comes from a proxy or a portal, and is
// reported as such rather than as a parse error (oidc-agent#518).
func readBody(resp *http.Response, req *http.Request) error {
	defer func() { _ = resp.Body.Close() }()
	from := bare(req.URL)
	if resp.StatusCode < 200 {
		// 101 hands over the connection, which may never end.
		return &NotJSONError{URL: from, Got: "the status " + strconv.Itoa(resp.StatusCode)}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	ok := false
	if e, _ := req.Context().Value(answerKey{}).(*expected); e != nil {
		// A complete object is an answer, even if the connection broke after it: it may
		// contain a new refresh token.
		b, ok = e.normalise(resp, b)
	}
	switch {
	case ok:
	case err != nil:
		return fmt.Errorf("the answer is incomplete: %w", err)
	case len(b) > maxBody:
		return &NotJSONError{URL: from, Got: fmt.Sprintf("more than %d kB", maxBody>>10)}
	}
	if ct, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !ok && resp.StatusCode < 300 && ct == "text/html" && !isObject(b) {
		return &NotJSONError{URL: from, Got: "a web page"}
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	resp.ContentLength = int64(len(b))
	return nil
}

// target returns the part of a redirect's target that is shown. Only the path of a
// discovery document is shown, because others may contain a secret.
func target(u *url.URL) string {
	base, _, found := strings.Cut(u.EscapedPath(), "/.well-known/")
	shown := &url.URL{Scheme: u.Scheme, Host: u.Host}
	if found && len(base) < 100 {
		shown.Path = base + wellKnown
	}
	return text.Foreign(shown.String(), 300)
}

// bare returns u without user, query and fragment, which may contain secrets.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// shown returns a URL as messages show it: see [bare].
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the issuer"
	}
	return bare(u)
}

// CheckURL rejects a URL to which secrets must not be sent: anything except https, and http
// on loopback.
func CheckURL(what, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s %q is not a URL", what, raw)
	}
	if u.User != nil {
		return fmt.Errorf("%s contains a user name or a password", what)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s %s is not https", what, bare(u))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
