package scitokens

import (
	"fmt"
	"strconv"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
)

// times: exp and iat are demanded, whole seconds, and no skew is allowed; a token
// from the future is told as "token expired".
func times(_ Library, p service.Presented) []finding.Finding {
	var out []finding.Finding
	for _, claim := range []string{"exp", "iat", "nbf"} {
		raw := string(p.JWT.Raw(claim))
		if raw == "" {
			if claim != "nbf" {
				out = append(out, service.MissingClaim(p.JWT, claim, "the issuer has to set it", srcMeasured))
			}
			continue
		}
		seconds, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			out = append(out, finding.Finding{Code: finding.TimeNotInteger, Message: fmt.Sprintf("%s is %s, and servers take whole seconds alone", claim, finding.Brief(raw)),
				Hint: "the issuer has to write it as an integer (server: std::bad_cast)", Source: srcCondor})
			continue
		}
		at := serverTime(seconds)
		ended := claim == "exp" && !at.After(p.Now.Add(-p.Skew))
		early := claim != "exp" && at.After(p.Now.Add(p.Skew))
		switch {
		case at.Unix() != seconds:
			out = append(out, finding.Finding{Code: finding.TimeRange, Remark: !ended && !early, Message: fmt.Sprintf("%s is %d seconds, which servers misread as %s", claim, seconds, at.Format(time.RFC3339)),
				Hint: "the issuer has to write seconds since 1970: are these milliseconds?", Source: "RFC 7519 section 2, NumericDate; " + srcMeasured})
		case ended:
			out = append(out, finding.Finding{Code: finding.Expired, Message: fmt.Sprintf("the token ended at %s, %s ago", at.Format(time.RFC3339), text.Duration(p.Now.Sub(at))),
				Hint: "get a new token; if it is new, check the clock", Source: srcMeasured + ": \"token expired\", no leeway"})
		case early:
			out = append(out, finding.Finding{Code: finding.NotYetValid, Message: fmt.Sprintf("the token is not valid before %s, in %s (%s)", at.Format(time.RFC3339), text.Duration(at.Sub(p.Now)), claim),
				Hint: "check this machine's clock against the issuer's; the server words it \"token expired\"", Source: srcMeasured})
		}
	}
	return out
}

// serverTime is what servers make of a time: they count in nanoseconds, whose 64 bits
// run over in 2262 (std::chrono::system_clock in jwt-cpp, decoded_jwt::get_expires_at).
func serverTime(seconds int64) time.Time { return time.Unix(0, seconds*int64(time.Second)).UTC() }

// nbfOptional is the first version of the library that does not require nbf.
var nbfOptional = service.Version{Major: 1}

// notBefore: scitokens-cpp before 1.0.0 demands nbf, but of at+jwt.
func notBefore(l Library, p service.Presented) []finding.Finding {
	if kind, _ := ProfileOf(p.JWT); p.JWT.Has("nbf") || kind == ATJWT {
		return nil
	}
	f := service.MissingClaim(p.JWT, "nbf", "servers with scitokens-cpp before 1.0.0 demand it: let the issuer set it, a minute back",
		"measured on XRootD 5.5.3 with scitokens-cpp 0.7.3")
	f.Remark = !l.Version.Before(nbfOptional)
	return one(f)
}
