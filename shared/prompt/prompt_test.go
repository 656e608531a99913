package prompt

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Without a terminal the code goes to the fallback, and a question fails.
func TestWithoutATerminal(t *testing.T) {
	var b bytes.Buffer
	term := &Terminal{Fallback: &b, Disabled: true}
	if term.Available() {
		t.Error("there is a terminal")
	}
	done := term.ShowCode(context.Background(), Code{
		Issuer: "https://i/", UserCode: "ABCD-EFGH\x1b[31m", VerificationURI: "https://i/device", Complete: "https://i/device?user_code=ABCD-EFGH",
	}, time.Now)
	done()
	for _, want := range []string{"to log in at https://i/ open\n", "\n    https://i/device?user_code=ABCD-EFGH\n", "\n    ABCD-EFGH\\u001b[31m\n", "(or open https://i/device and enter the code)\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a control sequence of the issuer is printed")
	}
	if _, err := term.Passphrase("x"); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
}
