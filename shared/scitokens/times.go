package scitokens

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// times checks that exp, iat and nbf are numbers (before 1.2.0, integers), and that the token
// is valid now, without leeway. Servers report a token that is not valid yet as "token
// expired" too.
func times(l Library, p service.Presented) []finding.Finding {
	var out []finding.Finding
	for _, claim := range []string{"exp", "iat", "nbf"} {
		raw := p.JWT.Raw(claim)
		if raw == nil {
			if claim != "nbf" {
				out = append(out, service.MissingClaim(p.JWT, claim, "the issuer must set it", srcMeasured))
			}
			continue
		}
		seconds, whole := p.JWT.Integer(claim)
		ok := whole
		if !whole {
			seconds, ok = numericDate(string(raw))
		}
		switch {
		case !ok:
			out = append(out, finding.Finding{Code: finding.TimeNotInteger, Message: fmt.Sprintf("%s is not a number: %s", claim, finding.Brief(string(raw))),
				Hint: "the issuer must write it as an integer (servers report std::bad_cast)", Source: "RFC 7519 section 4.1.4 and section 2, NumericDate; " + srcLibrary})
			continue
		case !whole && l.Version.Before(fractionsSince):
			out = append(out, finding.Finding{Code: finding.TimeNotInteger, Message: fmt.Sprintf("%s is %s, but scitokens-cpp before %s accepts only whole seconds", claim, finding.Brief(string(raw)), fractionsSince),
				Hint: "the issuer must write it as an integer (servers report std::bad_cast)", Source: srcLibrary})
			continue
		}
		at := serverTime(seconds)
		expired := claim == "exp" && !at.After(p.Now.Add(-p.Skew))
		early := claim != "exp" && at.After(p.Now.Add(p.Skew))
		switch {
		case at.Unix() != seconds:
			out = append(out, finding.Finding{Code: finding.TimeRange, Remark: !expired && !early, Message: fmt.Sprintf("%s is %s seconds, which servers misread as %s", claim, finding.Brief(string(raw)), at.Format(time.RFC3339)),
				Hint: "the issuer must write seconds since 1970: these are probably milliseconds", Source: "RFC 7519 section 2, NumericDate; " + srcMeasured})
		case expired:
			out = append(out, finding.Finding{Code: finding.Expired, Message: fmt.Sprintf("the token expired on %s, %s ago", at.Format(time.RFC3339), text.Duration(p.Now.Sub(at))),
				Hint: "get a new token; if this one is new, check the clock", Source: srcMeasured + ": \"token expired\", no leeway"})
		case early:
			out = append(out, finding.Finding{Code: finding.NotYetValid, Message: fmt.Sprintf("the token is not valid until %s, in %s (%s)", at.Format(time.RFC3339), text.Duration(at.Sub(p.Now)), claim),
				Hint: "compare this machine's clock with the issuer's; servers report \"token expired\"", Source: srcMeasured})
		}
	}
	return out
}

// serverTime returns the time that servers read. They count nanoseconds in 64 bits, which
// overflow in 2262 (std::chrono::system_clock in jwt-cpp, decoded_jwt::get_expires_at).
func serverTime(seconds int64) time.Time { return time.Unix(0, seconds*int64(time.Second)).UTC() }

// numericDate parses a time that is not written as a 64-bit integer. Like the library, it
// rounds to seconds, and returns the smallest integer for a time that is out of range
// (jwt-cpp, claim::as_date: llround).
func numericDate(raw string) (seconds int64, ok bool) {
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	if f = math.Round(f); f >= -math.MinInt64 || f < math.MinInt64 {
		return math.MinInt64, true
	}
	return int64(f), true
}

// notBefore checks that nbf is present. scitokens-cpp before 1.0.0 requires it unless the
// header's typ is at+jwt, regardless of the version claim (measured).
func notBefore(l Library, p service.Presented) []finding.Finding {
	if p.JWT.Has("nbf") || atJWT(p.JWT) {
		return nil
	}
	f := service.MissingClaim(p.JWT, "nbf", "the issuer must set it, a minute in the past, for servers with scitokens-cpp before 1.0.0",
		"measured on XRootD 5.5.3 with scitokens-cpp 0.7.3")
	f.Remark = !l.Version.Before(nbfOptional)
	return one(f)
}
