package inspect

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

type grammar struct {
	Files []string `arg:"" name:"file" complete:"file" help:"Files with one token each, one token per line, or a log of JSON objects, also compressed by gzip; - is stdin."`

	// Plugins are the flags of the ecosystems.
	cmdline.Plugins `group:"Services"`
	Read            bool   `group:"Services" common:"" help:"Check read access. This is viewing jobs, or reading files (the default for storage)."`
	Write           bool   `group:"Services" common:"" help:"Check write access. This is submitting jobs (the default for --ce), or writing and overwriting files."`
	ServerVersion   string `group:"Services" placeholder:"V" complete:"none" help:"The server's version. Default: the newest known."`
	ScitokensCpp    string `group:"Services" name:"scitokens-cpp" placeholder:"V" complete:"none" help:"The version of scitokens-cpp, the server's library. Default: the one that such a server usually comes with."`

	Aud         []string     `group:"Checks" name:"aud" aliases:"audience" placeholder:"AUD" complete:"none" common:"" help:"Check that the token has this audience. With --ce or --xrd, this is the audience that the service accepts. Repeatable."`
	Scope       []string     `group:"Checks" short:"s" placeholder:"SCOPE" complete:"none" common:"" help:"Check that the token grants this scope. Repeatable."`
	Issuer      string       `group:"Checks" placeholder:"URL" complete:"none" common:"" help:"Check that the token is from this issuer."`
	Profile     string       `group:"Checks" enum:",wlcg,scitokens" default:"" placeholder:"wlcg|scitokens" help:"Check that the token has this profile and the claims that it requires."`
	MinLifetime cli.Duration `group:"Checks" aliases:"time,minsecs" placeholder:"D" help:"Check that the token is valid for at least this long. D is a number of seconds, or has units, such as 90s or 1h."`
	Now         string       `group:"Checks" placeholder:"TIME" complete:"none" help:"Check as of TIME: RFC 3339, a date, or seconds since 1970."`
	Skew        cli.Duration `group:"Checks" placeholder:"D" help:"Allow clocks to differ by this much. Servers allow no difference."`
	JWKS        string       `group:"Checks" name:"jwks" placeholder:"FILE" complete:"file" common:"" help:"Check the signature against this JWK Set."`
	FetchKeys   bool         `group:"Checks" common:"" help:"Check the signature against the issuer's keys. The only flag that uses the network."`
	CAFile      string       `group:"Checks" name:"cafile" placeholder:"FILE" complete:"file" help:"Trust only the certificates in FILE (--fetch-keys)."`
	CAPath      string       `group:"Checks" name:"capath" placeholder:"DIR" complete:"dir" help:"Trust only the certificates in DIR (--fetch-keys)."`
	Timeout     cli.Duration `group:"Checks" default:"15s" placeholder:"D" help:"Time limit of one exchange with the issuer (--fetch-keys). Default: 15s."`

	Output        string `group:"Output" short:"o" enum:",text,claims,json,ndjson,html,markdown" default:"" placeholder:"FORMAT" common:"" help:"text, claims, json, ndjson, html or markdown. The default is text on a terminal and claims elsewhere. ndjson prints one line per token. html is a page to view or to attach to a ticket, and markdown is for a ticket."`
	ShowSignature bool   `group:"Output" help:"Show the signature too (text, json)."`
	Redact        bool   `group:"Output" common:"" help:"Mask subjects, token IDs, names, mail addresses and other IDs of persons, in every format."`
	Explain       string `group:"Output" placeholder:"TEXT" complete:"cause" common:"" help:"Explain a claim, a scope, a cause, or a line of a log. Causes are the codes in reports. The log can be that of a server or of a client."`
	Diff          bool   `group:"Output" common:"" help:"Show the differences between two tokens. For example, one works and the other is refused."`

	Completion    string `group:"Other" enum:",bash,zsh,fish" default:"" placeholder:"SHELL" help:"Print the script for completion in bash, zsh or fish."`
	cli.HelpFlags `group:"Other"`
}

// options contains the flags, and the targets of which a flag was given.
type options struct {
	grammar
	given []givenTarget
	// files are the files that flags name, with their digests.
	files []string
}

type givenTarget struct {
	service.Target
	// flag is one of the flags that were given, such as --ce.
	flag string
}

// parse parses the command line. done means that there is nothing else to do.
func parse(env *cli.Env) (o *options, done bool, err error) {
	// Check this first, because other errors repeat arguments.
	if slices.ContainsFunc(env.Args, func(a string) bool {
		return strings.Contains(a, "eyJ") && looksLikeToken.Get().MatchString(a) && !exists(a)
	}) {
		return nil, false, cli.Errorf(cli.Usage, "a token was given as an argument, where all users of this host can read it").
			Hint("pipe it instead: jwt-inspect < token")
	}
	o = new(options)
	line := o.line()
	done, err = env.Parse(line, &o.HelpFlags, env.Args, func() (*cmdline.Program, *cmdline.Command) {
		p := Describe(env.Program)
		return p, p.Commands[0]
	})
	if err == nil && !done {
		err = env.Resolve(line, nil)
	}
	if err != nil || done {
		return o, done, err
	}
	o.given = givenTargets(line, o.Plugins)
	return o, false, noEmptyFlags(line)
}

// line returns the command line that sets the options.
func (o *options) line() *cmdline.Line {
	line := new(cmdline.Line)
	for _, e := range ecosystems.All() {
		o.Plugins = append(o.Plugins, e.Target())
	}
	line.Add(&o.grammar, "")
	return line
}

// givenTargets returns the targets of which a flag was given.
func givenTargets(line *cmdline.Line, targets cmdline.Plugins) (out []givenTarget) {
	for _, t := range targets {
		var own cmdline.Line
		own.Add(t, "")
		for _, g := range line.Given {
			// The flag belongs to the target if it sets one of its fields.
			if g.Flag != nil && slices.ContainsFunc(own.Flags, func(f *cmdline.Flag) bool { return f.Target() == g.Flag.Target() }) {
				out = append(out, givenTarget{t.(service.Target), "--" + g.Flag.Name})
				break
			}
		}
	}
	return out
}

// noEmptyFlags rejects empty and repeated flags, with which less would be checked than
// intended, such as an empty variable in a script.
func noEmptyFlags(line *cmdline.Line) error {
	seen := map[string]bool{}
	for _, g := range line.Given {
		if g.Flag == nil {
			continue
		}
		name := "--" + g.Flag.Name
		switch {
		case g.Flag.Repeats:
		case seen[name]:
			return cli.Errorf(cli.Usage, "%s is given twice", name).Hint("give it once, because only the last one would count")
		case g.Flag.IsSwitch():
		case strings.TrimSpace(g.Flag.String()) == "":
			return cli.Errorf(cli.Usage, "%s is empty", name).Hint("give it a value, or leave it out")
		}
		seen[name] = true
	}
	return nil
}

func usage(format string, a ...any) error {
	return cli.Errorf(cli.Usage, format, a...).Hint("run 'jwt-inspect --help-all' to see all flags")
}

func diffUsage() error {
	return cli.Errorf(cli.Usage, "--diff requires two files with one token each").Hint("write it as jwt-inspect --diff works refused")
}

// format returns the output format.
func (o *options) format(tty bool) (format, error) {
	name := o.Output
	switch {
	case o.Diff && len(o.Files) != 2:
		return format{}, diffUsage()
	case o.Diff:
		return diffFormat, nil
	case name == "" && tty:
		name = "text"
	case name == "":
		name = "claims"
	}
	f := formats[slices.IndexFunc(formats, func(f format) bool { return f.name == name })]
	if o.ShowSignature && o.Redact {
		return format{}, usage("--redact and --show-signature cannot be combined")
	}
	if o.ShowSignature && !f.signature {
		return format{}, cli.Errorf(cli.Usage, "--show-signature requires -o text or -o json").Hint("run: jwt-inspect -o text --show-signature < token")
	}
	return f, nil
}

// conflict returns an error if flags cannot be combined.
func (o *options) conflict() error {
	for _, a := range slices.Concat(o.Aud, o.Scope) {
		if strings.TrimSpace(a) == "" {
			return usage("--aud and --scope must not be empty")
		}
	}
	switch {
	case len(o.given) > 1:
		return usage("%s and %s cannot be combined", o.given[0].flag, o.given[1].flag)
	case len(o.given) == 0 && (o.Read || o.Write || o.ServerVersion != "" || o.ScitokensCpp != ""):
		var flags []string
		for _, e := range ecosystems.All() {
			flags = append(flags, e.Flag)
		}
		return usage("--read, --write, --server-version and --scitokens-cpp require %s", strings.Join(flags, " or "))
	case o.Diff && (o.Output != "" && o.Output != "text" || o.checks()):
		return usage("--diff only compares: it cannot be combined with checks and formats")
	case o.JWKS != "" && o.FetchKeys:
		return usage("--jwks and --fetch-keys cannot be combined")
	}
	return nil
}

// checks reports whether a check is requested.
func (o *options) checks() bool {
	return len(o.given) > 0 || len(o.Aud)+len(o.Scope) > 0 || o.Issuer != "" || o.Profile != "" || o.MinLifetime > 0 || o.JWKS != "" || o.FetchKeys
}

// judge returns the judge for the options.
func (o *options) judge(env *cli.Env, f format) (*judge, error) {
	if err := o.conflict(); err != nil {
		return nil, err
	}
	jd := &judge{depth: f.depth, now: env.Now(), profile: o.Profile, want: service.Required{
		Issuer: o.Issuer, Audiences: o.Aud, MinLifetime: time.Duration(o.MinLifetime), Skew: time.Duration(o.Skew),
		// A flag may have several scopes, like the scope claim.
		Scopes: token.SplitScopes(strings.Join(o.Scope, " ")),
	}}
	if jd.depth == claimsOnly && (o.checks() || o.Now != "" || o.Skew > 0) {
		jd.depth = full
	}
	if o.Now != "" {
		var err error
		if jd.now, err = parseTime(o.Now); err != nil {
			return nil, err
		}
	}
	err := o.service(jd)
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return nil, cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	}
	if err == nil {
		err = o.keys(env, &jd.keys)
	}
	jd.origin = origin{Tool: cli.VersionString(env.Program), Command: commandLine(env.Program, env.Args), Files: o.files}
	return jd, err
}

// service adds the service that the flags name.
func (o *options) service(jd *judge) error {
	if len(o.given) == 0 {
		return nil
	}
	asked := service.Asked{Read: o.Read, Write: o.Write, Audiences: o.Aud, ReadFile: o.readFile}
	var err error
	if o.ServerVersion != "" {
		if asked.Version, err = service.ParseVersion("--server-version", o.ServerVersion); err != nil {
			return err
		}
	}
	if o.ScitokensCpp != "" {
		if asked.Library, err = service.ParseVersion("--scitokens-cpp", o.ScitokensCpp); err != nil {
			return err
		}
	}
	s, err := o.given[0].Service(asked)
	if err != nil {
		return err
	}
	jd.judges = append(jd.judges, s.Judge)
	if s.Name() != "" {
		jd.setService(s, o.ServerVersion != "" || o.ScitokensCpp != "")
	}
	return nil
}

// keys adds the keys that signatures are checked against.
func (o *options) keys(env *cli.Env, k *keys) error {
	if o.JWKS != "" {
		k.file = o.JWKS
		err := o.readFile("--jwks", o.JWKS, func(b []byte) (err error) {
			k.set, err = jwks.Parse(b)
			return err
		})
		if err == nil && k.set.HoldsSecret() {
			env.Say("note: %s contains a secret key: do not share it", o.JWKS)
		}
		return err
	}
	if !o.FetchKeys {
		return nil
	}
	h := issuer.HTTPOptions{CAFile: o.CAFile, CAPath: o.CAPath, Timeout: time.Duration(o.Timeout),
		LookupEnv: env.LookupEnv, UserAgent: env.UserAgent}
	if h.CAFile == "" && h.CAPath == "" {
		// The token helpers use the same variables.
		h.CAFile, h.CAPath = env.Getenv("TOKEN_HELPER_CAFILE"), env.Getenv("TOKEN_HELPER_CAPATH")
	}
	client := issuer.NewClient(h)
	if err := client.Ready(); err != nil {
		return err
	}
	k.fetcher = &fetcher{client: client, budget: 5 * h.Timeout, fetched: map[string]fetchedKeys{}}
	return nil
}

func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n < 253402300800 { // the end of the year 9999
		return time.Unix(n, 0), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, cli.Errorf(cli.Usage, "--now: %q is not a time", s).Hint("write it as 2026-01-31T12:00:00Z, or in seconds since 1970")
	}
	return t, nil
}
