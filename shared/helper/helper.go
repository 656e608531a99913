// Package helper is the command line that all token helpers share. An ecosystem
// plugs in its flags and its request, and [Main] does the rest.
package helper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/output"
	"example.org/token-helpers/shared/prompt"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// DefaultIssuer is asked where none is named: the WLCG's INDIGO IAM.
const DefaultIssuer = "https://wlcg.cloud.cnaf.infn.it/"

// requestFlags say what is asked for, beside the ecosystem's own flags.
type requestFlags struct {
	Aud         []string     `name:"aud" aliases:"audience" sep:"none" placeholder:"AUD" help:"Ask for this audience instead of the derived one. Repeatable."`
	Scope       []string     `short:"s" sep:"none" placeholder:"SCOPE" help:"Ask for this scope; the defaults then apply no more. Repeatable."`
	MinLifetime cli.Duration `aliases:"time,minsecs" default:"60s" placeholder:"D" help:"The token must live at least this long: seconds, or 90s, 1h. Default: 60s."`
}

// loginFlags say how a login is made.
type loginFlags struct {
	ClientID         string       `name:"client-id" placeholder:"ID" help:"Use this client, registered beforehand. Without it one is registered."`
	ClientSecretFile string       `placeholder:"FILE" help:"The file with the client's secret."`
	ClientSecretCmd  string       `name:"client-secret-command" placeholder:"COMMAND" help:"A command that prints the client's secret."`
	AudienceParam    string       `name:"audience-parameter" enum:",audience,resource,both" default:"" placeholder:"audience|resource|both" help:"How the issuer wants the audience. Default: audience."`
	Keyring          string       `enum:",auto,secret-service,kwallet,keychain,wincred,pass,keyctl,file" default:"" placeholder:"BACKEND" help:"Where the login is kept: auto, secret-service, kwallet, keychain, wincred, pass, keyctl or file. Chosen once, at login, and remembered."`
	UnlockFor        cli.Duration `default:"12h" placeholder:"D" help:"How long the kernel holds the passphrase of encrypted files once you typed it; 0 is never. Default: 12h."`
	Browser          bool         `help:"Also open the verification address in the browser."`
}

// commonFlags belong to every command.
type commonFlags struct {
	Issuer  string           `placeholder:"URL|NAME" default:"${issuer}" help:"The issuer, by URL or by its name in the configuration. Default: ${issuer}"`
	CAFile  string           `name:"cafile" placeholder:"FILE" help:"Trust the certificates in this file and no others."`
	CAPath  string           `name:"capath" placeholder:"DIR" help:"Trust the certificates in this folder and no others."`
	Timeout cli.Duration     `default:"30s" placeholder:"D" help:"Time limit of one exchange with the issuer; twice that for another run to let go of the login. Default: 30s."`
	Verbose bool             `short:"v" help:"Tell what is done, on stderr. No secret is shown."`
	Quiet   bool             `short:"q" help:"Keep quiet but for errors and what you must know."`
	Version kong.VersionFlag `help:"Print the version."`
}

// sourceFlags say where a token may come from.
type sourceFlags struct {
	From     []string `sep:"none" placeholder:"SOURCE" help:"Ask exactly these sources, in this order: cache, login, oidc-agent, device, client-credentials, htgettoken[:OPTIONS], bearer[:FILE], exchange[:FILE], plugin:NAME. Repeatable. Default: cache, login, oidc-agent where one runs, device where there is a terminal."`
	Account  string   `placeholder:"NAME" help:"The short name of an account in oidc-agent. Default: one for the issuer."`
	ForceNew bool     `help:"Take no token from the cache."`
	NoPrompt bool     `help:"Never ask: fail with the login command instead."`
}

type getCmd struct {
	kong.Plugins
	Request requestFlags `embed:""`
	Login   loginFlags   `embed:""`
	Source  sourceFlags  `embed:""`

	Output string `short:"o" enum:"token,json,header,env" default:"token" placeholder:"FORMAT" help:"token, json, header or env. Default: token."`
	File   string `aliases:"outfile" placeholder:"FILE" help:"Write to FILE, which only you can read, instead of stdout."`
}

// sourcesCmd takes the flags of get, as it tells what get would do.
type sourcesCmd struct {
	kong.Plugins
	Request requestFlags `embed:""`
	Login   loginFlags   `embed:""`
	Source  sourceFlags  `embed:""`
	Output  string       `short:"o" enum:"text,json" default:"text" placeholder:"text|json" help:"text or json. Default: text."`
	Check   string       `placeholder:"NAME" help:"Run the plugin token-source-NAME through its contract, and report."`
}

type loginCmd struct {
	kong.Plugins
	Request requestFlags `embed:""`
	Login   loginFlags   `embed:""`
}

type logoutCmd struct {
	ClientID string `name:"client-id" placeholder:"ID" help:"The login of this client."`
	Force    bool   `help:"Forget the login here even where the issuer cannot be told."`
}

type statusCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" placeholder:"text|json" help:"text or json. Default: text."`
}

type grammar struct {
	Common commonFlags `embed:""`

	Get     getCmd     `cmd:"" default:"withargs" help:"Get a token (the default command)."`
	Sources sourcesCmd `cmd:"" help:"Show which sources would be asked, and what each has."`
	Login   loginCmd   `cmd:"" help:"Log in and keep the login; prints no token."`
	Logout  logoutCmd  `cmd:"" help:"End the login at the issuer and forget it."`
	Status  statusCmd  `cmd:"" help:"Show logins and cached tokens, never secrets."`
	Version struct{}   `cmd:"" help:"Print the version."`
}

// Main runs a token helper and returns its exit code.
func Main(env *cli.Env, eco service.Ecosystem) int {
	return env.Report(run(env, eco))
}

func run(env *cli.Env, eco service.Ecosystem) error {
	conf, err := loadConfig(env)
	if err != nil {
		return err
	}
	var g grammar
	g.Get.Plugins = kong.Plugins{eco}
	g.Login.Plugins = kong.Plugins{eco}
	g.Sources.Plugins = kong.Plugins{eco}
	kctx, done, err := cli.Parse(env, &g,
		kong.Description(description(eco)), kong.Help(help),
		kong.Vars{"issuer": DefaultIssuer},
		kong.Resolvers(resolver{env, conf}),
	)
	if err != nil || done {
		return conf.blame(err)
	}
	ctx := context.Background()
	switch command, _, _ := strings.Cut(kctx.Command(), " "); command {
	case "version":
		_, err := fmt.Fprintln(env.Stdout, cli.VersionString(env.Program))
		return err
	case "status":
		s, err := newSession(env, conf, g.Common, loginFlags{}, prompt.Terminal{Disabled: true})
		if err != nil {
			return err
		}
		return s.status(g.Status.Output)
	case "sources":
		c := g.Sources
		s, err := newSession(env, conf, g.Common, c.Login, prompt.Terminal{Disabled: c.Source.NoPrompt})
		if err != nil {
			return err
		}
		req, err := s.request(eco, c.Request, false)
		if err != nil {
			return err
		}
		if c.Check != "" {
			return s.checkPlugin(ctx, c.Check, req, c.Output)
		}
		return s.sources(ctx, c.Source, req, c.Output)
	case "logout":
		s, err := newSession(env, conf, g.Common, loginFlags{ClientID: g.Logout.ClientID}, prompt.Terminal{})
		if err != nil {
			return err
		}
		return s.logout(ctx, g.Logout.Force)
	case "login":
		s, err := newSession(env, conf, g.Common, g.Login.Login, prompt.Terminal{})
		if err != nil {
			return err
		}
		req, err := s.request(eco, g.Login.Request, true)
		if err != nil {
			return err
		}
		s.alternative = eco.Alternative
		return s.login(ctx, req)
	default:
		s, err := newSession(env, conf, g.Common, g.Get.Login, prompt.Terminal{Disabled: g.Get.Source.NoPrompt})
		if err != nil {
			return err
		}
		req, err := s.request(eco, g.Get.Request, false)
		if err != nil {
			return err
		}
		s.alternative = eco.Alternative
		s.loginCommand = loginCommand(env.Program, kctx)
		return s.get(ctx, req, g.Get)
	}
}

func description(eco service.Ecosystem) string {
	summary, examples := eco.Describe()
	var b strings.Builder
	b.WriteString(summary + "\n\nExamples:\n")
	for _, e := range examples {
		b.WriteString("  " + e + "\n")
	}
	b.WriteString("\nExit codes: 0 done, 1 other error, 2 usage, 3 login needed and nobody to ask, " +
		"4 the issuer refused, 5 network or TLS, 6 the grant differs from the request, " +
		"7 timed out, 8 the store failed.\n\n" +
		"Each flag has a variable: --min-lifetime is TOKEN_HELPER_MIN_LIFETIME. " +
		"Defaults and named issuers: token-helpers/config.toml in the configuration folder.")
	return b.String()
}

// session is one run: the parts put together for its flags.
type session struct {
	// services are what the token is for, as far as it is known.
	services []service.Service
	env      *cli.Env
	deps     *source.Deps
	store    *store.Store
	// issuerURL is the issuer, its name resolved.
	issuerURL string
	quiet     bool
	// loginCommand is what to type where a login is needed.
	loginCommand string
	alternative  func(supported []string) string
}

func newSession(env *cli.Env, conf *config, common commonFlags, lf loginFlags, term prompt.Terminal) (*session, error) {
	named, err := conf.issuer(common.Issuer)
	if err != nil {
		return nil, err
	}
	if err := issuer.CheckURL("the issuer", named.URL); err != nil {
		return nil, cli.Errorf(cli.Usage, "%w", err).
			Hint("give the issuer's https URL, as in --issuer %s", DefaultIssuer)
	}
	if common.Timeout == 0 {
		return nil, cli.Errorf(cli.Usage, "--timeout: must be more than 0")
	}
	term.Fallback = env.Stderr
	s := &session{env: env, issuerURL: named.URL, quiet: common.Quiet}
	note := func(format string, a ...any) {
		if !common.Quiet {
			env.Say(format, a...)
		}
	}
	verbose := func(format string, a ...any) {
		if common.Verbose {
			env.Say(format, a...)
		}
	}
	if common.CAFile == "" && common.CAPath == "" {
		common.CAFile = named.CAFile
	}
	if lf.ClientID == "" {
		lf.ClientID = named.ClientID
	}
	if lf.AudienceParam == "" {
		lf.AudienceParam = named.AudienceParameter
	}
	terminal := &term
	opts := store.Options{
		LookupEnv: env.LookupEnv, Now: env.Now, Backend: lf.Keyring,
		Note: note, Verbose: verbose, UnlockFor: time.Duration(lf.UnlockFor),
		// Who holds the lock makes an exchange or two, each of which has its limit.
		LockTimeout: 2 * time.Duration(common.Timeout),
	}
	if terminal.Available() {
		opts.Passphrase = terminal.Passphrase
	}
	s.store = store.New(opts)
	s.deps = &source.Deps{
		Store: s.store,
		Issuer: issuer.NewClient(issuer.HTTPOptions{
			CAFile: common.CAFile, CAPath: common.CAPath, Timeout: time.Duration(common.Timeout),
			LookupEnv: env.LookupEnv, UserAgent: strings.ReplaceAll(cli.VersionString(env.Program), " ", "/"), Trace: verbose,
		}),
		Prompt: terminal, Now: env.Now, Getenv: env.Getenv, Program: env.Program, Timeout: time.Duration(common.Timeout),
		ClientID: lf.ClientID,
		ClientSecret: func() (string, error) {
			return readSecret(context.Background(), lf.ClientSecretFile, lf.ClientSecretCmd)
		},
		AudienceParameter: issuer.AudienceParameter(lf.AudienceParam),
		LoginScopes:       named.Scopes, RegistrationScopes: ecosystems.RegistrationScopes(),
		Browser: lf.Browser, Note: note, Verbose: verbose, Keep: s.keep,
	}
	return s, nil
}

// request builds what is asked for from the flags.
func (s *session) request(eco service.Ecosystem, f requestFlags, login bool) (token.Request, error) {
	for _, a := range f.Aud {
		if strings.TrimSpace(a) == "" || strings.ContainsAny(a, " \t\r\n") {
			return token.Request{}, cli.Errorf(cli.Usage, "--aud: %q is not one audience", a).
				Hint("name one audience, and repeat --aud for more")
		}
	}
	var scopes []string
	for _, sc := range f.Scope {
		fields := token.SplitScopes(sc)
		if len(fields) == 0 {
			return token.Request{}, cli.Errorf(cli.Usage, "--scope: is empty").
				Hint("name one scope, as in --scope compute.read")
		}
		for _, one := range fields {
			if !validScope(one) {
				return token.Request{}, cli.Errorf(cli.Usage, "--scope: %q has characters that no scope has", one).
					Hint("a scope is printable ASCII without quotes and backslashes")
			}
		}
		scopes = append(scopes, fields...)
	}
	want, err := eco.Want(service.Given{Audiences: f.Aud, Scope: len(scopes) > 0, Login: login})
	if err != nil {
		e := cli.Errorf(cli.Usage, "%w", err)
		var ue *service.UsageError
		if errors.As(err, &ue) {
			_ = e.Hint("write it as %s", ue.Form)
		}
		return token.Request{}, e
	}
	audiences := want.Audiences
	if len(f.Aud) > 0 {
		audiences = f.Aud
	}
	if len(scopes) == 0 { // else the user knows better
		s.services = want.Services
	}
	return token.Request{
		Issuer: s.issuerURL, Audiences: audiences, Scopes: slices.Concat(want.Scopes, scopes),
		MinLifetime: time.Duration(f.MinLifetime),
	}.Normalized(), nil
}

// validScope follows RFC 6749 section 3.3.
func validScope(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

func (s *session) get(ctx context.Context, req token.Request, g getCmd) error {
	specs, err := s.specs(g.Source)
	if err != nil {
		return err
	}
	t, err := source.Chain(ctx, s.deps, specs, req)
	if err != nil {
		return s.explain(ctx, req, err)
	}
	s.foresee(t)
	return s.write(t, g)
}

// foresee tells of what the service will refuse the token for, though it is what was
// asked for: an issuer that writes another profile, most likely.
func (s *session) foresee(t token.Token) {
	j := t.JWT()
	if j == nil {
		return // an opaque token tells nothing
	}
	for _, svc := range s.services {
		for _, f := range svc.Judge(service.Presented{JWT: j, Size: len(t.Raw()), Now: s.env.Now()}) {
			if !f.Remark {
				s.deps.Note("note: %s will refuse this token: %s", svc.Name(), text.OneLine(f.Message))
				s.deps.Note("hint: %s", text.OneLine(f.Hint))
			}
		}
	}
}

// specs are the sources to ask: those named, else the default ones.
func (s *session) specs(f sourceFlags) ([]string, error) {
	specs := f.From
	s.deps.Explicit, s.deps.ForceNew, s.deps.Account = len(f.From) > 0, f.ForceNew, f.Account
	if len(specs) == 0 {
		specs = []string{"cache", "login"}
		if s.env.Getenv("OIDC_SOCK") != "" {
			specs = append(specs, "oidc-agent")
		}
		if s.deps.Prompt.Available() {
			specs = append(specs, "device")
		}
	}
	for _, spec := range specs {
		if _, err := source.Open(s.deps, spec); err != nil {
			return nil, cli.Errorf(cli.Usage, "--from: %w", err)
		}
	}
	if f.NoPrompt {
		specs = slices.DeleteFunc(slices.Clone(specs), func(n string) bool { return n == "device" })
	}
	return specs, nil
}

// keep caches a token that is as it was asked for.
func (s *session) keep(ctx context.Context, req token.Request, t token.Token) error {
	if err := s.checkGrant(ctx, req, t); err != nil {
		return err
	}
	if err := s.store.PutToken(s.deps.CacheKey(req), t); err != nil {
		// The token is good; only the next run is slower.
		s.deps.Note("the token was not cached: %s", err)
	}
	return nil
}

func (s *session) write(t token.Token, g getCmd) error {
	data, err := output.Format(g.Output, t)
	if err != nil {
		return err
	}
	if g.File != "" {
		return output.WriteFile(g.File, data)
	}
	if _, err := s.env.Stdout.Write(data); err != nil {
		return fmt.Errorf("write the token to stdout: %w", err)
	}
	return nil
}

// checkGrant holds what was granted against what was asked for. Nothing but a token
// that passes is printed or cached.
func (s *session) checkGrant(ctx context.Context, req token.Request, t token.Token) error {
	findings := service.Check(t, service.Required{
		Issuer: req.Issuer, Audiences: req.Audiences, Scopes: req.Scopes, MinLifetime: req.MinLifetime,
	}, s.env.Now())
	if len(findings) == 0 {
		return nil
	}
	var problems []string
	var missing []string
	e := &cli.Error{Code: cli.GrantDiffer}
	for _, f := range findings {
		if f.Code == finding.ScopeMissing {
			missing = append(missing, f.Missing...)
			continue
		}
		problems = append(problems, f.Message)
		if off := s.deps.Issuer.ClockOffset(); (f.Code == finding.Expired || f.Code == finding.NotYetValid) && off.Abs() > time.Minute {
			side := "behind"
			if off < 0 {
				side = "ahead of"
			}
			_ = e.Hint("this machine's clock is %s %s the issuer's: set it", text.Duration(off.Abs()), side)
			continue
		}
		if hint := flagHint(f); hint != "" {
			_ = e.Hint("%s", hint)
		}
	}
	if len(missing) > 0 {
		problems = append([]string{s.shortGrant(ctx, e, t.Scopes, missing)}, problems...)
	}
	e.Err = errors.New(strings.Join(problems, "; "))
	return e
}

// flagHint is the hint of a finding in terms of the helpers' own flags.
func flagHint(f finding.Finding) string {
	switch f.Code {
	case finding.AudMismatch:
		return "the issuer may want the audience in another parameter: try --audience-parameter resource"
	case finding.AudMissing:
		return ""
	case finding.LifetimeShort:
		return "ask for less with --min-lifetime, or for a longer one at the issuer"
	}
	return f.Hint
}

// shortGrant words a grant that lacks scopes, with hints to what helps.
func (s *session) shortGrant(ctx context.Context, e *cli.Error, granted, missing []string) string {
	got := strings.Join(service.Demandable(granted), " ")
	if got == "" {
		got = "nothing"
	}
	if alt := s.alternativeFor(ctx); alt != "" {
		_ = e.Hint("this issuer spells these scopes differently: use %s", alt)
	} else {
		_ = e.Hint("ask the issuer's administrators for the group that may have %s, or ask for less", strings.Join(missing, " "))
	}
	return fmt.Sprintf("the issuer granted %s but not %s", got, strings.Join(missing, " "))
}

func (s *session) alternativeFor(ctx context.Context) string {
	md, err := s.deps.Metadata(ctx, s.issuerURL)
	if err != nil {
		return ""
	}
	return s.alternative(md.ScopesSupported)
}

// explain gives an error of a source its exit code and the next command.
func (s *session) explain(ctx context.Context, req token.Request, err error) error {
	var nothing *source.NoneError
	if errors.As(err, &nothing) {
		return cli.Errorf(cli.NeedLogin, "%w", nothing).Hint("log in with\n  %s", s.loginCommand)
	}
	e := classify(err)
	var re *issuer.ResponseError
	if errors.As(err, &re) && re.Code == "invalid_scope" {
		if alt := s.alternativeFor(ctx); alt != "" {
			_ = e.Hint("this issuer spells these scopes differently: use %s", alt)
		} else {
			_ = e.Hint("the issuer does not give you %s", strings.Join(req.Scopes, " "))
		}
	}
	return e
}

// login makes a login, whatever is there already.
func (s *session) login(ctx context.Context, req token.Request) error {
	lg, _, _, err := s.deps.Login(ctx, req)
	if err != nil {
		return s.explain(ctx, req, err)
	}
	if missing := token.MissingScopes(lg.Scopes, service.Demandable(req.Scopes)); len(missing) > 0 {
		e := &cli.Error{Code: cli.GrantDiffer}
		e.Err = errors.New(s.shortGrant(ctx, e, lg.Scopes, missing))
		return e
	}
	s.deps.Note("logged in at %s", s.issuerURL)
	return nil
}

func (s *session) logout(ctx context.Context, force bool) error {
	lg, err := s.store.Load(ctx, s.issuerURL, s.deps.ClientID)
	if errors.Is(err, store.ErrNoLogin) {
		s.deps.Note("there is no login at %s", s.issuerURL)
		return s.storeError(s.store.ForgetTokens(s.issuerURL))
	}
	if err != nil {
		return classify(err)
	}
	unlock, err := s.store.Lock(ctx, s.issuerURL)
	if err != nil {
		return classify(err)
	}
	defer unlock()
	md, err := s.deps.Metadata(ctx, s.issuerURL)
	if err == nil {
		err = s.deps.End(ctx, md, lg)
	}
	if err != nil && !force {
		return classify(err).Hint("the login is still kept here; try again when the issuer answers, or forget it with --force")
	}
	if err != nil {
		s.deps.Note("the issuer was not told: %s", err)
		left := "its refresh token"
		if lg.Registered {
			left += " and the client " + lg.ClientID
		}
		s.deps.Note("%s stay behind at %s, good until they end there", left, s.issuerURL)
	}
	if err := s.store.Delete(ctx, lg.Issuer, lg.ClientID); err != nil {
		return classify(err)
	}
	if err := s.store.ForgetTokens(s.issuerURL); err != nil {
		return classify(err)
	}
	s.deps.Note("logged out at %s", s.issuerURL)
	return nil
}

func (s *session) storeError(err error) error {
	if err == nil {
		return nil
	}
	return classify(err)
}
