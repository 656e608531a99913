package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/token"
)

// directory reads tokens from files NAME.use, as HTCondor provides them to a job.
type directory struct{ path string }

// Token implements [Tokens].
func (d directory) Token(_ context.Context, c submit.Credential) (token.Token, error) {
	name := filepath.Join(d.path, c.Name()+".use")
	t, err := readToken(name)
	if errors.Is(err, fs.ErrNotExist) {
		return t, cli.Errorf(cli.NeedLogin, "there is no token %s in %s", c.Name()+".use", d.path).
			Hint("let the credmon write it: condor_submit stores what the job requests, and condor_store_cred query-oauth -s %s shows it", c.Name())
	}
	return t, err
}

// readToken reads a token from a file: the token alone, or the JSON that HTCondor's
// credmons write, with a member access_token.
func readToken(name string) (token.Token, error) {
	raw, err := readFile(name)
	if err != nil {
		return token.Token{}, err
	}
	s := strings.TrimSpace(string(raw))
	if strings.HasPrefix(s, "{") {
		var doc struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(s), &doc); err != nil || doc.Token == "" {
			return token.Token{}, cli.Errorf(cli.Failed, "%s contains no access_token", name).Hint("use the file that the credmon writes, with the ending .use")
		}
		s = doc.Token
	}
	if s == "" || strings.ContainsAny(s, " \t\r\n") {
		return token.Token{}, cli.Errorf(cli.Failed, "%s contains no token", name).Hint("write the token alone to the file")
	}
	return token.New(s), nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return private.ReadAll(f)
}

// logins gets tokens from the user's logins, as the access point would: one for each handle,
// with the requested scopes only. all are the credentials of the submit file.
type logins struct {
	session *helper.Session
	all     []submit.Credential
}

// Token implements [Tokens].
func (l logins) Token(ctx context.Context, c submit.Credential) (token.Token, error) {
	var all []helper.ServiceRequest
	for _, other := range l.all {
		all = append(all, request(other))
	}
	return l.session.ServiceToken(ctx, request(c), all)
}

func request(c submit.Credential) helper.ServiceRequest {
	r := helper.ServiceRequest{Service: c.Service, Scopes: c.Scopes}
	if c.Audience != "" {
		r.Audiences = []string{c.Audience}
	}
	return r
}
