package issuer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"example.org/token-helpers/shared/cli"
)

// answer is an issuer's answer.
type answer struct {
	status      int
	contentType string
	body        string
}

func ok(body string) answer               { return answer{200, "application/json", body} }
func refusal(status int, b string) answer { return answer{status, "application/json", b} }

func (a answer) response(r *http.Request) *http.Response {
	h := http.Header{}
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, Header: h,
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}
}

// clientOf returns a client of an issuer that answers with f, without a network. In a
// synctest bubble its waits take no time.
func clientOf(f func(*http.Request) answer) *Client {
	c := NewClient(HTTPOptions{})
	c.once.Do(func() {})
	base := answerer(func(r *http.Request) (*http.Response, error) { return f(r).response(r), nil })
	c.http = &http.Client{Transport: &transport{base: base, c: c}, CheckRedirect: checkRedirect}
	return c
}

var endpoints = &Metadata{
	Issuer: "https://i/", TokenEndpoint: "https://i/token", DeviceAuthorizationEndpoint: "https://i/device",
	RegistrationEndpoint: "https://i/register", RevocationEndpoint: "https://i/revoke",
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return epoch }

func refresh(c *Client) (*Grant, error) {
	return c.Refresh(context.Background(), endpoints, Credentials{ClientID: "c"}, "old-refresh-token", []string{"x"}, nil, clock)
}

// All known forms of answers to token requests are accepted.
func TestTokenAnswers(t *testing.T) {
	const rest = `"access_token":"opaque-token","refresh_token":"new-refresh-token"`
	scopes := func(s ...string) []string { return s }
	for _, tt := range []struct {
		name    string
		a       answer
		seconds int // until the token expires; 0 if that is unknown
		scopes  []string
	}{
		{"as RFC 6749 has it", ok(`{` + rest + `,"token_type":"Bearer","expires_in":3600,"scope":"x y"}`), 3600, scopes("x", "y")},
		{"labelled text/plain", answer{200, "text/plain; charset=utf-8", `{` + rest + `,"expires_in":3600}`}, 3600, nil},
		{"labelled text/html", answer{200, "text/html", `{` + rest + `,"expires_in":3600}`}, 3600, nil},
		{"without a label", answer{200, "", `{` + rest + `,"expires_in":3600}`}, 3600, nil},
		{"with a broken label", answer{200, "application/json;;=", `{` + rest + `}`}, 0, nil},
		{"byte order mark", ok("\xef\xbb\xbf{" + rest + `,"expires_in":3600}`), 3600, nil},
		{"byte order mark, labelled text/plain", answer{200, "text/plain", "\xef\xbb\xbf\r\n{" + rest + `,"expires_in":3600}`}, 3600, nil},
		{"lifetime as a string", ok(`{` + rest + `,"expires_in":"3600"}`), 3600, nil},
		{"lifetime as a string with spaces", ok(`{` + rest + `,"expires_in":" 3600 "}`), 3600, nil},
		{"lifetime with a fraction", ok(`{` + rest + `,"expires_in":3600.0}`), 3600, nil},
		{"lifetime with a fraction, as a string", ok(`{` + rest + `,"expires_in":"3599.97"}`), 3599, nil},
		{"lifetime with an exponent", ok(`{` + rest + `,"expires_in":3.6e3}`), 3600, nil},
		{"lifetime below a second", ok(`{` + rest + `,"expires_in":0.5}`), 1, nil},
		{"lifetime empty", ok(`{` + rest + `,"expires_in":""}`), 0, nil},
		{"lifetime null", ok(`{` + rest + `,"expires_in":null}`), 0, nil},
		{"lifetime zero", ok(`{` + rest + `,"expires_in":0}`), 0, nil},
		{"lifetime negative", ok(`{` + rest + `,"expires_in":-1}`), 0, nil},
		{"lifetime in words", ok(`{` + rest + `,"expires_in":"one hour"}`), 0, nil},
		{"lifetime an object", ok(`{` + rest + `,"expires_in":{"seconds":3600}}`), 0, nil},
		{"lifetime NaN", ok(`{` + rest + `,"expires_in":"NaN"}`), 0, nil},
		{"lifetime huge", ok(`{` + rest + `,"expires_in":1e300}`), maxSeconds, nil},
		{"lifetime of more than 64 bits", ok(`{` + rest + `,"expires_in":99999999999999999999}`), maxSeconds, nil},
		{"no lifetime", ok(`{` + rest + `}`), 0, nil},
		{"token type a number", ok(`{` + rest + `,"token_type":1,"expires_in":3600}`), 3600, nil},
		{"token type in lower case", ok(`{` + rest + `,"token_type":"bearer"}`), 0, nil},
		{"token type null", ok(`{` + rest + `,"token_type":null}`), 0, nil},
		{"token type of an exchange", ok(`{` + rest + `,"token_type":"N_A","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`), 0, nil},
		{"token type DPoP", ok(`{` + rest + `,"token_type":"DPoP"}`), 0, nil},
		{"scope as a list", ok(`{` + rest + `,"scope":["x","y"]}`), 0, scopes("x", "y")},
		{"scope as a list with other things", ok(`{` + rest + `,"scope":["x",null,7,"y"]}`), 0, scopes("x", "y")},
		{"scope null", ok(`{` + rest + `,"scope":null}`), 0, nil},
		{"scope an object", ok(`{` + rest + `,"scope":{"x":true}}`), 0, nil},
		{"error null", ok(`{` + rest + `,"error":null}`), 0, nil},
		{"error empty", ok(`{` + rest + `,"error":""}`), 0, nil},
		{"error 0", ok(`{` + rest + `,"error":0}`), 0, nil},
		{"error an empty object", ok(`{` + rest + `,"error":{},"errors":[]}`), 0, nil},
		{"form", answer{200, "application/x-www-form-urlencoded", "access_token=opaque-token&refresh_token=new-refresh-token&expires_in=3600&scope=x+y"}, 3600, scopes("x", "y")},
		{"form, labelled text/plain", answer{200, "text/plain", "access_token=opaque-token&refresh_token=new-refresh-token&expires_in=3600&scope=x%20y"}, 3600, scopes("x", "y")},
		{"form without a label", answer{200, "", "access_token=opaque-token&refresh_token=new-refresh-token&scope=x"}, 0, scopes("x")},
		{"form, labelled text/html", answer{200, "text/html", "access_token=opaque-token&refresh_token=new-refresh-token"}, 0, nil},
		{"status 201", answer{201, "application/json", `{` + rest + `,"expires_in":3600}`}, 3600, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now()
			g, err := refresh(clientOf(func(*http.Request) answer { return tt.a }))
			if err != nil {
				t.Fatal(err)
			}
			if g.AccessToken != "opaque-token" || g.RefreshToken != "new-refresh-token" || !reflect.DeepEqual(g.Scopes, tt.scopes) {
				t.Errorf("%q %q", g.RefreshToken, g.Scopes)
			}
			if want := map[bool]string{true: "DPoP"}[strings.HasSuffix(tt.name, "DPoP")]; g.Type != want {
				t.Errorf("token type %q", g.Type)
			}
			if tt.seconds == 0 {
				if !g.Expires.IsZero() {
					t.Errorf("expires %v", g.Expires)
				}
			} else if at := g.Expires.Add(-seconds(int64(tt.seconds))); at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
				t.Errorf("expires in %v", time.Until(g.Expires))
			}
		})
	}
}

// The new refresh token is found in answers that are otherwise unusable.
func TestRefreshTokenOfUnusableAnswers(t *testing.T) {
	for name, a := range map[string]answer{
		"no access token":          ok(`{"refresh_token":"new-refresh-token"}`),
		"access token null":        ok(`{"access_token":null,"refresh_token":"new-refresh-token"}`),
		"access token an object":   ok(`{"access_token":{},"refresh_token":"new-refresh-token"}`),
		"an error beside it":       ok(`{"error":"server_error","refresh_token":"new-refresh-token"}`),
		"an error status":          refusal(403, `{"error":"account_locked","refresh_token":"new-refresh-token"}`),
		"a failure":                {503, "application/json", `{"error":"server_error","refresh_token":"new-refresh-token"}`},
		"an error object":          ok(`{"error":{"code":7},"refresh_token":"new-refresh-token"}`),
		"labelled text/plain":      {200, "text/plain", `{"refresh_token":"new-refresh-token"}`},
		"a form":                   {200, "text/plain", "access_token=&refresh_token=new-refresh-token"},
		"a byte order mark before": ok("\xef\xbb\xbf" + `{"refresh_token":"new-refresh-token"}`),
		"cut off after it":         ok(`{"refresh_token":"new-refresh-token","access_token":"opaq`),
		"a comma too many":         ok(`{"access_token":"opaque-token","refresh_token":"new-refresh-token",}`),
		"in a list":                ok(`[{"access_token":"opaque-token", "refresh_token" : "new-refresh-token"}]`),
		"escaped, and cut off":     ok(`{"refresh_token":"new\u002drefresh-token",`),
	} {
		asked := 0
		g, err := refresh(clientOf(func(*http.Request) answer { asked++; return a }))
		if asked != 1 {
			t.Errorf("%s: asked %d times", name, asked)
		}
		if err == nil || g == nil || g.RefreshToken != "new-refresh-token" || g.AccessToken != "" {
			t.Errorf("%s: %+v, %v", name, g != nil, err)
		}
		if err != nil && strings.Contains(err.Error(), "new-refresh-token") {
			t.Errorf("%s: the token is shown: %v", name, err)
		}
	}
	// Without a refresh token there is no grant.
	for name, a := range map[string]answer{
		"null": ok("null"), "empty": ok(""), "a list": ok("[]"), "a string": ok(`"x"`), "nothing in it": ok("{}"), "not JSON": ok("welcome"),
		"a page": {200, "text/html", "<!doctype html>"}, "refused": refusal(400, `{"error":"invalid_grant"}`), "empty token": ok(`{"refresh_token":""}`),
		"cut off": ok(`{"access_token":"opaque-token","refresh_token":"new`), "cut off in an escape": ok(`{"refresh_token":"new\"`),
		"a page of an error": {502, "text/html", `<p>"refresh_token":"new-refresh-token"`},
	} {
		g, err := refresh(clientOf(func(*http.Request) answer { return a }))
		var known cli.Explained
		if err == nil || g != nil || !errors.As(err, &known) || known.ExitCode() != cli.Network && known.ExitCode() != cli.Refused {
			t.Errorf("%s: %v, %T %v", name, g != nil, err, err)
		}
	}
}

func TestRefreshTokenLifetime(t *testing.T) {
	for in, want := range map[string]time.Duration{
		`1800`: 30 * time.Minute, `"1800"`: 30 * time.Minute, `1800.5`: 30 * time.Minute, `0`: 0, `-1`: 0, `null`: 0, `""`: 0, `1e300`: maxSeconds * time.Second,
	} {
		g, err := refresh(clientOf(func(*http.Request) answer {
			return ok(`{"access_token":"a-token","refresh_token":"new-refresh-token","refresh_expires_in":` + in + `}`)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 && !g.RefreshExpires.IsZero() || want != 0 && !g.RefreshExpires.Equal(epoch.Add(want)) {
			t.Errorf("%s: %v", in, g.RefreshExpires)
		}
	}
}

// Errors are shown in all known forms, with any status.
func TestErrorAnswers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		a          answer
		code, says string
	}{
		{"as RFC 6749 has it", refusal(400, `{"error":"invalid_grant","error_description":"It has expired"}`), "invalid_grant", "It has expired"},
		{"status 200", ok(`{"error":"invalid_grant","error_description":"It has expired"}`), "invalid_grant", "It has expired"},
		{"an object", refusal(400, `{"error":{"code":"invalid_grant","message":"It has expired"}}`), "invalid_grant", "It has expired"},
		{"an object with a number", refusal(400, `{"error":{"code":403,"message":"It has expired"}}`), "403", "It has expired"},
		{"an object with a number and a code", refusal(400, `{"error":{"code":400,"status":"INVALID_GRANT","message":"It has expired"}}`), "invalid_grant", "It has expired"},
		{"an object with a number and the code as its message", refusal(400, `{"error":{"code":400,"message":"invalid_grant"},"error_description":"invalid_grant"}`), "invalid_grant", "invalid_grant"},
		{"a list", refusal(400, `{"errors":[{"code":"invalid_grant","message":"It has expired"}]}`), "invalid_grant", "It has expired"},
		{"a list of codes", refusal(400, `{"error":["invalid_grant"],"error_description":["It has","expired"]}`), "invalid_grant", "It has expired"},
		{"the description an object", refusal(400, `{"error":"invalid_grant","error_description":{"message":"It has expired"}}`), "invalid_grant", "It has expired"},
		{"in capitals", refusal(400, `{"error":"INVALID_GRANT ","error_description":"It has expired"}`), "invalid_grant", "It has expired"},
		{"an object of OAuth's names", refusal(400, `{"error":{"error":"invalid_grant","error_description":"It has expired"}}`), "invalid_grant", "It has expired"},
		{"an object, status 200", ok(`{"error":{"type":"OAuthException","message":"It has expired"}}`), "OAuthException", "It has expired"},
		{"an empty object", refusal(400, `{"error":{},"message":"It has expired"}`), "", "It has expired"},
		{"only a message", refusal(400, `{"message":"It has expired"}`), "", "It has expired"},
		{"a number", refusal(400, `{"error":7,"error_description":"It has expired"}`), "7", "It has expired"},
		{"labelled text/plain", answer{400, "text/plain", `{"error":"invalid_grant","error_description":"It has expired"}`}, "invalid_grant", "It has expired"},
		{"without a label", answer{400, "", `{"error":"invalid_grant","error_description":"It has expired"}`}, "invalid_grant", "It has expired"},
		{"labelled text/html", answer{400, "text/html", `{"error":"invalid_grant","error_description":"It has expired"}`}, "invalid_grant", "It has expired"},
		{"byte order mark", answer{400, "application/json", "\xef\xbb\xbf" + `{"error":"invalid_grant","error_description":"It has expired"}`}, "invalid_grant", "It has expired"},
		{"a form", answer{400, "application/x-www-form-urlencoded", "error=invalid_grant&error_description=It+has+expired"}, "invalid_grant", "It has expired"},
		{"another name for the description", refusal(400, `{"error":"invalid_grant","message":"It has expired"}`), "invalid_grant", "It has expired"},
		{"a page", answer{400, "text/html", "<html>"}, "", ""},
		{"nothing", answer{404, "", ""}, "", ""},
		{"null", refusal(400, "null"), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOf(func(*http.Request) answer { return tt.a })
			_, err := refresh(c)
			var re *ResponseError
			if !errors.As(err, &re) || re.Code != tt.code || re.Description != tt.says || re.StatusCode != tt.a.status {
				t.Fatalf("token: %T %v", err, err)
			}
			want := "the issuer answered " + cmp.Or(tt.code, fmt.Sprintf("%d %s", tt.a.status, http.StatusText(tt.a.status)))
			if tt.says != "" {
				want += ": " + tt.says
			}
			if !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%q, want %q", err, want)
			}
			_, err = c.StartDevice(context.Background(), endpoints, Credentials{ClientID: "c"}, nil, nil, false, clock)
			if re = nil; !errors.As(err, &re) || re.Code != tt.code || re.Description != tt.says {
				t.Errorf("device: %T %v", err, err)
			}
			if tt.a.status == 200 {
				return // a registration or a revocation has succeeded then
			}
			_, err = c.Register(context.Background(), endpoints, "test", []string{"x"}, "")
			if re = nil; !errors.As(err, &re) || re.Code != tt.code || re.Description != tt.says {
				t.Errorf("registration: %T %v", err, err)
			}
			err = c.Revoke(context.Background(), endpoints, Credentials{ClientID: "c"}, "some-refresh-token")
			if re = nil; !errors.As(err, &re) || re.Code != tt.code || re.Description != tt.says {
				t.Errorf("revocation: %T %v", err, err)
			}
		})
	}
}

func TestDeviceAnswers(t *testing.T) {
	const rest = `"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/device"`
	for _, tt := range []struct {
		name     string
		a        answer
		lifetime time.Duration
		interval int64
		complete string
	}{
		{"as RFC 8628 has it", ok(`{` + rest + `,"verification_uri_complete":"https://i/device?c=ABCD","expires_in":900,"interval":7}`), 15 * time.Minute, 7, "https://i/device?c=ABCD"},
		{"no interval", ok(`{` + rest + `,"expires_in":900}`), 15 * time.Minute, 5, ""},
		{"no lifetime", ok(`{` + rest + `}`), 10 * time.Minute, 5, ""},
		{"interval null", ok(`{` + rest + `,"interval":null}`), 10 * time.Minute, 5, ""},
		{"interval 0", ok(`{` + rest + `,"interval":0}`), 10 * time.Minute, 5, ""},
		{"interval -1", ok(`{` + rest + `,"interval":-1}`), 10 * time.Minute, 5, ""},
		{"interval 2^63-1", ok(`{` + rest + `,"interval":9223372036854775807}`), 10 * time.Minute, 5, ""},
		{"interval beyond 64 bits", ok(`{` + rest + `,"interval":9e99}`), 10 * time.Minute, 5, ""},
		{"interval that outlasts the code", ok(`{` + rest + `,"interval":5000}`), 10 * time.Minute, 5, ""},
		{"interval that outlasts the longest wait", ok(`{` + rest + `,"interval":5000,"expires_in":86400}`), 30 * time.Minute, 5, ""},
		{"interval of two minutes", ok(`{` + rest + `,"interval":120}`), 10 * time.Minute, maxInterval, ""},
		{"spaces around the address", ok(`{"device_code":"device-code","user_code":" ABCD\n","verification_uri":" https://i/device\r\n"}`), 10 * time.Minute, 5, ""},
		{"error 0", ok(`{` + rest + `,"error":0}`), 10 * time.Minute, 5, ""},
		{"error false", ok(`{` + rest + `,"error":false,"message":"success"}`), 10 * time.Minute, 5, ""},
		{"interval as a string", ok(`{` + rest + `,"interval":"3"}`), 10 * time.Minute, 3, ""},
		{"interval with a fraction", ok(`{` + rest + `,"interval":2.5}`), 10 * time.Minute, 2, ""},
		{"interval below a second", ok(`{` + rest + `,"interval":0.1}`), 10 * time.Minute, 1, ""},
		{"lifetime as a string", ok(`{` + rest + `,"expires_in":"900"}`), 15 * time.Minute, 5, ""},
		{"lifetime with a fraction", ok(`{` + rest + `,"expires_in":900.0}`), 15 * time.Minute, 5, ""},
		{"lifetime negative", ok(`{` + rest + `,"expires_in":-900}`), 10 * time.Minute, 5, ""},
		{"lifetime null", ok(`{` + rest + `,"expires_in":null}`), 10 * time.Minute, 5, ""},
		{"lifetime a day", ok(`{` + rest + `,"expires_in":86400}`), maxCodeLifetime, 5, ""},
		{"lifetime huge", ok(`{` + rest + `,"expires_in":1e300}`), maxCodeLifetime, 5, ""},
		{"verification_url", ok(`{"device_code":"device-code","user_code":"ABCD","verification_url":"https://i/device","verification_url_complete":"https://i/d"}`), 10 * time.Minute, 5, "https://i/d"},
		{"user code a number", ok(`{"device_code":"device-code","user_code":1234,"verification_uri":"https://i/device"}`), 10 * time.Minute, 5, ""},
		{"labelled text/plain", answer{200, "text/plain", `{` + rest + `}`}, 10 * time.Minute, 5, ""},
		{"without a label", answer{200, "", `{` + rest + `}`}, 10 * time.Minute, 5, ""},
		{"byte order mark", ok("\xef\xbb\xbf{" + rest + `}`), 10 * time.Minute, 5, ""},
		{"a form", answer{200, "application/x-www-form-urlencoded", url.Values{"device_code": {"device-code"}, "user_code": {"ABCD"}, "verification_uri": {"https://i/device"}, "interval": {"7"}}.Encode()}, 10 * time.Minute, 7, ""},
		{"complete URL is not https", ok(`{` + rest + `,"verification_uri_complete":"http://i/device"}`), 10 * time.Minute, 5, ""},
		{"complete URL runs a script", ok(`{` + rest + `,"verification_uri_complete":"javascript:alert(1)"}`), 10 * time.Minute, 5, ""},
		{"complete URL too long", ok(`{` + rest + `,"verification_uri_complete":"https://i/` + strings.Repeat("x", maxURI) + `"}`), 10 * time.Minute, 5, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(func(*http.Request) answer { return tt.a })
				d, err := c.StartDevice(context.Background(), endpoints, Credentials{ClientID: "c"}, []string{"x"}, nil, false, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				if got := time.Until(d.Expires); got != tt.lifetime {
					t.Errorf("expires in %v, want %v", got, tt.lifetime)
				}
				if d.resp.Interval != tt.interval || d.VerificationURI != "https://i/device" || d.VerificationURIComplete != tt.complete || d.UserCode != "ABCD" && d.UserCode != "1234" {
					t.Errorf("interval %d, %+v", d.resp.Interval, d.VerificationURIComplete)
				}
			})
		})
	}
	for name, a := range map[string]answer{
		"null": ok("null"), "empty": ok(""), "a list": ok("[]"), "nothing in it": ok("{}"), "a page": {200, "text/html", "<html>"},
		"no device code":    ok(`{"user_code":"ABCD","verification_uri":"https://i/device"}`),
		"no user code":      ok(`{"device_code":"device-code","verification_uri":"https://i/device"}`),
		"no address":        ok(`{"device_code":"device-code","user_code":"ABCD"}`),
		"codes are objects": ok(`{"device_code":{},"user_code":{},"verification_uri":{}}`),
		"long user code":    ok(`{"device_code":"device-code","user_code":"` + strings.Repeat("A", 300_000) + `","verification_uri":"https://i/device"}`),
		"http":              ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"http://i/device"}`),
		"a script":          ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"javascript:alert(1)"}`),
		"control sequence":  ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/\u001b[2J\nhint: run rm"}`),
	} {
		d, err := clientOf(func(*http.Request) answer { return a }).StartDevice(context.Background(), endpoints, Credentials{ClientID: "c"}, nil, nil, false, clock)
		var known cli.Explained
		if err == nil || d != nil || !errors.As(err, &known) || known.ExitCode() != cli.Network {
			t.Errorf("%s: %T %v", name, err, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 1000 || strings.Contains(err.Error(), "device-code")) {
			t.Errorf("%s: %.1000q", name, err)
		}
	}
}

// Polling continues after broken answers and network errors, until the code expires.
func TestWaitDevice(t *testing.T) {
	pending := refusal(400, `{"error":"authorization_pending"}`)
	granted := ok(`{"access_token":"opaque-token","refresh_token":"new-refresh-token","expires_in":3600,"scope":"x"}`)
	const expires = 600 * time.Second
	for _, tt := range []struct {
		name  string
		polls []answer // the last one is repeated; status 0 is a broken connection
		took  time.Duration
		err   string
	}{
		{"approved at once", []answer{granted}, 5 * time.Second, ""},
		{"approved later", []answer{pending, pending, granted}, 15 * time.Second, ""},
		{"slow_down", []answer{refusal(400, `{"error":"slow_down"}`), pending, granted}, 25 * time.Second, ""},
		{"temporarily_unavailable", []answer{refusal(400, `{"error":"temporarily_unavailable"}`), granted}, 10 * time.Second, ""},
		{"five pages", []answer{{200, "text/html", "<html>"}, {200, "text/html", "<html>"}, {404, "text/html", "<html>"}, {403, "", ""}, {200, "", "?"}, granted}, 30 * time.Second, ""},
		{"an empty answer", []answer{ok("{}"), ok("null"), ok(""), granted}, 20 * time.Second, ""},
		{"denied", []answer{pending, refusal(400, `{"error":"access_denied"}`)}, 10 * time.Second, "access_denied"},
		{"expired", []answer{pending, refusal(400, `{"error":"expired_token"}`)}, 10 * time.Second, "expired_token"},
		{"another refusal", []answer{refusal(400, `{"error":"invalid_grant","error_description":"x"}`)}, 5 * time.Second, "invalid_grant: x"},
		{"unauthorized", []answer{{401, "", ""}}, 5 * time.Second, "401"},
		{"never approved", []answer{pending}, expires, context.DeadlineExceeded.Error()},
		{"a pending answer without a form", []answer{{200, "text/html", "<html>"}}, expires, context.DeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := clientOf(func(r *http.Request) answer {
					if r.URL.Path == "/device" {
						return ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/device","expires_in":600}`)
					}
					n++
					return tt.polls[min(n, len(tt.polls))-1]
				})
				d, err := c.StartDevice(t.Context(), endpoints, Credentials{ClientID: "c"}, []string{"x"}, nil, false, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				g, err := c.WaitDevice(t.Context(), d, time.Now)
				if tt.err == "" && (err != nil || g.AccessToken != "opaque-token" || g.RefreshToken != "new-refresh-token") {
					t.Errorf("%v", err)
				}
				if tt.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.err) && !strings.Contains(err.Error(), tt.err+" ")) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
			})
		})
	}
	t.Run("the network is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := clientOf(func(*http.Request) answer {
				return ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/device"}`)
			})
			d, err := c.StartDevice(t.Context(), endpoints, Credentials{ClientID: "c"}, nil, nil, false, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			c.http.Transport.(*transport).base = answerer(func(r *http.Request) (*http.Response, error) {
				if n++; n <= 20 {
					return nil, errors.New("network is unreachable")
				}
				return granted.response(r), nil
			})
			g, err := c.WaitDevice(t.Context(), d, time.Now)
			if err != nil || g.AccessToken != "opaque-token" {
				t.Error(err)
			}
		})
	})
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := clientOf(func(r *http.Request) answer {
				if r.URL.Path == "/device" {
					return ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/device"}`)
				}
				return pending
			})
			d, err := c.StartDevice(t.Context(), endpoints, Credentials{ClientID: "c"}, nil, nil, false, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, nil)
			defer cancel()
			start := time.Now()
			if _, err := c.WaitDevice(ctx, d, time.Now); err == nil || time.Since(start) != 7*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}

// With PKCE the device request contains the challenge of the verifier that the polls send
// (RFC 7636).
func TestDeviceWithPKCE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forms []url.Values
		c := clientOf(func(r *http.Request) answer {
			_ = r.ParseForm()
			forms = append(forms, r.PostForm)
			if r.URL.Path == "/device" {
				return ok(`{"device_code":"device-code","user_code":"ABCD","verification_uri":"https://i/device"}`)
			}
			return ok(`{"access_token":"opaque-token"}`)
		})
		for _, pkce := range []bool{true, false} {
			forms = nil
			d, err := c.StartDevice(t.Context(), endpoints, Credentials{ClientID: "c"}, []string{"x", "y"}, url.Values{"audience": {"a"}}, pkce, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.WaitDevice(t.Context(), d, time.Now); err != nil {
				t.Fatal(err)
			}
			verifier := forms[1].Get("code_verifier")
			if forms[0].Has("code_challenge") != pkce || (verifier != "") != pkce || forms[0].Get("scope") != "x y" || forms[0].Get("audience") != "a" {
				t.Errorf("sent %v and %v", forms[0], forms[1])
			}
			if pkce && (forms[0].Get("code_challenge") != oauth2.S256ChallengeFromVerifier(verifier) || forms[0].Get("code_challenge_method") != "S256" || forms[0].Has("code_verifier")) {
				t.Errorf("sent %v and %v", forms[0], forms[1])
			}
		}
	})
}

// Normalising any answer does not panic, and x/oauth2 accepts the result.
func FuzzNormalise(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a","expires_in":3600.0,"refresh_token":"r","scope":["x","y"],"token_type":7}`,
		`{"error":{"code":403,"message":"m"}}`, `null`, `[]`, `"x"`, ``, "\xef\xbb\xbf{}", `{"expires_in":"1e300","interval":-1}`,
		`{"device_code":"d","user_code":1,"verification_url":"https://i/","interval":9223372036854775807,"expires_in":"Inf"}`,
		`{"a":{"b":[{"c":null}]},"error":[1,"x",{}]}`, "access_token=a&expires_in=5", "error=x;y", `{"access_token":"a","access_token":{}}`, `{"refresh_expires_in":1e-9}`,
	} {
		for _, ct := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "", ";"} {
			f.Add(ct, []byte(body), true)
			f.Add(ct, []byte(body), false)
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte, device bool) {
		var found string
		e := expected{kind: tokenAnswer, found: &found}
		if device {
			e.kind = deviceAnswer
		}
		resp := &http.Response{Header: http.Header{"Content-Type": {contentType}}}
		out, ok := e.normalise(resp, body)
		if !ok {
			if !bytes.Equal(out, body) || resp.Header.Get("Content-Type") != contentType {
				t.Fatal("an answer that is not accepted was changed")
			}
			return
		}
		if got := resp.Header.Get("Content-Type"); got != "application/json" {
			t.Fatalf("labelled %q", got)
		}
		if _, ok := e.normalise(resp, out); !ok {
			t.Fatalf("%s is not accepted", out)
		}
		if device {
			var d oauth2.DeviceAuthResponse
			if err := json.Unmarshal(out, &d); err != nil || d.Interval < 1 || d.Interval > maxInterval || d.Expiry.Before(time.Now().Add(-time.Minute)) {
				t.Fatalf("%s: %v", out, err)
			}
			return
		}
		hc := &http.Client{Transport: answerer(func(r *http.Request) (*http.Response, error) {
			return answer{200, "application/json", string(out)}.response(r), nil
		})}
		conf := clientcredentials.Config{TokenURL: "https://i/token", AuthStyle: oauth2.AuthStyleInParams}
		tok, err := conf.Token(context.WithValue(context.Background(), oauth2.HTTPClient, hc))
		var re *oauth2.RetrieveError
		switch {
		case err != nil && !errors.As(err, &re) && !strings.Contains(err.Error(), "missing access_token"):
			t.Fatalf("%s: %v", out, err)
		case err == nil && tok.RefreshToken != found:
			t.Fatalf("%s: another refresh token was found", out)
		case err == nil && !tok.Expiry.IsZero() && tok.Expiry.Before(time.Now().Add(-time.Minute)):
			t.Fatalf("%s: expires %v", out, tok.Expiry)
		}
	})
}
