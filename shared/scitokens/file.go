package scitokens

import (
	"fmt"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
)

// FileForm: the clients send what is in the file as it stands, but for white space.
func FileForm(p service.Presented) []finding.Finding {
	if !p.Wrapped {
		return nil
	}
	return one(finding.Finding{Code: finding.FileForm, Message: "more than the token stands in its file, such as \"Bearer\" or quotes, and clients send it as it is",
		Hint: "put the token alone into the file", Source: "WLCG Bearer Token Discovery, step 2; " + srcMeasured})
}

// TooLong checks how much of a token a client or server reads.
func TooLong(p service.Presented, limit int, source string) []finding.Finding {
	if p.Size <= limit {
		return nil
	}
	return one(finding.Finding{Code: finding.TooLong, Message: fmt.Sprintf("the token is %d bytes long, and at most %d are read", p.Size, limit),
		Hint: "ask for fewer scopes, or for no groups", Source: source})
}
