package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
)

// Answers of issuers are read leniently in form and strictly in meaning: they are
// brought into the form of RFC 6749 section 5 and RFC 8628 section 3.2 before
// x/oauth2 reads them, which accepts only that form.

// kind says which answer a request expects.
type kind int

const (
	tokenAnswer kind = iota + 1
	deviceAnswer
)

type answerKey struct{}

// expecting returns a client for one request whose answer is normalised, and which ctx
// cancels: x/oauth2 does not pass the context of a device authorization on. Whatever
// refresh token the answer carries is stored in e.found, even if the rest of it cannot
// be used: an issuer that rotates has invalidated the old one.
func expecting(ctx context.Context, hc *http.Client, e *expected) *http.Client {
	c := *hc
	c.Transport = expectingTransport{ctx, hc.Transport, e}
	return &c
}

type expectingTransport struct {
	ctx  context.Context
	base http.RoundTripper
	e    *expected
}

func (t expectingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.WithValue(req.Context(), answerKey{}, t.e))
	defer context.AfterFunc(t.ctx, cancel)()
	// The body is in memory when RoundTrip returns, so that cancel does not cut it off.
	defer cancel()
	return t.base.RoundTrip(req.WithContext(ctx))
}

type expected struct {
	kind  kind
	found *string
	// unanswered is set if the request was sent and its answer did not arrive.
	unanswered bool
}

// Bounds for times in answers.
const (
	defaultCodeLifetime = 600 // RFC 8628 demands expires_in; some issuers leave it out
	maxSeconds          = 10 * 365 * 86400
	maxInterval         = 60
)

// normalise rewrites the body of an answer into canonical JSON. ok is false if the body
// is not an object in JSON or form encoding; then it is left alone.
func (e *expected) normalise(resp *http.Response, body []byte) (out []byte, ok bool) {
	in := parseObject(resp.Header.Get("Content-Type"), body)
	if in == nil {
		if rt := remains(body); rt != "" && e.found != nil && resp.StatusCode < 300 {
			*e.found = rt
		}
		return body, false
	}
	a := map[string]any{}
	member := func(name string, also ...string) {
		for _, n := range append([]string{name}, also...) {
			if s := asText(in[n]); s != "" {
				a[name] = s
				return
			}
		}
	}
	member("error")
	member("error_description", "message", "error_message", "detail")
	member("error_uri")
	if _, nested := in["error"].(map[string]any); nested {
		o := in["error"].(map[string]any)
		a["error"] = firstText(o["error"], o["code"], o["type"], o["status"], o["message"])
		if d := firstText(o["error_description"], o["description"], o["message"]); d != "" {
			a["error_description"] = d
		}
	}
	if e.kind == deviceAnswer && a["error"] != nil && resp.StatusCode < 300 {
		// x/oauth2 looks for an error only behind another status.
		resp.StatusCode, resp.Status = http.StatusBadRequest, "400 Bad Request"
	}
	if e.kind == deviceAnswer {
		member("device_code")
		member("user_code")
		member("verification_uri", "verification_url")
		member("verification_uri_complete", "verification_url_complete")
		a["expires_in"] = int64(defaultCodeLifetime)
		if n, ok := asSeconds(in["expires_in"]); ok {
			a["expires_in"] = n
		}
		// RFC 8628 section 3.2: 5 seconds if the issuer does not say.
		a["interval"] = int64(5)
		if n, ok := asSeconds(in["interval"]); ok {
			a["interval"] = min(n, maxInterval)
		}
	} else {
		member("access_token")
		member("refresh_token")
		member("scope", "scopes")
		member("id_token")
		a["token_type"] = "Bearer"
		if n, ok := asSeconds(in["expires_in"]); ok {
			a["expires_in"] = n
		}
		if n, ok := asSeconds(in["refresh_expires_in"]); ok {
			a["refresh_expires_in"] = n
		}
		if rt, _ := a["refresh_token"].(string); rt != "" && e.found != nil {
			*e.found = rt
		}
	}
	out, err := json.Marshal(a)
	if err != nil {
		return body, false
	}
	resp.Header.Set("Content-Type", "application/json")
	return out, true
}

// refreshMember matches a refresh token in JSON.
var refreshMember = text.Pattern(`"refresh_token"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)+")`)

// remains returns the refresh token in JSON that is cut off or otherwise broken, if the
// token itself is complete.
func remains(body []byte) (refreshToken string) {
	if m := refreshMember().FindSubmatch(body); m != nil {
		_ = json.Unmarshal(m[1], &refreshToken)
	}
	return refreshToken
}

// parseObject reads a JSON object whatever its label says, or a form if it is labelled
// so. null is an empty object.
func parseObject(contentType string, body []byte) map[string]any {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	var in map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&in) == nil {
		if in == nil {
			in = map[string]any{}
		}
		return in
	}
	ct, _, _ := mime.ParseMediaType(contentType)
	if ct != "application/x-www-form-urlencoded" && ct != "text/plain" {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has("access_token") && !form.Has("error") && !form.Has("device_code") {
		return nil
	}
	in = map[string]any{}
	for k, v := range form {
		in[k] = v[0]
	}
	return in
}

// asText returns a string, a number, or a list of strings joined with spaces.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case []any:
		var list []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				list = append(list, s)
			}
		}
		return strings.Join(list, " ")
	}
	return ""
}

func firstText(values ...any) string {
	for _, v := range values {
		if s := asText(v); s != "" {
			return s
		}
	}
	return ""
}

// asSeconds returns a positive number of seconds, written as a number or a string. A
// fraction is rounded down, but not to 0. ok is false if there is none.
func asSeconds(v any) (n int64, ok bool) {
	s := strings.TrimSpace(asText(v))
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f <= 0 {
		return 0, false
	}
	return max(int64(min(f, maxSeconds)), 1), true
}

// seconds is a duration of that many seconds.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
