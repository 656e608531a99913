// Package service describes services that accept tokens, and their ecosystems: what a token
// helper requests for a service, and how a service judges a token.
//
// Each ecosystem is a separate package. It provides an [Ecosystem], the flags of its token
// helper; a [Target], the flags of jwt-inspect that name a service; and a [Service], the
// rules of the service. A [Descriptor] registers them.
package service

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

// Presented is a token as it is presented to a service.
type Presented struct {
	JWT *token.JWT
	// Size is the token's length in bytes.
	Size int
	// Now is the time of the service's clock. Skew is how much it may be wrong.
	Now  time.Time
	Skew time.Duration
	// Mode is the mode of the token's file, or 0 if there is none. Form is the form of its
	// contents. Link means that it is a symbolic link.
	Mode fs.FileMode
	Form Form
	Link bool
	// KeyChecked means that the signature was checked against the issuer's keys, so that
	// rules do not need remarks about the key.
	KeyChecked bool
}

// Form is what a file contains in addition to a token. Clients send all of it, except for
// white space.
type Form int

const (
	// Bare is the token, with or without white space after it, or a token that is not in a
	// file.
	Bare Form = iota
	// Spaced is the token with white space before it.
	Spaced
	// Header is the line "Authorization: Bearer TOKEN".
	Header
	// Wrapped is a token with anything else, such as quotes or another token.
	Wrapped
)

// Service judges tokens like one endpoint of a server, for the operation intended there. It
// is immutable.
type Service interface {
	// Name names the service, such as "HTCondor at ce.example.org:9619".
	Name() string
	// Purpose names the operation, such as "submit jobs".
	Purpose() string
	// Judge returns the findings about a token, in the order in which the service checks
	// it. The service refuses the token if one of them is not a remark.
	Judge(Presented) []finding.Finding
}

// Versioned is implemented by services whose rules depend on versions.
type Versioned interface {
	// Versions returns the versions whose rules are applied, such as "XRootD 5.5.3 with
	// scitokens-cpp 0.7.3".
	Versions() string
	// Others returns the same service in other versions that are still in use.
	Others() []Service
}

// Differing returns a remark for each of the other versions of a service that does not decide as
// judged, the findings of the service itself. hint says how to name a version.
func Differing(others []Service, p Presented, judged []finding.Finding, hint string) []finding.Finding {
	var out []finding.Finding
	refused := finding.AnyRefuses(judged)
	for _, other := range others {
		list := other.Judge(p)
		if finding.AnyRefuses(list) == refused {
			continue
		}
		f := finding.Finding{Code: finding.VersionDiffers, Remark: true, Hint: hint, Source: "measured with both versions"}
		versions := other.(Versioned).Versions()
		if refused {
			f.Message = versions + " accepts this token"
		} else {
			first := list[slices.IndexFunc(list, finding.Finding.Refuses)]
			f.Message = fmt.Sprintf("%s refuses this token: %s", versions, first.Message)
		}
		out = append(out, f)
	}
	return out
}

// Special is implemented by services that also accept tokens that are not access tokens.
type Special interface {
	// Understands reports whether the service supports tokens of this kind.
	Understands(*token.JWT) bool
}

// Open is implemented by services that may admit all clients, with any token or none.
type Open interface {
	// LetsAllIn returns the setting because of which the service admits all clients, or "".
	LetsAllIn() string
}

// Given says which parts of the request the user gave explicitly, so that defaults do
// not apply to them.
type Given struct {
	// Audiences are those of --aud. They replace the derived audience, in the request and
	// in the services.
	Audiences []string
	// Scope means that --scope was given.
	Scope bool
	// Login means that the request is for a login, which needs no audience.
	Login bool
	// Service means that a service was given on the command line, even an empty one, such
	// as a shell variable that is not set.
	Service bool
}

// Want is what an ecosystem requests.
type Want struct {
	Audiences []string
	Scopes    []string
	// Services are the services that the token is for, if they are known.
	Services []Service
}

// Ecosystem derives a request from the flags of a token helper. It is a pointer to a
// struct whose fields are flags, with the tags that package cmdline reads.
type Ecosystem interface {
	// Describe returns the first sentence of --help, and example command lines.
	Describe() (summary string, examples []string)
	// Want returns what to request. Errors are usage errors, mostly of type [*UsageError].
	Want(Given) (Want, error)
	// Alternative returns flags that request the same rights with scopes that the issuer
	// supports, if supported, the issuer's scopes_supported, lacks the requested ones. It
	// returns "" if there are none.
	Alternative(supported []string) string
}

// Descriptor is an ecosystem's entry in the table of ecosystems.
type Descriptor struct {
	// Scopes are the scopes that the ecosystem's helper can request.
	Scopes []string
	// Flag is the flag of jwt-inspect that names a service, such as --ce.
	Flag string
	// Kind recognizes tokens of this ecosystem that are not access tokens. It returns their
	// name, and why other services refuse them, or "" for other tokens. It may be nil.
	Kind func(*token.JWT) (name, note string)
	// Target returns the flags of jwt-inspect that belong to the ecosystem.
	Target func() Target
}

// Target names a service on jwt-inspect's command line. It is a pointer to a struct whose
// fields are flags, with the tags that package cmdline reads.
type Target interface {
	// Service returns the service that the flags name. It is called only if one of them
	// was given. If the service has no name, its findings count, but the verdict does not
	// mention a service.
	Service(Asked) (Service, error)
}

// Asked contains the flags of jwt-inspect that all ecosystems share.
type Asked struct {
	Read, Write bool
	// Audiences are those of --aud. They replace the service's.
	Audiences []string
	// Version is the version of the server, Library that of its scitokens-cpp. If Library
	// is zero, it is the version that usually comes with the server.
	Version, Library Version
	// ReadFile reads and parses the file that a flag names. Its errors name flag and file.
	ReadFile func(flag, name string, parse func([]byte) error) error
}

// UsageError is an invalid value of a flag.
type UsageError struct {
	// Flag is the flag, such as --ce. Problem says what is wrong with its value, and Form
	// how to write it.
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
