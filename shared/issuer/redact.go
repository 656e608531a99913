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

// redactor removes the secrets that a client has sent or received from text that it has
// received: INDIGO IAM repeats unknown refresh tokens, and an endpoint may echo the whole
// request.
type redactor struct {
	mu      sync.Mutex
	secrets []string // the latest last
}

// maxSecrets is the number of forms of secrets that are kept, the latest ones. A process
// that renews tokens for days uses many.
const maxSecrets = 128

// secret adds secrets to the redactor: unchanged, percent-encoded, and escaped for JSON
// and HTML.
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

// inJSON returns a string as Go writes it in JSON. Others write it like strconv.Quote or
// strconv.QuoteToASCII.
func inJSON(s string) string {
	b, _ := json.Marshal(s) // which cannot fail for a string
	return unquoted(string(b))
}

// unquoted returns a string without its quotes.
func unquoted(s string) string { return s[1 : len(s)-1] }

var percentEncoded = text.Pattern{Expr: `%[0-9A-F]{2}`}

// lowerHex returns a percent-encoded string with lower-case digits, as some servers write it.
func lowerHex(s string) string { return percentEncoded.Get().ReplaceAllStringFunc(s, strings.ToLower) }

// minSecret is the length of the shortest secret that is removed, in bytes: removing
// shorter ones would only mangle the text.
const minSecret = 4

// basic adds a client's secret to the redactor, also in its Basic form (RFC 7617).
func (r *redactor) basic(id, secret string) {
	if secret == "" {
		return
	}
	r.secret(secret,
		base64.StdEncoding.EncodeToString([]byte(id+":"+secret)),
		base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret))))
}

// status returns a status line as it is shown.
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
