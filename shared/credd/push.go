package credd

import (
	"context"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/token"
)

type pushCmd struct {
	Watch       bool         `group:"Output" help:"Keep running, and store a new token before each one expires."`
	MinLifetime cli.Duration `group:"Request" aliases:"time,minsecs" default:"60s" placeholder:"D" help:"The token must be valid for at least this long. Default: 60s."`

	Services []string `arg:"" name:"service" help:"SERVICE, or 'SERVICE&handle=NAME&scopes=SCOPE,SCOPE&audience=AUDIENCE'."`
}

// pushed is one token that is stored at the access point.
type pushed struct {
	name    string
	first   func(context.Context) (token.Token, error)
	renewed func(context.Context, time.Duration) (token.Token, error)
	current token.Token
}

// Run stores tokens from the user's login at the access point. The login itself stays in this
// process.
func (c *pushCmd) Run(ctx context.Context, s *helper.Session) error {
	if err := needServices(c.Services); err != nil {
		return err
	}
	var all []*pushed
	for _, arg := range c.Services {
		w, err := parseRequest(arg, s.Services(), s.ConfigFile())
		if err != nil {
			return err
		}
		v := w.conf
		v.Scopes, v.Audience = list(w.scopes), list(w.audience)
		p := &pushed{name: w.name}
		if p.first, p.renewed, err = s.Tokens(v, time.Duration(c.MinLifetime)); err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		t, err := p.first(ctx)
		if err != nil {
			return err
		}
		if err := push(ctx, p.name, t.Raw()); err != nil {
			return err
		}
		p.current = t
		s.Note("the access point has a token for %s, which expires at %s", p.name, t.Expires.Local().Format("15:04:05 on 2 January"))
	}
	if !c.Watch {
		return nil
	}
	return watch(ctx, s, all)
}

// watch keeps the tokens of the access point fresh until a signal arrives.
func watch(ctx context.Context, s *helper.Session, all []*pushed) error {
	signals, release := cli.OwnEndings()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, p := range all {
		k := &fresh.Keeper{
			Get: p.renewed, Now: s.Env().Now,
			Put:    func(t token.Token) error { return push(ctx, p.name, t.Raw()) },
			Report: func(e fresh.Event) { report(s, p.name, e) },
		}
		running.Go(func() { k.Run(ctx, p.current) })
	}
	received := <-signals
	cancel()
	running.Wait() // finishes an exchange in progress, so that the login is not lost
	release()
	cli.Raise(received)
	return nil
}

// report tells the user what happened to a token.
func report(s *helper.Session, name string, e fresh.Event) {
	switch e.Kind {
	case fresh.Renewed:
		s.Verbose("the token for %s was replaced", name)
	case fresh.Recovered:
		s.Note("note: the token for %s was renewed", name)
	case fresh.Damaged:
		_ = s.Env().Report(e.Err)
	case fresh.Failed:
		s.Env().Say("warning: could not renew the token for %s, and will keep trying: %s", name, e.Err)
		for _, h := range cli.Explain(e.Err).Hints() {
			s.Env().Say("hint: %s", strings.TrimRight(h, "\n"))
		}
	case fresh.Expired:
		s.Env().Say("warning: the token for %s has expired, and could not be renewed: %s", name, e.Err)
	}
}
