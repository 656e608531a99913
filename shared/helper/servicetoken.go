package helper

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Exit returns the error with which a [Command] ends with an exit code and no message.
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

// Completed returns the request with the defaults of its [service.NAME] table. Without
// such tables, all services use the default issuer.
func (s *Session) Completed(r ServiceRequest) (ServiceRequest, Service, error) {
	services := s.Services()
	v, ok := FindService(services, r.Service)
	if !ok && len(services) > 0 {
		e := cli.Errorf(cli.Usage, "no service %q is configured", r.Service)
		if near := text.Nearest(r.Service, slices.Sorted(maps.Keys(services))); near != "" {
			return r, v, e.Hint("did you mean %s?", near)
		}
		return r, v, e.Hint("check use_oauth_services in the submit file, or write a table [service.%s] with its issuer in\n  %s", r.Service, s.ConfigFile())
	}
	if len(r.Scopes) == 0 {
		r.Scopes = v.Scopes
	}
	if len(r.Audiences) == 0 {
		r.Audiences = v.Audience
	}
	if len(r.Scopes) == 0 {
		return r, v, cli.Errorf(cli.Usage, "no scopes are requested from the service %s", r.Service).
			Hint("write them in the submit file: %s_oauth_permissions = SCOPE", r.Service)
	}
	return r, v, nil
}

// ServiceToken gets a token for a service with the user's login, without prompting. all
// are the requests of the same job: the login command in the error is for all that have
// the same issuer.
func (s *Session) ServiceToken(ctx context.Context, r ServiceRequest, all []ServiceRequest) (token.Token, error) {
	a := s.a
	r, v, err := s.Completed(r)
	if err != nil {
		return token.Token{}, err
	}
	f := options{
		client:  clientFlags{ClientID: v.ClientID, ClientSecretFile: v.ClientSecretFile},
		request: requestFlags{MinLifetime: cli.Duration(time.Minute)},
	}
	if v.Robot {
		f.source.From = []string{"cache", "client-credentials"}
	}
	url := cmp.Or(v.Issuer, a.common.Issuer)
	w, err := a.worldAt(f, url)
	if err != nil {
		return token.Token{}, err
	}
	var items []*item
	loginCommand := func() string { return a.namedLogin(items, w, url) }
	it := a.serviceItem(w, f, r, loginCommand)
	for _, other := range all {
		other, ov, err := s.Completed(other)
		if err == nil && cmp.Or(ov.Issuer, a.common.Issuer) == url {
			items = append(items, a.serviceItem(w, f, other, loginCommand))
		}
	}
	if err := it.open(); err != nil {
		return token.Token{}, err
	}
	return it.renewed(ctx, time.Minute)
}

func (a *app) serviceItem(w *world, f options, r ServiceRequest, login func() string) *item {
	return &item{w: w, renewMu: new(sync.Mutex), p: a.namedPlan(w, f, tokenConfig{Audience: r.Audiences, Scopes: r.Scopes}, login)}
}
