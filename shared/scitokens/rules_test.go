package scitokens

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"

	"example.org/token-helpers/shared/token"
)

func TestNearMiss(t *testing.T) {
	right := "the host is right, and only this differs: "
	for got, want := range map[string]string{
		"https://ce.example.org:9619":  right + "the scheme (the token has https://, the service none)",
		"ce.example.org:9619/":         right + "what follows the host",
		"CE.example.org:9619":          right + "upper and lower case",
		"ce.example.org:443":           right + "the port (the token has 443, the service 9619)",
		"ce.example.org":               right + "the port (the token has none, the service 9619)",
		"https://CE.example.org:9619/": right + "the scheme (the token has https://, the service none), upper and lower case, what follows the host",
		"ce.example.org.:9619":         right + "a dot at the host's end",
		" ce.example.org:9619":         "only white space around it differs",
		"ce:9619":                      "the host's short name is not its full name",
		"ce.example.org.uk:9619":       "the token is for the host's full name: was ce.example.org.uk meant?",
		"x ce.example.org:9619":        "several audiences stand in one string: they have to be a list",
		"ANY":                          "ANY counts with ver scitoken:2.0 alone, in capitals",
		token.AnyAudience:              "the any-value of WLCG counts with wlcg.ver 1.0 alone",
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
