//go:build linux

package credd

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

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
				u.marked = time.Time{} // the files that remain belong to another credmon
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

// scanUser scans one user's directory, and reports whether it exists.
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

// clean removes the temporary files that a killed credmon left. No other credmon runs.
func clean(d *directory) error {
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

func (m *Monitor) scanFiles(d *directory, name string, u *account) error {
	files, err := d.names()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, file := range files {
		base, ok := strings.CutSuffix(file, ".top")
		if !ok || !credentialName.Get().MatchString(base) {
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

// scanLogin reads a login if it has changed.
func (m *Monitor) scanLogin(d *directory, name string, u *account, base string, st stamp) {
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

// scanCredential reads a credential if it has changed.
func (m *Monitor) scanCredential(d *directory, name string, u *account, base string, st stamp) {
	old := u.creds[base]
	if old != nil && old.stamp == st {
		return
	}
	c := &cred{stamp: st}
	t, st, err := readTop(d, base)
	if errors.Is(err, errForeign) {
		u.creds[base] = c // belongs to another credmon
		return
	}
	if err == nil {
		c.stamp = st
		_, err = t.request("")
	}
	if err == nil && !isLogin(t.Login) {
		err = errors.New("it does not name a login")
	}
	u.creds[base] = c
	if err != nil {
		m.s.Log.Error(name, base, "ignored: %s", err)
		return
	}
	c.top = t
	if old != nil && old.top != nil && old.top.Login == t.Login && old.top.Scopes == t.Scopes && old.top.Audience == t.Audience {
		c.got, c.expires, c.renewed = old.got, old.expires, old.renewed
		if !c.stamp.modified.After(old.stamp.modified) {
			c.next = old.next
		} // else it was stored again, and the storer waits for a newer token
		return
	}
	m.resume(d, base, c)
}

func readTop(d *directory, base string) (*top, stamp, error) {
	b, st, err := d.read(base+".top", maxTop)
	if err != nil {
		return nil, st, err
	}
	t, err := parseTop(b)
	return t, st, err
}

// resume sets when to renew a token that an earlier process wrote. A token that does not
// match the request is renewed at once.
func (m *Monitor) resume(d *directory, base string, c *cred) {
	b, st, err := d.read(base+".use", maxTop)
	if err != nil || st.modified.Before(c.stamp.modified) {
		return
	}
	if st.modified.Sub(m.s.Now()) > time.Minute {
		return // the clock was set back since
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
