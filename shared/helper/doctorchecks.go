package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// examine runs all checks. Its errors are usage errors.
func (d *doctor) examine(ctx context.Context, c *doctorCmd) error {
	if d.conf.problem != nil {
		d.problem("configuration", d.conf.problem, "")
		return nil // the other checks need the configuration
	}
	f := options{request: c.Request, client: c.Client, source: c.Source}
	if err := d.endpoint(c.Endpoint); err != nil {
		return err
	}
	w, err := d.world(f)
	if err != nil {
		return err
	}
	p, err := d.plan(w, f)
	if err != nil {
		// Without a service there is no audience, but everything else can be checked.
		f.login = true
		if p, err = d.plan(w, f); err != nil {
			return err
		}
	}
	d.configuration()
	d.environment()
	noHome := false
	for _, place := range w.store.Places() {
		switch {
		case errors.Is(place.Err, store.ErrNoHome) && noHome:
			// One such line is enough.
		case place.Err != nil:
			noHome = noHome || errors.Is(place.Err, store.ErrNoHome)
			d.problem("permissions", place.Err, "choose another directory with HOME or the XDG variables")
		case place.Exists:
			d.ok("permissions", "%s: %s", place.What, place.Path)
		default:
			d.ok("permissions", "%s: %s (created when needed)", place.What, place.Path)
		}
	}
	if what, err := w.store.KeyringState(); errors.Is(err, store.ErrNoHome) {
		// It was reported with the directories.
	} else if err != nil {
		d.problem("keyring", err, "choose another keyring with --keyring")
	} else {
		d.ok("keyring", "%s", what)
	}
	d.issuer(ctx, w, p)
	if err := d.sources(ctx, w, p); err != nil {
		return err
	}
	d.bearerToken()
	return nil
}

func (d *doctor) configuration() {
	for _, f := range d.conf.files {
		if f.Exists {
			d.ok("configuration", "%s", f.Path)
		} else {
			d.ok("configuration", "%s (does not exist)", f.Path)
		}
	}
	if len(d.conf.files) == 0 || homeDir(d.env) == "" && d.env.Getenv("XDG_CONFIG_HOME") == "" {
		d.warn("configuration", "set HOME to your home directory", "your configuration file cannot be found: HOME is not set")
	}
}

// environment reports the variables that are set and those that are likely misspelled.
func (d *doctor) environment() {
	known := []string{"TOKEN_HELPER_PASSPHRASE_FILE", "TOKEN_HELPER_PASSPHRASE_COMMAND"}
	for _, c := range d.describe().Commands {
		for _, f := range c.Line.Flags {
			known = append(known, variable(f))
		}
	}
	var set []string
	for _, v := range d.env.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "TOKEN_HELPER_") || value == "" {
			continue
		}
		set = append(set, name)
		if near := text.Nearest(name, known); near != "" && !slices.Contains(known, name) {
			d.warn("environment", "did you mean "+near+"?", "%s is not a variable of this program", name)
		}
	}
	if len(set) == 0 {
		d.ok("environment", "no variable of the helpers is set")
		return
	}
	slices.Sort(set)
	d.ok("environment", "these variables are set: %s", strings.Join(set, " "))
}

// issuer checks the certificates, and fetches the issuer's discovery document to check
// what it offers and to compare the clocks.
func (d *doctor) issuer(ctx context.Context, w *world, p *plan) {
	client := w.logins.Issuer
	if err := client.Ready(); err != nil {
		d.problem("certificates", err, "check --cafile and --capath")
		return
	}
	d.ok("certificates", "the helper trusts %s", client.Trust())
	start := d.env.Now()
	md, _, err := client.Discover(ctx, w.issuerURL)
	if err != nil {
		d.problem("issuer", err, "check --issuer, or try again later")
		return
	}
	d.ok("issuer", "%s answers (%d ms)", w.issuerURL, d.env.Now().Sub(start).Milliseconds())
	d.clock(client.ClockOffset())
	d.offers(w, p, md)
}

// clock compares this machine's clock with the issuer's. The helpers tolerate a
// difference of a minute, but most services tolerate none.
func (d *doctor) clock(offset time.Duration) {
	const most, noticed = time.Minute, 2 * time.Second
	differs := "behind the issuer's"
	if offset < 0 {
		differs = "ahead of the issuer's"
	}
	difference := fmt.Errorf("this machine's clock is %s %s", text.Duration(offset.Abs()), differs)
	const hint = "set the clock, or have it set: run 'timedatectl' to see whether it is synchronized"
	switch {
	case offset.Abs() > most:
		d.problem("clock", difference, hint)
	case offset.Abs() > noticed:
		d.warn("clock", hint, "%s", difference)
	default:
		d.ok("clock", "agrees with the issuer's")
	}
}

// offers checks what the issuer offers against what the helper needs.
func (d *doctor) offers(w *world, p *plan, md *issuer.Metadata) {
	entry, _, _ := w.store.Find(w.issuerURL, w.logins.ClientID)
	loggedIn := len(entry.Scopes) > 0
	if md.DeviceAuthorizationEndpoint == "" {
		d.warn("device flow", "get tokens from another source: --from oidc-agent, htgettoken or client-credentials", "the issuer does not offer it: you cannot log in with this program")
	} else {
		d.ok("device flow", "offered: you can log in with any browser")
	}
	switch {
	case w.logins.ClientID != "":
		d.ok("client", "%s, which was registered beforehand", w.logins.ClientID)
	case loggedIn:
		d.ok("client", "%s, that of your login", entry.ClientID)
	case md.RegistrationEndpoint == "":
		d.problem("client", errors.New("the issuer does not register clients by itself"), "ask its administrators for a client, and use --client-id ID or client-id in the configuration")
	default:
		d.ok("client", "registration is offered: one is registered at the first login")
	}
	var unlisted []string
	for _, s := range p.request.Scopes {
		if !md.Lists(s) && !token.Covers(md.ScopesSupported, s) {
			unlisted = append(unlisted, s)
		}
	}
	switch alt := p.alternative(md.ScopesSupported); {
	case len(md.ScopesSupported) == 0:
		d.ok("scopes", "the issuer does not list the scopes that it supports")
	case len(unlisted) == 0:
		d.ok("scopes", "the issuer supports %s", strings.Join(p.request.Scopes, " "))
	case alt != "":
		d.warn("scopes", "use "+alt+": this issuer spells these scopes differently", "the issuer does not list %s", strings.Join(unlisted, " "))
	case loggedIn && len(token.MissingScopes(entry.Scopes, unlisted)) == 0:
		d.ok("scopes", "your login has %s, which the issuer does not list", strings.Join(unlisted, " "))
	default:
		d.warn("scopes", "log in to see whether the issuer grants them:\n  "+p.loginCommand(), "the issuer does not list %s", strings.Join(unlisted, " "))
	}
}

// sources checks the sources that would be used.
func (d *doctor) sources(ctx context.Context, w *world, p *plan) error {
	chain, err := source.NewChain(w.sources, p.specs)
	if err != nil {
		return cli.Errorf(cli.Usage, "--from: %w", err)
	}
	for _, st := range chain.Report(ctx, p.request) {
		switch {
		case st.Source == "cache":
			// Cached tokens are not checked.
		case st.Source == "login":
			d.login(w, p, st)
		case st.Has:
			d.ok("source", "%s: %s", st.Source, st.What)
		default:
			d.warn("source", "run '"+d.env.Program+" sources' with the same flags for more, or choose other sources with --from", "%s: %s", st.Source, st.What)
		}
	}
	if w.sources.Prompt.Available() {
		d.ok("terminal", "available for prompts")
	} else {
		d.ok("terminal", "there is none: if a login is needed, the helper fails and prints the command")
	}
	return nil
}

func (d *doctor) login(w *world, p *plan, st source.Status) {
	loginHint := "log in with\n  " + p.loginCommand()
	e, err := w.logins.Usable(p.request)
	switch {
	case errors.Is(err, store.ErrNoHome):
		return // reported with the directories
	case !st.Has:
		d.warn("login", loginHint, "%s", st.What)
		return
	case err != nil:
		d.problem("login", err, loginHint)
		return
	}
	left := e.RefreshExpires.Sub(d.env.Now())
	switch {
	case e.RefreshExpires.IsZero():
		d.ok("login", "%s", st.What)
	case left <= 0:
		d.problem("login", errors.New("your login has expired"), loginHint)
	case left < expiresSoon:
		d.warn("login", loginHint, "your login expires in %s", text.Duration(left))
	default:
		d.ok("login", "%s; it expires in %s", st.What, text.Duration(left))
	}
}

// bearerToken checks the token that clients would use now.
func (d *doctor) bearerToken() {
	const name = "bearer token"
	found, err := bearer.Discover(d.env.LookupEnv, os.Geteuid())
	if err != nil {
		d.problem(name, err, "remove the file, or unset the variable that names it")
		return
	}
	if found.Token == "" {
		if _, err := bearer.Place(d.env.LookupEnv, os.Geteuid()); err != nil {
			d.warn(name, strings.Join(cli.Explain(err).Hints(), "\n"), "--bearer-file cannot be used: %v", err)
			return
		}
		d.ok(name, "there is no token where clients look; --bearer-file writes one")
		return
	}
	remove := "unset BEARER_TOKEN"
	if found.File != "" {
		remove = "rm " + text.ShellWord(found.File)
	}
	left, known := token.New(found.Token).Lifetime(d.env.Now())
	switch {
	case known && left <= 0:
		d.warn(name, "remove it, or write another one with --bearer-file:\n  "+remove, "clients use the token in %s, which has expired", found.Place)
	case len(found.Hidden) > 0:
		d.warn(name, "remove the one that you do not mean:\n  "+remove, "clients use the token in %s, not the one in %s", found.Place, strings.Join(found.Hidden, " or "))
	case known:
		d.ok(name, "clients use the one in %s, which expires in %s", found.Place, text.Duration(left))
	default:
		d.ok(name, "clients use the one in %s", found.Place)
	}
	if fi, err := os.Stat(found.File); found.File != "" && err == nil && fi.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		d.warn(name, "run\n  chmod 600 "+text.ShellWord(found.File), "XRootD clients reject token files that other users can access (mode %04o)", fi.Mode().Perm())
	}
}
