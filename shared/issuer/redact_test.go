package issuer

import (
	"fmt"
	"strings"
	"testing"
)

// A process that renews tokens for days remembers the secrets of the last exchanges only,
// and those that it uses again, such as a client's secret.
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
