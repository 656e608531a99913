package service

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Required is what a token must have. Zero fields are not checked.
type Required struct {
	Issuer    string
	Audiences []string
	Scopes    []string
	// MinLifetime is how long the token must remain valid.
	MinLifetime time.Duration
	// Skew is how much the clocks may differ. Servers allow no difference.
	Skew time.Duration
}

// Check checks t against r at the time now. The findings are in the order in which services
// check: signature, issuer, audience, scopes, times. Their hints do not mention flags.
func Check(t token.Token, r Required, now time.Time) []finding.Finding {
	j := t.JWT()
	var out []finding.Finding
	switch {
	case j != nil && j.Unsigned():
		out = append(out, finding.NoSignature)
	case j != nil && j.SignatureMissing():
		out = append(out, finding.CutOff)
	}
	if r.Issuer != "" && (j != nil || t.Issuer != "") && !token.SameIssuer(t.Issuer, r.Issuer) {
		out = append(out, finding.Finding{Code: finding.IssMismatch, Message: fmt.Sprintf("the token is from the issuer %q, not from %s", text.Brief(t.Issuer, 200), r.Issuer),
			Hint: "request it from the other issuer"})
	}
	if j != nil { // the audience of an opaque token is unknown
		out = append(out, checkAudience(t.Audiences, r.Audiences)...)
	}
	if missing := token.MissingScopes(t.Scopes, Demandable(r.Scopes)); len(missing) > 0 {
		out = append(out, finding.Finding{Code: finding.ScopeMissing, Missing: missing,
			Message: "the token lacks the scope " + strings.Join(missing, " "),
			Hint:    "request the scope, or ask the issuer who may have it"})
	}
	return append(out, checkTimes(t, r, now)...)
}

// checkAudience compares audiences byte for byte, as the WLCG profile and servers do
// (RFC 7519 section 4.1.3; StringOrURI in section 2).
func checkAudience(got, want []string) []finding.Finding {
	var missing []string
	for _, w := range want {
		if !slices.Contains(got, w) {
			missing = append(missing, w)
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case len(got) == 0:
		return []finding.Finding{{Code: finding.AudMissing, Missing: missing,
			Message: "the token has no audience; required: " + strings.Join(missing, " "),
			Hint:    "request a token with this audience"}}
	}
	f := finding.Finding{Code: finding.AudMismatch, Missing: missing,
		Message: fmt.Sprintf("the token's audience is %s, not %s", text.Brief(strings.Join(got, " "), 500), strings.Join(missing, " ")),
		Hint:    "request a token with this audience"}
	if slices.Contains(got, token.AnyAudience) {
		f.Hint = "the token is valid for any service, which is more than required: " + f.Hint
	}
	return []finding.Finding{f}
}

func checkTimes(t token.Token, r Required, now time.Time) []finding.Finding {
	var out []finding.Finding
	if left, known := t.Lifetime(now); known {
		switch {
		case left+r.Skew <= 0:
			out = append(out, finding.Finding{Code: finding.Expired,
				Message: fmt.Sprintf("the token expired on %s, %s ago", t.Expires.UTC().Format(time.RFC3339), text.Duration(-left)),
				Hint:    "get a new token; if this one is new, check the clock"})
		case left+r.Skew < r.MinLifetime:
			out = append(out, finding.Finding{Code: finding.LifetimeShort,
				Message: fmt.Sprintf("the token expires in %s, but %s are required", text.Duration(left), text.Duration(r.MinLifetime)),
				Hint:    "get a new token; the issuer decides how long tokens are valid"})
		}
	}
	if t.JWT() == nil {
		return out
	}
	for _, claim := range []string{"exp", "nbf", "iat"} {
		if raw := t.JWT().Raw(claim); raw != nil && !number(raw) {
			out = append(out, finding.Finding{Code: finding.TimeNotInteger, Message: fmt.Sprintf("%s is not a number: %s", claim, finding.Brief(string(raw))),
				Hint: "the issuer must write a number of seconds since 1970", Source: "RFC 7519 section 4.1.4 and section 2, NumericDate"})
		}
	}
	for _, claim := range []string{"nbf", "iat"} {
		// HTCondor and XRootD refuse the token if one of them is in the future (measured on
		// 23.9.6, 5.5.3).
		if at, ok := t.JWT().Time(claim); ok && at.After(now.Add(r.Skew)) {
			return append(out, finding.Finding{Code: finding.NotYetValid,
				Message: fmt.Sprintf("the token is not valid until %s, in %s (%s)", at.Format(time.RFC3339), text.Duration(at.Sub(now)), claim),
				Hint:    "compare this machine's clock with the issuer's"})
		}
	}
	return out
}

// number reports whether raw is a JSON number.
func number(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

// Demandable returns the scopes that a token can be required to contain. It omits those
// that select what the issuer does (the profile, a refresh token, the contents of an ID
// token), because not all issuers repeat them in the token, and wlcg.groups and
// wlcg.capabilityset, which become claims (Common JWT Profile, "Group based
// authorization").
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
