package issuertest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"example.org/token-helpers/shared/token"
)

// register registers any client (RFC 7591). Like IAM, it keeps only supported scopes, and
// errors are {"error": text}.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Name   string   `json:"client_name"`
		Grants []string `json:"grant_types"`
		Scope  string   `json:"scope"`
		Auth   string   `json:"token_endpoint_auth_method"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Name == "" || len(m.Grants) == 0 || s.mode == "refuse-registration" || s.opts.DenyRegistration {
		reply(w, http.StatusBadRequest, map[string]string{"error": "Invalid client registration request"})
		return
	}
	c := &client{id: rand.Text(), name: m.Name, registrationToken: s.secret(24)}
	if m.Auth != "none" {
		c.secret = s.secret(24)
	}
	for _, sc := range token.SplitScopes(m.Scope) {
		if token.Covers(s.opts.Scopes, sc) {
			c.scopes = append(c.scopes, sc)
		}
	}
	s.clients[c.id] = c
	reply(w, http.StatusCreated, map[string]any{
		"client_id": c.id, "client_secret": c.secret, "client_name": c.name,
		"token_endpoint_auth_method": m.Auth, "grant_types": m.Grants, "scope": strings.Join(c.scopes, " "),
		"registration_client_uri":   s.base() + "/iam/api/client-registration/" + c.id,
		"registration_access_token": c.registrationToken,
	})
}

func (s *Server) unregister(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[r.PathValue("id")]
	if c == nil || r.Header.Get("Authorization") != "Bearer "+c.registrationToken {
		refuse(w, http.StatusUnauthorized, "invalid_token", "unknown client or token")
		return
	}
	delete(s.clients, c.id)
	w.WriteHeader(http.StatusNoContent)
}

// authenticate finds the client and checks its secret (RFC 6749 section 2.3). If that
// fails, it sends the error and returns nil.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) *client {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c := s.clients[id]
	if c == nil || c.secret != secret {
		refuse(w, http.StatusUnauthorized, "invalid_client", "Bad client credentials")
		return nil
	}
	return c
}

// audience returns the requested audiences like IAM's IamOAuth2RequestFactory: the first of
// resource, aud and audience that is present, split at spaces.
func audience(form url.Values) []string {
	for _, k := range []string{"resource", "aud", "audience"} {
		if l := token.SplitScopes(strings.Join(form[k], " ")); len(l) > 0 {
			return l
		}
	}
	return nil
}
