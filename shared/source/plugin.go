package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/child"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

func newPlugin(e *Env, name string) (Source, error) {
	if err := validPlugin(name); err != nil {
		return nil, err
	}
	return plugin{e, name}, nil
}

// pluginPrefix is the prefix of executables that are sources, like kubectl- for kubectl.
const pluginPrefix = "token-source-"

var pluginName = text.Pattern{Expr: `^[A-Za-z0-9][A-Za-z0-9._-]*$`}

func validPlugin(name string) error {
	if !pluginName.Get().MatchString(name) {
		return fmt.Errorf("%q is not the name of a plugin: use letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// Plugins returns the names of the plugins in path, which has the form of PATH.
func Plugins(path string) []string {
	var out []string
	for _, dir := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), pluginPrefix)
			if !ok || validPlugin(name) != nil {
				continue
			}
			if _, err := exec.LookPath(filepath.Join(dir, e.Name())); err == nil || errors.Is(err, exec.ErrDot) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// plugin is an executable token-source-NAME on PATH.
type plugin struct {
	env  *Env
	name string
}

func (p plugin) subject() (string, error) { return "plugin:" + p.name, nil }

// PluginRequest is what a plugin reads from stdin. docs/plugins.md describes the
// contract.
type PluginRequest struct {
	APIVersion         string   `json:"apiVersion"`
	Issuer             string   `json:"issuer"`
	Audiences          []string `json:"audiences"`
	Scopes             []string `json:"scopes"`
	MinLifetimeSeconds int64    `json:"minLifetimeSeconds"`
	// Interactive means that the plugin may prompt the user on /dev/tty.
	Interactive bool `json:"interactive"`
}

// PluginAnswer is what a plugin writes to stdout.
type PluginAnswer struct {
	APIVersion string       `json:"apiVersion"`
	Token      string       `json:"token"`
	ExpiresAt  *time.Time   `json:"expiresAt"`
	Error      *PluginError `json:"error"`
}

// PluginError is an error that a plugin returns. The code none means that it has nothing
// to offer, and the next source is tried; any other code stops the chain.
type PluginError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	// Plugin is the executable.
	Plugin string `json:"-"`
}

func (e *PluginError) Error() string {
	return e.Plugin + ": " + text.Foreign(cmp.Or(e.Message, e.Code), 300)
}

// ExitCode implements cli.Explained.
func (e *PluginError) ExitCode() int {
	if e.Code == "login-required" {
		return cli.NeedLogin
	}
	return cli.Refused
}

// Hints implements cli.Explained.
func (e *PluginError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{text.Foreign(e.Hint, 300)}
}

func (p plugin) executable() string { return pluginPrefix + p.name }

func (p plugin) Token(ctx context.Context, req token.Request) (token.Token, error) {
	path, err := exec.LookPath(p.executable())
	if err != nil {
		return token.Token{}, none("there is no executable %s on PATH", p.executable())
	}
	ans, err := p.run(ctx, path, req)
	if err != nil {
		return token.Token{}, err
	}
	t := token.New(ans.Token)
	if t.Expires.IsZero() && ans.ExpiresAt != nil {
		t.Expires = *ans.ExpiresAt
	}
	t.Source = "plugin:" + p.name
	return t, nil
}

func (p plugin) run(ctx context.Context, path string, req token.Request) (*PluginAnswer, error) {
	q, err := json.Marshal(PluginRequest{
		APIVersion: text.APIVersion, Issuer: req.Issuer, Audiences: append([]string{}, req.Audiences...), Scopes: append([]string{}, req.Scopes...),
		MinLifetimeSeconds: int64(req.MinLifetime / time.Second), Interactive: p.env.Prompt.Available(),
	})
	if err != nil {
		return nil, err
	}
	limit := 2 * p.env.Timeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdin = bytes.NewReader(append(q, '\n'))
	cmd.Stderr = os.Stderr
	out, runErr := child.Output(cmd)
	if ctx.Err() != nil {
		return nil, fail(cli.TimedOut, "allow more time with --timeout", "%s did not answer within %s", p.executable(), limit)
	}
	broken := func(problem string) (*PluginAnswer, error) {
		hint := fmt.Sprintf("run '%s sources --check %s' with the same flags to test the plugin", p.env.Program, p.name)
		return nil, fail(cli.Failed, hint, "%s %s", p.executable(), problem)
	}
	var ans PluginAnswer
	if err := json.Unmarshal(out, &ans); err != nil {
		if runErr != nil {
			return broken("failed: " + runErr.Error())
		}
		return broken("did not print a JSON object")
	}
	switch {
	case ans.Error != nil && ans.Error.Code == "none":
		return nil, none("%s", text.Foreign(cmp.Or(ans.Error.Message, p.executable()+" has nothing to offer"), 300))
	case ans.Error != nil:
		ans.Error.Plugin = p.executable()
		return nil, ans.Error
	case runErr != nil:
		return broken("failed: " + runErr.Error())
	case ans.APIVersion != text.APIVersion:
		return broken(fmt.Sprintf("answered with apiVersion %q instead of %s", ans.APIVersion, text.APIVersion))
	case ans.Token == "":
		return broken("answered with neither a token nor an error")
	}
	return &ans, nil
}

func (p plugin) report(context.Context, token.Request) (bool, string) {
	path, err := exec.LookPath(p.executable())
	if err != nil {
		return false, "there is no executable " + p.executable() + " on PATH"
	}
	return true, path + " would be run"
}

// Finding is the result of checking one point of the contract.
type Finding struct {
	OK   bool   `json:"ok"`
	What string `json:"what"`
}

// CheckPlugin tests a plugin against its contract (docs/plugins.md): with a real request,
// and with one that no plugin can satisfy.
func CheckPlugin(ctx context.Context, e *Env, name string, req token.Request) ([]Finding, error) {
	if err := validPlugin(name); err != nil {
		return nil, err
	}
	p := plugin{e, name}
	path, err := exec.LookPath(p.executable())
	if err != nil {
		return []Finding{{false, "there is no executable " + p.executable() + " on PATH"}}, nil
	}
	out := []Finding{{true, path + " is found on PATH"}}
	add := func(ok bool, format string, a ...any) { out = append(out, Finding{ok, fmt.Sprintf(format, a...)}) }
	ans, err := p.run(ctx, path, req)
	var n *None
	var pe *PluginError
	switch {
	case err == nil:
		add(true, "it answers the request with a token")
		t := token.New(ans.Token)
		add(isPrintable(ans.Token), "the token is printable ASCII without spaces")
		add(!t.Expires.IsZero() || ans.ExpiresAt != nil, "the token's expiry is known, from the token or from expiresAt")
	case errors.As(err, &n):
		add(true, "it answers the request with nothing to offer: %s", n.Reason)
	case errors.As(err, &pe):
		add(true, "it answers the request with an error object: %s", text.Foreign(pe.Message, 300))
		add(pe.Message != "", "the error has a message")
	default:
		add(false, "%s", err)
	}
	impossible := req
	impossible.Issuer, impossible.Audiences, impossible.Scopes = "https://issuer.invalid/", []string{"nobody.invalid"}, []string{"nothing:/"}
	_, err = p.run(ctx, path, impossible)
	switch {
	case errors.As(err, &n):
		add(true, "for an unknown issuer it has nothing to offer")
	case errors.As(err, &pe):
		add(true, "for an unknown issuer it answers with an error object, which stops the chain")
	case err == nil:
		add(false, "for an unknown issuer it answers with a token")
	default:
		add(false, "for an unknown issuer: %s", err)
	}
	return out, nil
}
