// Package service describes services that accept tokens, and the ecosystems that they
// belong to: what a token helper requests for a service, and how a service judges a token.
//
// An ecosystem is a separate package. It provides the flags of its token helper, an
// [Ecosystem]; the flags with which jwt-inspect names a service, a [Target]; and the
// rules of the service, a [Service]. A [Descriptor] holds them together.
package service

import (
	"fmt"
	"io/fs"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

// Presented is a token as it is presented to a service.
type Presented struct {
	JWT *token.JWT
	// Size is the token's length in bytes.
	Size int
	// Now is the service's clock, Skew how far it may be off.
	Now  time.Time
	Skew time.Duration
	// Mode is the mode of the file that the token is in; 0 if there is none. Form is what
	// the file contains, Link says that it is a symbolic link.
	Mode fs.FileMode
	Form Form
	Link bool
	// KeyChecked says that the signature was checked against the issuer's keys. What can
	// only be a remark without the keys is then decided.
	KeyChecked bool
}

// Form is what a file contains beside a token. Clients send all of it, except for white
// space.
type Form int

const (
	// Bare is the token, and white space behind it; also what is not in a file.
	Bare Form = iota
	// Spaced is the token with white space before it.
	Spaced
	// Header is the line "Authorization: Bearer TOKEN".
	Header
	// Wrapped is a token with anything else, such as quotes or another token.
	Wrapped
)

// Service judges tokens as one endpoint of a server does, for the operation intended
// there. It is immutable: version, configuration and audiences are given at construction.
type Service interface {
	// Name names the service, such as "HTCondor at ce.example.org:9619".
	Name() string
	// Purpose names the operation, such as "submit jobs".
	Purpose() string
	// Judge returns what the service finds about a token, in the order in which it finds
	// it. The service refuses the token if one of the findings refuses it.
	Judge(Presented) []finding.Finding
}

// Versioned is implemented by services whose rules depend on versions.
type Versioned interface {
	// Versions names the versions whose rules are applied, such as "XRootD 5.5.3 with
	// scitokens-cpp 0.7.3".
	Versions() string
	// Others returns the same service in other versions that sites still run.
	Others() []Service
}

// Special is implemented by services that also judge tokens that are not access tokens.
type Special interface {
	// Understands reports whether the service knows such tokens.
	Understands(*token.JWT) bool
}

// Open is implemented by services that may let everybody in, whatever the token.
type Open interface {
	// LetsAllIn returns the setting because of which the service lets everybody in, or "".
	LetsAllIn() string
}

// Given says which parts of the request the user gave explicitly, so that defaults do
// not apply to them.
type Given struct {
	// Audiences are those of --aud. They replace the derived audience, in the request and
	// in the services.
	Audiences []string
	// Scope says that --scope was given.
	Scope bool
	// Login says that the request is for a login, not for a token: no audience is needed.
	Login bool
	// Service says that a service was given on the command line, even if it is empty, as
	// from a variable that is not set.
	Service bool
}

// Want is what an ecosystem requests.
type Want struct {
	Audiences []string
	Scopes    []string
	// Services are the services that the token is for, as far as they are known.
	Services []Service
}

// Ecosystem derives a request from the flags of a token helper. It is a pointer to a
// struct whose fields are flags, with the tags that package cmdline reads.
type Ecosystem interface {
	// Describe returns the sentence that --help begins with, and example command lines.
	Describe() (summary string, examples []string)
	// Want returns what to request. Errors are usage errors, mostly of type [*UsageError].
	Want(Given) (Want, error)
	// Alternative returns the flags that request the same rights from an issuer with these
	// scopes_supported, which lack some of the scopes; "" if there are none.
	Alternative(supported []string) string
}

// Descriptor is an ecosystem's entry in the table of ecosystems.
type Descriptor struct {
	// Scopes are all scopes that the ecosystem's helper can request.
	Scopes []string
	// Flag is the flag of jwt-inspect that names a service, such as --ce.
	Flag string
	// Kind recognizes tokens that are not access tokens and that only this ecosystem has. It
	// returns what they are called, and why other services refuse them; "" for all other
	// tokens. It may be nil.
	Kind func(*token.JWT) (name, note string)
	// Target returns the flags of jwt-inspect that belong to the ecosystem.
	Target func() Target
}

// Target names a service on jwt-inspect's command line. It is a pointer to a struct whose
// fields are flags, with the tags that package cmdline reads.
type Target interface {
	// Service returns the service that the flags name. It is called only if one of them
	// was given. A service without a name stands for a part of one: it judges, but the
	// verdict names no service.
	Service(Asked) (Service, error)
}

// Asked holds those flags of jwt-inspect that all ecosystems share.
type Asked struct {
	Read, Write bool
	// Audiences are those of --aud; they replace the service's.
	Audiences []string
	// Version is the server's, Library that of scitokens-cpp beside it. The zero value of
	// Library stands for the version that such a server usually comes with.
	Version, Library Version
	// ReadFile reads and parses the file that a flag names. Its errors name flag and file.
	ReadFile func(flag, name string, parse func([]byte) error) error
}

// UsageError is an invalid value of a flag.
type UsageError struct {
	// Flag is the flag, such as --ce; Problem what is wrong with its value; Form how to
	// write it instead.
	Flag, Problem, Form string
}

func (e *UsageError) Error() string { return fmt.Sprintf("%s: %s", e.Flag, e.Problem) }

// MissingClaim returns the finding for a claim that is missing or of the wrong JSON type.
func MissingClaim(j *token.JWT, claim, hint, source string) finding.Finding {
	msg := fmt.Sprintf("the token has no %s claim", claim)
	if j.Has(claim) {
		msg = fmt.Sprintf("the %s claim has the wrong type: %s", claim, finding.Brief(string(j.Raw(claim))))
	}
	return finding.Finding{Code: finding.ClaimMissing, Message: msg, Missing: []string{claim}, Hint: hint, Source: source}
}
