package issuer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

func start(t *testing.T, opts issuertest.Options) (*issuertest.Server, *Client) {
	t.Helper()
	srv, err := issuertest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv, NewClient(HTTPOptions{CAFile: srv.CAFile(), Timeout: 5 * time.Minute, LookupEnv: os.LookupEnv})
}

func TestParseMetadata(t *testing.T) {
	doc := func(format string, a ...any) []byte { return fmt.Appendf(nil, format, a...) }
	const asked = "https://iam.example.org/"
	good := []string{
		`{"issuer":"https://iam.example.org/","token_endpoint":"https://iam.example.org/token"}`,
		`{"issuer":"https://iam.example.org","token_endpoint":"https://other.example.org/token","unknown":[1]}`,
	}
	for _, d := range good {
		if _, err := ParseMetadata(doc("%s", d), asked); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	var mismatch *MismatchError
	var unsupported *UnsupportedError
	var answer *AnswerError
	bad := []struct {
		doc string
		as  any
	}{
		{`{"issuer":"https://evil.example.org/","token_endpoint":"https://iam.example.org/token"}`, &mismatch},
		{`{"token_endpoint":"https://iam.example.org/token"}`, &mismatch},
		{`{"issuer":"https://iam.example.org//","token_endpoint":"https://iam.example.org/token"}`, &mismatch},
		{`<html>`, &answer},
		{`[]`, &answer},
		{`{"issuer":"https://iam.example.org/"}`, &unsupported},
		{`{"issuer":"https://iam.example.org/","token_endpoint":"http://iam.example.org/token"}`, &answer},
		{`{"issuer":"https://iam.example.org/","token_endpoint":"https://iam.example.org/t","revocation_endpoint":"file:///etc/passwd"}`, &answer},
	}
	for _, tt := range bad {
		if _, err := ParseMetadata(doc("%s", tt.doc), asked); !errors.As(err, tt.as) {
			t.Errorf("%s: %T %v", tt.doc, err, err)
		}
	}
	for range 50 { // of several wrong endpoints, always the same one is reported
		_, err := ParseMetadata(doc(`{"issuer":"https://iam.example.org/","token_endpoint":"http://a","revocation_endpoint":"http://b","registration_endpoint":"http://c"}`), asked)
		if err == nil || !strings.Contains(err.Error(), "the token endpoint http://a is not https") {
			t.Fatal(err)
		}
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://i/","token_endpoint":"https://i/token","scopes_supported":["a"]}`))
	f.Add([]byte(`{"issuer":7}`))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		md, err := ParseMetadata(doc, "https://i/")
		if err != nil {
			return
		}
		for _, u := range []string{md.TokenEndpoint, md.DeviceAuthorizationEndpoint, md.RegistrationEndpoint, md.RevocationEndpoint} {
			if u != "" && CheckURL("it", u) != nil {
				t.Fatalf("secrets would go to %q", u)
			}
		}
		md.registrable([]string{"read:/a"})
		md.Lists("read:/a")
		AuthMethod(md)
	})
}

func TestCheckURL(t *testing.T) {
	for _, u := range []string{"https://iam.example.org/", "http://localhost:8080/x", "http://127.0.0.1/", "http://[::1]:1/", "https://iam.example.org:8443"} {
		if err := CheckURL("it", u); err != nil {
			t.Error(err)
		}
	}
	for _, u := range []string{"", "iam.example.org", "http://iam.example.org/", "http://localhost.example.org/", "ftp://localhost/", "https://", "https://user:pw@iam.example.org/", "//iam", "https://a b/", "file:///x"} {
		if err := CheckURL("it", u); err == nil {
			t.Errorf("%q passes", u)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

func TestAudienceParameter(t *testing.T) {
	two := []string{"a:1", "b:2"}
	for p, want := range map[AudienceParameter]url.Values{
		"": {"audience": {"a:1 b:2"}}, "audience": {"audience": {"a:1 b:2"}},
		"resource": {"resource": two}, "both": {"audience": {"a:1 b:2"}, "resource": two},
	} {
		if got := p.Params(two); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v", p, got)
		}
		if got := p.Params(nil); len(got) > 0 {
			t.Errorf("%q asks for %v", p, got)
		}
	}
}

func TestRedact(t *testing.T) {
	const jwt = "eyJhbGciOiJub25lIn0.eyJqdGkiOiJ4In0."
	var r redactor
	r.secret("s3cret")
	got := r.redact("Invalid refresh token: " + jwt + " for s3cret")
	if strings.Contains(got, "eyJ") || strings.Contains(got, "s3cret") || !strings.HasPrefix(got, "Invalid refresh token: [redacted]") {
		t.Error(got)
	}
	if got := r.redact(strings.Repeat("é", 1000)); len([]rune(got)) != 301 {
		t.Errorf("%d runes", len([]rune(got)))
	}
	if got := r.redact("see iam.cloud.example.org/docs"); !strings.Contains(got, "iam.cloud") {
		t.Error("an address is not a secret: " + got)
	}
}

func TestRegisterAndUnregister(t *testing.T) {
	srv, c := start(t, issuertest.Options{Scopes: []string{"offline_access", "wlcg", "read:/"}})
	ctx := context.Background()
	md, _, err := c.Discover(ctx, srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := c.Register(ctx, md, "test", []string{"wlcg", "read:/store", "compute.read", "wlcg"}, "")
	if err != nil {
		t.Fatal(err)
	}
	// The narrow scope is requested, although only read:/ is listed.
	if !reflect.DeepEqual(reg.Scopes, []string{"read:/store", "wlcg"}) || reg.ClientSecret == "" || reg.URI == "" {
		t.Errorf("%q", reg.Scopes)
	}
	if err := c.Unregister(ctx, reg.URI, reg.Token); err != nil {
		t.Error(err)
	}
	// 401 can mean that the client is gone or that the token is wrong.
	var re *ResponseError
	if err := c.Unregister(ctx, reg.URI, reg.Token); !errors.As(err, &re) || re.StatusCode != http.StatusUnauthorized || strings.Contains(err.Error(), reg.Token) {
		t.Errorf("%T %v", err, err)
	}
	if n := srv.Requests()["client"]; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// A refresh requests the given scopes and audience.
func TestRefreshIsNarrow(t *testing.T) {
	srv, c := start(t, issuertest.Options{Interval: 1, Rotate: true})
	srv.AutoApprove(true)
	ctx := context.Background()
	md, _, err := c.Discover(ctx, srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := c.Register(ctx, md, "test", []string{"wlcg", "offline_access", "compute.read", "compute.create"}, "")
	if err != nil {
		t.Fatal(err)
	}
	cr := Credentials{reg.ClientID, reg.ClientSecret, reg.AuthMethod}
	dev, err := c.StartDevice(ctx, md, cr, []string{"wlcg", "offline_access", "compute.read", "compute.create"}, nil, false, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.WaitDevice(ctx, dev, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if g.RefreshToken == "" || g.RefreshExpires.Before(time.Now().Add(29*24*time.Hour)) {
		t.Errorf("the refresh token expires %v", g.RefreshExpires)
	}
	n, err := c.Refresh(ctx, md, cr, g.RefreshToken, []string{"compute.read"}, AudienceParameter("").Params([]string{"ce:9619"}), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	form := srv.LastTokenRequest()
	if form.Get("scope") != "compute.read" || form.Get("audience") != "ce:9619" || form.Get("grant_type") != "refresh_token" || form.Has("client_secret") {
		t.Errorf("sent %v", form.Encode())
	}
	if !reflect.DeepEqual(n.Scopes, []string{"compute.read"}) || n.RefreshToken == g.RefreshToken {
		t.Errorf("%v", n.Scopes)
	}
	_, err = c.Refresh(ctx, md, cr, n.RefreshToken, []string{"read:/"}, nil, time.Now)
	var re *ResponseError
	if !errors.As(err, &re) || re.Code != "invalid_scope" || re.Temporary() || re.LoginEnded() {
		t.Errorf("%v", err)
	}
	_, err = c.Refresh(ctx, md, cr, g.RefreshToken, nil, nil, time.Now)
	if !errors.As(err, &re) || !re.LoginEnded() || strings.Contains(err.Error(), g.RefreshToken) {
		t.Errorf("reuse of a rotated token: %v", err)
	}
	if err := c.Revoke(ctx, md, cr, n.RefreshToken); err != nil {
		t.Error(err)
	}
}

// Only the certificates that are given are trusted.
func TestTrust(t *testing.T) {
	srv, _ := start(t, issuertest.Options{})
	dir := t.TempDir()
	pem, err := os.ReadFile(srv.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0a1b2c3d.0"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0a1b2c3d.r0"), []byte("a revocation list"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(v string) func(string) (string, bool) {
		return func(k string) (string, bool) {
			if k == "X509_CERT_DIR" && v != "" {
				return v, true
			}
			return "", false
		}
	}
	tests := []struct {
		name string
		opts HTTPOptions
		ok   bool
	}{
		{"file", HTTPOptions{CAFile: srv.CAFile(), LookupEnv: env("")}, true},
		{"directory", HTTPOptions{CAPath: dir, LookupEnv: env("")}, true},
		{"X509_CERT_DIR", HTTPOptions{LookupEnv: env(dir)}, true},
		{"the system's", HTTPOptions{LookupEnv: env("")}, false},
		{"an empty directory", HTTPOptions{CAPath: t.TempDir(), LookupEnv: env(dir)}, false},
		{"no certificate in it", HTTPOptions{CAFile: filepath.Join(dir, "0a1b2c3d.r0"), LookupEnv: env(dir)}, false},
		{"no such file", HTTPOptions{CAFile: filepath.Join(dir, "x"), LookupEnv: env(dir)}, false},
	}
	for _, tt := range tests {
		tt.opts.Timeout = 5 * time.Minute
		if _, _, err := NewClient(tt.opts).Discover(context.Background(), srv.URL()); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Redirects do not send secrets to another place.
func TestRedirects(t *testing.T) {
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.URL.Path) }))
	defer other.Close()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mux.Handle("/elsewhere", http.RedirectHandler(other.URL+"/stolen", http.StatusTemporaryRedirect))
	mux.Handle("/here", http.RedirectHandler("/json", http.StatusFound))
	mux.Handle("/circle", http.RedirectHandler("/circle", http.StatusFound))
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	c := NewClient(HTTPOptions{Timeout: 5 * time.Minute, LookupEnv: os.LookupEnv})
	ctx := context.Background()
	if _, err := c.do(ctx, http.MethodGet, srv.URL+"/here", "", nil); err != nil {
		t.Errorf("a GET within the host: %v", err)
	}
	for path, body := range map[string]any{"/elsewhere": nil, "/circle": nil, "/here": url.Values{"secret": {"x"}}} {
		method := http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
		if _, err := c.do(ctx, method, srv.URL+path, "", body); err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%s %s: %v", method, path, err)
		}
	}
	if len(got) > 0 {
		t.Errorf("the other host was asked for %q", got)
	}
}

type answerer func(*http.Request) (*http.Response, error)

func (f answerer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// For any answer of the token endpoint, errors do not contain secrets of the request, and
// a grant contains a token.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"access_token":"a","expires_in":3600,"refresh_token":"r","scope":"x y"}`))
	f.Add(200, "application/json", []byte(`{"access_token":"","expires_in":"x"}`))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant","error_description":"Invalid refresh token: s3cret-refresh-token"}`))
	f.Add(500, "text/html", []byte("<html>s3cret-refresh-token"))
	f.Add(200, "text/plain", []byte("access_token=a&expires_in=5"))
	f.Add(200, "application/json", []byte(`{"access_token":"a","refresh_expires_in":1e300,"expires_in":-1e300}`))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		if status < 100 || status > 999 {
			return
		}
		c := NewClient(HTTPOptions{})
		c.once.Do(func() {})
		c.http = &http.Client{Transport: answerer(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				Status: fmt.Sprint(status), StatusCode: status, Header: http.Header{"Content-Type": {contentType}},
				Body: io.NopCloser(bytes.NewReader(body)), Request: r,
			}, nil
		})}
		md := &Metadata{TokenEndpoint: "https://i/token"}
		g, err := c.Refresh(context.Background(), md, Credentials{ClientID: "c", ClientSecret: "s3cret-client"}, "s3cret-refresh-token", []string{"x"}, nil, time.Now)
		if err == nil && g.AccessToken == "" {
			t.Fatal("a grant without a token")
		}
		if err != nil && g != nil && g.RefreshToken == "" {
			t.Fatal("an empty grant with an error")
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret-client") || strings.Contains(err.Error(), "s3cret-refresh-token")) {
			t.Fatalf("a secret is shown: %v", err)
		}
	})
}
