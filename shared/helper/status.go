package helper

import (
	"fmt"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/output"
)

// status shows what is kept, without opening the keyring.
func (s *session) status() error {
	logins, err := s.store.Index()
	if err != nil {
		return classify(err)
	}
	tokens, err := s.store.Tokens()
	if err != nil {
		return classify(err)
	}
	now := s.env.Now()
	var b strings.Builder
	if len(logins) == 0 {
		b.WriteString("no logins\n")
	}
	for _, l := range logins {
		fmt.Fprintf(&b, "login at %s\n", l.Issuer)
		client := l.ClientID
		if l.Registered {
			client += " (registered by these tools)"
		}
		row(&b, "client", client)
		row(&b, "kept in", l.Backend)
		if len(l.Scopes) == 0 {
			row(&b, "state", "not logged in: the login was broken off")
			continue
		}
		row(&b, "logged in", ago(now, l.Created))
		row(&b, "refreshed", ago(now, l.Refreshed))
		if !l.RefreshExpires.IsZero() {
			row(&b, "ends", until(now, l.RefreshExpires))
		}
		row(&b, "scopes", l.Scopes...)
	}
	if len(tokens) == 0 {
		b.WriteString("no cached tokens\n")
	}
	for _, t := range tokens {
		fmt.Fprintf(&b, "cached token from %s\n", t.Issuer)
		aud := t.Audiences
		if len(aud) == 0 {
			aud = []string{"none"}
		}
		row(&b, "audience", aud...)
		row(&b, "ends", until(now, t.Expires))
		row(&b, "scopes", t.Scopes...)
	}
	_, err = fmt.Fprint(s.env.Stdout, cli.Printable(b.String()))
	return err
}

// row writes a labelled line, wrapped below its value.
func row(b *strings.Builder, label string, values ...string) {
	for _, line := range cli.Wrap(strings.Join(values, " "), 66) {
		fmt.Fprintf(b, "  %-9s  %s\n", label, strings.TrimSpace(line))
		label = ""
	}
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if now.Sub(t) < time.Minute {
		return "just now"
	}
	return cli.Span(now.Sub(t)) + " ago"
}

func until(now, t time.Time) string {
	if !t.After(now) {
		return "ended " + ago(now, t)
	}
	return "in " + cli.Span(t.Sub(now))
}

// quote leaves a word that the shell leaves alone as it is.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:@%+,=[]", r)
	}) {
		return s
	}
	return output.ShellQuote(s)
}
