//go:build linux

package credd

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// Settings are what the credmon needs to know. All fields but Log, Owner, Jitter and
// MetricsDir are required.
type Settings struct {
	// Dir is the credential directory, and StateDir the credmon's own.
	Dir, StateDir string
	Key           hostKey
	// SweepDelay is how long the credentials of a user without jobs are kept.
	SweepDelay time.Duration
	// Owner is the user ID of HTCondor's account, which owns the users' directories
	// besides root.
	Owner int
	// Issuer returns the settings of an issuer, or an error for one that this host does
	// not accept.
	Issuer func(url string) (IssuerSettings, error)
	// NewClient makes the client for issuers whose certificates caFile signed; empty
	// means the usual ones.
	NewClient func(caFile string) *issuer.Client
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	Log       *Log
	// Jitter returns a number in [0, 1). Nil means a random one.
	Jitter func() float64
	// MetricsDir is where metrics are written; empty for nowhere.
	MetricsDir string
}

// IssuerSettings say how to talk to an issuer.
type IssuerSettings struct {
	AudienceParameter, CAFile string
}

const (
	// atOnce is how many exchanges with one issuer are under way at the same time.
	atOnce = 8
	// An issuer that fails is asked again after firstPause, then after twice that time,
	// and so on up to lastPause.
	firstPause, lastPause = 5 * time.Second, 5 * time.Minute
	// A credential that the issuer refuses is tried again more rarely.
	firstRefusal, lastRefusal = time.Minute, time.Hour
	// soonest is the least time between two renewals of one token.
	soonest = 5 * time.Second
)

// Monitor is a credmon. [Monitor.Scan] looks for credentials, and [Monitor.Dispatch]
// starts the work that is due. Their caller must be one goroutine.
type Monitor struct {
	s       Settings
	dir     *folder
	owners  []int
	users   map[string]*account
	issuers map[string]*issuerState
	clients map[string]*issuer.Client
	done    chan result
	active  int
	stats   counts
}

// account is what is known of one user's directory.
type account struct {
	creds  map[string]*cred
	logins map[string]*loginRef
	// busy are the issuers that work is under way at; "" stands for all of them.
	busy map[string]bool
	// tidy means that the stored logins must be compared with the .top files, not
	// before tidyAt.
	tidy      bool
	tidyAt    time.Time
	tidyFails int
	marked    time.Time // zero if the user has jobs
	swept     time.Time // the mark that was dealt with
	problem   string
	seen      bool // this process has looked into the directory
	// next is when there is work to do. It counts unless stale is set: then something
	// has changed.
	next  time.Time
	stale bool
}

// cred is a credential that jobs use.
type cred struct {
	stamp   stamp
	top     *top
	problem string // why it cannot be used, else ""
	next    time.Time
	got     time.Time
	expires time.Time
	// renewed means that the token was obtained, now or by an earlier process.
	renewed bool
	fails   int
}

// loginRef is a credential that is a login.
type loginRef struct {
	stamp   stamp
	top     *top // without the secret
	pending bool // the credmon has yet to take it over
	problem string
	retry   time.Time
	fails   int
}

// issuerState is how an issuer fares.
type issuerState struct {
	slots  chan struct{}
	active int
	fails  int
	until  time.Time // it is not asked before
}

// NewMonitor opens the credential directory.
func NewMonitor(s Settings) (*Monitor, error) {
	dir, err := openFolder(s.Dir)
	if err != nil {
		return nil, err
	}
	if s.Jitter == nil {
		s.Jitter = rand.Float64
	}
	return &Monitor{
		s: s, dir: dir, owners: []int{os.Geteuid(), s.Owner},
		users: map[string]*account{}, issuers: map[string]*issuerState{}, clients: map[string]*issuer.Client{},
		done: make(chan result),
	}, nil
}

// Close closes the credential directory.
func (m *Monitor) Close() { m.dir.close() }

// Scan looks for new, changed and removed credentials.
func (m *Monitor) Scan() error {
	names, err := m.dir.names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	seen, marks := map[string]bool{}, map[string]time.Time{}
	for _, name := range names {
		if userName, ok := strings.CutSuffix(name, ".mark"); ok {
			if st, err := m.dir.stat(name); err == nil {
				marks[userName] = st.modified
			}
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if m.scanUser(name) {
			seen[name] = true
			u := m.users[name]
			u.stale, u.marked = true, marks[name]
			if u.marked.Equal(u.swept) {
				u.marked = time.Time{} // what is there now belongs to somebody else
			}
		}
	}
	for name, u := range m.users {
		if !seen[name] && len(u.busy) == 0 {
			delete(m.users, name)
		}
	}
	m.count()
	return nil
}

// scanUser looks at one user's directory, and reports whether there is one.
func (m *Monitor) scanUser(name string) bool {
	d, err := m.dir.open(name, m.owners)
	if errors.Is(err, errNotDirectory) || errors.Is(err, os.ErrNotExist) {
		return false
	}
	u := m.users[name]
	if u == nil {
		u = &account{creds: map[string]*cred{}, logins: map[string]*loginRef{}, busy: map[string]bool{}}
		m.users[name] = u
	}
	if err == nil {
		defer d.close()
		if !u.seen {
			u.seen, u.tidy = true, true
			err = clean(d)
		}
	}
	if err == nil {
		err = m.scanFiles(d, name, u)
	}
	if problem := message(err); problem != u.problem {
		u.problem = problem
		if err != nil {
			m.s.Log.Error(name, "", "%s", problem)
		}
	}
	return true
}

// clean removes what a killed credmon left half-written. No other one runs.
func clean(d *folder) error {
	l, err := d.open(loginsDir, []int{os.Geteuid()})
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.close()
	names, err := l.names()
	for _, name := range names {
		if st, serr := l.stat(name); serr == nil && st.regular() {
			err = errors.Join(err, l.remove(name))
		}
	}
	return err
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (m *Monitor) scanFiles(d *folder, name string, u *account) error {
	files, err := d.names()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, file := range files {
		base, ok := strings.CutSuffix(file, ".top")
		if !ok || !credentialName().MatchString(base) {
			continue
		}
		seen[base] = true
		st, err := d.stat(file)
		if err != nil {
			continue // removed meanwhile
		}
		if isLogin(base) {
			m.scanLogin(d, name, u, base, st)
		} else {
			m.scanCredential(d, name, u, base, st)
		}
	}
	for base := range u.creds {
		if !seen[base] {
			delete(u.creds, base)
			u.tidy = true
		}
	}
	for base := range u.logins {
		if !seen[base] {
			delete(u.logins, base)
			u.tidy = true
		}
	}
	return nil
}

// scanLogin looks at a login, if it has changed.
func (m *Monitor) scanLogin(d *folder, name string, u *account, base string, st stamp) {
	old := u.logins[base]
	if old != nil && old.stamp == st {
		return
	}
	ref := &loginRef{stamp: st}
	u.logins[base] = ref
	u.tidy = true
	t, st, err := readTop(d, base)
	if err == nil {
		ref.stamp = st
		err = t.checkLogin()
	}
	if err == nil {
		_, err = m.s.Issuer(t.Issuer)
	}
	if err != nil {
		ref.problem = err.Error()
		m.s.Log.Error(name, base, "ignored: %s", err)
		return
	}
	ref.pending = len(t.Secret) > 0
	t.Secret = nil
	ref.top = t
	for _, c := range u.creds {
		if c.top != nil && c.top.Login == base && (ref.pending || c.fails > 0) {
			c.next, c.fails = time.Time{}, 0
		}
	}
}

// scanCredential looks at a credential, if it has changed.
func (m *Monitor) scanCredential(d *folder, name string, u *account, base string, st stamp) {
	old := u.creds[base]
	if old != nil && old.stamp == st {
		return
	}
	c := &cred{stamp: st}
	t, st, err := readTop(d, base)
	if errors.Is(err, errForeign) {
		u.creds[base] = c // of another credmon
		return
	}
	if err == nil {
		c.stamp = st
		_, err = t.request("")
	}
	if err == nil && !isLogin(t.Login) {
		err = errors.New("it names no login")
	}
	u.creds[base] = c
	if err != nil {
		c.problem = err.Error()
		m.s.Log.Error(name, base, "ignored: %s", err)
		return
	}
	c.top = t
	if old != nil && old.top != nil && old.top.Login == t.Login && old.top.Scopes == t.Scopes && old.top.Audience == t.Audience {
		c.next, c.got, c.expires, c.renewed = old.next, old.got, old.expires, old.renewed
		return
	}
	m.resume(d, base, c)
}

func readTop(d *folder, base string) (*top, stamp, error) {
	b, st, err := d.read(base+".top", maxTop)
	if err != nil {
		return nil, st, err
	}
	t, err := parseTop(b)
	return t, st, err
}

// resume finds out when the token that an earlier process left must be renewed. One for
// another request is renewed at once.
func (m *Monitor) resume(d *folder, base string, c *cred) {
	b, st, err := d.read(base+".use", maxTop)
	if err != nil || st.modified.Before(c.stamp.modified) {
		return
	}
	t := token.New(strings.TrimSpace(string(b)))
	req, err := c.top.request("")
	if err != nil || t.JWT() == nil || t.Expires.IsZero() {
		return
	}
	for _, f := range service.Check(t, service.Required{Audiences: req.Audiences, Scopes: req.Scopes}, m.s.Now()) {
		if f.Refuses() {
			return
		}
	}
	c.got, c.expires, c.renewed = st.modified, t.Expires, true
	c.next = m.due(t, st.modified)
}

// due is when a token is renewed: at half of its lifetime, or up to a twentieth of it
// later, so that the tokens that were obtained together are not renewed together.
func (m *Monitor) due(t token.Token, got time.Time) time.Time {
	whole := fresh.Lifetime(t, got)
	half := max(whole/2, soonest)
	at := got.Add(half)
	if !t.Expires.IsZero() {
		// This machine's clock may be behind the issuer's.
		if limit := t.Expires.Add(-whole / 2); limit.Before(at) && limit.After(got.Add(soonest)) {
			at = limit
		}
	}
	return at.Add(time.Duration(m.s.Jitter() * float64(whole/20)))
}

// backOff is how long to wait after n failures.
func (m *Monitor) backOff(n int, first, last time.Duration) time.Duration {
	d := last
	if n < 20 {
		d = min(first<<(n-1), last)
	}
	return d + time.Duration(m.s.Jitter()*float64(d/10))
}

// state returns how the issuer fares.
func (m *Monitor) state(url string) *issuerState {
	st := m.issuers[url]
	if st == nil {
		st = &issuerState{slots: make(chan struct{}, atOnce)}
		m.issuers[url] = st
	}
	return st
}

// Dispatch starts the work that is due, and returns when more will be; zero if that is
// unknown.
func (m *Monitor) Dispatch(ctx context.Context) (next time.Time) {
	now := m.s.Now()
	for name, u := range m.users {
		if u.stale || !u.next.IsZero() && !u.next.After(now) {
			u.stale = false
			u.next = m.dispatchUser(ctx, name, u, now)
		}
		next = earlier(next, u.next)
	}
	return next
}

// earlier returns the earlier of two times, of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (m *Monitor) dispatchUser(ctx context.Context, name string, u *account, now time.Time) (next time.Time) {
	if u.busy[""] {
		return time.Time{}
	}
	if !u.marked.IsZero() && now.Sub(u.marked) >= m.s.SweepDelay && !u.tidyAt.After(now) {
		if len(u.busy) == 0 {
			m.start(ctx, &job{user: name, u: u, sweep: u.marked, refs: u.refs()})
		}
		return time.Time{}
	}
	jobs := map[string]*job{}
	at := func(url string) *job {
		if jobs[url] == nil {
			jobs[url] = &job{user: name, u: u, issuer: url}
		}
		return jobs[url]
	}
	// ready says whether an issuer may be asked now.
	ready := func(url string, due time.Time) bool {
		st := m.state(url)
		switch {
		case due.After(now), st.until.After(now):
			next = earlier(next, latest(due, st.until))
			return false
		case u.busy[url]:
			return false // and what follows it is done then
		case st.fails > 0 && st.active > 0:
			u.stale = true // another user's request finds out how the issuer fares
			return false
		}
		return true
	}
	for _, base := range slices.Sorted(maps.Keys(u.logins)) {
		if l := u.logins[base]; l.pending && ready(l.top.Issuer, l.retry) {
			at(l.top.Issuer).adopt = append(at(l.top.Issuer).adopt, adoption{base, l})
		}
	}
	for _, base := range slices.Sorted(maps.Keys(u.creds)) {
		c := u.creds[base]
		if c.top == nil {
			continue
		}
		l := u.logins[c.top.Login]
		if l == nil || l.top == nil {
			if c.problem == "" {
				c.problem = "there is no login for it: the user must submit a job again, or run the storer"
				m.s.Log.Warning(name, base, "%s", c.problem)
			}
			continue
		}
		if l.pending && jobs[l.top.Issuer] == nil && !ready(l.top.Issuer, l.retry) {
			continue
		}
		if ready(l.top.Issuer, c.next) {
			at(l.top.Issuer).renew = append(at(l.top.Issuer).renew, renewal{base, c, l})
		}
	}
	for _, url := range slices.Sorted(maps.Keys(jobs)) {
		m.start(ctx, jobs[url])
	}
	switch {
	case len(u.busy) > 0 || !u.tidy:
	case u.tidyAt.After(now):
		next = earlier(next, u.tidyAt)
	default:
		m.start(ctx, &job{user: name, u: u, tidy: true, refs: u.refs()})
	}
	return next
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// refs are the logins that credentials can refer to.
func (u *account) refs() []*top {
	var out []*top
	for _, l := range u.logins {
		if l.top != nil {
			out = append(out, l.top)
		}
	}
	return out
}

// used reports whether there is a credential that jobs use.
func (u *account) used() bool {
	for _, c := range u.creds {
		if c.top != nil {
			return true
		}
	}
	return false
}

// start runs a job in the background.
func (m *Monitor) start(ctx context.Context, j *job) {
	j.u.busy[j.issuer] = true
	j.used = j.u.used()
	m.active++
	st := m.state(cmp.Or(j.issuer, "housekeeping"))
	st.active++
	go func() {
		select {
		case st.slots <- struct{}{}:
			defer func() { <-st.slots }()
		case <-ctx.Done():
			m.done <- result{job: j, err: ctx.Err()}
			return
		}
		r := m.work(ctx, j)
		m.done <- r
	}()
}

// client returns the shared client for a file of certificates.
func (m *Monitor) client(caFile string) *issuer.Client {
	clientsMu.Lock()
	defer clientsMu.Unlock()
	c := m.clients[caFile]
	if c == nil {
		c = m.s.NewClient(caFile)
		m.clients[caFile] = c
	}
	return c
}

var clientsMu sync.Mutex
