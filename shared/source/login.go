package source

import (
	"context"
	"strings"

	"example.org/token-helpers/shared/token"
)

func newLogin(e *Env, _ string) (Source, error) { return loginSource{e}, nil }

// loginSource gets a token with the refresh token of a login.
type loginSource struct{ env *Env }

func (s loginSource) prepare(ctx context.Context, req token.Request) error {
	return s.env.Logins.Ready(ctx, req)
}

func (s loginSource) Token(ctx context.Context, req token.Request) (token.Token, error) {
	return s.env.Logins.Refresh(ctx, req)
}

func (s loginSource) report(_ context.Context, req token.Request) (bool, string) {
	entry, err := s.env.Logins.Usable(req)
	if err != nil {
		return false, err.Error()
	}
	if entry.Ended != "" {
		return false, "your login was no longer valid when it was last used (" + entry.Ended + ")"
	}
	if entry.Unrenewable {
		return false, "the issuer issued no refresh token with your login"
	}
	return true, "a login saved in " + entry.Backend + " with " + strings.Join(entry.Scopes, " ")
}

func newDevice(e *Env, _ string) (Source, error) { return device{e}, nil }

// device logs the user in with the device flow and keeps the login.
type device struct{ env *Env }

func (s device) Token(ctx context.Context, req token.Request) (token.Token, error) {
	made, err := s.env.Logins.Login(ctx, req, true)
	if err != nil {
		return token.Token{}, err
	}
	return made.Token, nil
}

func (s device) report(context.Context, token.Request) (bool, string) {
	if s.env.Prompt.Available() {
		return true, "you would be asked to log in with a browser"
	}
	return true, "the login code would be printed to stderr, because there is no terminal"
}
