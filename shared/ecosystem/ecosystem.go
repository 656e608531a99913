// Package ecosystem knows what each service wants of a token: which scopes a
// capability needs, and how the audience is spelled. Each ecosystem is one file of
// data and pure functions, every rule citing where it comes from.
//
// An ecosystem is a struct whose fields are the flags that it adds to the token
// helpers' command line (tags as alecthomas/kong reads them), with one method that
// turns them into a [Want].
package ecosystem

import (
	"fmt"
	"slices"
)

// Given says which parts of the request the user spelled out, so that defaults
// stay away from them.
type Given struct {
	// Audience: --aud was given and replaces the derived audience.
	Audience bool
	// Scope: --scope was given.
	Scope bool
	// Login: the request is for a login, not for a token: no audience is needed.
	Login bool
}

// Want is what an ecosystem asks for.
type Want struct {
	Audiences []string
	Scopes    []string
	// Services are what the token is to be shown to, as far as they are known: their
	// rules are what it is held against.
	Services []*Service
}

// Ecosystem derives a request from its flags. An error is a mistake of the user,
// and says the right form.
type Ecosystem interface {
	// Describe gives the sentence that --help begins with, and example command lines.
	Describe() (summary string, examples []string)
	Want(Given) (Want, error)
	// Alternative names the flags that word the same request for an issuer with
	// these scopes_supported, which lack some of those wanted; "" if there is none.
	Alternative(supported []string) string
}

// RegistrationScopes are the scopes that a client is registered with: all that any
// helper may ask for, so that one login serves them all. INDIGO IAM limits a
// client to its registered scopes and picks the token's profile from the one
// profile scope among them (ScopeAwareProfileResolver), hence wlcg.
func RegistrationScopes() []string {
	return slices.Concat([]string{"openid", "offline_access", "wlcg"},
		computeAll, []string{condorRead, condorWrite, condorAllow}, storageAll)
}

// UsageError is a flag's value that does not fit, with the form that does.
type UsageError struct {
	Flag, Problem, Form string
}

func (e *UsageError) Error() string {
	return fmt.Sprintf("%s: %s", e.Flag, e.Problem)
}
