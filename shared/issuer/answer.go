package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
)

// The form of issuers' answers is checked leniently, and their meaning strictly: they are
// rewritten as in RFC 6749 section 5 and RFC 8628 section 3.2 before x/oauth2 parses
// them, which accepts only that form.

// kind is the kind of answer that a request expects.
type kind int

const (
	tokenAnswer kind = iota + 1
	deviceAnswer
)

type answerKey struct{}

// expecting returns a client for one request, which ctx cancels (x/oauth2 does not pass
// on the context of a device authorization) and whose answer is normalised. A refresh
// token in the answer is stored in e.found even if the rest cannot be used: an issuer
// that rotates has invalidated the old one.
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
	// The body is in memory when RoundTrip returns, so cancel does not truncate it.
	defer cancel()
	return t.base.RoundTrip(req.WithContext(ctx))
}

type expected struct {
	kind  kind
	found *string
	// unanswered is set if the request was sent and its answer did not arrive.
	unanswered bool
}

// Limits for times in answers, in seconds.
const (
	defaultCodeLifetime = 600 // RFC 8628 requires expires_in; some issuers omit it
	maxSeconds          = 10 * 365 * 86400
	maxInterval         = 60
)

// normalise rewrites the body of an answer into canonical JSON. If the body is not an
// object in JSON or form encoding, ok is false and the body is unchanged.
func (e *expected) normalise(resp *http.Response, body []byte) (out []byte, ok bool) {
	in := parseObject(body)
	if in == nil {
		if rt := findRefreshToken(body); rt != "" && e.found != nil && resp.StatusCode < 300 {
			*e.found = rt
		}
		return body, false
	}
	a := map[string]any{}
	text := func(name string, also ...string) {
		for _, n := range append([]string{name}, also...) {
			if s := asText(in[n]); s != "" {
				a[name] = s
				return
			}
		}
	}
	address := func(name, also string) {
		if s := strings.TrimSpace(firstText(in[name], in[also])); s != "" {
			a[name] = s
		}
	}
	if code, description := problem(in); code != "" || description != "" {
		a["error"], a["error_description"] = code, description
	}
	text("error_uri")
	if e.kind == deviceAnswer && a["error"] != nil && a["error"] != "" && resp.StatusCode < 300 {
		// x/oauth2 looks for an error only with another status.
		resp.StatusCode, resp.Status = http.StatusBadRequest, "400 Bad Request"
	}
	if e.kind == deviceAnswer {
		text("device_code")
		address("user_code", "")
		address("verification_uri", "verification_url")
		address("verification_uri_complete", "verification_url_complete")
		lifetime := int64(defaultCodeLifetime)
		if n, ok := asSeconds(in["expires_in"]); ok {
			lifetime = n
		}
		a["expires_in"] = lifetime
		// RFC 8628 section 3.2: 5 seconds if there is no interval. One that exceeds the
		// code's lifetime is ignored.
		a["interval"] = int64(5)
		if n, ok := asSeconds(in["interval"]); ok && n < min(lifetime, int64(maxCodeLifetime/time.Second)) {
			a["interval"] = min(n, maxInterval)
		}
	} else {
		text("access_token")
		text("refresh_token")
		text("scope", "scopes")
		text("id_token")
		a["token_type"] = tokenType(in["token_type"])
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

// bearer is the token type of RFC 6750.
const bearer = "Bearer"

// tokenType returns the type of the token in an answer (RFC 6749 section 7.1) if it is one
// that needs a proof of possession, such as DPoP (RFC 9449 section 5), otherwise bearer,
// which issuers spell in many ways.
func tokenType(v any) string {
	s, _ := v.(string)
	for _, other := range []string{"DPoP", "PoP", "MAC"} {
		if strings.EqualFold(strings.TrimSpace(s), other) {
			return other
		}
	}
	return bearer
}

// refreshMember matches a refresh token in JSON.
var refreshMember = text.Pattern{Expr: `"refresh_token"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)+")`}

// findRefreshToken returns the refresh token in JSON that is truncated or otherwise invalid, if
// the token itself is complete.
func findRefreshToken(body []byte) (refreshToken string) {
	if m := refreshMember.Get().FindSubmatch(body); m != nil {
		_ = json.Unmarshal(m[1], &refreshToken)
	}
	return refreshToken
}

// problem returns the error code and the description of an answer, either of which may
// be empty. They may be nested in an object, or be the first of a list.
func problem(in map[string]any) (code, description string) {
	description = firstText(in["error_description"], in["message"], in["error_message"], in["detail"])
	inner := in["error"]
	if list, ok := in["errors"].([]any); ok && inner == nil && len(list) > 0 {
		inner = list[0]
	}
	if o, ok := inner.(map[string]any); ok {
		code = codeText(o["error"], o["code"], o["type"], o["status"])
		if message := codeText(o["message"]); code == "" || strings.Contains(message, "_") && !errorCode.Get().MatchString(code) {
			code = message
		}
		if d := firstText(o["error_description"], o["description"], o["message"]); d != "" {
			description = d
		}
	} else if code = codeText(inner); code == "0" {
		code = ""
	}
	if o, ok := in["error_description"].(map[string]any); ok {
		description = firstText(o["error_description"], o["description"], o["message"], description)
	}
	return code, description
}

// codeText returns the first of the values that is an error code (RFC 6749 section 5.2),
// else the first text. One of the values may be the status number.
func codeText(values ...any) string {
	for _, v := range values {
		s := strings.TrimSpace(asText(v))
		if !errorCode.Get().MatchString(s) {
			continue
		}
		if strings.ToUpper(s) == s {
			s = strings.ToLower(s)
		}
		return s
	}
	return strings.TrimSpace(firstText(values...))
}

var errorCode = text.Pattern{Expr: `^[A-Za-z]+(_[A-Za-z]+)*$`}

// parseObject parses a JSON object or a form, whatever its content type. null is an empty
// object.
func parseObject(body []byte) map[string]any {
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
	if bytes.ContainsAny(body, "<{") {
		return nil // a web page, or truncated JSON
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

// seconds returns a duration of n seconds.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
