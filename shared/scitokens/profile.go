package scitokens

import (
	"fmt"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Profile is the profile that scitokens-cpp applies to a token.
type Profile int

const (
	Unknown    Profile = iota // a version that the library refuses
	SciTokens1                // no version claim, or scitokens:1.0
	SciTokens2
	WLCG
	ATJWT // RFC 9068
)

// ProfileOf returns the profile of a token, and its version claim or, for [Unknown], what is
// wrong with the claim. Like scitokens-cpp, it checks ver, then wlcg.ver, then the header's
// typ (Validator::verify).
func ProfileOf(j *token.JWT) (Profile, string) {
	if j.Has("ver") {
		v, ok := j.String("ver")
		switch {
		case ok && (v == "scitoken:2.0" || v == "scitokens:2.0"):
			return SciTokens2, v
		case ok && v == "scitokens:1.0": // but not scitoken:1.0
			return SciTokens1, v
		case ok:
			return Unknown, fmt.Sprintf("ver is %q", finding.Brief(v))
		}
		return Unknown, "ver is not a string"
	}
	if j.Has("wlcg.ver") {
		v, ok := j.String("wlcg.ver")
		switch {
		case ok && v == "1.0":
			return WLCG, v
		case ok:
			return Unknown, fmt.Sprintf("wlcg.ver is %q", finding.Brief(v))
		}
		return Unknown, "wlcg.ver is not a string"
	}
	if atJWT(j) {
		return ATJWT, ""
	}
	return SciTokens1, ""
}

// atJWT reports whether the header declares an access token of RFC 9068.
func atJWT(j *token.JWT) bool {
	typ, _ := j.HeaderString("typ")
	return typ == "at+jwt" || typ == "application/at+jwt"
}

// Recommended checks recommendations of the WLCG profile that servers do not enforce.
func Recommended(p service.Presented) []finding.Finding {
	kind, _ := ProfileOf(p.JWT)
	if kind != WLCG {
		return nil
	}
	var out []finding.Finding
	if !p.JWT.Has("jti") {
		f := service.MissingClaim(p.JWT, "jti", "", WLCGSource+", \"jti\"")
		f.Remark = true
		out = append(out, f)
	}
	exp, ok1 := p.JWT.Time("exp")
	iat, ok2 := p.JWT.Time("iat")
	if life := exp.Sub(iat); ok1 && ok2 && (life < 15*time.Minute || life > 6*time.Hour) {
		f := finding.Finding{Code: finding.LifetimeRange, Remark: true, Message: "the token's lifetime of " + text.Duration(life) + " is outside the 15 minutes to 6 hours that the profile allows",
			Source: WLCGSource + ", \"Token lifetime guidance\""}
		if life < 0 {
			f.Message = "the token expires before it was issued"
		}
		out = append(out, f)
	}
	return out
}

// CheckProfile checks that a token has the named profile and the claims that it requires,
// even those that servers do not require. name is wlcg (Common JWT Profile v1.3) or
// scitokens (SciTokens 2.0).
func CheckProfile(j *token.JWT, name string) []finding.Finding {
	required, source, want, member := []string{"sub", "exp", "iss", "aud", "iat", "jti"}, WLCGSource+", \"Claims\"", WLCG, `wlcg.ver "1.0"`
	if name == "scitokens" {
		required, source, want, member = []string{"iss", "aud", "exp", "iat", "nbf", "scope"}, "SciTokens 2.0, \"Claims\"", SciTokens2, `ver "scitoken:2.0"`
	}
	var out []finding.Finding
	if kind, _ := ProfileOf(j); kind != want {
		out = append(out, finding.Finding{Code: finding.ProfileMismatch, Message: fmt.Sprintf("the token does not have the %s profile: it lacks %s", name, member),
			Hint: "request this profile from the issuer, and check how the client is registered", Source: source})
	}
	for _, claim := range required {
		if !j.Has(claim) {
			out = append(out, service.MissingClaim(j, claim, "the profile requires it", source))
		}
	}
	return out
}
