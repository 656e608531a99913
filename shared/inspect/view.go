package inspect

import (
	"time"

	"example.org/token-helpers/shared/finding"
)

// view is all that a report says of one token, in the order in which it says it.
// Its strings come from the token as they are: whoever prints them escapes them.
type view struct {
	// Label is the file the token came from, stdin or a place of discovery, and Line
	// the line in it.
	Label string
	Line  int
	// Kind is what the input is, such as "access token" or "ID token"; Note says what
	// was taken off or found around it, and is mostly empty. KindNote says why nothing of
	// its kind is for a service.
	Kind, KindNote, Note string
	// Target is the service in words; "" where the token is held against none.
	Target string
	// OK is the verdict, Headline the sentence for it.
	OK       bool
	Headline string
	// Causes are why it is refused, Remarks what is worth knowing and refuses nothing.
	Causes, Remarks []finding.Finding
	Claims, Header  []claimView
	// Signature is the state of the signature: "not checked", "valid", "invalid" or
	// "none"; SignatureNote the sentence for it.
	Signature, SignatureNote string
	// Times are nil where the token has none.
	Issued, NotBefore, Expires *time.Time
	Now                        time.Time
	// Unknown are the things that nobody can tell offline.
	Unknown []string
}

// claim is a claim's value as it is shown, by which a log can be searched for it.
func (v *view) claim(name string) string {
	value := ""
	for _, c := range v.Claims {
		if c.Name == name { // the last one counts
			value = c.Value
		}
	}
	return value
}

// claimView is a claim or a header parameter.
type claimView struct {
	Name string
	// Value is a string's content, or else the JSON as it stands in the token.
	Value string
	// Meaning is what the claim is for, Source the document that says so.
	Meaning, Source string
	// Words are the value in words, a line each: scopes, times, groups.
	Words []string
	// Duplicate says that the name stands more than once in the token.
	Duplicate bool
}
