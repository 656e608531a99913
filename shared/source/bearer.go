package source

import (
	"context"
	"os"
	"strings"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

func init() {
	registerWithArg("bearer", func(d *Deps, arg string) (Source, error) { return bearerToken{d, arg}, nil })
}

// bearerToken takes a token that is there already: where WLCG Bearer Token
// Discovery looks, or in a file. It is taken only if it is what is asked for.
type bearerToken struct {
	d    *Deps
	file string
}

func (s bearerToken) Token(_ context.Context, req token.Request) (token.Token, error) {
	raw, place, err := s.find()
	if err != nil {
		return token.Token{}, err
	}
	t := token.New(raw)
	if t.Expires.IsZero() {
		return token.Token{}, none("the token in %s does not say when it ends", place)
	}
	findings := service.Check(t, service.Required{
		Issuer: req.Issuer, Audiences: req.Audiences, Scopes: req.Scopes, MinLifetime: req.MinLifetime,
	}, s.d.Now())
	if len(findings) > 0 {
		return token.Token{}, none("the token in %s is not what is asked for: %s", place, findings[0].Message)
	}
	return t, nil
}

func (s bearerToken) find() (raw, place string, err error) {
	if s.file != "" {
		b, err := os.ReadFile(s.file)
		if err != nil {
			return "", "", err
		}
		if raw = strings.TrimSpace(string(b)); raw == "" {
			return "", "", none("%s is empty", s.file)
		}
		return raw, s.file, nil
	}
	found, err := bearer.Discover(func(k string) (string, bool) { v := s.d.Getenv(k); return v, v != "" }, os.Geteuid())
	if err != nil {
		return "", "", err
	}
	if found.Token == "" {
		return "", "", none("no token is where bearer tokens are looked for")
	}
	return found.Token, found.Place, nil
}

// Report implements [Reporter].
func (s bearerToken) Report(ctx context.Context, req token.Request) (bool, string) {
	if _, err := s.Token(ctx, req); err != nil {
		return false, err.Error()
	}
	_, place, _ := s.find()
	return true, "the token in " + place + " is what is asked for"
}
