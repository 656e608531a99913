package helper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/output"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// config is the configuration: default flags, and issuers, tokens and services by name.
type config struct {
	// path is the user's configuration, which hints name; empty without a home directory.
	// While a file is read, it is that file.
	path string
	// files are the files that were looked for, the host's first.
	files []configFile
	// problem is the error of reading the files.
	problem error
	// origin maps "defaults.FLAG", "issuer.NAME" and "token.NAME" to the file that sets
	// them.
	origin map[string]string
	// Defaults are flags by their long names.
	Defaults map[string]any `toml:"defaults"`
	// Issuers are the named issuers.
	Issuers map[string]issuerConfig `toml:"issuer"`
	// Tokens are the tokens that --token names.
	Tokens map[string]tokenConfig `toml:"token"`
	// Services are the services that jobs list in use_oauth_services.
	Services map[string]Service `toml:"service"`
	// Credmon has the settings of the host's credmon.
	Credmon Credmon `toml:"credmon"`

	// accepted are the issuers that the host's configuration names, and open means that
	// its credmon also accepts others.
	accepted []string
	open     bool
}

// issuerConfig is one [issuer.NAME] table.
type issuerConfig struct {
	URL               string   `toml:"url"`
	ClientID          string   `toml:"client-id"`
	AudienceParameter string   `toml:"audience-parameter"`
	Scopes            []string `toml:"scopes"`
	CAFile            string   `toml:"cafile"`
	PKCE              bool     `toml:"pkce"`
	// For the client of a robot.
	ClientSecretFile string `toml:"client-secret-file"`
	ClientSecretCmd  string `toml:"client-secret-command"`
	// RegistrationFile contains an initial access token.
	RegistrationFile string `toml:"registration-token-file"`

	// name is empty unless the issuer is configured.
	name string
}

// configFile is a file in which a configuration was looked for.
type configFile struct {
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
}

// defaultable are the flags that a configuration may set: those that make sense for any
// request. The settings of a client are in the tables of the issuers.
var defaultable = []string{
	"issuer", "cafile", "capath", "timeout", "min-lifetime", "keyring", "browser", "from", "account", "output", "unlock-for", "no-prompt", "verbose", "quiet",
	"profile", "legacy", "username",
}

// issuerKeys are the members of an [issuer.NAME] table.
var issuerKeys = []string{"url", "client-id", "client-secret-file", "client-secret-command", "registration-token-file", "audience-parameter", "scopes", "cafile", "pkce"}

// hostConfig is the host's configuration. The user's takes precedence.
const hostConfig = "/etc/token-helpers/config.toml"

// loadConfig reads the host's configuration and the user's, which takes precedence.
func loadConfig(env *cli.Env) (*config, error) {
	c := &config{}
	if runtime.GOOS != "windows" {
		if err := c.load(hostConfig); err != nil {
			return nil, err
		}
	}
	c.accepted, c.open = c.named(), c.Credmon.AnyIssuer
	dir := env.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := homeDir(env)
		if home == "" {
			c.path = ""
			return c, nil
		}
		dir = filepath.Join(home, ".config")
	}
	return c, c.load(filepath.Join(dir, "token-helpers", "config.toml"))
}

// homeDir returns the user's home directory.
func homeDir(env *cli.Env) string { return store.Home(runtime.GOOS, env.Getenv) }

// load merges the configuration at path into c, if the file exists.
func (c *config) load(path string) error {
	c.path = path
	content, err := readConfig(path)
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	c.files = append(c.files, configFile{path, !missing})
	if missing {
		return nil
	}
	if err != nil {
		e := cli.Errorf(cli.Usage, "read the configuration: %w", err)
		var pe *private.Error
		if errors.As(err, &pe) {
			_ = e.Hint("%s", pe.Hint())
		}
		return e
	}
	return c.parse(string(content))
}

// readConfig reads a configuration. It rejects one that another user could have written,
// because the configuration chooses the issuer that receives secrets.
func readConfig(path string) ([]byte, error) {
	f, err := private.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err == nil {
		check := private.CheckWriters
		if path == hostConfig {
			check = private.CheckHostWriters
		}
		err = check(path, fi)
	}
	if err != nil {
		return nil, err
	}
	return private.ReadAll(f)
}

// parse reads the contents of the file at c.path. Its errors name the file and, if known,
// the line and the key.
func (c *config) parse(content string) error {
	if onlyComments(content) {
		return nil // as packages install it: skip the slower TOML library
	}
	md, err := toml.Decode(content, c)
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return cli.Errorf(cli.Usage, "%s:%d: %s", c.path, pe.Position.Line, pe.Message)
	}
	if m := wrongType.Get().FindStringSubmatch(fmt.Sprint(err)); m != nil {
		line, key, got, want := m[1], m[2], cmp.Or(m[3], m[5]), cmp.Or(tomlTypes[m[4]], "table")
		e := cli.Errorf(cli.Usage, "%s:%s: %s is a %s, not a %s", c.path, line, key, cmp.Or(tomlTypes[got], got), want)
		if want == "list" {
			return e.Hint(`write it in brackets, such as %s = ["ONE", "TWO"]`, key[strings.LastIndex(key, ".")+1:])
		}
		return e
	}
	if err != nil {
		return cli.Errorf(cli.Usage, "%s: %w", c.path, err)
	}
	for _, table := range configTables {
		// The library reads a plain value in the place of a table as an empty table.
		if typ := md.Type(table); typ != "" && typ != "Hash" {
			return cli.Errorf(cli.Usage, "%s: %s is not a table", c.path, table).Hint("begin it with [defaults], [issuer.NAME], [token.NAME] or [service.NAME]")
		}
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		known := issuerKeys
		switch {
		case len(keys[0]) == 1:
			known = configTables
		case keys[0][0] == "token":
			known = tokenKeys
		case keys[0][0] == "service":
			known = serviceKeys
		case keys[0][0] == "credmon":
			known = credmonKeys
		}
		return c.unknown(content, keys[0].String(), known)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Defaults)) {
		if !slices.Contains(defaultable, name) {
			return c.unknown(content, "defaults."+name, defaultable)
		}
	}
	if c.origin == nil {
		c.origin = map[string]string{}
	}
	for _, key := range md.Keys() {
		if len(key) > 1 {
			c.origin[key[0]+"."+key[1]] = c.path
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Issuers)) {
		i := c.Issuers[name]
		i.name = name
		c.Issuers[name] = i
		if i.URL == "" {
			return cli.Errorf(cli.Usage, "%s: issuer.%s has no url", c.path, name)
		}
		if !slices.Contains([]string{"", "audience", "resource", "both"}, i.AudienceParameter) {
			return cli.Errorf(cli.Usage, "%s: issuer.%s: audience-parameter must be audience, resource or both", c.path, name)
		}
	}
	if err := c.checkServices(); err != nil {
		return err
	}
	return c.checkTokens()
}

// wrongType matches the library's error for a value of the wrong type, which names Go
// types.
var wrongType = text.Pattern{Expr: `^toml: line (\d+) \(last key "(.+)"\): (?:` +
	`incompatible types: TOML value has type (.+); destination has type (.+)|type mismatch for .+: expected table but found (.+))$`}

// tomlTypes maps types in the library's errors to TOML's.
var tomlTypes = map[string]string{
	"string": "string", "int64": "number", "float64": "number", "bool": "boolean", "time.Time": "date",
	"[]any": "list", "[]map[string]any": "list", "map[string]any": "table",
	"slice": "list", "map": "table", "boolean": "boolean", "integer": "number", "float": "number",
}

// onlyComments reports whether a file has neither keys nor tables.
func onlyComments(content string) bool {
	for line := range strings.Lines(content) {
		if line = strings.Trim(line, " \t\r\n"); line != "" && line[0] != '#' || strings.ContainsFunc(line, unicode.IsControl) {
			return false
		}
	}
	return utf8.ValidString(content)
}

// addOrigin adds a hint to an error about a flag's value: the variable or file that sets it.
func (c *config) addOrigin(env *cli.Env, err error) error {
	var e *cli.Error
	var bad *cmdline.ValueError
	if !errors.As(err, &e) || !errors.As(err, &bad) {
		return err
	}
	switch _, from, _ := c.lookup(env, bad.Flag); from.Origin {
	case "environment":
		return e.Hint("check the environment variable %s", from.From)
	case "file":
		return e.Hint("check defaults.%s in\n  %s", bad.Flag.Name, from.From)
	}
	return err
}

// unknown returns the error for an unknown key, with its line and a suggestion.
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
	return e.Hint("use one of the known keys: %s", strings.Join(known, ", "))
}

// issuer resolves the value of --issuer: a configured name or a URL, to which the
// settings of a configured issuer with that URL apply. The URL may lack https:// or may
// be that of the discovery document.
func (c *config) issuer(urlOrName string) (issuerConfig, error) {
	given := strings.TrimSpace(urlOrName)
	if i, ok := c.Issuers[given]; ok {
		return i, nil
	}
	if base, _, found := strings.Cut(given, "/.well-known/"); found {
		given = base + "/"
	}
	if host, cut := mistypedURL(given); cut {
		return issuerConfig{}, cli.Errorf(cli.Usage, "--issuer: %q is not a URL", urlOrName).Hint("write it as --issuer %s", text.ShellWord("https://"+host))
	}
	host, _, _ := strings.Cut(given, "/")
	if !strings.Contains(given, "://") && strings.ContainsAny(host, ".:") && !strings.ContainsAny(given, " \t@") {
		given = "https://" + given
		if !strings.Contains(strings.TrimPrefix(given, "https://"), "/") {
			given += "/"
		}
	}
	if scheme, rest, found := strings.Cut(given, "://"); found {
		given = strings.ToLower(scheme) + "://" + rest
		if base := rest[:strings.IndexAny(rest+"?", "?#")]; base != rest && !strings.Contains(rest, "@") {
			return issuerConfig{}, cli.Errorf(cli.Usage, "--issuer: the URL of an issuer has no query and no fragment").Hint("write it as --issuer %s", text.ShellWord(strings.ToLower(scheme)+"://"+base))
		}
		// Of several tables with the same URL, the first one in alphabetical order applies.
		for _, name := range slices.Sorted(maps.Keys(c.Issuers)) {
			if i := c.Issuers[name]; token.SameIssuer(i.URL, given) {
				i.URL = given
				return i, nil
			}
		}
		return issuerConfig{URL: given}, nil
	}
	e := cli.Errorf(cli.Usage, "--issuer: %q is neither a URL nor the name of a configured issuer", urlOrName)
	if near := text.Nearest(given, slices.Sorted(maps.Keys(c.Issuers))); near != "" {
		return issuerConfig{}, e.Hint("did you mean %s?", near)
	}
	if c.path != "" {
		_ = e.Hint("give the https URL, or name it in an [issuer.%s] table in\n  %s", cmp.Or(given, "NAME"), c.path)
	}
	return issuerConfig{}, e
}

// mistypedURL returns what follows https:/ or https// in a URL without ://.
func mistypedURL(s string) (rest string, ok bool) {
	if strings.Contains(s, "://") {
		return "", false
	}
	if rest, ok = strings.CutPrefix(s, "https:/"); ok {
		return rest, true
	}
	return strings.CutPrefix(s, "https//")
}

// applies reports whether a default applies to the flag. --output has different values for
// different commands; a value that no command has applies, to be reported as an error.
func applies(f *cmdline.Flag, value string) bool {
	return f.Name != "output" || slices.Contains(f.Values, value) ||
		value != "text" && !slices.Contains(output.Formats, value)
}

// secret reads the client's secret from a file that only its owner can read, or from the
// output of a command.
func (c clientFlags) secret() (string, error) {
	file, command := c.ClientSecretFile, c.ClientSecretCmd
	switch {
	case file == "" && command == "":
		return "", nil
	case file != "" && command != "":
		return "", cli.Errorf(cli.Usage, "--client-secret-file and --client-secret-command cannot be combined")
	case command != "":
		return store.SecretFromCommand(context.Background(), "--client-secret-command", command)
	}
	s, err := private.ReadSecret(file)
	return strings.TrimSpace(s), secretFileError("--client-secret-file", err, "or give the secret with --client-secret-command")
}

// registrationToken reads the initial access token for client registration.
func (c clientFlags) registrationToken() (string, error) {
	if c.RegistrationFile == "" {
		return "", nil
	}
	s, err := private.ReadSecret(c.RegistrationFile)
	return strings.TrimSpace(s), secretFileError("--registration-token-file", err, "")
}

func secretFileError(flag string, err error, orHint string) error {
	if err == nil {
		return nil
	}
	e := cli.Errorf(cli.Usage, "%s: %w", flag, err)
	var pe *private.Error
	if errors.As(err, &pe) {
		_ = e.Hint("%s", strings.TrimSpace(pe.Hint()+"\n"+orHint))
	}
	return e
}
