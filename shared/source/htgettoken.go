package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/token"
)

func init() {
	registerWithArg("htgettoken", func(d *Deps, arg string) (Source, error) { return htgettoken{d, arg}, nil })
}

// htgettoken runs Fermilab's htgettoken, which gets tokens from a Vault server. Its
// own settings stay in HTGETTOKENOPTS; options given here come after them.
type htgettoken struct {
	d       *Deps
	options string
}

// HTGetTokenError is a run of htgettoken that failed; what it said went to stderr.
type HTGetTokenError struct{ Err error }

func (e *HTGetTokenError) Error() string { return "htgettoken: " + e.Err.Error() }
func (e *HTGetTokenError) Unwrap() error { return e.Err }

func (s htgettoken) Token(ctx context.Context, req token.Request) (t token.Token, err error) {
	path, err := exec.LookPath("htgettoken")
	if err != nil {
		return t, none("there is no htgettoken on PATH")
	}
	dir, err := os.MkdirTemp("", "token-helpers-")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "token")
	cmd := exec.CommandContext(ctx, path, s.args(req, file)...)
	// Its questions go to the terminal; what it prints is no product of ours.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
	if !s.d.Prompt.Available() {
		cmd.Stdin = nil
	}
	if err := cmd.Run(); err != nil {
		return t, &HTGetTokenError{err}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return t, &HTGetTokenError{fmt.Errorf("it wrote no token: %w", err)}
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
	if !s.d.Prompt.Available() {
		args = append(args, "--nooidc")
	}
	return append(args, "--minsecs="+strconv.FormatInt(int64(req.MinLifetime/time.Second), 10), "--outfile="+file)
}

// Report implements [Reporter].
func (s htgettoken) Report(context.Context, token.Request) (bool, string) {
	path, err := exec.LookPath("htgettoken")
	if err != nil {
		return false, "there is no htgettoken on PATH"
	}
	return true, path + " would be run"
}
