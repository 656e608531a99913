package helper

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

type loginCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Output          string       `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text, or json for programs: a line with the verification URL and the code, then one with the result. Default: text."`

	Endpoint string `arg:"" name:"service" complete:"host" help:"Host or URL of the service that the login is for, instead of its flag."`
}

// Run logs in, even if there is a login.
func (l *loginCmd) Run(ctx context.Context, a *app) error {
	f := options{request: l.Request, client: l.Client, login: true}
	if l.Output == "json" {
		f.events = a.loginEvents()
	}
	w, p, err := a.prepare(l.Endpoint, f)
	if err != nil {
		return err
	}
	made, err := w.logins.Login(ctx, p.request, false)
	if err != nil {
		return p.explain(w, err)
	}
	if missing := token.MissingScopes(made.Login.Scopes, service.Demandable(p.request.Scopes)); len(missing) > 0 {
		e := cli.Errorf(cli.GrantDiffer, "the issuer did not grant %s", strings.Join(missing, " "))
		if got := service.Demandable(made.Login.Scopes); len(got) > 0 {
			e = cli.Errorf(cli.GrantDiffer, "the issuer granted %s but not %s", strings.Join(got, " "), strings.Join(missing, " "))
		}
		return p.explainScopes(w, e, missing)
	}
	until := ""
	if !made.Login.RefreshExpires.IsZero() {
		until = ", valid until " + made.Login.RefreshExpires.Local().Format("2 January 2006 15:04")
	}
	w.note("logged in at %s%s", w.issuerURL, until)
	return nil
}

// loginEvents prints the steps of a login as JSON lines. No other command writes to
// stdout before it has succeeded.
func (a *app) loginEvents() func(login.Event) {
	return func(e login.Event) {
		doc := map[string]any{"apiVersion": text.APIVersion}
		switch {
		case e.Code != nil:
			doc["event"] = "verification"
			doc["issuer"] = e.Code.Issuer
			doc["verificationUri"] = e.Code.VerificationURI
			doc["userCode"] = e.Code.UserCode
			if e.Code.Complete != "" {
				doc["verificationUriComplete"] = e.Code.Complete
			}
			doc["expiresAt"] = e.Code.Expires.UTC().Format(time.RFC3339)
		case e.Login != nil:
			doc["event"] = "login"
			doc["issuer"] = e.Login.Issuer
			doc["clientId"] = e.Login.ClientID
			doc["scopes"] = text.NonNil(e.Login.Scopes)
			if !e.Login.RefreshExpires.IsZero() {
				doc["refreshExpiresAt"] = e.Login.RefreshExpires.UTC().Format(time.RFC3339)
			}
		}
		if b, err := json.Marshal(doc); err == nil {
			// Control characters become JSON escapes.
			_, _ = io.WriteString(a.env.Stdout, text.Printable(string(b))+"\n")
		}
	}
}

type logoutCmd struct {
	ClientID string `name:"client-id" placeholder:"ID" complete:"none" group:"Login" help:"End the login of this client."`
	Force    bool   `group:"Login" help:"Forget the login here even if it cannot be ended at the issuer."`
}

// Run logs out.
func (l *logoutCmd) Run(ctx context.Context, a *app) error {
	w, err := a.world(options{client: clientFlags{ClientID: l.ClientID}})
	if err != nil {
		return err
	}
	found, err := w.logins.Logout(ctx, w.issuerURL, l.Force)
	if errors.Is(err, store.ErrDamaged) {
		return cli.Errorf(cli.StoreFailed, "%w", err).Hint("run logout with --force to forget the login here")
	}
	if err != nil {
		e := cli.Explain(err)
		if e.Code == cli.Network || e.Code == cli.Refused && !isLeft(err) {
			_ = e.Hint("try again later, or run logout with --force to forget the login here")
		}
		return e
	}
	if !found {
		w.note("there is no login at %s", w.issuerURL)
		return nil
	}
	w.note("logged out at %s", w.issuerURL)
	return nil
}

// isLeft reports whether the login was removed, but a part of it remains at the issuer.
func isLeft(err error) bool {
	var left *login.LeftError
	return errors.As(err, &left)
}
