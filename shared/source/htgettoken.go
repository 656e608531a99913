package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/token"
)

func newHTGetToken(e *Env, arg string) (Source, error) { return htgettoken{e, arg}, nil }

// htgettoken runs Fermilab's htgettoken, which gets tokens from a Vault server. It reads
// HTGETTOKENOPTS; options given here come after those.
type htgettoken struct {
	env     *Env
	options string
}

func (s htgettoken) subject() (string, error) {
	return "htgettoken:" + s.options + " " + s.env.Getenv("HTGETTOKENOPTS"), nil
}

const hintHTGetToken = "run htgettoken by itself to see what it needs"

func (s htgettoken) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	path, err := exec.LookPath("htgettoken")
	if err != nil {
		return t, none("there is no htgettoken on PATH")
	}
	dir, err := os.MkdirTemp("", "token-helpers-")
	if err != nil {
		return t, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	defer remove()
	// The token in the file must not outlive this process.
	ctx, stop := cli.CancelOnSignal(ctx)
	defer func() {
		if s := stop(); s != nil {
			remove()
			cli.Raise(s)
		}
	}()
	file := filepath.Join(dir, "token")
	cmd := exec.CommandContext(ctx, path, s.args(req, file)...)
	// It may prompt on the terminal. Its output must not reach stdout.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
	if !s.env.Prompt.Available() {
		cmd.Stdin = nil
	}
	if err := cmd.Run(); err != nil {
		return t, fail(cli.Refused, hintHTGetToken, "htgettoken: %w", err)
	}
	b, err := private.Read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, fail(cli.Refused, hintHTGetToken, "htgettoken wrote no token")
	case err != nil:
		return t, fail(cli.Refused, hintHTGetToken, "read the token of htgettoken: %w", err)
	}
	return token.New(strings.TrimSpace(string(b))), nil
}

func (s htgettoken) args(req token.Request, file string) []string {
	args := strings.Fields(s.options)
	if len(req.Audiences) > 0 {
		args = append(args, "--audience="+strings.Join(req.Audiences, ","))
	}
	if len(req.Scopes) > 0 {
		args = append(args, "--scopes="+strings.Join(req.Scopes, ","))
	}
	if !s.env.Prompt.Available() {
		args = append(args, "--nooidc")
	}
	return append(args, "--minsecs="+strconv.FormatInt(int64(req.MinLifetime/time.Second), 10), "--outfile="+file)
}

func (s htgettoken) report(context.Context, token.Request) (bool, string) {
	path, err := exec.LookPath("htgettoken")
	if err != nil {
		return false, "there is no htgettoken on PATH"
	}
	return true, path + " would be run"
}
