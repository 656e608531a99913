package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/token"
)

func newBearer(e *Env, arg string) (Source, error) { return bearerToken{e, arg}, nil }

// bearerToken returns an existing token: the one that WLCG Bearer Token Discovery finds,
// or that a file contains. It is returned only if it satisfies the request.
type bearerToken struct {
	env  *Env
	file string
}

func (s bearerToken) Token(_ context.Context, req token.Request) (token.Token, error) {
	raw, place, err := s.find()
	if err != nil {
		return token.Token{}, err
	}
	t := token.New(raw)
	if t.Expires.IsZero() {
		return token.Token{}, none("the token in %s has no expiry", place)
	}
	findings, _ := differences(t, req, s.env.Now())
	if len(findings) > 0 {
		return token.Token{}, none("the token in %s does not satisfy the request: %s", place, findings[0].Message)
	}
	return t, nil
}

func (s bearerToken) find() (raw, place string, err error) {
	if s.file != "" {
		f, err := private.OpenFile(s.file)
		if errors.Is(err, fs.ErrNotExist) {
			return "", "", none("there is no file %s", s.file)
		}
		if err != nil {
			return "", "", fmt.Errorf("read the token in %s: %w", s.file, err)
		}
		defer func() { _ = f.Close() }()
		b, err := private.ReadAll(f)
		if err != nil {
			return "", "", fail(cli.Failed, "give a file that contains only a token", "read the token in %s: %w", s.file, err)
		}
		if raw = strings.TrimSpace(string(b)); raw == "" {
			return "", "", none("the file %s is empty", s.file)
		}
		return raw, s.file, nil
	}
	found, err := bearer.Discover(func(k string) (string, bool) { v := s.env.Getenv(k); return v, v != "" }, os.Geteuid())
	if errors.Is(err, fs.ErrNotExist) {
		// BEARER_TOKEN_FILE may name the file that this command will write.
		return "", "", none("there is no file %s", s.env.Getenv("BEARER_TOKEN_FILE"))
	}
	if err != nil {
		return "", "", err
	}
	if found.Token == "" {
		return "", "", none("no bearer token was found in BEARER_TOKEN, BEARER_TOKEN_FILE, XDG_RUNTIME_DIR or /tmp")
	}
	return found.Token, found.Place, nil
}

func (s bearerToken) report(ctx context.Context, req token.Request) (bool, string) {
	if _, err := s.Token(ctx, req); err != nil {
		return false, err.Error()
	}
	_, place, _ := s.find()
	return true, "the token in " + place + " satisfies the request"
}
