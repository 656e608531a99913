package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

func init() {
	registerWithArg("plugin", func(d *Deps, arg string) (Source, error) {
		if err := validPlugin(arg); err != nil {
			return nil, err
		}
		return plugin{d, arg}, nil
	})
}

// pluginPrefix leads the names of executables that are sources, as kubectl-NAME
// does for kubectl.
const pluginPrefix = "token-source-"

// pluginMax bounds a plugin's answer, in bytes.
const pluginMax = 1 << 20

var pluginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func validPlugin(name string) error {
	if !pluginName.MatchString(name) {
		return fmt.Errorf("%q is not the name of a plugin: letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// plugin is an executable token-source-NAME on PATH.
type plugin struct {
	d    *Deps
	name string
}

// PluginRequest is what a plugin reads on stdin.
type PluginRequest struct {
	APIVersion         string   `json:"apiVersion"`
	Issuer             string   `json:"issuer"`
	Audiences          []string `json:"audiences"`
	Scopes             []string `json:"scopes"`
	MinLifetimeSeconds int64    `json:"minLifetimeSeconds"`
	// Interactive says that a person is at the terminal, to be asked on /dev/tty.
	Interactive bool `json:"interactive"`
}

// PluginAnswer is what it writes on stdout.
type PluginAnswer struct {
	APIVersion string       `json:"apiVersion"`
	Token      string       `json:"token"`
	ExpiresAt  *time.Time   `json:"expiresAt"`
	Error      *PluginError `json:"error"`
}

// PluginError is a plugin's refusal. The code none says that it has nothing to
// offer, and the next source is asked; any other ends the search.
type PluginError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	// Plugin is the executable.
	Plugin string `json:"-"`
}

func (e *PluginError) Error() string { return e.Plugin + " says: " + cmp.Or(e.Message, e.Code) }

// PluginFault is a plugin that does not keep its contract: the words are ours, where
// those of a [PluginError] are the plugin's.
type PluginFault struct {
	Plugin, Problem string
	// TimedOut says that it was killed when its time was over.
	TimedOut bool
}

func (e *PluginFault) Error() string { return e.Plugin + ": " + e.Problem }

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
		MinLifetimeSeconds: int64(req.MinLifetime / time.Second), Interactive: p.d.Prompt.Available(),
	})
	if err != nil {
		return nil, err
	}
	limit := 2 * p.d.Timeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdin = bytes.NewReader(append(q, '\n'))
	cmd.Stderr = os.Stderr
	var out limitedBuffer
	cmd.Stdout = &out
	// What it started and left behind may hold the pipe open: not waited for.
	cmd.WaitDelay = time.Second
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return nil, &PluginFault{p.executable(), fmt.Sprintf("nothing within %s", limit), true}
	}
	fault := func(problem string) (*PluginAnswer, error) {
		return nil, &PluginFault{Plugin: p.executable(), Problem: problem}
	}
	var ans PluginAnswer
	if err := json.Unmarshal(out.Bytes(), &ans); err != nil {
		if runErr != nil {
			return fault(runErr.Error())
		}
		return fault("something that is not a JSON object on stdout")
	}
	switch {
	case ans.Error != nil && ans.Error.Code == "none":
		return nil, none("%s", cmp.Or(ans.Error.Message, p.executable()+" has nothing to offer"))
	case ans.Error != nil:
		ans.Error.Plugin = p.executable()
		return nil, ans.Error
	case runErr != nil:
		return fault(runErr.Error())
	case ans.APIVersion != text.APIVersion:
		return fault(fmt.Sprintf("apiVersion %q, not %s", ans.APIVersion, text.APIVersion))
	case ans.Token == "":
		return fault("neither a token nor an error")
	}
	return &ans, nil
}

// limitedBuffer ends a plugin that writes without end.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > pluginMax {
		return 0, io.ErrShortWrite
	}
	return b.Buffer.Write(p)
}

// ReadFrom hides the embedded one, which knows no limit.
func (b *limitedBuffer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, r)
}

// Report implements [Reporter].
func (p plugin) Report(context.Context, token.Request) (bool, string) {
	path, err := exec.LookPath(p.executable())
	if err != nil {
		return false, "there is no executable " + p.executable() + " on PATH"
	}
	return true, path + " would be run"
}

// Finding is one thing that a plugin does, or does not do, as its contract says.
type Finding struct {
	OK   bool   `json:"ok"`
	What string `json:"what"`
}

// CheckPlugin runs a plugin through its contract (docs/plugins.md): a request as a
// helper makes it, and one that no plugin can fulfil.
func CheckPlugin(ctx context.Context, d *Deps, name string, req token.Request) ([]Finding, error) {
	if err := validPlugin(name); err != nil {
		return nil, err
	}
	p := plugin{d, name}
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
		add(bytes.IndexFunc([]byte(ans.Token), func(r rune) bool { return r <= 0x20 || r > 0x7e }) < 0, "the token is printable ASCII without spaces")
		add(!t.Expires.IsZero() || ans.ExpiresAt != nil, "the token's end is known, from the token or from expiresAt")
	case errors.As(err, &n):
		add(true, "it answers the request with nothing to offer: %s", n.Reason)
	case errors.As(err, &pe):
		add(true, "it answers the request with an error object: %s", pe.Message)
		add(pe.Message != "", "the error has a message")
	default:
		add(false, "%s", err)
	}
	impossible := req
	impossible.Issuer, impossible.Audiences, impossible.Scopes = "https://issuer.invalid/", []string{"nobody.invalid"}, []string{"nothing:/"}
	_, err = p.run(ctx, path, impossible)
	switch {
	case errors.As(err, &n):
		add(true, "for an issuer that it cannot know it has nothing to offer")
	case errors.As(err, &pe):
		add(true, "for an issuer that it cannot know it answers with an error object, which ends the search")
	case err == nil:
		add(false, "for an issuer that it cannot know it answers with a token")
	default:
		add(false, "for an issuer that it cannot know: %s", err)
	}
	return out, nil
}
