package helper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/output"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

type getCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Source          sourceFlags  `embed:"" group:"Sources"`

	Output     string `short:"o" enum:"token,json,header,env,exec-credential" default:"token" placeholder:"FORMAT" group:"Output" common:"" help:"token, json, header, env or exec-credential. exec-credential is for kubectl. Default: token."`
	File       string `aliases:"outfile" placeholder:"FILE" complete:"file" group:"Output" common:"" help:"Write to FILE, which only you can read. stdout stays empty."`
	BearerFile bool   `group:"Output" common:"" help:"Write to the file where clients look for a token. That is $$BEARER_TOKEN_FILE, $$XDG_RUNTIME_DIR/bt_u$$EUID or /tmp/bt_u$$EUID."`
	keepFlags  `embed:""`

	Endpoint string `arg:"" name:"service" complete:"host" help:"Host or URL of the service that the token is for, instead of its flag."`
}

// Run gets a token and prints it, or keeps it fresh for a command or in a file.
func (g *getCmd) Run(ctx context.Context, a *app) error {
	if err := a.endpoint(g.Endpoint); err != nil {
		return err
	}
	if err := g.applyExecInfo(a); err != nil {
		return err
	}
	all, err := a.items(g)
	if err != nil {
		return err
	}
	for _, st := range stores(all) {
		st.SweepRuns()
	}
	switch {
	case a.command != nil:
		return a.runCommand(ctx, g, all)
	case g.Watch:
		return a.watch(ctx, g, all)
	}
	if err := a.deliver(ctx, g, all); err != nil {
		return err
	}
	a.warnIfTooShort(g, all)
	return nil
}

// deliver gets and writes the tokens. If it cannot prompt, as under cron, it
// continues after an error, so that the other tokens are replaced.
func (a *app) deliver(ctx context.Context, g *getCmd, all []*item) error {
	var failed error
	for _, it := range all {
		t, err := a.obtain(ctx, it, all)
		if !t.IsZero() {
			// Print a token despite an error: it is all that is left of a login that
			// could not be saved.
			err = errors.Join(a.write(t, g.Output, it.file), err)
		}
		if err == nil {
			continue
		}
		if failed != nil && failed.Error() != err.Error() {
			_ = a.env.Report(failed)
		}
		failed = err
		if slices.ContainsFunc(it.p.specs, source.Asks) {
			break
		}
	}
	return failed
}

func (a *app) write(t token.Token, format, file string) error {
	data, err := output.Format(format, t, a.env.Getenv)
	if err != nil {
		return err
	}
	if file != "" && file != "-" {
		return output.WriteFile(file, data)
	}
	if _, err := a.env.Stdout.Write(data); err != nil {
		return fmt.Errorf("write the token to stdout: %w", err)
	}
	return nil
}

// clockLeeway is the difference between this machine's clock and a service's that causes
// no warning.
const clockLeeway = time.Minute

// warnIfRefused prints a warning if a service would refuse t although it satisfies the
// request, most likely because the issuer uses another token profile.
func (a *app) warnIfRefused(w *world, p *plan, t token.Token) {
	j := t.JWT()
	if j == nil {
		return // an opaque token cannot be checked
	}
	for _, svc := range p.services {
		for _, f := range svc.Judge(service.Presented{JWT: j, Size: len(t.Raw()), Now: a.env.Now(), Skew: clockLeeway}) {
			if f.Refuses() {
				w.note("note: %s will refuse this token: %s", svc.Name(), text.OneLine(f.Message))
				if f.Hint != "" {
					w.note("hint: %s", text.OneLine(f.Hint))
				}
			}
		}
	}
}

// expiresSoon is the time before the expiry of a login at which warnings begin.
const expiresSoon = 3 * 24 * time.Hour

// warnIfExpiring prints a warning if the login behind a new token expires soon.
func (a *app) warnIfExpiring(w *world, p *plan, t token.Token) {
	if t.Source != "login" {
		return
	}
	e, ok, err := w.store.Find(w.issuerURL, w.logins.ClientID)
	if err != nil || !ok || e.RefreshExpires.IsZero() {
		return
	}
	if left := e.RefreshExpires.Sub(a.env.Now()); left < expiresSoon {
		w.note("note: your login at %s expires in %s: log in again before, with\n  %s", w.issuerURL, text.Duration(left), p.loginCommand())
	}
}

// explain adds hints with the helper's flags to an error.
func (p *plan) explain(w *world, err error) error {
	var (
		none    *source.NoneError
		noLogin *login.NoLoginError
		grant   *source.GrantError
	)
	e := cli.Explain(err)
	switch {
	case errors.As(err, &none):
		if choice := w.logins.Choice(w.issuerURL); choice != nil && none.LoginHelps() {
			return e.Hint("%s", choice.Hints()[0])
		}
		if none.LoginHelps() {
			return e.Hint("log in with\n  %s", p.loginCommand())
		}
		if len(none.Hints()) > 0 {
			return e
		}
		return e.Hint("run '%s sources' with the same flags to see what each source has", p.program)
	case errors.As(err, &noLogin):
		e.Code = cli.NeedLogin
		return e.Hint("log in with\n  %s", p.loginCommand())
	case errors.As(err, &grant):
		return p.explainGrant(w, e, grant)
	}
	return p.explainRefusal(w, e)
}

// alternativeFor returns flags that express the request in the issuer's scopes, according
// to its cached discovery document. An error message must not need the network.
func (p *plan) alternativeFor(w *world) string {
	md := w.logins.Known(w.issuerURL)
	if md == nil {
		return ""
	}
	return p.alternative(md.ScopesSupported)
}

// explainScopes adds a hint about scopes that the issuer does not grant.
func (p *plan) explainScopes(w *world, e *cli.Error, missing []string) *cli.Error {
	if alt := p.alternativeFor(w); alt != "" {
		return e.Hint("use %s: this issuer spells these scopes differently", alt)
	}
	return e.Hint("ask the issuer's administrators for the group that may have %s, or request less", strings.Join(missing, " "))
}
