package helper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// config is config.toml: default flags, and issuers by name.
type config struct {
	path string
	// Defaults are flags by their long names.
	Defaults map[string]any `toml:"defaults"`
	// Issuers are the named issuers.
	Issuers map[string]issuerConfig `toml:"issuer"`
}

// issuerConfig is one [issuer.NAME] table.
type issuerConfig struct {
	URL               string   `toml:"url"`
	ClientID          string   `toml:"client-id"`
	AudienceParameter string   `toml:"audience-parameter"`
	Scopes            []string `toml:"scopes"`
	CAFile            string   `toml:"cafile"`
}

// defaultable are the flags that a configuration may set: those that hold for any
// helper and any request.
var defaultable = []string{"issuer", "cafile", "capath", "timeout", "min-lifetime", "keyring", "browser", "from", "account", "output", "unlock-for", "no-prompt", "verbose", "quiet"}

// issuerKeys are the members of an [issuer.NAME] table.
var issuerKeys = []string{"url", "client-id", "audience-parameter", "scopes", "cafile"}

func loadConfig(env *cli.Env) (*config, error) {
	dir := env.Getenv("XDG_CONFIG_HOME")
	if dir == "" || !filepath.IsAbs(dir) {
		home := env.Getenv("HOME")
		if home == "" {
			return &config{}, nil
		}
		dir = filepath.Join(home, ".config")
	}
	c := &config{path: filepath.Join(dir, "token-helpers", "config.toml")}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return c, nil
	}
	if err != nil {
		return nil, cli.Errorf(cli.Usage, "read the configuration: %w", err)
	}
	return c, c.parse(string(text))
}

// parse reads the text of the file at c.path. Its errors name the file and, where
// that is known, the line and the key.
func (c *config) parse(content string) error {
	md, err := toml.Decode(content, c)
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return cli.Errorf(cli.Usage, "%s:%d: %s", c.path, pe.Position.Line, pe.Message)
	}
	if err != nil {
		return cli.Errorf(cli.Usage, "%s: %w", c.path, err)
	}
	for _, table := range []string{"defaults", "issuer"} {
		// The library takes a plain value in a table's place for an empty table.
		if typ := md.Type(table); typ != "" && typ != "Hash" {
			return cli.Errorf(cli.Usage, "%s: %s is no table", c.path, table).Hint("it begins with [defaults], or with [issuer.NAME]")
		}
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		known := issuerKeys
		if len(keys[0]) == 1 {
			known = []string{"defaults", "issuer"}
		}
		return c.unknown(content, keys[0].String(), known)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Defaults)) {
		if !slices.Contains(defaultable, name) {
			return c.unknown(content, "defaults."+name, defaultable)
		}
	}
	for name, i := range c.Issuers {
		if i.URL == "" {
			return cli.Errorf(cli.Usage, "%s: issuer.%s has no url", c.path, name)
		}
		if !slices.Contains([]string{"", "audience", "resource", "both"}, i.AudienceParameter) {
			return cli.Errorf(cli.Usage, "%s: issuer.%s: audience-parameter is audience, resource or both", c.path, name)
		}
	}
	return nil
}

// blame names the place of a default in an error about its flag.
func (c *config) blame(err error) error {
	var e *cli.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Defaults)) {
		if strings.HasPrefix(err.Error(), "--"+name+":") || strings.HasPrefix(err.Error(), "--"+name+" ") {
			return e.Hint("defaults.%s is set in\n  %s", name, c.path)
		}
	}
	return err
}

// unknown tells of a key that means nothing, where it stands, and which one may
// have been meant.
func (c *config) unknown(content, key string, known []string) error {
	last := key[strings.LastIndexByte(key, '.')+1:]
	at := c.path
	for i, line := range strings.Split(content, "\n") {
		name, _, _ := strings.Cut(line, "=")
		if strings.Trim(name, " \t\"'[]") == last {
			at = fmt.Sprintf("%s:%d", c.path, i+1)
			break
		}
	}
	e := cli.Errorf(cli.Usage, "%s: unknown key %s", at, key)
	if near := text.Nearest(last, known); near != "" {
		return e.Hint("did you mean %s?", near)
	}
	return e.Hint("known here are %s", strings.Join(known, ", "))
}

// issuer resolves --issuer: a URL, with the settings of the issuer configured for
// it, or a configured name.
func (c *config) issuer(urlOrName string) (issuerConfig, error) {
	if strings.Contains(urlOrName, "://") {
		for _, i := range c.Issuers {
			if token.SameIssuer(i.URL, urlOrName) {
				i.URL = urlOrName
				return i, nil
			}
		}
		return issuerConfig{URL: urlOrName}, nil
	}
	if i, ok := c.Issuers[urlOrName]; ok {
		return i, nil
	}
	e := cli.Errorf(cli.Usage, "--issuer: %q is neither a URL nor the name of a configured issuer", urlOrName)
	if c.path != "" {
		_ = e.Hint("give the https URL, or name it in an [issuer.%s] table in\n  %s", cmp.Or(urlOrName, "NAME"), c.path)
	}
	return issuerConfig{}, e
}

// resolver fills flags that are not on the command line: from TOKEN_HELPER_<FLAG>,
// else from the configuration. kong's own variables would lose to a resolver, and
// the environment must win over the configuration.
type resolver struct {
	env  *cli.Env
	conf *config
}

func (resolver) Validate(*kong.Application) error { return nil }

func (r resolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" || flag.Name == "version" {
		return nil, nil
	}
	name := "TOKEN_HELPER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	if v := r.env.Getenv(name); v != "" {
		if flag.IsSlice() {
			// One variable for a flag that repeats: a list separated by spaces.
			var list []any
			for _, f := range strings.Fields(v) {
				list = append(list, f)
			}
			return list, nil
		}
		return v, nil
	}
	switch v := r.conf.Defaults[flag.Name].(type) {
	case int64, float64:
		// A flag's text: min-lifetime = 90.
		return fmt.Sprint(v), nil
	default:
		return v, nil
	}
}

// readSecret reads a client's secret from a file that others must not be able to
// read, or takes what a command prints.
func readSecret(ctx context.Context, file, command string) (string, error) {
	switch {
	case file == "" && command == "":
		return "", nil
	case file != "" && command != "":
		return "", cli.Errorf(cli.Usage, "--client-secret-file and --client-secret-command: give one of them")
	case command != "":
		return store.SecretFromCommand(ctx, "--client-secret-command", command)
	}
	fi, err := os.Stat(file)
	if err != nil {
		return "", cli.Errorf(cli.Usage, "--client-secret-file: %w", err)
	}
	if fi.Mode().IsRegular() && fi.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		return "", cli.Errorf(cli.Usage, "--client-secret-file: %s can be read by others", file).
			Hint("chmod 600 %s", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", cli.Errorf(cli.Usage, "--client-secret-file: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", cli.Errorf(cli.Usage, "--client-secret-file: %s is empty", file)
	}
	return secret, nil
}

// loginCommand is the command line that makes the login which a get lacked: the
// same flags, but for those that only get has.
func loginCommand(program string, kctx *kong.Context) string {
	known := map[string]bool{}
	for _, n := range kctx.Model.Children {
		if n.Name == "login" {
			for _, group := range n.AllFlags(true) {
				for _, f := range group {
					known[f.Name] = true
				}
			}
		}
	}
	argv := []string{program, "login"}
	seen := map[string]bool{}
	for _, p := range kctx.Path {
		f := p.Flag
		if f == nil || p.Resolved || !known[f.Name] || seen[f.Name] || f.Name == "verbose" || f.Name == "quiet" || f.Name == "min-lifetime" {
			continue
		}
		seen[f.Name] = true
		switch v := f.Target.Interface().(type) {
		case bool:
			argv = append(argv, "--"+f.Name)
		case []string:
			for _, s := range v {
				argv = append(argv, "--"+f.Name, text.ShellWord(s))
			}
		case string:
			argv = append(argv, "--"+f.Name, text.ShellWord(v))
		case cli.Duration:
			argv = append(argv, "--"+f.Name, v.String())
		}
	}
	return strings.Join(argv, " ")
}
