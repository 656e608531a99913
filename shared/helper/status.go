package helper

import (
	"fmt"
	"strings"
	"text/tabwriter"
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
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		client := l.ClientID
		if l.Registered {
			client += " (registered by these tools)"
		}
		_, _ = fmt.Fprintf(w, "  client\t%s\n  kept in\t%s\n", client, l.Backend)
		if len(l.Scopes) == 0 {
			_, _ = fmt.Fprintf(w, "  state\tnot logged in: the login was broken off\n")
		} else {
			_, _ = fmt.Fprintf(w, "  logged in\t%s\n  refreshed\t%s\n", ago(now, l.Created), ago(now, l.Refreshed))
			if !l.RefreshExpires.IsZero() {
				_, _ = fmt.Fprintf(w, "  ends\t%s\n", until(now, l.RefreshExpires))
			}
		}
		_ = w.Flush()
		scopes(&b, l.Scopes)
	}
	if len(tokens) == 0 {
		b.WriteString("no cached tokens\n")
	}
	for _, t := range tokens {
		fmt.Fprintf(&b, "cached token from %s\n", t.Issuer)
		aud := strings.Join(t.Audiences, " ")
		if aud == "" {
			aud = "none asked for"
		}
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(w, "  audience\t%s\n  ends\t%s\n", aud, until(now, t.Expires))
		_ = w.Flush()
		scopes(&b, t.Scopes)
	}
	_, err = fmt.Fprint(s.env.Stdout, cli.Printable(b.String()))
	return err
}

func scopes(b *strings.Builder, list []string) {
	if len(list) == 0 {
		return
	}
	for i, line := range cli.Wrap(strings.Join(list, " "), 66) {
		lead := "  scopes     "
		if i > 0 {
			lead = "             "
		}
		b.WriteString(lead + strings.TrimSpace(line) + "\n")
	}
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if now.Sub(t) < time.Minute {
		return "just now"
	}
	return span(now.Sub(t)) + " ago"
}

func until(now, t time.Time) string {
	if !t.After(now) {
		return "ended " + ago(now, t)
	}
	return "in " + span(t.Sub(now))
}

// span words a duration by its two largest units.
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
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
