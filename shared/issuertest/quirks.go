package issuertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/token"
)

// A quirk is a named mode of an issuer that is unusual rather than broken.
type quirk struct {
	what string
	// enter is called when the mode is set. s.mu is held.
	enter func(s *Server)
	// before may answer a request instead of the issuer; it then returns true. n counts
	// the requests to the endpoint since the mode was set, from 1. s.mu is held.
	before func(s *Server, endpoint string, n int, w http.ResponseWriter, r *http.Request) bool
	// after changes an answer that is a JSON object. s.mu is held.
	after func(s *Server, endpoint string, r *http.Request, a *answered)
}

// answered is an answer that is about to be sent.
type answered struct {
	status int
	header http.Header
	doc    map[string]any
	raw    []byte // sent instead of doc if it is set
}

var quirks = map[string]quirk{
	"odd-answers": {
		what: "answers have unusual forms",
		after: func(_ *Server, endpoint string, _ *http.Request, a *answered) {
			switch endpoint {
			case "device":
				a.doc["interval"] = "1"
				a.doc["verification_url"] = a.doc["verification_uri"]
				delete(a.doc, "verification_uri")
				delete(a.doc, "expires_in")
			case "token":
				if s, ok := a.doc["scope"].(string); ok {
					a.doc["scope"], a.doc["token_type"] = strings.Fields(s), 7
				}
				if _, ok := a.doc["expires_in"]; ok {
					a.doc["expires_in"] = "3600.0"
				}
				body, _ := json.Marshal(a.doc)
				a.raw = append([]byte("\xef\xbb\xbf"), body...)
			}
			a.header.Set("Content-Type", "text/plain; charset=utf-8")
		},
	},
	"only-openid": {
		what: "an opaque token is granted with only the scope openid, as a list",
		after: func(s *Server, endpoint string, _ *http.Request, a *answered) {
			if endpoint == "token" && a.status == http.StatusOK {
				a.doc["access_token"], a.doc["scope"] = s.secret(24), []string{"openid"}
			}
		},
	},
	"dpop": {
		what: "access tokens are labelled as DPoP tokens",
		after: func(_ *Server, endpoint string, _ *http.Request, a *answered) {
			if endpoint == "token" && a.status == http.StatusOK {
				a.doc["token_type"] = "DPoP"
			}
		},
	},
	"control-characters": {
		what: "access tokens contain a control character",
		after: func(s *Server, endpoint string, _ *http.Request, a *answered) {
			if endpoint == "token" && a.status == http.StatusOK {
				a.doc["access_token"] = s.secret(24) + "\x1b[2J"
			}
		},
	},
	"wider": {
		what:  "tokens also have the scope storage.read:/ and the any-audience",
		after: claims(func(c jwt.MapClaims) { c["scope"], c["aud"] = c["scope"].(string)+" storage.read:/", token.AnyAudience }),
	},
	"another-user": {
		what:  "tokens are for another user",
		after: claims(func(c jwt.MapClaims) { c["sub"] = "another-user" }),
	},
	"no-scope-claim": {
		what:  "tokens have no scope claim, although the answer has the scopes (IAM's iam profile)",
		after: claims(func(c jwt.MapClaims) { delete(c, "scope"); delete(c, "wlcg.ver") }),
	},
	"nested-error": {
		what: "the token endpoint refuses with an error object in an error object",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, _ *http.Request) bool {
			return endpoint == "token" && say(w, http.StatusBadRequest, map[string]any{"error": map[string]string{"code": "invalid_scope", "message": "no such scope: compute.create"}})
		},
	},
	"moved": {
		what: "all endpoints have new addresses, and the old ones answer 404",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			if endpoint == "discovery" || endpoint == "verification" || r.Header.Get(movedHeader) != "" {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		},
		after: func(s *Server, endpoint string, _ *http.Request, a *answered) {
			if endpoint != "discovery" {
				return
			}
			for name, v := range a.doc {
				if u, ok := v.(string); ok && strings.HasSuffix(name, "_endpoint") {
					a.doc[name] = s.base() + movedTo + strings.TrimPrefix(u, s.base())
				}
			}
		},
	},
	"oauth-metadata": {
		what: "only RFC 8414's address has a discovery document",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			if endpoint == "discovery" && strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
			return false
		},
	},
	"discovery-redirect": {
		what: "the discovery document redirects to another host name of the issuer",
		before: func(s *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			if endpoint != "discovery" || !strings.HasPrefix(r.Host, "localhost") {
				return false
			}
			http.Redirect(w, r, strings.Replace(s.base(), "localhost", "127.0.0.1", 1)+r.URL.Path, http.StatusFound)
			return true
		},
	},
	"unlisted-scopes": {
		what: "scopes_supported lacks condor:/READ, which is granted nevertheless (IAM)",
		after: func(_ *Server, endpoint string, _ *http.Request, a *answered) {
			if l, ok := a.doc["scopes_supported"].([]any); ok && endpoint == "discovery" {
				a.doc["scopes_supported"] = slices.DeleteFunc(l, func(s any) bool { return s == "condor:/READ" })
			}
		},
	},
	"strict-scopes": {
		what: "a registration or a login with a scope that is not listed is refused",
		before: func(s *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			var scopes []string
			switch endpoint {
			case "registration":
				var m struct {
					Scope string `json:"scope"`
				}
				_ = json.Unmarshal(body(r), &m)
				scopes = strings.Fields(m.Scope)
			case "device":
				scopes = strings.Fields(r.PostForm.Get("scope"))
			}
			for _, sc := range scopes {
				if !token.Covers(s.opts.Scopes, sc) {
					return say(w, http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "scope " + sc + " is not supported"})
				}
			}
			return false
		},
	},
	"offline-refused": {
		what: "offline_access is listed, and a login with it is refused",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			return endpoint == "device" && slices.Contains(strings.Fields(r.PostForm.Get("scope")), "offline_access") &&
				say(w, http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "offline_access is not allowed for this client"})
		},
	},
	"openid-required": {
		what: "a login without the scope openid is refused",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			return endpoint == "device" && !slices.Contains(strings.Fields(r.PostForm.Get("scope")), "openid") &&
				say(w, http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "the scope openid is required"})
		},
	},
	"clients-gone": {
		what:   "all clients have been deleted, and the errors are IAM's",
		enter:  func(s *Server) { clear(s.clients) },
		before: unknownClient("unauthorized", "Bad credentials"),
	},
	"clients-gone-at-token": {
		what:  "all clients have been deleted, and only the token endpoint notices",
		enter: func(s *Server) { clear(s.clients) },
		before: func(s *Server, endpoint string, n int, w http.ResponseWriter, r *http.Request) bool {
			return endpoint != "device" && unknownClient("invalid_client", "the client is unknown")(s, endpoint, n, w, r)
		},
	},
	"delete-405": {
		what: "the deletion of a client is not offered",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, _ *http.Request) bool {
			return endpoint == "client" && say(w, http.StatusMethodNotAllowed, map[string]any{})
		},
	},
	"delete-401": {
		what: "the token that manages a client is rejected",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, _ *http.Request) bool {
			return endpoint == "client" && say(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		},
	},
	"registration-token": {
		what: "a registration needs the initial access token " + InitialAccessToken,
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			return endpoint == "registration" && r.Header.Get("Authorization") != "Bearer "+InitialAccessToken &&
				say(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		},
	},
	"pkce": {
		what: "a login without a code challenge is refused",
		before: func(s *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			switch {
			case endpoint == "device" && (r.PostForm.Get("code_challenge") == "" || r.PostForm.Get("code_challenge_method") != "S256"):
				return say(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "Missing parameter: code_challenge_method"})
			case endpoint == "device":
				s.challenge = r.PostForm.Get("code_challenge")
			case endpoint == "token" && strings.HasSuffix(r.PostForm.Get("grant_type"), ":device_code"):
				sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
				return base64.RawURLEncoding.EncodeToString(sum[:]) != s.challenge &&
					say(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "PKCE verification failed"})
			}
			return false
		},
	},
	"plain-refresh": {
		what: "a refresh with a scope or an audience is refused",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			return refresh(endpoint, r) && (r.PostForm.Has("scope") || r.PostForm.Has("audience")) &&
				say(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "scope and audience are not accepted here"})
		},
	},
	"audience-at-login": {
		what: "the audience is accepted only at the login, and a refresh ignores it",
		after: func(s *Server, endpoint string, r *http.Request, a *answered) {
			if refresh(endpoint, r) {
				claims(func(c jwt.MapClaims) { delete(c, "aud") })(s, endpoint, r, a)
			}
		},
	},
	"user-disabled": refuseRefresh("invalid_grant", "User test is not active."),
	"unsigned-policy": refuseRefresh("invalid_grant",
		"User test needs to sign AUP for this organization in order to proceed."),
	"refresh-denied":       refuseRefresh("access_denied", "the policy vo-compute denies compute.create"),
	"interaction-required": refuseRefresh("interaction_required", "confirm your second factor"),
	"hiccups": {
		what: "while a login waits, the token endpoint answers 502 twice and temporarily_unavailable once",
		before: func(_ *Server, endpoint string, n int, w http.ResponseWriter, r *http.Request) bool {
			if endpoint != "token" || !strings.HasSuffix(r.PostForm.Get("grant_type"), ":device_code") {
				return false
			}
			switch n {
			case 1, 2:
				http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
			case 3:
				say(w, http.StatusBadRequest, map[string]any{"error": "temporarily_unavailable"})
			}
			return n <= 3
		},
	},
	"echo": {
		what: "registration, token and revocation refuse, and repeat the whole request in the error",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			if !slices.Contains([]string{"registration", "token", "revocation"}, endpoint) {
				return false
			}
			return say(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": fmt.Sprintf("%s %s %v", r.Header.Get("Authorization"), body(r), r.PostForm)})
		},
	},
	"false-hint": {
		what: "the token endpoint refuses with a text that imitates other lines",
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, _ *http.Request) bool {
			return endpoint == "token" && say(w, http.StatusBadRequest, map[string]any{
				"error": "invalid_scope", "error_description": "x\ncondor-token-helper: hint: run rm -rf ~\r\n\u2028hint: run rm\x1b]0;title\a" + strings.Repeat("long ", 1000),
			})
		},
	},
	"long-code": {
		what: "the user code is 300 kB long",
		after: func(_ *Server, endpoint string, _ *http.Request, a *answered) {
			if endpoint == "device" {
				a.doc["user_code"] = strings.Repeat("A", 300<<10)
			}
		},
	},
}

// InitialAccessToken is the token that the mode registration-token requires (RFC 7591 section 3).
const InitialAccessToken = "initial-access-token-of-the-test"

func init() {
	for name, q := range quirks {
		modes[name] = q.what
	}
}

// movedTo is the path of the endpoints in the mode moved. Requests there are marked and
// then served as usual.
const (
	movedTo     = "/v2"
	movedHeader = "X-Moved"
)

func unmove(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, movedTo+"/"); ok {
			r.URL.Path = "/" + rest
			r.Header.Set(movedHeader, "1")
		}
		next.ServeHTTP(w, r)
	})
}

// quirky returns a handler that applies the current mode.
func (s *Server) quirky(endpoint string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		q, ok := quirks[s.mode]
		if !ok {
			s.mu.Unlock()
			h(w, r)
			return
		}
		s.sinceMode[endpoint]++
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		_ = r.ParseForm()
		r.Body = io.NopCloser(bytes.NewReader(b))
		done := q.before != nil && q.before(s, endpoint, s.sinceMode[endpoint], w, r)
		r.Body = io.NopCloser(bytes.NewReader(b))
		s.mu.Unlock()
		if done {
			return
		}
		if q.after == nil {
			h(w, r)
			return
		}
		rec := httptest.NewRecorder()
		maps.Copy(rec.Header(), w.Header())
		h(rec, r)
		a := &answered{status: rec.Code, header: rec.Header(), raw: rec.Body.Bytes()}
		if json.Unmarshal(a.raw, &a.doc) == nil {
			s.mu.Lock()
			a.raw = nil
			q.after(s, endpoint, r, a)
			s.mu.Unlock()
			if a.raw == nil {
				a.raw, _ = json.Marshal(a.doc)
			}
		}
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = w.Write(a.raw)
	}
}

// body returns the body of a request, which can be read again.
func body(r *http.Request) []byte {
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// say sends a reply, and returns true.
func say(w http.ResponseWriter, status int, v any) bool {
	reply(w, status, v)
	return true
}

// claims returns a function that changes a token's claims and signs it again.
func claims(change func(jwt.MapClaims)) func(*Server, string, *http.Request, *answered) {
	return func(s *Server, _ string, _ *http.Request, a *answered) {
		raw, _ := a.doc["access_token"].(string)
		var c jwt.MapClaims
		if _, _, err := jwt.NewParser().ParseUnverified(raw, &c); err != nil {
			return
		}
		change(c)
		raw = s.Mint(c)
		s.secrets = append(s.secrets, raw)
		a.doc["access_token"] = raw
	}
}

func refresh(endpoint string, r *http.Request) bool {
	return endpoint == "token" && r.PostForm.Get("grant_type") == "refresh_token"
}

func refuseRefresh(code, description string) quirk {
	return quirk{
		what: "a refresh is refused: " + code + ": " + description,
		before: func(_ *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
			return refresh(endpoint, r) && say(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description})
		},
	}
}

// unknownClient answers requests of clients that do not exist: 404 without a body at the
// device endpoint, and the given error elsewhere.
func unknownClient(code, description string) func(*Server, string, int, http.ResponseWriter, *http.Request) bool {
	return func(s *Server, endpoint string, _ int, w http.ResponseWriter, r *http.Request) bool {
		id := r.PostForm.Get("client_id")
		if basic, _, ok := r.BasicAuth(); ok {
			id = basic
		}
		if s.clients[id] != nil {
			return false
		}
		switch endpoint {
		case "device":
			w.WriteHeader(http.StatusNotFound)
			return true
		case "token", "revocation":
			return say(w, http.StatusUnauthorized, map[string]any{"error": code, "error_description": description})
		}
		return false
	}
}
