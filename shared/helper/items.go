package helper

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// item is one token of a run: how it is obtained, and where it is written.
type item struct {
	// name is the name of the [token.NAME] table; empty if flags make the request.
	name string
	// file is where the token is written; empty means stdout.
	file string
	w    *world
	p    *plan
	// chain may prompt, quiet never does.
	chain, quiet *source.Chain
	// renewMu serializes renewals, because only one at a time can hold back messages.
	renewMu *sync.Mutex
}

// items returns the tokens that the command line requests.
func (a *app) items(g *getCmd) ([]*item, error) {
	if err := g.checkFlags(a); err != nil {
		return nil, err
	}
	f := options{request: g.Request, client: g.Client, source: g.Source, kept: g.Watch || a.command != nil}
	names, err := g.named(a.conf)
	if err != nil {
		return nil, err
	}
	var all []*item
	renewMu := new(sync.Mutex)
	if len(names) == 0 {
		w, err := a.world(f)
		if err != nil {
			return nil, err
		}
		p, err := a.plan(w, f)
		if err != nil {
			return nil, err
		}
		all = []*item{{w: w, p: p, renewMu: renewMu}}
	}
	worlds := map[string]*world{}
	for _, name := range names {
		t := a.conf.Tokens[name]
		issuer := cmp.Or(t.Issuer, a.common.Issuer)
		w := worlds[issuer]
		if w == nil {
			if w, err = a.worldAt(f, issuer); err != nil {
				return nil, err
			}
			f.beside = w
			worlds[issuer] = w
		}
		loginCommand := func() string { return a.namedLogin(all, w, issuer) }
		all = append(all, &item{name: name, w: w, renewMu: renewMu, p: a.namedPlan(w, f, t, loginCommand)})
	}
	for _, it := range all {
		if err := it.open(); err != nil {
			return nil, err
		}
	}
	return all, g.place(a, all)
}

// open creates the chains of an item.
func (it *item) open() (err error) {
	if it.chain, err = source.NewChain(it.w.sources, it.p.specs); err == nil {
		specs := source.Unattended(it.p.specs)
		if len(specs) == 0 || len(specs) == 1 && specs[0] == "cache" {
			specs = []string{"cache", "login"} // where a device flow stores its results
		}
		it.quiet, err = source.NewChain(it.w.sources, specs)
	}
	if err != nil {
		return cli.Errorf(cli.Usage, "--from: %w", err)
	}
	return nil
}

// checkFlags rejects flags that contradict each other.
func (g *getCmd) checkFlags(a *app) error {
	several := g.AllTokens || len(g.Token) > 0
	conflict := func(x, y, hint string) error {
		return cli.Errorf(cli.Usage, "%s and %s cannot be combined", x, y).Hint("%s", hint)
	}
	switch {
	case g.File != "" && g.BearerFile:
		return conflict("--file", "--bearer-file", "use --file FILE, or --bearer-file for the place where clients look")
	case g.AllTokens && len(g.Token) > 0:
		return conflict("--token", "--all-tokens", "name the tokens with --token, or get all of them")
	case a.command != nil && g.Watch:
		return conflict("--watch", "a command", "leave --watch out: the token is kept fresh while the command runs")
	case a.command != nil && (a.given("file") || a.given("bearer-file")):
		return conflict("--file or --bearer-file", "a command", "leave the flag out: the command finds the token's file in BEARER_TOKEN_FILE")
	case a.command != nil && a.given("output") && g.Output != "token":
		return conflict("--output", "a command", "leave the flag out: the command finds the token's file in BEARER_TOKEN_FILE")
	case g.Watch && !g.BearerFile && g.File == "" && !several:
		return cli.Errorf(cli.Usage, "--watch: there is no file to keep fresh").Hint("add --file FILE or --bearer-file")
	}
	if !several {
		return nil
	}
	for _, given := range a.line.Given {
		if given.Arg != nil && g.Endpoint != "" {
			return conflict("--token", "the argument "+g.Endpoint, "write the audience in the token's table in the configuration")
		}
		if given.Flag != nil && a.requests(given.Flag.Name) {
			return conflict("--token", "--"+given.Flag.Name, "write audience and scopes in the token's table in the configuration")
		}
	}
	return nil
}

// requests reports whether a flag sets audience or scopes, as the ecosystem's flags do.
func (a *app) requests(flag string) bool {
	if flag == "aud" || flag == "scope" {
		return true
	}
	var line cmdline.Line
	line.Add(a.eco, "")
	return line.Flag(flag) != nil
}

// place sets the files that the tokens are written to.
func (g *getCmd) place(a *app, all []*item) error {
	if a.command != nil {
		return nil // into a separate directory
	}
	bearerFile := ""
	if g.BearerFile {
		var err error
		if bearerFile, err = bearer.Place(a.env.LookupEnv, os.Geteuid()); err != nil {
			return err
		}
		if v := a.env.Getenv("BEARER_TOKEN"); v != "" {
			all[0].w.note("note: BEARER_TOKEN is set, and clients read it before the file: unset it")
		}
	}
	users := map[string]string{} // names by file
	for _, it := range all {
		configured, err := a.configuredFile(it.name)
		switch {
		case g.File != "":
			it.file = g.File
		case bearerFile != "" && len(all) > 1:
			// The file name of an additional token (WLCG Bearer Token Discovery).
			it.file = bearerFile + "-" + it.name
		case bearerFile != "":
			it.file = bearerFile
		case err != nil:
			return err
		default:
			it.file = configured
		}
		if len(all) > 1 && (g.File != "" || it.file == "") {
			return cli.Errorf(cli.Usage, "several tokens need a file each").Hint("write file = \"/path\" in each [token.NAME] table, or use --bearer-file, or run a command: %s --token A --token B -- COMMAND", a.env.Program)
		}
		if other, ok := users[filepath.Clean(it.file)]; ok {
			return cli.Errorf(cli.Usage, "tokens %s and %s have the same file: %s", other, it.name, it.file).Hint("write another file in one of the [token.NAME] tables in\n  %s", a.conf.origin["token."+it.name])
		}
		users[filepath.Clean(it.file)] = it.name
		if g.Watch && !replaceable(it.file) {
			return cli.Errorf(cli.Usage, "--watch: there is no file to keep fresh").Hint("give a file that can be replaced, with --file FILE or --bearer-file")
		}
	}
	return nil
}

// replaceable reports whether a file can be kept fresh. Descriptors, pipes and devices
// are written to, never replaced.
func replaceable(file string) bool {
	if _, open := private.Descriptor(file); open || file == "" || file == "-" {
		return false
	}
	fi, err := os.Lstat(file)
	return err != nil || fi.Mode()&(fs.ModeNamedPipe|fs.ModeDevice) == 0
}

// obtain gets the first token of an item. A token that is returned with an error is all
// that is left of a login.
func (a *app) obtain(ctx context.Context, it *item, all []*item) (token.Token, error) {
	t, err := a.first(ctx, it, all)
	var lost *login.LostError
	if errors.As(err, &lost) && !lost.Token.IsZero() {
		return lost.Token, err
	}
	if err != nil {
		return token.Token{}, it.p.explain(it.w, err)
	}
	a.warnIfRefused(it.w, it.p, t)
	a.warnIfExpiring(it.w, it.p, t)
	return t, nil
}

// obtainToKeep is [app.obtain] for a token that is kept fresh. It reports a lost login,
// whose token is still used, and a token with a shorter lifetime than requested.
func (a *app) obtainToKeep(ctx context.Context, it *item, all []*item) (token.Token, error) {
	t, err := a.obtain(ctx, it, all)
	if t.IsZero() {
		return t, err
	}
	_ = a.env.Report(err)
	a.noteShort(it, t)
	return t, nil
}

func (a *app) first(ctx context.Context, it *item, all []*item) (token.Token, error) {
	if it.name == "" {
		return it.chain.Token(ctx, it.p.request)
	}
	// Log in once for all tokens.
	t, err := it.quiet.Token(ctx, it.p.request)
	var none *source.NoneError
	if !errors.As(err, &none) || !slices.ContainsFunc(it.p.specs, source.Asks) {
		return t, err
	}
	if _, err := it.w.logins.Login(ctx, union(all, it.w), false); err != nil {
		return token.Token{}, err
	}
	return it.quiet.Token(ctx, it.p.request)
}

// renewed gets a token without prompting. A cached one is used if it is valid for at
// least enough.
func (it *item) renewed(ctx context.Context, enough time.Duration) (token.Token, error) {
	it.renewMu.Lock()
	defer it.renewMu.Unlock()
	if ctx.Err() != nil {
		return token.Token{}, ctx.Err()
	}
	req := it.p.request
	req.MinLifetime, req.AnyLifetime = enough, true
	t, err := it.quiet.Token(ctx, req)
	var lost *login.LostError
	if errors.As(err, &lost) && !lost.Token.IsZero() {
		return lost.Token, err
	}
	if err != nil {
		return token.Token{}, it.p.explain(it.w, err)
	}
	return t, nil
}

// noteShort prints a note if a token is valid for less time than was requested.
func (a *app) noteShort(it *item, t token.Token) {
	left, known := t.Lifetime(a.env.Now())
	switch {
	case !known:
		it.w.note("note: the token%s has no expiry: it is replaced every 10 minutes", it.label())
	case left < it.p.request.MinLifetime && it.p.request.AnyLifetime && t.Source != "cache":
		it.w.note("note: the token%s is valid for %s, which is less than --min-lifetime %s: it is replaced earlier", it.label(), text.Duration(left), text.Duration(it.p.request.MinLifetime))
	}
}

// label returns the name of a configured token after a space, for messages.
func (it *item) label() string {
	if it.name == "" {
		return ""
	}
	return " " + it.name
}

// warnIfTooShort prints a warning, before the work starts, if a login expires before the
// work can finish.
func (a *app) warnIfTooShort(g *getCmd, all []*item) {
	span := time.Duration(g.For)
	if span == 0 {
		return
	}
	warned := map[*world]bool{}
	for _, it := range all {
		if warned[it.w] {
			continue
		}
		warned[it.w] = true
		e, ok, err := it.w.store.Find(it.w.issuerURL, it.w.logins.ClientID)
		now := a.env.Now()
		switch {
		case err != nil || !ok || !slices.Contains(it.p.specs, "login"):
		case e.RefreshExpires.IsZero():
			it.w.sources.Verbose("the expiry of your login at %s is unknown", it.w.issuerURL)
		case e.RefreshExpires.Before(now.Add(span)):
			a.env.Say("warning: your login at %s expires on %s, in %s, but the work takes %s: log in again first, with\n  %s", it.w.issuerURL,
				e.RefreshExpires.Local().Format("2 January 2006 15:04"), text.Duration(e.RefreshExpires.Sub(now)), text.Duration(span), it.p.loginCommand())
		}
	}
}

// stores returns the distinct stores of the items.
func stores(all []*item) []*store.Store {
	var out []*store.Store
	for _, it := range all {
		if !slices.Contains(out, it.w.store) {
			out = append(out, it.w.store)
		}
	}
	return out
}
