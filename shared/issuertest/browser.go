package issuertest

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var pageTemplate = template.Must(template.New("device").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Approve a login</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem }
input[name=user_code] { font: 1.5rem monospace; text-transform: uppercase; width: 12ch }
button { font: inherit; padding: .4rem 1.2rem; margin: 1rem .5rem 0 0 }
</style>
<h1>Approve a login</h1>
{{if .Message}}<p role="status"><strong>{{.Message}}</strong></p>{{end}}
{{if .Ask}}
<form method="post" action="/device">
{{if .Client}}<p>{{.Client}} requests: {{range .Scopes}}<code>{{.}}</code> {{end}}</p>{{end}}
<p><label>The code that the command shows<br><input name="user_code" value="{{.Code}}" autocomplete="off" required autofocus></label></p>
<input type="hidden" name="xsrf" value="{{.XSRF}}">
<button name="confirm" value="yes">Approve</button>
<button name="confirm" value="no">Deny</button>
</form>
{{end}}
</html>
`))

type pageData struct {
	Ask                         bool
	Message, Code, XSRF, Client string
	Scopes                      []string
}

const xsrfCookie = "xsrf"

// verificationPage serves the page for the code (RFC 8628 section 3.3).
func (s *Server) verificationPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := pageData{Ask: true, Code: r.URL.Query().Get("user_code"), XSRF: s.secret(16)}
	if d := s.byUserCode(data.Code); d != nil {
		data.Client, data.Scopes = d.client.name, d.scopes
	}
	http.SetCookie(w, &http.Cookie{Name: xsrfCookie, Value: data.XSRF, Path: "/device", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	render(w, http.StatusOK, data)
}

func (s *Server) verificationForm(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	cookie, err := r.Cookie(xsrfCookie)
	if err != nil || cookie.Value == "" || cookie.Value != r.PostForm.Get("xsrf") {
		render(w, http.StatusForbidden, pageData{Message: "The form was sent by another site."})
		return
	}
	d := s.byUserCode(r.PostForm.Get("user_code"))
	if d == nil || s.opts.Now().After(d.expires) {
		render(w, http.StatusNotFound, pageData{Message: "The code is unknown or has expired."})
		return
	}
	if r.PostForm.Get("confirm") == "yes" {
		d.state = "approved"
		render(w, http.StatusOK, pageData{Message: "Approved. You may close this page."})
		return
	}
	d.state = "denied"
	render(w, http.StatusOK, pageData{Message: "Denied. You may close this page."})
}

// byUserCode finds a pending login by its code, in any case, with or without dash.
func (s *Server) byUserCode(code string) *deviceGrant {
	plain := func(c string) string { return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(c)) }
	for _, d := range s.devices {
		if d.state == "pending" && plain(d.userCode) == plain(code) {
			return d
		}
	}
	return nil
}

func render(w http.ResponseWriter, status int, data pageData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, data)
}

// Browser acts like a user on the verification page.
type Browser struct{ client *http.Client }

// NewBrowser returns a Browser with a client that trusts the issuer.
func NewBrowser(client *http.Client) *Browser { return &Browser{client} }

// Approve submits the code and approves.
func (b *Browser) Approve(verificationURI, userCode string) error {
	return b.submit(verificationURI, userCode, "yes")
}

// Deny submits the code and denies.
func (b *Browser) Deny(verificationURI, userCode string) error {
	return b.submit(verificationURI, userCode, "no")
}

var xsrfField = regexp.MustCompile(`name="xsrf" value="([^"]+)"`)

func (b *Browser) submit(verificationURI, userCode, confirm string) error {
	resp, err := b.client.Get(verificationURI)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	m := xsrfField.FindSubmatch(body)
	if m == nil {
		return fmt.Errorf("no form on %s (%s)", verificationURI, resp.Status)
	}
	form := url.Values{"user_code": {userCode}, "xsrf": {string(m[1])}, "confirm": {confirm}}
	req, err := http.NewRequest(http.MethodPost, verificationURI, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range resp.Cookies() {
		req.AddCookie(c)
	}
	resp, err = b.client.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the verification page answered %s", resp.Status)
	}
	return nil
}
