package credd

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// request is one argument of the storer: the token that a job requests for a service.
type request struct {
	arg              string
	service          string
	name             string // of the credential: SERVICE or SERVICE_HANDLE
	scopes, audience string // as written in the submit file, or configured
	conf             helper.Service
}

// needServices rejects a command line without services. condor_submit always passes some.
func needServices(services []string) error {
	if len(services) == 0 {
		return cli.Errorf(cli.Usage, "there is no service to store a credential for").Hint("name it as the submit file does, such as mysvc, or 'mysvc&handle=ce&scopes=compute.read'")
	}
	return nil
}

// parseRequest parses SERVICE[&handle=NAME][&scopes=A,B][&audience=X], as condor_submit
// writes it. configFile is where the user can describe a service.
func parseRequest(arg string, services map[string]helper.Service, configFile string) (request, error) {
	const form = "write it as 'SERVICE&handle=NAME&scopes=SCOPE,SCOPE&audience=AUDIENCE'"
	parts := strings.Split(arg, "&")
	w := request{arg: arg, service: parts[0], name: parts[0]}
	for _, p := range parts[1:] {
		key, value, ok := strings.Cut(p, "=")
		switch {
		case !ok:
			return w, cli.Errorf(cli.Usage, "%q: %q has no value", arg, p).Hint(form)
		case key == "handle":
			w.name += "_" + value
		case key == "scopes" || key == "scope":
			w.scopes = value
		case key == "audience":
			w.audience = value
		case key == "options":
			// Only other storers use it.
		default:
			return w, cli.Errorf(cli.Usage, "%q: unknown word %q", arg, key).Hint(form)
		}
	}
	if !credentialName.Get().MatchString(w.name) || isLogin(w.name) || w.service == loginService {
		return w, cli.Errorf(cli.Usage, "%q: this is not the name of a service", arg).Hint(form)
	}
	conf, ok := helper.FindService(services, w.service)
	if !ok {
		e := cli.Errorf(cli.Usage, "no service %q is configured", w.service)
		if near := text.Nearest(w.service, slices.Sorted(maps.Keys(services))); near != "" {
			return w, e.Hint("did you mean %s?", near)
		}
		return w, e.Hint("check use_oauth_services in the submit file, or write a table [service.%s] with its issuer in\n  %s", w.service, configFile)
	}
	w.conf = conf
	w.scopes = cmp.Or(w.scopes, strings.Join(conf.Scopes, ","))
	w.audience = cmp.Or(w.audience, strings.Join(conf.Audience, ","))
	if len(list(w.scopes)) == 0 {
		return w, cli.Errorf(cli.Usage, "no scopes are requested for %s", w.name).
			Hint("add %s_oauth_permissions to the submit file, with _HANDLE for each handle, or scopes to the table [service.%s]", w.service, w.service)
	}
	return w, nil
}

// group is the credentials that come from one login.
type group struct {
	login    string // the credential's name
	issuer   string
	conf     helper.Service
	requests []request
	// missing are the requests without a credential from this login at condor_credd.
	missing []request
}

// scopes returns all scopes that the login must have.
func (g *group) scopes() []string {
	var out []string
	for _, w := range g.requests {
		out = append(out, list(w.scopes)...)
	}
	return text.Set(out)
}

// loginFor returns the name of the login of a client at an issuer. Without a configured
// client, there is one login for each issuer.
func loginFor(issuerURL, clientID string) string {
	b, _ := json.Marshal([]string{strings.TrimSuffix(issuerURL, "/"), clientID})
	sum := sha256.Sum256(b)
	return loginService + "_" + hex.EncodeToString(sum[:6])
}

// storer stores the credentials of a submission.
type storer struct {
	s      *helper.Session
	record *record
	// wait is how long to wait for the first tokens; 0 means not to wait.
	wait time.Duration
	args []string
}

// run stores the credentials that are missing for the arguments.
func (st *storer) run(ctx context.Context) error {
	groups, err := st.groups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := st.serve(ctx, g); err != nil {
			return err
		}
	}
	return st.await(ctx, groups)
}

// groups groups the arguments by the logins that they need.
func (st *storer) groups() ([]*group, error) {
	var groups []*group
	for _, arg := range st.args {
		w, err := parseRequest(arg, st.s.Services(), st.s.ConfigFile())
		if err != nil {
			return nil, err
		}
		i, err := st.s.Issuer(cmp.Or(w.conf.Issuer, st.s.DefaultIssuer()))
		if err != nil {
			return nil, err
		}
		if !st.s.Accepted(i.URL) {
			return nil, cli.Errorf(cli.Usage, "this access point does not accept the issuer %s of the service %s", i.URL, w.service).
				Hint("ask the administrators to name the issuer in\n  %s", st.s.HostConfigFile())
		}
		if other, ok := clash(groups, w); ok {
			return nil, cli.Errorf(cli.Usage, "%q and %q have the same name %s, so that the job would get one of them for both", other.arg, w.arg, w.name).
				Hint("use another handle in the submit file")
		}
		name := loginFor(i.URL, w.conf.ClientID)
		at := slices.IndexFunc(groups, func(g *group) bool { return g.login == name })
		if at < 0 {
			at = len(groups)
			groups = append(groups, &group{login: name, issuer: i.URL, conf: w.conf})
		}
		groups[at].requests = append(groups[at].requests, w)
	}
	return groups, nil
}

// clash returns another request of the submission whose credential has the same name. The
// service a with the handle b_c, for example, has the same name as a_b with the handle c.
func clash(groups []*group, w request) (request, bool) {
	for _, g := range groups {
		for _, other := range g.requests {
			if other.name == w.name && other.arg != w.arg {
				return other, true
			}
		}
	}
	return request{}, false
}

// serve stores the credentials of one login, and first the login itself if it is missing.
func (st *storer) serve(ctx context.Context, g *group) error {
	for _, w := range g.requests {
		m, err := query(ctx, w.name, w.scopes, w.audience)
		if err != nil {
			return err
		}
		if m == absent || m == differs || !slices.Contains(st.record.Logins[g.login].Credentials, w.name) {
			g.missing = append(g.missing, w)
		}
		if m == differs {
			st.s.Note("note: jobs that you submitted before with other scopes or another audience for %s get this token, too", w.name)
		}
	}
	ok, err := st.loggedIn(ctx, g)
	if err != nil {
		return err
	}
	if !ok {
		if err := st.login(ctx, g); err != nil {
			return err
		}
	}
	var stored []string
	for _, w := range g.missing {
		b, err := json.Marshal(top{Version: formatVersion, Login: g.login})
		if err == nil {
			err = add(ctx, w.name, w.scopes, w.audience, b)
		}
		if err != nil {
			return err
		}
		st.s.Verbose("stored the credential %s", w.name)
		stored = append(stored, w.name)
	}
	if len(stored) == 0 {
		return nil
	}
	if err := st.record.stored(ctx, g.login, stored); err != nil {
		st.s.Verbose("%s", err)
	}
	return nil
}

// loggedIn reports whether the access point has a login of this user with the scopes of g.
func (st *storer) loggedIn(ctx context.Context, g *group) (bool, error) {
	r, ok := st.record.Logins[g.login]
	if !ok {
		return false, nil
	}
	if missing := token.MissingScopes(r.Scopes, service.Demandable(g.scopes())); len(missing) > 0 {
		st.s.Verbose("the login at %s lacks %s", g.issuer, strings.Join(missing, " "))
		return false, nil
	}
	m, err := query(ctx, g.login, "", r.ID)
	return m == waiting || m == valid, err
}

// login logs in and hands the login over to the access point, unless another submission of
// this user has done so in the meantime.
func (st *storer) login(ctx context.Context, g *group) error {
	logins, url, err := st.s.Logins(g.conf)
	if err != nil {
		return err
	}
	terminal, err := st.s.Terminal()
	if err != nil {
		return err
	}
	if !terminal && !g.conf.Robot {
		return cli.Errorf(cli.NeedLogin, "your jobs need a login at %s for the service %s, but there is no terminal to ask on", url, g.requests[0].service).
			Hint("run this on a terminal of this access point, and then submit again:\n  %s store %s", st.s.Env().Program, quoted(st.args))
	}
	unlock, err := st.record.lock(ctx, g.login, func() {
		st.s.Note("another submission of yours is logging in at %s: waiting for it", url)
	})
	if err != nil {
		return err
	}
	defer unlock()
	st.record.load()
	if ok, err := st.loggedIn(ctx, g); ok || err != nil {
		return err
	}
	if g.conf.Robot {
		return st.robot(ctx, g, logins, url)
	}
	// The new login replaces the old one, so it must also have the scopes of that one.
	req := token.Request{Issuer: url, Scopes: text.Set(g.scopes(), st.record.Logins[g.login].Scopes)}.Normalized()
	st.s.Note("log in once, so that your jobs get tokens from %s", url)
	return logins.Issue(ctx, req, func(ctx context.Context, lg *store.Login) error {
		if missing := token.MissingScopes(lg.Scopes, service.Demandable(g.scopes())); len(missing) > 0 {
			return cli.Errorf(cli.GrantDiffer, "the issuer did not grant %s", strings.Join(missing, " ")).
				Hint("ask the issuer's administrators for the group that may have %s, or request less in the submit file", strings.Join(missing, " "))
		}
		return st.handOver(ctx, g, refreshGrant, lg)
	})
}

// robot hands over the client of a robot. It first requests a token for each credential, as
// the credmon will do, so that the submission fails if the issuer refuses one: nobody reads
// the credmon's log when a robot submits.
func (st *storer) robot(ctx context.Context, g *group, logins *login.Logins, url string) error {
	secret, err := logins.ClientSecret()
	if err != nil {
		return err
	}
	return logins.WithMetadata(ctx, url, func(md *issuer.Metadata) error {
		lg := &store.Login{
			Issuer: url, ClientID: g.conf.ClientID, ClientSecret: secret, AuthMethod: issuer.AuthMethod(md),
			Scopes: text.Set(g.scopes(), st.record.Logins[g.login].Scopes), Created: time.Now(), Origin: rand.Text(),
		}
		for _, w := range g.requests {
			req, err := (&top{Scopes: w.scopes, Audience: w.audience}).request(url)
			if err != nil {
				return err
			}
			t, err := logins.TokenOf(ctx, md, lg, req)
			if err == nil {
				_, err = source.Granted(t, req, st.s.Env().Now())
			}
			if err != nil {
				return err
			}
		}
		return st.handOver(ctx, g, robotGrant, lg)
	})
}

func quoted(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = text.ShellWord(a)
	}
	return strings.Join(out, " ")
}

// handOver stores a login at condor_credd, and records its scopes.
func (st *storer) handOver(ctx context.Context, g *group, grant string, lg *store.Login) error {
	secret, err := lg.Handover()
	if err != nil {
		return err
	}
	b, err := json.Marshal(top{Version: formatVersion, Issuer: lg.Issuer, ClientID: lg.ClientID, Grant: grant, Secret: secret})
	if err != nil {
		return err
	}
	// The audience distinguishes this login from a later one.
	if err := add(ctx, g.login, "", lg.Origin, b); err != nil {
		return err
	}
	if err := st.record.keep(ctx, g.login, recorded{ID: lg.Origin, Issuer: lg.Issuer, Scopes: lg.Scopes}); err != nil {
		st.s.Note("note: the next submission will ask you to log in again: %s", err)
	}
	return nil
}

// await waits until the credmon has written the tokens. HTCondor holds a job whose token is
// missing, and does not release it (measured on 23.9.6 and 25.14.1).
func (st *storer) await(ctx context.Context, groups []*group) error {
	if st.wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, st.wait)
	defer cancel()
	for _, g := range groups {
		for _, w := range g.requests {
			for {
				m, err := query(ctx, w.name, w.scopes, w.audience)
				if m == valid {
					break
				}
				if ctx.Err() == nil && err != nil {
					return err
				}
				select {
				case <-time.After(200 * time.Millisecond):
				case <-ctx.Done():
				}
				if ctx.Err() != nil {
					return cli.Errorf(cli.TimedOut, "the access point has no token for %s after %v", w.name, st.wait).
						Hint("submit again in a few minutes; if it fails again, ask the administrators for the lines of the credmon's log with your name")
				}
			}
		}
	}
	return nil
}
