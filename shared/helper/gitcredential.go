package helper

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/output"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// gitRequest describes the credential that git needs
// (https://git-scm.com/docs/git-credential#IOFMT).
type gitRequest struct {
	protocol, host, username string
	// secret is the credential that the server rejected, or that git offers to store.
	secret string
	// authtype means that git can send any kind of credential (2.46 and later).
	authtype bool
	// challenges are the server's WWW-Authenticate headers (git 2.41 and later).
	challenges []string
}

// maxGitRequest is the maximum size of git's request, in bytes.
const maxGitRequest = 1 << 20

// readGitRequest reads a request up to an empty line or the end of r. Unknown attributes
// are ignored, as git's documentation requires.
func readGitRequest(r io.Reader) (gitRequest, error) {
	var q gitRequest
	in := bufio.NewScanner(io.LimitReader(r, maxGitRequest))
	in.Buffer(nil, maxGitRequest)
	for in.Scan() && in.Text() != "" {
		key, value, ok := strings.Cut(in.Text(), "=")
		if !ok {
			return gitRequest{}, errors.New("a line of git's request has no equals sign")
		}
		switch key {
		case "protocol":
			q.protocol = value
		case "host":
			q.host = value
		case "username":
			q.username = value
		case "password", "credential":
			q.secret = value
		case "capability[]":
			q.authtype = q.authtype || value == "authtype"
		case "wwwauth[]":
			if value == "" {
				q.challenges = nil // an empty value clears the list
				continue
			}
			q.challenges = append(q.challenges, value)
		}
	}
	if err := in.Err(); err != nil {
		return gitRequest{}, fmt.Errorf("read git's request: %w", err)
	}
	return q, nil
}

// audience returns the server's audience, in the form of the WLCG profile.
func (q gitRequest) audience() (string, error) {
	host, port, problem := service.HostPort(q.host)
	if problem != "" {
		return "", fmt.Errorf("the host in git's request: %s", problem)
	}
	if port != 0 && port != 443 {
		host += ":" + strconv.Itoa(port)
	}
	return "https://" + host, nil
}

// bearer reports whether the token can be sent as a bearer token: git and the server must
// support it. Some servers accept tokens only as a password.
func (q gitRequest) bearer() bool {
	return q.authtype && (len(q.challenges) == 0 || slices.ContainsFunc(q.challenges, func(c string) bool {
		scheme, _, _ := strings.Cut(c, " ")
		return strings.EqualFold(scheme, "Bearer")
	}))
}

// answer returns the token in the format that git expects.
func (q gitRequest) answer(t token.Token, username string) ([]byte, error) {
	raw, err := output.Format("token", t, nil)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if q.bearer() {
		// ephemeral keeps other helpers from storing a token that expires soon.
		fmt.Fprintf(&b, "capability[]=authtype\nauthtype=Bearer\ncredential=%sephemeral=1\n", raw)
	} else {
		if q.username != "" {
			username = q.username
		}
		fmt.Fprintf(&b, "username=%s\npassword=%s", username, raw)
	}
	if !t.Expires.IsZero() {
		fmt.Fprintf(&b, "password_expiry_utc=%d\n", t.Expires.Unix())
	}
	return []byte(b.String()), nil
}
