// Package finding describes what a check found about a token, and names every cause.
package finding

import (
	"example.org/token-helpers/shared/text"
)

// Code names the cause of a finding. Codes are stable, so that scripts can rely on them.
type Code string

// Finding is one thing about a token that differs from what it should be.
type Finding struct {
	Code    Code
	Message string
	// Missing lists the audiences, scopes or claims that the token lacks.
	Missing []string
	// Hint says what to do; empty if the message says it.
	Hint string
	// Command is a command to run or a line to paste. Show it unwrapped. Mostly empty.
	Command string
	// Users are local users whose names are in the message, hint or command.
	Users []string
	// Source says where the rule comes from: a section of a standard, a file of a
	// server's source, or "measured on VERSION".
	Source string
	// Remark marks a finding that is worth knowing but refuses nothing.
	Remark bool
}

// Refuses reports whether the token is refused because of f.
func (f Finding) Refuses() bool { return !f.Remark }

// AnyRefuses reports whether the token is refused because of one of the findings.
func AnyRefuses(list []Finding) bool {
	for k := range list { // without copying them
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
