package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/service"
)

// gitCmd is a credential helper for git (gitcredentials(7)).
type gitCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Source          sourceFlags  `embed:"" group:"Sources"`
	Username        string       `default:"oauth2" placeholder:"NAME" complete:"none" group:"Output" help:"The user name for servers that accept a token only as a password. Default: oauth2."`

	Operation string `arg:"" complete:"none" help:"get, store or erase: git adds it."`
}

// Run answers a request of git on stdin. The audience is git's host unless flags name
// another one.
func (c *gitCmd) Run(ctx context.Context, a *app) error {
	switch c.Operation {
	case "get", "erase":
	case "":
		return cli.Errorf(cli.Usage, "git-credential: no operation is given").
			Hint("let git run it, which adds the operation:\n  git config --global credential.https://HOST.helper '!%s git-credential'", a.env.Program)
	default:
		// The token is already cached, and other operations must be ignored.
		_, err := io.Copy(io.Discard, io.LimitReader(a.env.Stdin, maxGitRequest))
		return err
	}
	q, err := readGitRequest(a.env.Stdin)
	if err != nil {
		return err
	}
	if q.protocol != "https" {
		if c.Operation == "get" && !a.common.Quiet {
			a.env.Say("note: no token for %s://%s: tokens are sent over https only", q.protocol, q.host)
		}
		return nil // git tries its other helpers
	}
	it, err := c.item(a, q)
	if err != nil {
		return err
	}
	if c.Operation == "erase" {
		return it.chain.Forget(it.p.request, q.secret)
	}
	t, err := a.obtain(ctx, it, []*item{it})
	if t.IsZero() {
		return err
	}
	answer, ferr := q.answer(t, c.Username)
	if ferr == nil {
		_, ferr = a.env.Stdout.Write(answer)
	}
	return errors.Join(ferr, err)
}

// item returns the item for the token that git needs.
func (c *gitCmd) item(a *app, q gitRequest) (*item, error) {
	if strings.ContainsAny(c.Username, "\n\x00") {
		return nil, cli.Errorf(cli.Usage, "--username: %q is not a user name", c.Username)
	}
	g := &getCmd{Request: c.Request, Client: c.Client, Source: c.Source}
	// GIT_TERMINAL_PROMPT=0 disables git's prompts.
	if a.env.Getenv("GIT_TERMINAL_PROMPT") == "0" {
		g.Source.NoPrompt = true
	}
	if len(g.Request.Aud) == 0 {
		want, err := a.eco.Want(service.Given{Scope: len(c.Request.Scope) > 0})
		if err != nil || len(want.Audiences) == 0 {
			audience, err := q.audience()
			if err != nil {
				return nil, fmt.Errorf("git-credential: %w", err)
			}
			g.Request.Aud = []string{audience}
		}
	}
	all, err := a.items(g)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}
