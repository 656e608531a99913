//go:build linux

package credd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// job is work for one user: at one issuer, or the removal of logins. The goroutine that
// works on it reads only what no scan changes.
type job struct {
	user   string
	u      *account
	issuer string
	adopt  []adoption
	renew  []renewal
	// tidy means to remove the stored logins that are not among refs, and sweep to remove all
	// files of the user if the mark still has this time.
	tidy  bool
	sweep time.Time
	refs  []*top
	used  bool // there are credentials that jobs use
}

// place returns the issuer, or a name for work on this host.
func (j *job) place() string { return cmp.Or(j.issuer, "housekeeping") }

type adoption struct {
	name string
	ref  *loginRef
}

type renewal struct {
	name string
	c    *cred
	l    *loginRef
}

// result is the result of a job.
type result struct {
	job     *job
	adopted map[string]error
	renewed map[string]outcome
	// swept means that the user's credentials were removed.
	swept bool
	// err is a failure that does not concern a single credential.
	err error
}

// outcome is the result of one renewal.
type outcome struct {
	t   token.Token
	got time.Time
	err error
}

// home is a user's directory with the credmon's directory of logins in it.
type home struct {
	user, logins *directory
	store        *store.Store
}

// loginsDir is the directory of a user's logins, which only root can access. It is in the
// same directory as the user's credentials.
const loginsDir = ".logins"

func (m *Monitor) openHome(name string) (*home, error) {
	u, err := m.dir.open(name, m.owners)
	if err != nil {
		return nil, err
	}
	l, err := u.private(loginsDir)
	if err != nil {
		u.close()
		return nil, err
	}
	return &home{user: u, logins: l, store: m.newStore(name, l.path())}, nil
}

func (h *home) close() {
	h.logins.close()
	h.user.close()
}

// newStore returns the store of a user's logins. They are encrypted with a key derived from
// the host's key, because nobody can enter a passphrase.
func (m *Monitor) newStore(name, dir string) *store.Store {
	return store.New(store.Options{
		Now: m.s.Now, Backend: "file",
		LookupEnv: func(key string) (string, bool) {
			switch key {
			case "XDG_STATE_HOME":
				return dir + "/state", true
			case "XDG_DATA_HOME":
				return dir + "/data", true
			case "XDG_CACHE_HOME":
				return m.s.StateDir, true
			}
			return "", false
		},
		Key:  m.s.Key.forUser(name),
		Note: func(format string, a ...any) { m.s.Log.Warning(name, "", format, a...) },
	})
}

// loginsAt returns the [login.Logins] for the logins of a user at an issuer.
func (m *Monitor) loginsAt(h *home, name, clientID string, s IssuerSettings) *login.Logins {
	note := func(format string, a ...any) { m.s.Log.Warning(name, "", format, a...) }
	none := func() (string, error) { return "", nil }
	return &login.Logins{
		Store: h.store, Issuer: m.client(s.CAFile), Now: m.s.Now, Getenv: func(string) string { return "" },
		Note: note, Verbose: func(string, ...any) {}, Hold: func() func() { return func() {} },
		ClientID: clientID, ClientSecret: none, RegistrationToken: none,
		AudienceParameter: issuer.AudienceParameter(s.AudienceParameter),
	}
}

// work does a job.
func (m *Monitor) work(ctx context.Context, j *job) result {
	r := result{job: j, adopted: map[string]error{}, renewed: map[string]outcome{}}
	h, err := m.openHome(j.user)
	if err != nil {
		r.err = err
		return r
	}
	defer h.close()
	if j.issuer == "" {
		r.swept, r.err = m.housekeep(ctx, j, h)
		return r
	}
	s, err := m.s.Issuer(j.issuer)
	if err != nil {
		r.err = err
		return r
	}
	for _, a := range j.adopt {
		if err := m.adopt(ctx, h, j.user, a, s); err != nil {
			r.adopted[a.name] = err
			if stops(err) {
				r.err = err
				return r
			}
			continue
		}
		r.adopted[a.name] = nil
	}
	for _, w := range j.renew {
		if err, tried := r.adopted[w.c.top.Login]; tried && err != nil {
			continue
		}
		if ctx.Err() != nil {
			return r
		}
		o := m.renew(ctx, h, j.user, w, s)
		if stops(o.err) {
			r.err = o.err // the others would fail, too
			return r
		}
		r.renewed[w.name] = o
		m.removeUnusable(h, w, o.err)
	}
	return r
}

// stops reports whether the rest of a job would fail for the same reason.
func stops(err error) bool { return issuer.IsNetwork(err) || errors.Is(err, context.Canceled) }

// adopt takes over a login that the storer handed to condor_credd: it saves the login
// encrypted, and removes the secret from the .top file.
func (m *Monitor) adopt(ctx context.Context, h *home, name string, a adoption, s IssuerSettings) error {
	file := a.name + ".top"
	// A killed process may have left a copy with the secret.
	if err := h.logins.remove(file); err != nil {
		return err
	}
	b, st, err := h.user.read(file, maxTop)
	if err != nil {
		return err
	}
	t, err := parseTop(b)
	if err != nil {
		return err
	}
	if len(t.Secret) == 0 {
		return nil
	}
	if err := t.checkLogin(); err != nil {
		return err
	}
	if t.Issuer != a.ref.top.Issuer || t.ClientID != a.ref.top.ClientID {
		return errChanged
	}
	lg, err := t.handed()
	if err != nil {
		return err
	}
	lg.Waiting = nil
	if t.Grant == robotGrant {
		lg.RefreshToken, lg.Registered = "", false
	}
	l := m.loginsAt(h, name, lg.ClientID, s)
	if err := l.WithMetadata(ctx, lg.Issuer, func(md *issuer.Metadata) error {
		if lg.Registered && !login.ManagedBy(md, lg.RegistrationURI) {
			lg.Registered, lg.RegistrationURI, lg.RegistrationToken = false, "", ""
		}
		return nil
	}); err != nil {
		return err
	}
	if err := l.Adopt(ctx, lg); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return errForeign
	}
	delete(members, "secret")
	bare, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		return err
	}
	return h.user.exchange(h.logins, file, st, append(bare, '\n'))
}

// removeUnusable removes the .top file of a login that the issuer no longer accepts, or that
// is damaged or missing. condor_credd then reports the login as absent, and the storer asks
// the user to log in again. The stored login itself stays for now.
func (m *Monitor) removeUnusable(h *home, w renewal, err error) {
	var none *login.NoLoginError
	damaged := errors.Is(err, store.ErrDamaged)
	if !damaged && !errors.As(err, &none) {
		return
	}
	e, ok, err := h.store.Find(w.l.top.Issuer, w.l.top.ClientID)
	if err != nil || ok && e.Ended == "" && !damaged {
		return
	}
	file := w.c.top.Login + ".top"
	t, st, err := readTop(h.user, w.c.top.Login)
	if err == nil && len(t.Secret) == 0 && t.ClientID == w.l.top.ClientID {
		_ = h.user.removeVersion(h.logins, file, st) // if it fails, the next renewal tries again
	}
}

// renew gets a token for a credential and writes its .use file.
func (m *Monitor) renew(ctx context.Context, h *home, name string, w renewal, s IssuerSettings) outcome {
	req, err := w.c.top.request(w.l.top.Issuer)
	if err == nil {
		err = unchanged(h, w)
	}
	if err != nil {
		return outcome{err: err}
	}
	l := m.loginsAt(h, name, w.l.top.ClientID, s)
	var o outcome
	if w.l.top.Grant == robotGrant {
		o.t, o.err = l.ClientToken(ctx, req)
	} else {
		o.t, o.err = l.Refresh(ctx, req)
	}
	o.got = m.s.Now()
	var lost *login.LostError
	if errors.As(o.err, &lost) && !lost.Token.IsZero() {
		// The login is lost, but the token can be used.
		o.t = lost.Token
	} else if o.err != nil {
		return o
	}
	o.t.Source = "login"
	wider, err := source.Granted(o.t, req, o.got)
	if err == nil {
		err = unchanged(h, w)
	}
	if err == nil {
		err = h.user.write(h.logins, w.name+".use", append([]byte(o.t.Raw()), '\n'))
	}
	if err != nil {
		return outcome{err: errors.Join(o.err, err)}
	}
	if wider != "" {
		m.s.Log.Warning(name, w.name, "the token allows more than was requested: %s", wider)
	}
	return o
}

// unchanged returns errChanged if the credential was replaced or removed since the scan: a
// token for the old request must not be used for the new one.
func unchanged(h *home, w renewal) error {
	st, err := h.user.stat(w.name + ".top")
	if errors.Is(err, fs.ErrNotExist) || err == nil && st != w.c.stamp {
		return errChanged
	}
	return err
}

// Finish records the result of a job.
func (m *Monitor) Finish(r result) {
	j, now := r.job, m.s.Now()
	m.active--
	delete(j.u.busy, j.issuer)
	j.u.stale = true
	st := m.state(j.place())
	st.active--
	for _, a := range j.adopt {
		err, tried := r.adopted[a.name]
		switch {
		case tried && err == nil:
			a.ref.pending, a.ref.fails = false, 0
			m.s.Log.Info(j.user, a.name, "took over the login at %s", a.ref.top.Issuer)
		case tried && !stops(err) && !errors.Is(err, errChanged):
			a.ref.fails++
			a.ref.retry = now.Add(m.backOff(a.ref.fails, firstPause, lastPause))
			m.stats.failures++
			m.s.Log.Error(j.user, a.name, "the login was not taken over: %s", err)
		case tried && errors.Is(err, errChanged):
			a.ref.retry = now.Add(soonScan) // the next scan finds the new one
		}
	}
	for _, w := range j.renew {
		if o, tried := r.renewed[w.name]; tried {
			m.finishRenewal(j, w, o, now)
		}
	}
	m.finishIssuer(r, st, now)
}

// finishIssuer records whether the requests to the issuer succeeded.
func (m *Monitor) finishIssuer(r result, st *issuerState, now time.Time) {
	j := r.job
	switch {
	case j.issuer == "":
		j.u.tidyAt = time.Time{}
		switch {
		case j.tidy:
			j.u.tidy = r.err != nil
		case r.swept && r.err == nil:
			j.u.swept, j.u.marked = j.sweep, time.Time{}
		case r.err == nil:
			j.u.tidyAt = now.Add(lastRefusal)
		}
		if r.swept {
			clear(j.u.creds)
			clear(j.u.logins)
			j.u.tidy = false
		}
		if r.err != nil && !errors.Is(r.err, context.Canceled) {
			j.u.tidyFails++
			j.u.tidyAt = now.Add(m.backOff(j.u.tidyFails, firstRefusal, lastRefusal))
			m.s.Log.Error(j.user, "", "could not remove unused logins, will retry: %s", r.err)
		} else {
			j.u.tidyFails = 0
		}
	case errors.Is(r.err, context.Canceled):
	case issuer.IsNetwork(r.err) && st.until.After(now):
		m.stats.failures++ // the request started before the issuer was known to fail
	case issuer.IsNetwork(r.err):
		m.stats.failures++
		st.fails++
		st.until = now.Add(m.backOff(st.fails, firstPause, lastPause))
		m.s.Log.Warning(j.user, "", "the issuer %s is unavailable, will retry in %s: %s", j.issuer, text.Duration(st.until.Sub(now)), r.err)
	case r.err != nil:
		m.stats.failures++
		m.s.Log.Error(j.user, "", "%s", r.err)
		for _, a := range j.adopt {
			a.ref.fails++
			a.ref.retry = now.Add(m.backOff(a.ref.fails, firstPause, lastPause))
		}
		for _, w := range j.renew {
			w.c.fails++
			w.c.next = now.Add(m.backOff(w.c.fails, firstPause, lastPause))
		}
	default:
		if st.fails > 0 {
			m.s.Log.Info(j.user, "", "the issuer %s answers again", j.issuer)
		}
		st.fails, st.until = 0, time.Time{}
	}
}

// finishRenewal records the result of one renewal.
func (m *Monitor) finishRenewal(j *job, w renewal, o outcome, now time.Time) {
	var none *login.NoLoginError
	var lost *login.LostError
	if errors.Is(o.err, errChanged) && !errors.As(o.err, &lost) {
		w.c.next = now.Add(soonScan) // the next scan finds the new one
		return
	}
	if o.t.IsZero() {
		m.stats.failures++
		w.c.fails++
		first, last := firstRefusal, lastRefusal
		if isLocal(o.err) {
			first, last = firstPause, lastPause
		}
		w.c.next = now.Add(m.backOff(w.c.fails, first, last))
		hint := ""
		if errors.As(o.err, &none) || errors.Is(o.err, store.ErrDamaged) {
			hint = ": the user must log in again, by submitting a job or with the storer"
		}
		m.s.Log.Error(j.user, w.name, "%s%s", o.err, hint)
		return
	}
	if o.err != nil {
		m.s.Log.Error(j.user, w.name, "%s", o.err)
	}
	m.stats.renewals++
	w.c.fails, w.c.orphan, w.c.renewed = 0, false, true
	w.c.got, w.c.expires = o.got, o.t.Expires
	w.c.next = m.due(o.t, o.got)
	m.s.Log.Info(j.user, w.name, "renewed the token, which expires at %s", o.t.Expires.UTC().Format(time.RFC3339))
}

// isLocal reports whether the cause of a failure is on this host, such as a full disk. It may
// be solved soon, and retries do not burden the issuer.
func isLocal(err error) bool {
	var se *store.Error
	var pe *fs.PathError
	return errors.As(err, &se) || errors.As(err, &pe)
}

// Wait waits until no work is in progress, and records its results.
func (m *Monitor) Wait() {
	for m.active > 0 {
		m.Finish(<-m.done)
	}
}
