package issuer

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.org/token-helpers/shared/text"
)

// redactor removes every secret that a client has sent or received from text that comes
// from the wire: INDIGO IAM repeats a refresh token that it does not know, and an
// endpoint may echo the whole request.
type redactor struct {
	mu      sync.Mutex
	secrets []string // the latest last
}

// maxSecrets is how many forms of secrets are remembered: those of the last exchanges. A
// process that renews tokens for days meets many.
const maxSecrets = 128

// secret makes the redactor know secrets: as they are, percent-encoded, and escaped for
// JSON and HTML.
func (r *redactor) secret(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		query := url.QueryEscape(s)
		for _, form := range []string{s, query, lowerHex(query), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`), html.EscapeString(s), inJSON(s), unquoted(strconv.Quote(s)), unquoted(strconv.QuoteToASCII(s))} {
			if len(form) < minSecret {
				continue
			}
			if i := slices.Index(r.secrets, form); i >= 0 {
				r.secrets = slices.Delete(r.secrets, i, i+1)
			}
			r.secrets = append(r.secrets, form)
		}
	}
	if n := len(r.secrets) - maxSecrets; n > 0 {
		r.secrets = slices.Delete(r.secrets, 0, n)
	}
}

// inJSON is a string as Go writes it in JSON. Others write it as strconv quotes it, in
// Unicode or in ASCII.
func inJSON(s string) string {
	b, _ := json.Marshal(s) // which cannot fail for a string
	return unquoted(string(b))
}

// unquoted is a string without the quotes around it.
func unquoted(s string) string { return s[1 : len(s)-1] }

var percentEncoded = text.Pattern{Expr: `%[0-9A-F]{2}`}

// lowerHex is a percent-encoded string with lower-case digits, as some servers write it.
func lowerHex(s string) string { return percentEncoded.Get().ReplaceAllStringFunc(s, strings.ToLower) }

// minSecret is the shortest secret that is removed, in bytes: cutting shorter ones would
// only mangle the text.
const minSecret = 4

// basic makes the redactor know a client's secret in its Basic form (RFC 7617).
func (r *redactor) basic(id, secret string) {
	if secret == "" {
		return
	}
	r.secret(secret,
		base64.StdEncoding.EncodeToString([]byte(id+":"+secret)),
		base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret))))
}

// status is a status line as it is shown.
func (r *redactor) status(s string) string { return text.Brief(r.redact(s), maxStatus) }

var tokenLike = text.Pattern{Expr: `[A-Za-z0-9_-]{16,}(\.[A-Za-z0-9_-]*){2,}`}

// redact removes secrets, and everything that looks like a token, and returns one line
// of at most 300 characters.
func (r *redactor) redact(s string) string {
	r.mu.Lock()
	secrets := slices.Clone(r.secrets)
	r.mu.Unlock()
	// The longest first, as one form may contain another.
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, x := range secrets {
		s = strings.ReplaceAll(s, x, "[redacted]")
	}
	return text.OneLine(text.Brief(tokenLike.Get().ReplaceAllString(s, "[redacted]"), 300))
}
