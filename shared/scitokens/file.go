package scitokens

import (
	"fmt"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// wrapped describes a token file that contains more than the token.
const wrapped = "the token file contains more than the token, such as \"Bearer\", quotes or another token"

// FileForm checks that the file contains only the token. Clients that find the file by WLCG
// Bearer Token Discovery send all of it except white space.
func FileForm(p service.Presented) []finding.Finding {
	if p.Form == service.Bare || p.Form == service.Spaced {
		return nil
	}
	return one(finding.Finding{Code: finding.FileForm, Message: wrapped + ", and clients send all of it",
		Hint: "write only the token to the file", Source: "WLCG Bearer Token Discovery, step 2; " + srcMeasured})
}

// HeaderForm checks that curl sends the correct header if a shell inserts the contents of
// the file, without the line breaks at its end. A file that contains the whole header is
// accepted too.
func HeaderForm(p service.Presented) []finding.Finding {
	f := finding.Finding{Code: finding.FileForm, Hint: "write only the token to the file", Source: "measured with curl on XRootD 5.5.3 and 6.2.0"}
	const send = `curl -H "Authorization: Bearer $(cat FILE)"`
	switch p.Form {
	case service.Spaced:
		f.Message = "the token file begins with white space, and " + send + " sends it"
	case service.Wrapped:
		f.Message = wrapped + ", and " + send + " sends all of it"
	default:
		return nil
	}
	return one(f)
}

// TooLong checks that the token is not longer than limit, the number of bytes that a client
// or server reads.
func TooLong(p service.Presented, limit int, source string) []finding.Finding {
	if p.Size <= limit {
		return nil
	}
	return one(finding.Finding{Code: finding.TooLong, Message: fmt.Sprintf("the token is %d bytes long, but at most %d are read", p.Size, limit),
		Hint: "request fewer scopes, or no groups", Source: source})
}
