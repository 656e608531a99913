package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
)

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	mode := s.mode
	s.mu.Unlock()
	b := s.base()
	doc := map[string]any{
		"issuer": s.url, "token_endpoint": b + "/token", "jwks_uri": b + "/jwk",
		"authorization_endpoint":                b + "/authorize",
		"device_authorization_endpoint":         b + "/devicecode",
		"registration_endpoint":                 b + "/iam/api/client-registration",
		"revocation_endpoint":                   b + "/revoke",
		"scopes_supported":                      s.opts.Scopes,
		"grant_types_supported":                 []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
	}
	switch mode {
	case "html-discovery":
		page(w)
		return
	case "wrong-issuer":
		doc["issuer"] = "https://other.example.org/"
	case "no-device":
		delete(doc, "device_authorization_endpoint")
	}
	if s.opts.DenyRegistration {
		delete(doc, "registration_endpoint")
	}
	reply(w, http.StatusOK, doc)
}

// oauthMetadata serves RFC 8414's metadata in the mode oauth-metadata.
func (s *Server) oauthMetadata(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	mode := s.mode
	s.mu.Unlock()
	if mode != "oauth-metadata" {
		http.NotFound(w, r)
		return
	}
	s.discovery(w, r)
}

func page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprint(w, "<!doctype html><title>Welcome to the guest network</title>")
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]string{"error": code, "error_description": description})
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	keys := []any{jwk(s.pki.signing, "ES256")}
	if s.opts.MoreKeys {
		keys = append(keys, jwk(s.pki.keys.P384, "ES384"), jwk(s.pki.keys.RSA, ""))
	}
	reply(w, http.StatusOK, map[string]any{"keys": keys})
}

// jwk returns a public key (RFC 7518 section 6). alg may be empty.
func jwk(key crypto.Signer, alg string) map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	k := map[string]string{"use": "sig", "kid": KeyID(key)}
	if alg != "" {
		k["alg"] = alg
	}
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		raw, err := pub.Bytes()
		if err != nil {
			panic(err) // cannot fail with a generated key
		}
		half := len(raw) / 2
		k["kty"], k["crv"], k["x"], k["y"] = "EC", pub.Params().Name, b64(raw[1:half+1]), b64(raw[half+1:])
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	}
	return k
}
