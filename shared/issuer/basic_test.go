package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// An issuer that does not decode credentials in HTTP Basic gets unencoded ones.
func TestPlainBasic(t *testing.T) {
	const id, secret = "c 1", "s/+ %&é:x"
	for _, tt := range []struct {
		name     string
		decodes  bool
		secret   string // the client's, at the issuer
		requests int    // for two exchanges
		refused  bool
	}{
		{"decodes", true, secret, 2, false},
		{"does not decode", false, secret, 3, false},
		{"decodes, another secret", true, "other", 4, true},
		{"does not decode, another secret", false, "other", 4, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			c := clientOf(func(r *http.Request) answer {
				n++
				i, s, _ := r.BasicAuth()
				if tt.decodes {
					i, _ = url.QueryUnescape(i)
					s, _ = url.QueryUnescape(s)
				}
				if i != id || s != tt.secret {
					return refusal(401, `{"error":"invalid_client","error_description":"for `+r.Header.Get("Authorization")+`"}`)
				}
				if err := r.ParseForm(); err != nil || r.PostForm.Get("refresh_token")+r.PostForm.Get("token") != "old-refresh-token" {
					return refusal(400, `{"error":"invalid_request"}`)
				}
				return ok(`{"access_token":"opaque-token"}`)
			})
			cr := Credentials{ClientID: id, ClientSecret: secret, AuthMethod: "client_secret_basic"}
			_, err := c.Refresh(context.Background(), endpoints, cr, "old-refresh-token", nil, nil, clock)
			rerr := c.Revoke(context.Background(), endpoints, cr, "old-refresh-token")
			var re *ResponseError
			if tt.refused != errors.As(err, &re) || tt.refused != (rerr != nil) || !tt.refused && err != nil || n != tt.requests {
				t.Errorf("%v, %v, %d requests", err, rerr, n)
			}
			if re != nil && (re.Code != "invalid_client" || !strings.HasSuffix(err.Error(), "Basic [redacted]")) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWithPlainBasic(t *testing.T) {
	for _, tt := range []struct {
		id, secret string
		want       string // empty if there is no other form
	}{
		{"c", "s", ""},
		{"c", "%", ""}, // which is not form-encoded
		{"c", "a%2Fb", "a/b"},
		{"a%3Ab", "s%20x", ""},
		{"a%2Fb", "s", "s"},
	} {
		r, _ := http.NewRequest(http.MethodPost, "https://i/", nil)
		r.SetBasicAuth(tt.id, tt.secret)
		got := ""
		if p := withPlainBasic(r); p != nil {
			_, got, _ = p.BasicAuth()
		}
		if got != tt.want {
			t.Errorf("%s:%s: %q", tt.id, tt.secret, got)
		}
	}
	r, _ := http.NewRequest(http.MethodPost, "https://i/", nil)
	if withPlainBasic(r) != nil {
		t.Error("credentials were added to a request without any")
	}
}
