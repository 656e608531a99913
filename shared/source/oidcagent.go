package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

func newOIDCAgent(e *Env, _ string) (Source, error) { return oidcAgent{e}, nil }

// oidcAgent gets tokens from a running oidc-agent over its socket, with its client
// protocol (oidc-agent, src/ipc and src/defines/ipc_values.h; 4.2.6 and 5.x).
type oidcAgent struct{ env *Env }

func (a oidcAgent) subject() (string, error) { return "oidc-agent:" + a.env.Account, nil }

const (
	// agentRemotePort is the default port of an agent for remote clients.
	agentRemotePort = "42424"
	// agentMaxAnswer is the maximum size of an answer, in bytes.
	agentMaxAnswer = 1 << 20
)

// refused returns the error for an error message of the agent. info is the agent's help,
// which may be empty.
func refused(message, info string) error {
	hint := text.Printable(text.Brief(strings.TrimSpace(strings.ReplaceAll(info, "\t", "  ")), 500))
	switch {
	case hint != "":
	case strings.Contains(message, "invalid_grant"), strings.Contains(message, "invalid_token"):
		hint = "log the account in again with 'oidc-gen --reauthenticate NAME'"
	case strings.Contains(message, "invalid_scope"):
		hint = "request less, or give the account the scope with 'oidc-gen -m NAME'"
	default:
		hint = "load the account with 'oidc-add NAME', unlock the agent with 'oidc-add -X', or choose another account with --account"
	}
	return fail(cli.Refused, text.OneLine(hint), "oidc-agent: %s", text.Foreign(message, 300))
}

type agentRequest struct {
	Request        string `json:"request"`
	Account        string `json:"account,omitempty"`
	Issuer         string `json:"issuer,omitempty"`
	MinValidPeriod int64  `json:"min_valid_period"`
	Scope          string `json:"scope,omitempty"`
	Audience       string `json:"audience,omitempty"`
	Hint           string `json:"application_hint,omitempty"`
}

type agentAnswer struct {
	Status      string `json:"status"`
	AccessToken string `json:"access_token"`
	Issuer      string `json:"issuer"`
	ExpiresAt   any    `json:"expires_at"`
	Error       string `json:"error"`
	Info        string `json:"info"`
}

func (a oidcAgent) Token(ctx context.Context, req token.Request) (token.Token, error) {
	network, address, err := a.address()
	if err != nil {
		return token.Token{}, err
	}
	q := agentRequest{
		Request: "access_token", Account: a.env.Account, MinValidPeriod: int64(req.MinLifetime / time.Second),
		Scope: strings.Join(req.Scopes, " "), Audience: strings.Join(req.Audiences, " "), Hint: a.env.Program,
	}
	if q.Account == "" {
		q.Issuer = req.Issuer
	}
	if a.env.ForceNew {
		// This makes the agent ignore its cache.
		q.MinValidPeriod = -1
	}
	ans, err := a.ask(ctx, network, address, q)
	if err == nil && (ans.Status != "success" || ans.AccessToken == "") {
		err = refused(cmp.Or(ans.Error, "it has no token"), ans.Info)
	}
	if err != nil {
		if !a.env.Explicit {
			// In the default chain, an agent that does not serve this issuer, is locked,
			// or is gone is skipped.
			return token.Token{}, none("%s", err)
		}
		return token.Token{}, err
	}
	t := token.New(ans.AccessToken)
	if at, err := strconv.ParseInt(fmt.Sprint(ans.ExpiresAt), 10, 64); err == nil && at > 0 && t.Expires.IsZero() {
		// expires_at is correct only for tokens without scope and audience.
		t.Expires = time.Unix(at, 0)
	}
	if t.Issuer == "" {
		t.Issuer = cmp.Or(ans.Issuer, req.Issuer)
	}
	return t, nil
}

// address returns the agent's address: OIDC_SOCK, OIDC_REMOTE_SOCK, or, if the user chose
// the agent, the socket of its systemd user service (5.x).
func (a oidcAgent) address() (network, address string, err error) {
	if s := a.env.Getenv("OIDC_SOCK"); s != "" {
		return "unix", s, nil
	}
	if r := a.env.Getenv("OIDC_REMOTE_SOCK"); r != "" {
		if _, _, err := net.SplitHostPort(r); err != nil {
			r = net.JoinHostPort(strings.Trim(r, "[]"), agentRemotePort)
		}
		return "tcp", r, nil
	}
	dir := a.env.Getenv("TMPDIR")
	if dir == "" {
		dir = "/tmp"
	}
	service := filepath.Join(dir, "oidc-agent-service-"+strconv.Itoa(os.Getuid()), "oidc-agent.sock")
	if _, err := os.Stat(service); err == nil && a.env.Explicit {
		return "unix", service, nil
	}
	return "", "", none("no oidc-agent is running: OIDC_SOCK is not set")
}

// ask requests a token.
func (a oidcAgent) ask(ctx context.Context, network, address string, q agentRequest) (*agentAnswer, error) {
	b, err := a.exchange(ctx, network, address, q)
	if err != nil {
		return nil, err
	}
	var ans agentAnswer
	// Some texts of the agent contain raw newlines, which JSON does not allow.
	d := json.NewDecoder(bytes.NewReader(bytes.Map(oneLine, b)))
	d.UseNumber()
	if err := d.Decode(&ans); err != nil {
		return nil, unreachable(address, errors.New("the answer is not JSON"))
	}
	return &ans, nil
}

func oneLine(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// unreachable returns the error for an agent that cannot be used.
func unreachable(address string, err error) error {
	return fail(cli.Network, "start an agent with 'eval \"$(oidc-agent)\"', or use other sources with --from", "could not talk to oidc-agent at %s: %w", address, err)
}

// exchange sends a message in one write on a new connection, and reads the answer to its
// end. The deadline is needed because a client that stops halfway blocks the agent for
// everybody.
func (a oidcAgent) exchange(ctx context.Context, network, address string, q any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.env.Timeout)
	defer cancel()
	down := func(err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			return fail(cli.Network, "restart the agent with 'oidc-agent --no-autoreauthenticate', because a login that expired may keep it busy, or use other sources with --from",
				"could not talk to oidc-agent at %s: no answer within %s", address, a.env.Timeout)
		}
		return unreachable(address, err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		var oe *net.OpError
		if errors.As(err, &oe) {
			err = oe.Err
		}
		return nil, down(err)
	}
	defer func() { _ = conn.Close() }()
	if err := checkPeer(conn); err != nil {
		return nil, down(err)
	}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	message, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	open := func(b []byte) ([]byte, error) { return b, nil }
	if network == "tcp" {
		// TCP messages are encrypted; the local socket is private.
		if message, open, err = seal(conn, message); err != nil {
			return nil, down(err)
		}
	}
	if _, err := conn.Write(message); err != nil {
		return nil, down(err)
	}
	b, err := io.ReadAll(io.LimitReader(conn, agentMaxAnswer))
	if err != nil {
		return nil, down(err)
	}
	if len(b) > 0 && b[0] != '{' {
		if b, err = open(b); err != nil {
			return nil, down(err)
		}
	}
	return b, nil
}

// report asks the agent for its loaded accounts, not for a token.
func (a oidcAgent) report(ctx context.Context, _ token.Request) (bool, string) {
	network, address, err := a.address()
	if err != nil {
		return false, err.Error()
	}
	b, err := a.exchange(ctx, network, address, map[string]string{"request": "loaded_accounts"})
	if err != nil {
		return false, err.Error()
	}
	var ans struct {
		Status, Error string
		Info          json.RawMessage
	}
	var accounts []string
	if json.Unmarshal(b, &ans) != nil || ans.Status != "success" {
		return false, refused(cmp.Or(ans.Error, "it does not list its accounts"), "").Error()
	}
	// Without accounts, the agent answers with a text, not with an empty list.
	if json.Unmarshal(ans.Info, &accounts) != nil || len(accounts) == 0 {
		return false, "the agent at " + address + " has no account loaded"
	}
	list := text.Foreign(strings.Join(accounts, " "), 300)
	if a.env.Account != "" && !slices.Contains(accounts, a.env.Account) {
		return false, "the agent at " + address + " has no account " + a.env.Account + " loaded, but " + list
	}
	return true, "the agent at " + address + " has loaded " + list
}
