package scitokens

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/token"
)

func TestNearMiss(t *testing.T) {
	right := "the host is correct, but these parts differ: "
	for got, want := range map[string]string{
		"https://ce.example.org:9619":  right + "scheme (token: https://, service: none)",
		"ce.example.org:9619/":         right + "what follows the host",
		"CE.example.org:9619":          right + "upper and lower case",
		"ce.example.org:443":           right + "port (token: 443, service: 9619)",
		"ce.example.org":               right + "port (token: none, service: 9619)",
		"https://CE.example.org:9619/": right + "scheme (token: https://, service: none), upper and lower case, what follows the host",
		"ce.example.org.:9619":         right + "dot after the host",
		" ce.example.org:9619":         "the audience differs only in white space",
		"ce:9619":                      "the token has the short host name instead of the full one",
		"ce.example.org.uk:9619":       "the token has a longer host name: check whether ce.example.org.uk is the service",
		"x ce.example.org:9619":        "several audiences must be a JSON list, not one string",
		"ANY":                          `ANY, in capitals, is valid only with ver "scitoken:2.0"`,
		token.AnyAudience:              `the WLCG any-value is valid only with wlcg.ver "1.0"`,
		"ce2.example.org:9619":         "",
		"":                             "",
	} {
		if hint := nearMiss(got, "ce.example.org:9619"); hint != want {
			t.Errorf("%q: %q, want %q", got, hint, want)
		}
	}
	if hint := nearMiss("https://[2001:db8::1]", "[2001:db8::1]:9619"); !strings.HasPrefix(hint, right) {
		t.Errorf("an IPv6 address: %q", hint)
	}
	if hint := nearMiss("10:9619", "10.0.0.1:9619"); hint != "" {
		t.Errorf("an IPv4 address: %q", hint)
	}
}

func TestCheckProfile(t *testing.T) {
	for _, tt := range []struct{ profile, claims, want string }{
		{"wlcg", servicetest.Claims("wlcg", "a", "s"), ""},
		{"scitokens", servicetest.Claims("scitokens", "a", "s"), ""},
		{"scitokens", servicetest.Claims("wlcg", "a", "s"), "profile-mismatch"},
		{"wlcg", servicetest.Claims("", "a", "s", `"jti"`, `"jtx"`), "profile-mismatch claim-missing"},
		{"scitokens", servicetest.Claims("scitokens", "a", "s", `"nbf"`, `"nbx"`), "claim-missing"},
	} {
		if got := servicetest.Codes(t, CheckProfile(servicetest.JWT(t, servicetest.ES256, tt.claims), tt.profile)); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.profile, tt.claims, got, tt.want)
		}
	}
}
