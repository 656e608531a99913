package scitokens

import (
	"fmt"
	"strconv"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// times checks exp, iat and nbf: whole seconds, no leeway. Servers report a token from
// the future as "token expired", too.
func times(_ Library, p service.Presented) []finding.Finding {
	var out []finding.Finding
	for _, claim := range []string{"exp", "iat", "nbf"} {
		raw := string(p.JWT.Raw(claim))
		if raw == "" {
			if claim != "nbf" {
				out = append(out, service.MissingClaim(p.JWT, claim, "the issuer must set it", srcMeasured))
			}
			continue
		}
		seconds, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			out = append(out, finding.Finding{Code: finding.TimeNotInteger, Message: fmt.Sprintf("%s is %s, but servers accept only whole seconds", claim, finding.Brief(raw)),
				Hint: "the issuer must write it as an integer (servers report std::bad_cast)", Source: srcCondor})
			continue
		}
		at := serverTime(seconds)
		expired := claim == "exp" && !at.After(p.Now.Add(-p.Skew))
		early := claim != "exp" && at.After(p.Now.Add(p.Skew))
		switch {
		case at.Unix() != seconds:
			out = append(out, finding.Finding{Code: finding.TimeRange, Remark: !expired && !early, Message: fmt.Sprintf("%s is %d seconds, which servers misread as %s", claim, seconds, at.Format(time.RFC3339)),
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

// serverTime returns the time that servers read: they count nanoseconds in 64 bits, which
// overflow in 2262 (std::chrono::system_clock in jwt-cpp, decoded_jwt::get_expires_at).
func serverTime(seconds int64) time.Time { return time.Unix(0, seconds*int64(time.Second)).UTC() }

// nbfOptional is the first version of the library that does not require nbf.
var nbfOptional = service.Version{Major: 1}

// notBefore checks nbf, which scitokens-cpp before 1.0.0 requires except of at+jwt.
func notBefore(l Library, p service.Presented) []finding.Finding {
	if kind, _ := ProfileOf(p.JWT); p.JWT.Has("nbf") || kind == ATJWT {
		return nil
	}
	f := service.MissingClaim(p.JWT, "nbf", "the issuer must set it, a minute in the past, for servers with scitokens-cpp before 1.0.0",
		"measured on XRootD 5.5.3 with scitokens-cpp 0.7.3")
	f.Remark = !l.Version.Before(nbfOptional)
	return one(f)
}
