// Package credd supplies the jobs of an HTCondor access point with tokens of any issuer: a
// token with the requested scopes and audience for each handle, renewed while jobs run.
//
//	condor_submit -> storer -> condor_credd -> .top -> credmon -> .use -> jobs
//
// The storer runs as the submitting user. It logs in and hands the login over to
// condor_credd. The credmon runs as root. From then on only the credmon has the refresh
// token. It renews the tokens of all users.
//
// Each user has a directory below the credential directory. It belongs to HTCondor's
// account, which is trusted less than root. Therefore everything in it is opened relative to
// an open directory, and symbolic links are not followed.
package credd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

const (
	// loginService is the prefix of the names of logins. To HTCondor it is a service. Jobs do
	// not request it, so they do not get the login.
	loginService = "token-helpers"
	// formatVersion is the version of the files that the storer writes.
	formatVersion = "1"
	// maxTop is the maximum size of a credential file in bytes.
	maxTop = 64 << 10
)

// The kinds of logins.
const (
	refreshGrant = "refresh_token"
	robotGrant   = "client_credentials"
)

// top is the contents of a .top file. condor_credd stores it unchanged, and adds the scopes
// and the audience of the submit file.
//
// A login has an issuer, a client and a grant, and a secret until the credmon has taken it
// over. Every other credential names the login that its tokens come from.
type top struct {
	Version  string          `json:"token_helpers"`
	Login    string          `json:"login,omitempty"`
	Issuer   string          `json:"issuer,omitempty"`
	ClientID string          `json:"client_id,omitempty"`
	Grant    string          `json:"grant,omitempty"`
	Secret   json.RawMessage `json:"secret,omitempty"`
	Scopes   string          `json:"scopes,omitempty"`
	Audience string          `json:"audience,omitempty"`
}

// errForeign means that a .top file belongs to another credmon.
var errForeign = errors.New("not a credential of the token helpers")

// parseTop parses a .top file. It returns errForeign if the file belongs to another credmon.
func parseTop(b []byte) (*top, error) {
	var probe struct {
		Version json.RawMessage `json:"token_helpers"`
	}
	if json.Unmarshal(b, &probe) != nil || probe.Version == nil {
		return nil, errForeign
	}
	var t top
	// The error of encoding/json could contain a part of a secret.
	if json.Unmarshal(b, &t) != nil {
		return nil, errors.New("the file cannot be read as a credential")
	}
	if t.Version != formatVersion {
		return nil, errors.New("the file was written by another version: update the token helpers on this host")
	}
	return &t, nil
}

// handed returns the login in a .top file that the credmon has not taken over yet.
func (t *top) handed() (*store.Login, error) {
	lg, err := store.FromHandover(t.Secret)
	if err != nil {
		return nil, errors.New("the login in the file cannot be read")
	}
	switch {
	case lg.Issuer != t.Issuer || lg.ClientID != t.ClientID || lg.ClientID == "":
		return nil, errors.New("the login in the file is that of another issuer or client")
	case t.Grant == robotGrant && lg.ClientSecret == "", t.Grant == refreshGrant && lg.RefreshToken == "":
		return nil, errors.New("the login in the file has no secret")
	}
	return lg, nil
}

// request returns the scopes and the audience that the token of a credential must have.
func (t *top) request(issuerURL string) (token.Request, error) {
	req := token.Request{Issuer: issuerURL, Scopes: list(t.Scopes), Audiences: list(t.Audience), AnyLifetime: true}.Normalized()
	if len(req.Scopes) == 0 {
		return req, errors.New("no scopes are requested: name them in the submit file or in the configuration")
	}
	return req, nil
}

// list splits a list of HTCondor at commas and white space.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// credentialName matches the name of a credential: SERVICE or SERVICE_HANDLE.
var credentialName = text.Pattern{Expr: `^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,199}$`}

// isLogin reports whether the credential with this name is a login.
func isLogin(name string) bool { return strings.HasPrefix(name, loginService+"_") }

// checkLogin returns an error if the login must not be used on this host.
func (t *top) checkLogin() error {
	if err := issuer.CheckURL("the issuer", t.Issuer); err != nil {
		return err
	}
	if t.Grant != refreshGrant && t.Grant != robotGrant {
		return fmt.Errorf("unknown kind of login %q", t.Grant)
	}
	if t.ClientID == "" {
		return errors.New("the login has no client")
	}
	return nil
}
