// Package check holds a token against what is wanted of it: what was granted
// against what was asked for. Its functions are pure; the time comes in.
package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/ecosystem"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Want is what a token must be. A zero field demands nothing.
type Want struct {
	Issuer    string
	Audiences []string
	Scopes    []string
	// MinLifetime is how long the token must still live.
	MinLifetime time.Duration
	// Skew is how far the clocks may differ. Real servers allow none.
	Skew time.Duration
}

// Finding is one thing that is not as wanted.
type Finding = ecosystem.Finding

// Token holds t against want at now. The order of the findings is that of what a
// service looks at: issuer, audience, scopes, time.
func Token(t token.Token, want Want, now time.Time) []Finding {
	var out []Finding
	add := func(code, hint, format string, a ...any) *Finding {
		out = append(out, Finding{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint})
		return &out[len(out)-1]
	}
	j := t.JWT()
	if j != nil && j.Unsigned() {
		out = append(out, ecosystem.Unsigned)
	}
	if want.Issuer != "" && (j != nil || t.Issuer != "") && !token.SameIssuer(t.Issuer, want.Issuer) {
		add("iss-mismatch", "", "the token is from %q, not from %s", t.Issuer, want.Issuer)
	}
	// An opaque token shows no audience: nothing can be said of it.
	if j != nil && len(want.Audiences) > 0 {
		audience(add, t.Audiences, want.Audiences)
	}
	if missing := token.MissingScopes(t.Scopes, Demandable(want.Scopes)); len(missing) > 0 {
		add("scope-missing", "ask for it with --scope, or ask the issuer who may have it",
			"the token lacks the scope %s", strings.Join(missing, " ")).Missing = missing
	}
	if left, known := t.Lifetime(now.Add(-want.Skew)); known {
		switch {
		case left <= 0:
			add("expired", "get a new token; if it is new, check the clock", "the token ended at %s, %s ago",
				t.Expires.UTC().Format(time.RFC3339), text.Duration(-left))
		case left < want.MinLifetime:
			add("lifetime-short", "ask for less with --min-lifetime, or for a longer one at the issuer",
				"the token lives for %s more, less than the %s asked for", text.Duration(left), text.Duration(want.MinLifetime))
		}
	}
	if j != nil {
		for _, claim := range []string{"nbf", "iat"} {
			// HTCondor and XRootD refuse both in the future (measured on 23.9.6, 5.5.3).
			if at, ok := j.Time(claim); ok && at.After(now.Add(want.Skew)) {
				add("not-yet-valid", "check this machine's clock against the issuer's",
					"the token is not valid before %s, in %s (%s)", at.Format(time.RFC3339), text.Duration(at.Sub(now)), claim)
				break
			}
		}
	}
	return out
}

func audience(add func(code, hint, format string, a ...any) *Finding, got, want []string) {
	// Compared byte for byte (RFC 7519 section 4.1.3, RFC 7519 section 2's
	// StringOrURI): the WLCG profile and both servers do.
	var missing []string
	for _, w := range want {
		if !slices.Contains(got, w) {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return
	}
	if len(got) == 0 {
		add("aud-missing", "", "the token has no audience, not %s", strings.Join(missing, " ")).Missing = missing
		return
	}
	hint := "the issuer may want the audience in another parameter: try --audience-parameter resource"
	if slices.Contains(got, ecosystem.AnyAudience) {
		hint = "it is good for any service, which is more than was asked for: " + hint
	}
	add("aud-mismatch", hint, "the token's audience is %s, not %s", strings.Join(got, " "), strings.Join(missing, " ")).Missing = missing
}

// Demandable are those of the scopes that a token can be expected to carry. The
// others steer the issuer (which profile, whether a refresh token, what goes into
// an ID token), and issuers differ in whether they repeat them; wlcg.groups and
// wlcg.capabilityset turn into claims of their own (Common JWT Profile, "Group
// based authorization").
func Demandable(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		name, _, _ := strings.Cut(s, ":")
		switch name {
		case "openid", "profile", "email", "address", "phone", "offline_access",
			"wlcg", "iam", "aarc", "kc", "wlcg.groups", "wlcg.capabilityset", "eduperson_entitlement":
		default:
			out = append(out, s)
		}
	}
	return out
}
