package helper

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
)

type statusCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text or json. Default: text."`
}

type loginStatus struct {
	Issuer           string     `json:"issuer"`
	ClientID         string     `json:"clientId"`
	Registered       bool       `json:"registered"`
	Backend          string     `json:"backend"`
	Scopes           []string   `json:"scopes"`
	CreatedAt        *time.Time `json:"createdAt,omitempty"`
	RefreshedAt      *time.Time `json:"refreshedAt,omitempty"`
	RefreshExpiresAt *time.Time `json:"refreshExpiresAt,omitempty"`
	Warnings         []string   `json:"warnings"`
}

type tokenStatus struct {
	Issuer    string    `json:"issuer"`
	Audiences []string  `json:"audiences"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expiresAt"`
	Source    string    `json:"source"`
}

type statusReport struct {
	APIVersion string        `json:"apiVersion"`
	Logins     []loginStatus `json:"logins"`
	Tokens     []tokenStatus `json:"tokens"`
}

// Run shows logins and cached tokens, without opening the keyring.
func (s *statusCmd) Run(_ context.Context, a *app) error {
	w, err := a.world(options{source: sourceFlags{NoPrompt: true}})
	if err != nil {
		return err
	}
	r, err := newStatusReport(w.store, a.env.Now())
	if err != nil {
		return err
	}
	if s.Output == "json" {
		return a.json(r)
	}
	return a.print(r.text(a.env.Now()))
}

func newStatusReport(st *store.Store, now time.Time) (*statusReport, error) {
	logins, err := st.Index()
	if err != nil {
		return nil, err
	}
	tokens, err := st.Tokens()
	if err != nil {
		return nil, err
	}
	r := &statusReport{APIVersion: text.APIVersion, Logins: []loginStatus{}, Tokens: []tokenStatus{}}
	for _, l := range logins {
		r.Logins = append(r.Logins, loginStatus{
			Issuer: l.Issuer, ClientID: l.ClientID, Registered: l.Registered, Backend: l.Backend, Scopes: text.NonNil(l.Scopes),
			CreatedAt: timeOrNil(l.Created), RefreshedAt: timeOrNil(l.Refreshed), RefreshExpiresAt: timeOrNil(l.RefreshExpires),
			Warnings: warnings(l, now),
		})
	}
	for _, t := range tokens {
		r.Tokens = append(r.Tokens, tokenStatus{t.Issuer, text.NonNil(t.Audiences), text.NonNil(t.Scopes), t.Expires.UTC(), t.Source})
	}
	return r, nil
}

func warnings(l store.IndexEntry, now time.Time) []string {
	out := []string{}
	switch left := l.RefreshExpires.Sub(now); {
	case len(l.Scopes) == 0:
		out = append(out, "not logged in: the login was not completed")
	case l.Ended != "":
		out = append(out, "the issuer did not accept the login when it was last used ("+text.Foreign(l.Ended, 200)+"): log in again")
	case l.Unrenewable:
		out = append(out, "the issuer issued no refresh token: log in again for the next token")
	case l.RefreshExpires.IsZero():
	case left <= 0:
		out = append(out, "the login has expired: log in again")
	case left < expiresSoon:
		out = append(out, "the login expires in "+text.Duration(left)+": log in again before")
	}
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (r *statusReport) text(now time.Time) string {
	var b strings.Builder
	if len(r.Logins) == 0 {
		b.WriteString("no logins\n")
	}
	for _, l := range r.Logins {
		fmt.Fprintf(&b, "login at %s\n", l.Issuer)
		client := l.ClientID
		if l.Registered {
			client += " (registered by these tools)"
		}
		row(&b, "client", client)
		row(&b, "saved in", l.Backend)
		if l.CreatedAt != nil {
			row(&b, "logged in", ago(now, *l.CreatedAt))
		}
		if l.RefreshedAt != nil {
			row(&b, "refreshed", ago(now, *l.RefreshedAt))
		}
		if l.RefreshExpiresAt != nil {
			row(&b, "expires", until(now, *l.RefreshExpiresAt))
		}
		for _, w := range l.Warnings {
			row(&b, "warning", w)
		}
		if len(l.Scopes) > 0 {
			row(&b, "scopes", l.Scopes...)
		}
	}
	if len(r.Tokens) == 0 {
		b.WriteString("no cached tokens\n")
	}
	for _, t := range r.Tokens {
		fmt.Fprintf(&b, "cached token from %s\n", t.Issuer)
		aud := t.Audiences
		if len(aud) == 0 {
			aud = []string{"none"}
		}
		row(&b, "audience", aud...)
		row(&b, "expires", until(now, t.ExpiresAt))
		row(&b, "scopes", t.Scopes...)
	}
	return b.String()
}

// row writes a labelled line of a login or a token.
func row(b *strings.Builder, label string, values ...string) {
	b.WriteString(text.Labelled(12, "  "+label, strings.Join(values, " ")))
}

func ago(now, t time.Time) string {
	if now.Sub(t) < time.Minute {
		return "just now"
	}
	return text.Duration(now.Sub(t)) + " ago"
}

func until(now, t time.Time) string {
	if !t.After(now) {
		return "expired " + ago(now, t)
	}
	return "in " + text.Duration(t.Sub(now))
}
