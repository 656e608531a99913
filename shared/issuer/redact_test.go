package issuer

import (
	"fmt"
	"strings"
	"testing"
)

// The redactor keeps the secrets of the last exchanges, and those that are used again,
// such as a client's secret.
func TestRedactorForgets(t *testing.T) {
	var r redactor
	for n := range 10 * maxSecrets {
		r.basic("client", "the client's secret")
		r.secret(fmt.Sprintf("token %d", n))
	}
	if len(r.secrets) > maxSecrets {
		t.Errorf("%d secrets", len(r.secrets))
	}
	if got := r.redact(fmt.Sprintf("the client's secret, token %d", 10*maxSecrets-1)); strings.Contains(got, "token") || strings.Contains(got, "client") {
		t.Error(got)
	}
}

// A server may echo a secret in any notation.
func TestRedactorNotations(t *testing.T) {
	const secret = "s/+ %&\"<é"
	var r redactor
	r.secret(secret)
	for _, echo := range []string{
		secret, "s%2F%2B+%25%26%22%3C%C3%A9", "s%2f%2b+%25%26%22%3c%c3%a9", `s/+ %&\"<é`, `s/+ %&\"<\u00e9`, `s/+ %\u0026\"\u003cé`, "s/+ %&amp;&#34;&lt;é",
	} {
		if got := r.redact("you sent " + echo + "."); got != "you sent [redacted]." {
			t.Errorf("%s: %s", echo, got)
		}
	}
}
