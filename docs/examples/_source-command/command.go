package source

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"example.org/token-helpers/shared/child"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

func newCommand(e *Env, arg string) (Source, error) { return command{e, arg}, nil }

// command returns the token that a shell command prints. The command gets the request in
// its environment.
type command struct {
	env  *Env
	line string
}

// subject keeps the cached tokens of different commands apart.
func (s command) subject() (string, error) { return "command:" + s.line, nil }

func (s command) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	limit := 2 * s.env.Timeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", s.line)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "TOKEN_ISSUER="+req.Issuer,
		"TOKEN_SCOPES="+strings.Join(req.Scopes, " "), "TOKEN_AUDIENCES="+strings.Join(req.Audiences, " "))
	out, err := child.Output(cmd)
	raw := strings.TrimSpace(string(out))
	switch {
	case ctx.Err() != nil:
		return t, fail(cli.TimedOut, "allow more time with --timeout", "the command did not finish within %s", limit)
	case err != nil:
		return t, fail(cli.Refused, "run the command by itself to see what it needs", "the command failed: %w", err)
	case raw == "":
		return t, none("the command printed no token")
	}
	return token.New(raw), nil
}

func (s command) report(context.Context, token.Request) (bool, string) {
	return true, "the command would be run: " + s.line
}
