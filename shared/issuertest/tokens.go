package issuertest

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/token"
)

// device starts a device flow (RFC 8628 section 3.1). IAM requires the client_id in the
// form, and answers 404 if it is unknown.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[r.PostForm.Get("client_id")]
	if c == nil {
		refuse(w, http.StatusNotFound, "invalid_client", "Client not found")
		return
	}
	code := s.secret(24)
	d := &deviceGrant{
		client: c, userCode: userCode(), csrf: rand.Text(), state: "pending",
		scopes: s.allowed(c, token.SplitScopes(r.PostForm.Get("scope"))), audience: audience(r.PostForm),
		expires: s.opts.Now().Add(s.opts.DeviceLifetime),
	}
	s.devices[code] = d
	verification := s.base() + "/device"
	answer := map[string]any{
		"device_code": code, "user_code": d.userCode, "verification_uri": verification,
		"verification_uri_complete": verification + "?user_code=" + d.userCode,
		"expires_in":                int(s.opts.DeviceLifetime.Seconds()),
	}
	if s.opts.Interval > 0 {
		answer["interval"] = s.opts.Interval
	}
	reply(w, http.StatusOK, answer)
	if s.auto && s.mode != "pending" && s.mode != "denied" && s.mode != "expired" {
		go func() { _ = NewBrowser(s.Client()).Approve(verification, d.userCode) }()
	}
	if s.mode == "denied" {
		go func() { _ = NewBrowser(s.Client()).Deny(verification, d.userCode) }()
	}
}

// userCode returns a code of letters that do not look alike (RFC 8628 section 6.1).
func userCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// allowed returns the scopes that a client is granted: those that it is registered with,
// except dropped ones. Others are silently omitted.
func (s *Server) allowed(c *client, scopes []string) []string {
	var out []string
	for _, sc := range scopes {
		if token.Covers(c.scopes, sc) && !slices.Contains(s.opts.DropScopes, sc) {
			out = append(out, sc)
		}
	}
	return out
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	form := r.PostForm
	s.lastForm = form
	name := form.Get("grant_type")
	name = name[strings.LastIndexByte(name, ':')+1:]
	s.requests["token:"+name]++
	mode := s.mode
	if strings.HasSuffix(mode, "-once") {
		if s.failed {
			mode = ""
		}
		s.failed = true
	}
	s.mu.Unlock()
	switch mode {
	case "hang":
		select {
		case <-s.closed:
		case <-r.Context().Done():
		}
		return
	case "non-json":
		page(w)
		return
	case "busy-once", "busy-long":
		if mode == "busy-once" {
			w.Header().Set("Retry-After", "1")
		} else {
			w.Header().Set("Retry-After", "3600")
		}
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
		return
	case "server-error", "server-error-once":
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case "redirect-http":
		http.Redirect(w, r, "http://localhost:1/token", http.StatusTemporaryRedirect)
		return
	case "redirect-host":
		http.Redirect(w, r, "https://127.0.0.2:1/token", http.StatusTemporaryRedirect)
		return
	case "big-reply":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`)
		junk := strings.Repeat("x", 1<<16)
		for range 1600 {
			if _, err := io.WriteString(w, junk); err != nil {
				return
			}
		}
		return
	case "cut", "cut-once":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.authenticate(w, r)
	if c == nil {
		return
	}
	switch name {
	case "device_code":
		s.deviceToken(w, c, form)
	case "refresh_token":
		s.refreshToken(w, c, form)
	case "token-exchange":
		s.exchange(w, c, form)
	case "client_credentials":
		s.answer(w, c, s.allowed(c, token.SplitScopes(form.Get("scope"))), audience(form), "")
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type")
	}
}

func (s *Server) deviceToken(w http.ResponseWriter, c *client, form url.Values) {
	code := form.Get("device_code")
	d := s.devices[code]
	now := s.opts.Now()
	if d == nil || d.client != c {
		refuse(w, http.StatusBadRequest, "invalid_grant", "unknown device code")
		return
	}
	first := d.polled.IsZero()
	fast := !first && now.Sub(d.polled) < time.Duration(s.opts.Interval)*time.Second/2
	d.polled = now
	switch {
	case now.After(d.expires), s.mode == "expired":
		delete(s.devices, code)
		refuse(w, http.StatusBadRequest, "expired_token", "The device code has expired")
	case s.mode == "slow-down" && first, fast:
		refuse(w, http.StatusBadRequest, "slow_down", "polling too fast")
	case d.state == "denied":
		delete(s.devices, code)
		refuse(w, http.StatusBadRequest, "access_denied", "The user denied the request")
	case d.state == "pending":
		refuse(w, http.StatusBadRequest, "authorization_pending", "Authorization pending for code")
	default:
		delete(s.devices, code)
		g := &grant{client: c, scopes: d.scopes, expires: now.Add(s.opts.RefreshLifetime)}
		refresh := ""
		if slices.Contains(d.scopes, "offline_access") && s.mode != "no-refresh-token" {
			refresh = s.newRefreshToken(g)
		}
		s.answer(w, c, d.scopes, d.audience, refresh)
	}
}

// exchange narrows a token of this issuer (RFC 8693).
func (s *Server) exchange(w http.ResponseWriter, c *client, form url.Values) {
	var claims jwt.MapClaims
	_, err := jwt.ParseWithClaims(form.Get("subject_token"), &claims, func(*jwt.Token) (any, error) {
		return &s.pki.signing.PublicKey, nil
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.url), jwt.WithTimeFunc(s.opts.Now))
	scopes := token.SplitScopes(form.Get("scope"))
	has, _ := claims["scope"].(string)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid subject token")
	case len(scopes) == 0, len(token.MissingScopes(token.SplitScopes(has), scopes)) > 0:
		refuse(w, http.StatusBadRequest, "invalid_scope", "Up-scoping is not allowed.")
	default:
		s.answer(w, c, scopes, audience(form), "")
	}
}

// newRefreshToken returns an unsigned JWT, like IAM's.
func (s *Server) newRefreshToken(g *grant) string {
	claims := jwt.MapClaims{"jti": rand.Text(), "exp": g.expires.Unix()}
	if s.mode == "long-refresh-token" {
		claims["groups"] = strings.Repeat("x", 15<<10) // base64 makes 20 kB of it
	}
	t := jwt.NewWithClaims(jwt.SigningMethodNone, claims)
	raw, err := t.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		panic(err)
	}
	s.secrets = append(s.secrets, raw)
	g.before, g.current = g.current, raw
	s.refresh[raw] = g
	return raw
}

func (s *Server) refreshToken(w http.ResponseWriter, c *client, form url.Values) {
	raw := form.Get("refresh_token")
	g := s.refresh[raw]
	if g == nil || g.client != c || s.mode == "invalid-grant" || g.revoked || s.opts.Now().After(g.expires) {
		// IAM repeats the token in its description, which must not be printed.
		refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid refresh token: "+raw)
		return
	}
	if raw != g.current && (!s.opts.Grace || raw != g.before) {
		// Reuse of a rotated token revokes the whole grant (RFC 9700 section 4.14.2).
		g.revoked = true
		refuse(w, http.StatusBadRequest, "invalid_grant", "refresh token was used before")
		return
	}
	scopes := token.SplitScopes(form.Get("scope"))
	if len(scopes) == 0 {
		scopes = g.scopes
	}
	if missing := token.MissingScopes(g.scopes, scopes); len(missing) > 0 {
		refuse(w, http.StatusBadRequest, "invalid_scope", "Up-scoping is not allowed.")
		return
	}
	refresh := g.current
	if s.opts.Rotate {
		refresh = s.newRefreshToken(g)
		// A client that had to use the previous token may have to do it again.
		g.before = raw
	}
	s.answer(w, c, scopes, audience(form), refresh)
}

func (s *Server) answer(w http.ResponseWriter, c *client, scopes, aud []string, refresh string) {
	now := s.opts.Now().Truncate(time.Second)
	life := s.opts.AccessLifetime
	switch s.mode {
	case "short-lifetime":
		life = 30 * time.Second
	case "expired-token":
		life = -time.Minute
	}
	claims := map[string]any{
		"iss": s.url, "sub": s.opts.Subject, "jti": rand.Text(), "client_id": c.id,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(life).Unix(),
		"scope": strings.Join(scopes, " "),
	}
	// IAM derives the profile from the client's registered scopes.
	anyAudience := ""
	switch {
	case s.opts.Profile == "scitokens":
		claims["ver"], anyAudience = "scitoken:2.0", "ANY"
	case slices.Contains(c.scopes, "wlcg"):
		claims["wlcg.ver"], anyAudience = "1.0", "https://wlcg.cern.ch/jwt/v1/any"
	}
	if s.mode == "wrong-audience" {
		aud = []string{"https://elsewhere.example.org"}
	}
	switch {
	case s.mode == "no-audience":
	case len(aud) == 1:
		claims["aud"] = aud[0]
	case len(aud) > 1:
		claims["aud"] = aud
	case anyAudience != "":
		claims["aud"] = anyAudience
	}
	access := s.Mint(claims)
	if s.mode == "opaque" {
		access = s.secret(24)
	} else {
		s.secrets = append(s.secrets, access)
	}
	doc := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(life.Seconds()), "scope": strings.Join(scopes, " "),
	}
	if refresh != "" {
		doc["refresh_token"] = refresh
	}
	if s.opts.Answered != nil {
		s.opts.Answered(access, refresh)
	}
	reply(w, http.StatusOK, doc)
}

// revoke revokes the whole grant (RFC 7009 section 2.1). An unknown token is not an error.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.authenticate(w, r)
	if c == nil {
		return
	}
	if g := s.refresh[r.PostForm.Get("token")]; g != nil && g.client == c {
		g.revoked = true
	}
	w.WriteHeader(http.StatusOK)
}
