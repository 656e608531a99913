// Package finding defines the results of checking a token, and documents every cause.
package finding

import (
	"example.org/token-helpers/shared/text"
)

// Code identifies the cause of a finding. Codes are stable, so that scripts can use them.
type Code string

// Finding is one result of checking a token.
type Finding struct {
	Code    Code
	Message string
	// Missing lists the audiences, scopes or claims that the token lacks.
	Missing []string
	// Hint says what to do. It is empty if the message already does.
	Hint string
	// Command is a command to run or a line to paste, usually empty. It must not be
	// wrapped.
	Command string
	// Users are the local users whose names occur in the message, hint or command.
	Users []string
	// Source is the source of the rule: a section of a standard, a file of a server's
	// source code, or "measured on VERSION".
	Source string
	// Remark marks a finding because of which no token is refused.
	Remark bool
}

// Refuses reports whether the token is refused because of f.
func (f Finding) Refuses() bool { return !f.Remark }

// AnyRefuses reports whether the token is refused because of one of the findings.
func AnyRefuses(list []Finding) bool {
	for k := range list { // do not copy the findings
		if !list[k].Remark {
			return true
		}
	}
	return false
}

// Brief shortens a value from a token or a file for use in a message.
func Brief(s string) string { return text.Brief(s, 60) }

// NoSignature is the finding for a token without a signature.
var NoSignature = Finding{Code: Unsigned, Message: "the token is not signed: no service accepts it",
	Hint: "use the access token; INDIGO IAM issues unsigned refresh tokens", Source: "RFC 7518 section 3.6"}

// CutOff is the finding for a token whose signature was left out.
var CutOff = Finding{Code: SignatureMissing, Message: "the signature is missing: the token was cut off after its claims",
	Hint: "to use the token, copy it with its signature", Source: "RFC 7515 section 7.1"}
