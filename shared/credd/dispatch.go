//go:build linux

package credd

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Dispatch starts the work that is due, and returns when more will be due, or zero if that
// is unknown.
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

// earlier returns the earlier of two times. A zero time is ignored.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (m *Monitor) dispatchUser(ctx context.Context, name string, u *account, now time.Time) time.Time {
	if u.busy[""] {
		return time.Time{}
	}
	if !u.marked.IsZero() && now.Sub(u.marked) >= m.s.SweepDelay && !u.tidyAt.After(now) {
		if len(u.busy) == 0 {
			m.start(ctx, &job{user: name, u: u, sweep: u.marked, refs: u.refs()})
		}
		return time.Time{}
	}
	p := &agenda{m: m, name: name, u: u, now: now, jobs: map[string]*job{}}
	p.adoptions()
	p.renewals()
	for _, url := range slices.Sorted(maps.Keys(p.jobs)) {
		m.start(ctx, p.jobs[url])
	}
	switch {
	case len(u.busy) > 0 || !u.tidy:
	case u.tidyAt.After(now):
		p.next = earlier(p.next, u.tidyAt)
	default:
		m.start(ctx, &job{user: name, u: u, tidy: true, refs: u.refs()})
	}
	return p.next
}

// agenda is the work that is due for one user.
type agenda struct {
	m    *Monitor
	name string
	u    *account
	now  time.Time
	jobs map[string]*job // by issuer
	next time.Time       // when there is more to do
}

// at returns the job at an issuer.
func (p *agenda) at(url string) *job {
	if p.jobs[url] == nil {
		p.jobs[url] = &job{user: p.name, u: p.u, issuer: url}
	}
	return p.jobs[url]
}

// ready reports whether to send the issuer now a request that is due at the given time.
func (p *agenda) ready(url string, due time.Time) bool {
	st := p.m.state(url)
	switch {
	case due.After(p.now), st.until.After(p.now):
		p.next = earlier(p.next, latest(due, st.until))
		return false
	case p.u.busy[url]:
		return false // Finish makes the user stale, so that this is tried again
	case st.fails > 0 && st.active > 0:
		p.u.stale = true // another user's request tests whether the issuer works again
		return false
	}
	return true
}

// adoptions adds the logins to take over.
func (p *agenda) adoptions() {
	for _, base := range slices.Sorted(maps.Keys(p.u.logins)) {
		if l := p.u.logins[base]; l.pending && p.ready(l.top.Issuer, l.retry) {
			p.at(l.top.Issuer).adopt = append(p.at(l.top.Issuer).adopt, adoption{base, l})
		}
	}
}

// renewals adds the tokens to renew.
func (p *agenda) renewals() {
	for _, base := range slices.Sorted(maps.Keys(p.u.creds)) {
		c := p.u.creds[base]
		if c.top == nil {
			continue
		}
		l := p.u.logins[c.top.Login]
		switch {
		case l == nil || l.top == nil:
			if !c.orphan {
				c.orphan = true
				p.m.s.Log.Warning(p.name, base, "there is no login for it: the user must submit a job again, or run the storer")
			}
		case l.pending && p.jobs[l.top.Issuer] == nil && !p.ready(l.top.Issuer, l.retry):
		case p.ready(l.top.Issuer, c.next):
			p.at(l.top.Issuer).renew = append(p.at(l.top.Issuer).renew, renewal{base, c, l})
		}
	}
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// refs returns the logins that credentials can refer to.
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
	st := m.state(j.place())
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
