package helper

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// tokenConfig is one [token.NAME] table: a token that --token names.
type tokenConfig struct {
	Audience words    `toml:"audience"`
	Scopes   []string `toml:"scopes"`
	Issuer   string   `toml:"issuer"`
	File     string   `toml:"file"`
}

// configTables are the tables of a configuration, and tokenKeys the members of a
// [token.NAME] table.
var (
	configTables = []string{"defaults", "issuer", "token", "service", "credmon"}
	tokenKeys    = []string{"audience", "scopes", "issuer", "file"}
)

// words is a list that may be written as one string.
type words []string

// UnmarshalTOML implements toml.Unmarshaler.
func (w *words) UnmarshalTOML(v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("%v is not a string", v)
		}
		*w = append(*w, s)
	}
	return nil
}

// tokenName matches the names of tokens, which are also file names.
var tokenName = text.Pattern{Expr: `^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`}

// checkTokens checks the [token.NAME] tables.
func (c *config) checkTokens() error {
	for _, name := range slices.Sorted(maps.Keys(c.Tokens)) {
		t := c.Tokens[name]
		at := fmt.Sprintf("%s: token.%s", c.path, name)
		if !tokenName.Get().MatchString(name) {
			return cli.Errorf(cli.Usage, "%s: the name of a token consists of letters, digits, '-', '_' and '.'", at)
		}
		if len(t.Scopes) == 0 {
			return cli.Errorf(cli.Usage, "%s has no scopes", at).Hint(`write out what the token may do, such as scopes = ["compute.read"]`)
		}
		if err := checkRequest(at, t.Scopes, t.Audience); err != nil {
			return err
		}
	}
	return nil
}

// checkRequest checks scopes and audiences. at is their position in the configuration.
func checkRequest(at string, scopes, audiences []string) error {
	for _, s := range scopes {
		if s == "" || !validScope(s) {
			return cli.Errorf(cli.Usage, "%s: %q is not one scope", at, s).Hint(`write a list, such as scopes = ["compute.read", "compute.create"]`)
		}
	}
	for _, a := range audiences {
		if a == "" || strings.ContainsAny(a, " \t\r\n") {
			return cli.Errorf(cli.Usage, "%s: %q is not one audience", at, a).Hint(`write a list for several, such as audience = ["a.example.org", "b.example.org"]`)
		}
	}
	return nil
}

// named returns the configured tokens that --token and --all-tokens select, each once.
func (g *getCmd) named(c *config) ([]string, error) {
	if g.AllTokens {
		if len(c.Tokens) == 0 {
			return nil, cli.Errorf(cli.Usage, "--all-tokens: no token is configured").Hint("%s", c.tokenHint("NAME"))
		}
		return slices.Sorted(maps.Keys(c.Tokens)), nil
	}
	var names []string
	for _, n := range g.Token {
		if _, ok := c.Tokens[n]; !ok {
			err := cli.Errorf(cli.Usage, "--token: no token %q is configured", n)
			if near := text.Nearest(n, slices.Sorted(maps.Keys(c.Tokens))); near != "" {
				return nil, err.Hint("did you mean %s?", near)
			}
			if !tokenName.Get().MatchString(n) {
				n = "NAME"
			}
			return nil, err.Hint("%s", c.tokenHint(n))
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names, nil
}

func (c *config) tokenHint(name string) string {
	if c.path == "" {
		return "set HOME, and write its scopes and audience in token-helpers/config.toml below it"
	}
	return fmt.Sprintf("write its scopes and audience in a [token.%s] table in\n  %s", name, c.path)
}

// namedPlan builds the plan for a configured token. login returns its login command.
func (a *app) namedPlan(w *world, f options, t tokenConfig, login func() string) *plan {
	return &plan{
		program: a.env.Program, loginCommand: login, alternative: func([]string) string { return "" },
		specs: a.specs(w, f),
		request: token.Request{
			Issuer: w.issuerURL, Audiences: t.Audience, Scopes: t.Scopes,
			MinLifetime: time.Duration(f.request.MinLifetime), AnyLifetime: f.kept,
		}.Normalized(),
	}
}

// union returns the request whose login covers all the tokens of one issuer.
func union(all []*item, w *world) token.Request {
	u := token.Request{Issuer: w.issuerURL}
	for _, it := range all {
		if it.w == w {
			u.Scopes = append(u.Scopes, it.p.request.Scopes...)
		}
	}
	return u.Normalized()
}

// namedLogin returns the command that logs in for all the tokens of one issuer.
func (a *app) namedLogin(all []*item, w *world, issuer string) string {
	argv := []string{a.env.Program, "login"}
	if issuer != a.common.Issuer || a.given("issuer") {
		argv = append(argv, "--issuer", text.ShellWord(issuer))
	}
	if f := a.common.CAFile; f != "" && a.given("cafile") {
		argv = append(argv, "--cafile", text.ShellWord(f))
	}
	for _, s := range service.Demandable(union(all, w).Scopes) {
		argv = append(argv, "--scope", text.ShellWord(s))
	}
	return strings.Join(argv, " ")
}

// given reports whether a flag was given on the command line.
func (a *app) given(name string) bool {
	f := a.line.Flag(name)
	return f != nil && f.Given
}

// configuredFile returns the file of a configured token, with variables and a leading ~
// replaced.
func (a *app) configuredFile(name string) (string, error) {
	file := a.conf.Tokens[name].File
	if file == "" {
		return "", nil
	}
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		file = "${HOME}/" + rest
	}
	missing := ""
	path := os.Expand(file, func(k string) string {
		v := a.env.Getenv(k)
		if k == "HOME" {
			v = homeDir(a.env)
		}
		if v == "" && missing == "" {
			missing = k
		}
		return v
	})
	switch {
	case missing != "":
		return "", cli.Errorf(cli.Usage, "token.%s: the file %s needs the variable %s, which is not set", name, file, missing).Hint("set %s, or name the file without it in\n  %s", missing, a.conf.origin["token."+name])
	case !filepath.IsAbs(path):
		return "", cli.Errorf(cli.Usage, "token.%s: the file %s is not an absolute path", name, file).Hint("begin it with /, ~/ or a variable in\n  %s", a.conf.origin["token."+name])
	}
	return path, nil
}
