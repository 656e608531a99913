// Command tokenserver is an https server for the end-to-end tests that accepts only requests
// with a valid token. It checks signature, issuer, audience and expiry.
//
//	/version, /api, /apis   the answers of a Kubernetes API server
//	/git/NAME               the repositories in -git, by git http-backend; the token comes
//	                        as a bearer token or as a password
//	/password/NAME          the same, but only with the token as a password
//	anything else           the server behind -proxy
//
// It prints a line for each request: status, method, scheme of the token, and path.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/token"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "tokenserver: error: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := &server{}
	var addr, cert, key, ca, proxy string
	flags := flag.NewFlagSet("tokenserver", flag.ContinueOnError)
	flags.StringVar(&addr, "addr", "", "address to listen on")
	flags.StringVar(&cert, "cert", "", "certificate")
	flags.StringVar(&key, "key", "", "key of the certificate")
	flags.StringVar(&ca, "ca", "", "CA of the issuer")
	flags.StringVar(&s.issuer, "issuer", "", "the issuer whose tokens are accepted")
	flags.StringVar(&s.audience, "audience", "", "the audience that a token must have")
	flags.StringVar(&s.refuse, "refuse", "", "file with tokens to refuse, one per line")
	flags.StringVar(&s.repositories, "git", "", "directory of repositories")
	flags.StringVar(&proxy, "proxy", "", "URL of the server behind this one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := s.fetchKeys(ctx, ca); err != nil {
		return err
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/version", "/api", "/apis", "/api/", "/apis/"} {
		mux.Handle(path, s.checked(kubernetes, "Bearer"))
	}
	mux.Handle("/git/", s.checked(s.git, "Bearer", "Basic"))
	mux.Handle("/password/", s.checked(s.git, "Basic"))
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return err
		}
		mux.Handle("/", s.checked(httputil.NewSingleHostReverseProxy(u).ServeHTTP, "Bearer"))
	}
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServeTLS(cert, key) }()
	select {
	case <-ctx.Done():
		return srv.Close()
	case err := <-failed:
		return err
	}
}

type server struct {
	issuer, audience, refuse, repositories string
	keys                                   *jwks.Set
	mu                                     sync.Mutex // one line of the log at a time
}

// fetchKeys fetches the keys at the jwks_uri of the issuer's discovery document.
func (s *server) fetchKeys(ctx context.Context, ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("there is no certificate in " + ca)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	get := func(address string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	}
	doc, err := get(s.issuer + "/.well-known/openid-configuration")
	if err != nil {
		return err
	}
	var md struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(doc, &md); err != nil {
		return err
	}
	set, err := get(md.JWKS)
	if err == nil {
		s.keys, err = jwks.Parse(set)
	}
	return err
}

// checked passes requests with a valid token to next, and answers others with 401.
func (s *server) checked(next http.HandlerFunc, schemes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, raw := presented(r)
		status := http.StatusOK
		if err := s.check(raw); err != nil || !slices.Contains(schemes, scheme) {
			status = http.StatusUnauthorized
			if raw != "" && err != nil {
				scheme += " (" + err.Error() + ")"
			}
		}
		s.mu.Lock()
		fmt.Printf("%d %s %s %s\n", status, r.Method, scheme, r.URL.Path)
		s.mu.Unlock()
		if status == http.StatusOK {
			next(w, r)
			return
		}
		for _, scheme := range schemes {
			w.Header().Add("WWW-Authenticate", scheme+` realm="e2e"`)
		}
		http.Error(w, "a token is required", status)
	}
}

// presented returns the token of a request and its authentication scheme.
func presented(r *http.Request) (scheme, raw string) {
	if _, password, ok := r.BasicAuth(); ok {
		return "Basic", password
	}
	if raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return "Bearer", raw
	}
	return "none", ""
}

func (s *server) check(raw string) error {
	j, err := token.Decode([]byte(raw))
	if err != nil {
		return err
	}
	if found := s.keys.Verify(raw, j); len(found) > 0 {
		return errors.New(found[0].Message)
	}
	issuer, _ := j.String("iss")
	expires, _ := j.Time("exp")
	audiences, _ := j.Audiences()
	switch {
	case issuer != s.issuer:
		return fmt.Errorf("the issuer is %s", issuer)
	case !expires.After(time.Now()):
		return errors.New("it has expired")
	case !slices.Contains(audiences, s.audience):
		return fmt.Errorf("the audience is %q", audiences)
	}
	refused, err := os.ReadFile(s.refuse)
	if err == nil && slices.Contains(strings.Fields(string(refused)), raw) {
		return errors.New("it is refused")
	}
	return nil
}

// kubernetes answers the requests of a Kubernetes API server that kubectl needs.
func kubernetes(w http.ResponseWriter, r *http.Request) {
	var doc any
	switch r.URL.Path {
	case "/version":
		doc = map[string]string{"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}
	case "/api":
		doc = map[string]any{"kind": "APIVersions", "versions": []string{"v1"}}
	case "/apis":
		doc = map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []string{}}
	case "/api/v1":
		doc = map[string]any{"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{map[string]any{
			"name": "namespaces", "singularName": "", "namespaced": false, "kind": "Namespace", "verbs": []string{"get", "list"}, "shortNames": []string{"ns"}}}}
	case "/api/v1/namespaces":
		doc = map[string]any{"kind": "NamespaceList", "apiVersion": "v1", "metadata": map[string]string{"resourceVersion": "1"}, "items": []any{map[string]any{
			"metadata": map[string]string{"name": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": map[string]string{"phase": "Active"}}}}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}

// git serves a repository below the first element of the path.
func (s *server) git(w http.ResponseWriter, r *http.Request) {
	root, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	(&cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend", Root: "/" + root, Dir: s.repositories, Stderr: os.Stderr,
		Env: []string{"GIT_PROJECT_ROOT=" + s.repositories, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=e2e"},
	}).ServeHTTP(w, r)
}
