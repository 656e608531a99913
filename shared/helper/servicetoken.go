package helper

import (
	"context"
	"sync"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/token"
)

// Exit returns what a [Command] returns to end with an exit code and no message.
func (s *Session) Exit(code int) error {
	if code == cli.OK {
		return nil
	}
	return &commandStatus{code: code}
}

// ServiceRequest is a token that a job requests with use_oauth_services.
type ServiceRequest struct {
	Service           string
	Audiences, Scopes []string
}

// ServiceToken gets a token for a service with the user's login, without asking anybody.
// all are the requests of the same job: the login command in the error serves them all.
func (s *Session) ServiceToken(ctx context.Context, r ServiceRequest, all []ServiceRequest) (token.Token, error) {
	a := s.a
	if len(r.Scopes) == 0 {
		return token.Token{}, cli.Errorf(cli.Usage, "no scopes are requested from the service %s", r.Service).
			Hint("write them in the submit file: %s_oauth_permissions = SCOPE", r.Service)
	}
	f := asked{request: requestFlags{MinLifetime: cli.Duration(time.Minute)}}
	url := a.common.Issuer
	w, err := a.worldAt(f, url)
	if err != nil {
		return token.Token{}, err
	}
	it := a.serviceItem(w, f, r)
	var items []*item
	for _, other := range all {
		items = append(items, a.serviceItem(w, f, other))
	}
	it.p.loginCommand = func() string { return a.namedLogin(items, w, url) }
	if it.quiet, err = source.NewChain(w.sources, withoutDevice(it.p.specs)); err != nil {
		return token.Token{}, cli.Errorf(cli.Usage, "--from: %w", err)
	}
	return it.renewed(ctx, time.Minute)
}

func (a *app) serviceItem(w *world, f asked, r ServiceRequest) *item {
	return &item{w: w, one: new(sync.Mutex), p: a.namedPlan(w, f, tokenConfig{Audience: r.Audiences, Scopes: r.Scopes})}
}
