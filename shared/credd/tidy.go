//go:build linux

package credd

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// giveUp is how long the logins of a user without jobs are kept because their issuer is
// unavailable.
const giveUp = 7 * 24 * time.Hour

// housekeep revokes and removes the logins that no .top file describes. For a user without
// jobs it first removes the credentials; swept reports whether they were removed.
func (m *Monitor) housekeep(ctx context.Context, j *job, h *home) (swept bool, err error) {
	if j.tidy {
		return false, m.endUnused(ctx, j, h, false)
	}
	mark := j.user + ".mark"
	swept, err = m.sweepFiles(j, h, mark)
	if err != nil || !swept {
		return swept, err
	}
	j.refs, j.used = nil, false
	if err := m.endUnused(ctx, j, h, m.s.Now().Sub(j.sweep) > giveUp); err != nil {
		return true, err
	}
	if err := h.user.removeAll(loginsDir); err != nil {
		return true, err
	}
	// Files of other credmons stay, and so do credentials stored in the meantime.
	err = unix.Unlinkat(int(m.dir.f.Fd()), j.user, unix.AT_REMOVEDIR)
	if err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EEXIST) {
		return true, &fs.PathError{Op: "remove", Path: j.user, Err: err}
	}
	if err == nil {
		m.s.Log.Info(j.user, "", "removed the credentials of a user without jobs")
		if st, serr := m.dir.stat(mark); serr == nil && st.modified.Equal(j.sweep) {
			return true, m.dir.remove(mark)
		}
	}
	return true, nil
}

// sweepFiles removes a user's credentials. It stops and returns false if the mark has changed,
// which means that the user has jobs again, or if a credential was stored after the mark and
// less than SweepDelay ago.
func (m *Monitor) sweepFiles(j *job, h *home, mark string) (bool, error) {
	files, err := h.user.names()
	if err != nil {
		return false, err
	}
	for _, file := range files {
		if now, err := m.dir.stat(mark); err != nil || !now.modified.Equal(j.sweep) {
			return false, nil
		}
		if wasPushed(file, files) {
			if err := h.user.remove(file); err != nil {
				return false, err
			}
		}
		base, ok := strings.CutSuffix(file, ".top")
		if !ok || !credentialName.Get().MatchString(base) {
			continue
		}
		if again, err := m.sweepCredential(j, h, base); err != nil || again {
			return false, err
		}
	}
	return true, nil
}

// sweepCredential removes a credential and its token. again reports whether it stays because
// it was stored after the mark and less than SweepDelay ago.
func (m *Monitor) sweepCredential(j *job, h *home, base string) (again bool, err error) {
	file := base + ".top"
	t, st, err := readTop(h.user, base)
	if errors.Is(err, errForeign) {
		return false, nil
	}
	if err == nil && st.modified.After(j.sweep) && m.s.Now().Sub(st.modified) < m.s.SweepDelay {
		return true, nil
	}
	if err == nil && len(t.Secret) > 0 {
		// It must be taken over before it can be revoked.
		if aerr := m.adoptForSweep(h, j.user, base, t); aerr != nil {
			return false, aerr
		}
		if st, err = h.user.stat(file); err != nil {
			return false, err
		}
	}
	if err := h.user.removeVersion(h.logins, file, st); err != nil {
		return false, err
	}
	return false, h.user.remove(base + ".use")
}

// wasPushed reports whether a file is a token without a credential to renew it from.
func wasPushed(file string, files []string) bool {
	base, ok := strings.CutSuffix(file, ".use")
	return ok && !slices.Contains(files, base+".top")
}

// adoptForSweep takes over a login so that it can be revoked.
func (m *Monitor) adoptForSweep(h *home, name, base string, t *top) error {
	s, err := m.s.Issuer(t.Issuer)
	if err != nil || t.checkLogin() != nil {
		return nil // it cannot be revoked
	}
	bare := *t
	bare.Secret = nil
	err = m.adopt(context.Background(), h, name, adoption{base, &loginRef{top: &bare}}, s)
	if errors.Is(err, errChanged) {
		return nil
	}
	return err
}

// endUnused revokes and removes the stored logins that no .top file describes. A login that
// the issuer no longer accepts stays while jobs use its credentials, in case the issuer
// accepts it again.
func (m *Monitor) endUnused(ctx context.Context, j *job, h *home, force bool) error {
	in, err := h.store.Index()
	if err != nil {
		return err
	}
	var failed error
	for _, e := range in {
		if described(e, j.refs) || e.Ended != "" && j.used && !replaced(e, j.refs) {
			continue
		}
		s, err := m.s.Issuer(e.Issuer)
		if err == nil {
			logins := m.loginsAt(h, j.user, e.ClientID, s)
			if _, err = logins.Logout(ctx, e.Issuer, force); errors.Is(err, store.ErrDamaged) {
				_, err = logins.Logout(ctx, e.Issuer, true) // it would fail every time
			}
		}
		var left *login.LeftError
		switch {
		case errors.As(err, &left):
			m.s.Log.Warning(j.user, "", "%s", left.Err)
		case err != nil:
			failed = err
			continue
		}
		m.s.Log.Info(j.user, "", "logged out at %s", e.Issuer)
	}
	return failed
}

func described(e store.IndexEntry, refs []*top) bool {
	for _, t := range refs {
		if token.SameIssuer(t.Issuer, e.Issuer) && t.ClientID == e.ClientID {
			return true
		}
	}
	return false
}

// replaced reports whether there is another login at the same issuer.
func replaced(e store.IndexEntry, refs []*top) bool {
	for _, t := range refs {
		if token.SameIssuer(t.Issuer, e.Issuer) {
			return true
		}
	}
	return false
}
