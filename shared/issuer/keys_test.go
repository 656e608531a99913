package issuer

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/token"
)

// The keys that an issuer publishes verify the tokens that it signs.
func TestKeys(t *testing.T) {
	srv, c := start(t, issuertest.Options{})
	for _, spelling := range []string{srv.URL(), strings.TrimSuffix(srv.URL(), "/")} {
		b, err := c.Keys(context.Background(), spelling)
		if err != nil {
			t.Fatal(err)
		}
		set, err := jwks.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		raw := srv.Mint(map[string]any{"iss": srv.URL()})
		j, err := token.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Verify(raw, j); len(got) > 0 {
			t.Errorf("%+v", got)
		}
	}
	if n := srv.Requests(); n["discovery"] != 2 || n["jwks"] != 2 {
		t.Errorf("%v", n)
	}
	var notJSON *NotJSONError
	var mismatch *MismatchError
	for mode, as := range map[string]any{"html-discovery": &notJSON, "wrong-issuer": &mismatch} {
		if err := srv.SetMode(mode); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Keys(context.Background(), srv.URL()); !errors.As(err, as) {
			t.Errorf("%s: %T %v", mode, err, err)
		}
	}
	if n := srv.Requests()["jwks"]; n != 2 {
		t.Errorf("another issuer was asked for keys: %d", n)
	}
}

func TestKeysUnreachable(t *testing.T) {
	t.Parallel() // it waits before it tries again
	srv, err := issuertest.Start(issuertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(srv.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	cafile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cafile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	c := NewClient(HTTPOptions{CAFile: cafile, Timeout: 5 * time.Minute, LookupEnv: os.LookupEnv})
	var ue *url.Error
	if _, err := c.Keys(context.Background(), srv.URL()); !errors.As(err, &ue) || !strings.Contains(err.Error(), "could not reach "+strings.TrimSuffix(srv.URL(), "/")) {
		t.Errorf("%T %v", err, err)
	}
}

func TestKeysOfUnusualIssuers(t *testing.T) {
	const (
		openID = "/vo/.well-known/openid-configuration"
		oauth  = "/.well-known/oauth-authorization-server/vo"
		all    = openID + " " + oauth + " /vo/.well-known/oauth-authorization-server"
		set    = `{"keys":[]}`
	)
	var (
		refused     *ResponseError
		notJSON     *NotJSONError
		mismatch    *MismatchError
		unsupported *UnsupportedError
		answer      *AnswerError
		redirect    *RedirectError
	)
	doc := func(uri string) string { return `{"issuer":"ISSUER","jwks_uri":"` + uri + `"}` }
	good := doc("https://HOST/keys")
	for _, tt := range []struct {
		name string
		// answers maps paths to bodies or statuses.
		answers map[string]string
		as      any
		says    string
		asked   string
	}{
		// The document of scitokens.org/osg-connect contains only this.
		{"no endpoints", map[string]string{openID: good, "/keys": set}, nil, set, openID + " /keys"},
		{"RFC 8414", map[string]string{oauth: good, "/keys": set}, nil, set, openID + " " + oauth + " /keys"},
		{"RFC 8414, behind an object store", map[string]string{openID: "403", oauth: good, "/keys": set}, nil, set, openID + " " + oauth + " /keys"},
		{"nowhere", nil, &refused, "fetch the discovery document: the issuer answered 404", all},
		{"an issuer that is down", map[string]string{openID: "503", oauth: good, "/keys": set}, &refused, "503", openID},
		{"a list", map[string]string{openID: "[]"}, &answer, "not a JSON object", all},
		{"not JSON", map[string]string{openID: "it works"}, &answer, "not a JSON object", all},
		{"a web page", map[string]string{openID: "<!doctype html>"}, &notJSON, "a web page", all},
		{"another issuer", map[string]string{openID: `{"issuer":"https://other.example.org","jwks_uri":"https://HOST/keys"}`}, &mismatch, "other.example.org", openID},
		{"null", map[string]string{openID: "null"}, &answer, "not a JSON object", all},
		{"an empty object", map[string]string{openID: "{}"}, &mismatch, `""`, openID},
		{"no jwks_uri", map[string]string{openID: `{"issuer":"ISSUER"}`}, &unsupported, "has no jwks_uri", openID},
		{"http", map[string]string{openID: doc("http://iam.example.org/keys")}, &answer, "not https", openID},
		{"http on loopback", map[string]string{openID: doc("http://HOST/keys?secret")}, &answer, "/keys is not https", openID},
		{"a password", map[string]string{openID: doc("https://user:secret@HOST/keys")}, &answer, "a password", openID},
		{"not a URL", map[string]string{openID: doc("/keys")}, &answer, "not a URL", openID},
		{"keys that are a web page", map[string]string{openID: good, "/keys": "<!doctype html>"}, &notJSON, "/keys answered with a web page", openID + " /keys"},
		{"keys that are not there", map[string]string{openID: good}, &refused, "/keys: the issuer answered 404", openID + " /keys"},
		{"keys elsewhere", map[string]string{openID: good, "/keys": "302"}, &redirect, "redirects to https://other.example.org, which is not followed: it is another host", openID + " /keys"},
		{"keys that never end", map[string]string{openID: good, "/keys": strings.Repeat(" ", maxBody+1)}, &notJSON, "more than 1024 kB", openID + " /keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.Path)
				body := tt.answers[r.URL.Path]
				switch body {
				case "":
					http.NotFound(w, r)
				case "403":
					w.WriteHeader(http.StatusForbidden)
				case "503":
					// Longer than the client's time limit, so it does not retry.
					w.Header().Set("Retry-After", "3600")
					w.WriteHeader(http.StatusServiceUnavailable)
				case "302":
					http.Redirect(w, r, "https://other.example.org/keys", http.StatusFound)
				default:
					w.Header().Set("Content-Type", "application/json")
					if strings.HasPrefix(body, "<") {
						w.Header().Set("Content-Type", "text/html")
					}
					_, _ = io.WriteString(w, strings.NewReplacer("ISSUER", "https://"+r.Host+"/vo", "HOST", r.Host).Replace(body))
				}
			}))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			defer srv.Close()
			cafile := filepath.Join(t.TempDir(), "ca.pem")
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
			if err := os.WriteFile(cafile, ca, 0o600); err != nil {
				t.Fatal(err)
			}
			c := NewClient(HTTPOptions{CAFile: cafile, Timeout: 5 * time.Minute, LookupEnv: os.LookupEnv})
			got, err := c.Keys(context.Background(), srv.URL+"/vo")
			switch {
			case tt.as == nil:
				if err != nil || string(got) != tt.says {
					t.Errorf("%q %v", got, err)
				}
			case !errors.As(err, tt.as) || !strings.Contains(err.Error(), tt.says) || got != nil:
				t.Errorf("%T %v", err, err)
			case strings.Contains(err.Error(), "secret"):
				t.Errorf("the password is shown: %v", err)
			}
			if s := strings.Join(asked, " "); s != tt.asked {
				t.Errorf("requested %s", s)
			}
		})
	}
	var local *LocalError
	for _, u := range []string{"", "iam.example.org", "http://iam.example.org/", "file:///etc/passwd", "https://user:secret@iam.example.org/"} {
		_, err := NewClient(HTTPOptions{Timeout: time.Second, LookupEnv: os.LookupEnv}).Keys(context.Background(), u)
		if !errors.As(err, &local) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %T %v", u, err, err)
		}
	}
}

// RFC 8414 section 3.1: the well-known part is between host and path. Others append it.
func TestOAuthMetadata(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://example.com":              "https://example.com/.well-known/oauth-authorization-server",
		"https://example.com/":             "https://example.com/.well-known/oauth-authorization-server",
		"https://example.com/issuer1":      "https://example.com/.well-known/oauth-authorization-server/issuer1 https://example.com/issuer1/.well-known/oauth-authorization-server",
		"https://example.com:8443/a/b%2F/": "https://example.com:8443/.well-known/oauth-authorization-server/a/b%2F https://example.com:8443/a/b%2F/.well-known/oauth-authorization-server",
	} {
		if got := strings.Join(oauthMetadata(issuer), " "); got != want {
			t.Errorf("%s: %s", issuer, got)
		}
	}
}
