package helper

import (
	"context"
	"sync"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/token"
)

// exitStatus ends a command with an exit code, because its output says all.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return "" }

// Exit returns what a [Command] returns to end with an exit code and no message.
func (s *Session) Exit(code int) error {
	if code == cli.OK {
		return nil
	}
	return &exitStatus{code}
}

// ServiceToken gets a token for a service of HTCondor's use_oauth_services with the user's
// login, without asking anybody.
func (s *Session) ServiceToken(ctx context.Context, service string, audiences, scopes []string) (token.Token, error) {
	a := s.a
	if len(scopes) == 0 {
		return token.Token{}, cli.Errorf(cli.Usage, "no scopes are requested from the service %s", service).
			Hint("write them in the submit file: %s_oauth_permissions = SCOPE", service)
	}
	f := asked{request: requestFlags{MinLifetime: cli.Duration(time.Minute)}}
	url := a.common.Issuer
	w, err := a.worldAt(f, url)
	if err != nil {
		return token.Token{}, err
	}
	it := &item{w: w, one: new(sync.Mutex), p: a.namedPlan(w, f, tokenConfig{Audience: audiences, Scopes: scopes})}
	it.p.loginCommand = a.namedLogin([]*item{it}, w, url)
	if it.quiet, err = source.NewChain(w.sources, withoutDevice(it.p.specs)); err != nil {
		return token.Token{}, cli.Errorf(cli.Usage, "--from: %w", err)
	}
	return it.renewed(ctx, time.Minute)
}
