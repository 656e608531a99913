package scitokens

import (
	"fmt"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// FileForm checks that the file contains only the token: clients send all of it except
// white space.
func FileForm(p service.Presented) []finding.Finding {
	if !p.Wrapped {
		return nil
	}
	return one(finding.Finding{Code: finding.FileForm, Message: "the token file contains more than the token, such as \"Bearer\" or quotes, and clients send all of it",
		Hint: "write only the token to the file", Source: "WLCG Bearer Token Discovery, step 2; " + srcMeasured})
}

// TooLong checks the token against the number of bytes that a client or server reads.
func TooLong(p service.Presented, limit int, source string) []finding.Finding {
	if p.Size <= limit {
		return nil
	}
	return one(finding.Finding{Code: finding.TooLong, Message: fmt.Sprintf("the token is %d bytes long, but at most %d are read", p.Size, limit),
		Hint: "request fewer scopes, or no groups", Source: source})
}
