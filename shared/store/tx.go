package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"example.org/token-helpers/shared/private"
)

// Unlock opens the keyring of the login at the issuer, or the one that a new login would be
// saved to, and reads from it once. This prompts the user, if necessary, before the lock is
// acquired, so that no other process waits for the user. An empty clientID means the login
// that [Store.Find] returns.
func (s *Store) Unlock(ctx context.Context, issuer, clientID string) error {
	const op = "open the keyring"
	e, ok, err := s.Find(issuer, clientID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	backend := e.Backend
	if !ok || s.o.Backend != "" && s.o.Backend != auto {
		if backend, err = s.choose(ctx, e.Backend); err != nil {
			return wrap(op, err)
		}
	}
	r, err := s.open(ctx, backend)
	if err != nil {
		return wrap(op, err)
	}
	if f, encrypted := r.(*fileRing); encrypted {
		return wrap(op, f.unlock(ctx))
	}
	if !ok {
		return nil
	}
	if _, err := r.get(ctx, keyOf(e.Issuer, e.ClientID)); err != nil && !errors.Is(err, errNotFound) && !errors.Is(err, ErrDamaged) {
		return wrap(op, s.ringError(e.Backend, keyOf(e.Issuer, e.ClientID), err))
	}
	return nil
}

// Tx is a transaction that changes the logins at one issuer. It holds the issuer's lock.
// Logins are loaded and saved only by its methods, so that every login is saved under the
// lock that it was loaded under.
type Tx struct {
	s      *Store
	issuer string
	lock   *lock
	ready  map[string]*prepared
}

// prepared contains everything that saving one login needs.
type prepared struct {
	backend string
	ring    ring
	item    *private.File // replaces the login's encrypted file
	index   *private.File // replaces the index
	spare   *private.File // reserves space that a keyring program will need
	old     IndexEntry    // the zero value if the login is new
}

// Begin waits for the lock of the issuer. The caller must call [Tx.End]. The lock is also
// released when the process exits.
func (s *Store) Begin(ctx context.Context, issuer string) (*Tx, error) {
	l, err := s.lockIssuer(ctx, issuer)
	if err != nil {
		return nil, err
	}
	if path, err := s.indexPath(); err == nil {
		private.Sweep(filepath.Dir(path), s.o.Now())
	}
	return &Tx{s: s, issuer: issuer, lock: l, ready: map[string]*prepared{}}, nil
}

// End releases the lock and removes unused files of [Tx.Prepare]. Calling it again does
// nothing.
func (t *Tx) End() {
	for key, p := range t.ready {
		p.close()
		delete(t.ready, key)
	}
	t.lock.release()
}

func (p *prepared) close() {
	for _, f := range []*private.File{p.item, p.index, p.spare} {
		if f != nil {
			f.Close()
		}
	}
	p.item, p.index, p.spare = nil, nil, nil
}

// Load returns the login of the client, or with an empty clientID the one that [Store.Find]
// returns. If there is no login the error is [ErrNoLogin].
func (t *Tx) Load(ctx context.Context, clientID string) (*Login, error) {
	const op = "load the login"
	s := t.s
	e, ok, err := s.Find(t.issuer, clientID)
	if err != nil {
		return nil, wrap(op, err)
	}
	if !ok {
		return nil, wrap(op, fmt.Errorf("%w at %s", ErrNoLogin, t.issuer))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.open(ctx, e.Backend)
	if err != nil {
		return nil, wrap(op, err)
	}
	data, err := r.get(ctx, keyOf(e.Issuer, e.ClientID))
	if errors.Is(err, errNotFound) {
		return nil, &Error{Op: op, Err: fmt.Errorf("%w at %s: its item is missing from the keyring %s", ErrNoLogin, t.issuer, e.Backend), Hint: "log in again"}
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, private.ErrTooLong) {
		return nil, damaged(op, err)
	}
	if err != nil {
		return nil, wrap(op, s.ringError(e.Backend, keyOf(e.Issuer, e.ClientID), err))
	}
	l, err := decodeLogin(data)
	if err == nil && (sameIssuer(l.Issuer) != sameIssuer(e.Issuer) || l.ClientID != e.ClientID) {
		err = errors.New("the item in the keyring is the login of another issuer")
	}
	if err != nil {
		return nil, damaged(op, err)
	}
	return l, nil
}

// damaged returns the error for an item that cannot be loaded. A new login replaces it.
func damaged(op string, err error) error {
	return &Error{Op: op, Err: &damagedError{err}, Hint: "log in again"}
}

// reservedSize is the space reserved for saving one file, in bytes: enough for an encrypted
// login with a refresh token of 20 kB, or for a long index.
const reservedSize = 64 << 10

// Prepare prepares saving the login of the client: it opens the keyring, and creates files
// with reserved space beside those that will be replaced. An issuer that rotates refresh
// tokens invalidates the old one as soon as it answers, so what can fail must fail before
// the request. An empty clientID means a client that is not yet registered. Calling Prepare
// again prepares the next save.
func (t *Tx) Prepare(ctx context.Context, clientID string) error {
	err := t.prepare(ctx, clientID)
	if err == nil {
		return nil
	}
	err = wrap("prepare to save the login", err)
	var e *Error
	if errors.As(err, &e) && isDiskFull(err) {
		e.Hint = "the issuer was not asked, and the login is unchanged: " + e.Hint
	}
	return err
}

func (t *Tx) prepare(ctx context.Context, clientID string) error {
	s := t.s
	e, _, err := s.exact(t.issuer, clientID)
	if err != nil {
		return err
	}
	path, err := s.indexPath()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := t.ready[clientID]
	if p == nil {
		p = &prepared{}
		if p.backend, err = s.choose(ctx, e.Backend); err != nil {
			return err
		}
		if p.ring, err = s.open(ctx, p.backend); err != nil {
			return err
		}
		t.ready[clientID] = p
	}
	p.old = e
	if p.index == nil {
		if p.index, err = private.Create(path, reservedSize); err != nil {
			return err
		}
	}
	if r, ok := p.ring.(reserver); ok {
		key := keyOf(t.issuer, clientID)
		return s.ringError(p.backend, key, r.reserve(ctx, p, key))
	}
	return nil
}

// maxLogin is the size limit of a login that is saved, in bytes. Its encrypted form does not
// exceed the limit for reading it back.
const maxLogin = private.MaxRead / 4

// saveTries is how often a save is tried, and savePause is the first pause, which doubles
// each time. Most temporary causes, such as too many open files, pass within a second.
const (
	saveTries = 6
	savePause = 50 * time.Millisecond
)

// Save saves the login, and replaces the one of the same client. A login stays in its keyring
// unless the user chose another one. A failed save is retried. An error means that the login
// was not saved or is not in the index. If the index could not be updated but its entry is
// still usable, Save prints a note and returns nil.
func (t *Tx) Save(ctx context.Context, l *Login) error {
	const op = "save the login"
	if sameIssuer(l.Issuer) != sameIssuer(t.issuer) || l.ClientID == "" {
		return wrap(op, errUnnamed)
	}
	data, err := encodeLogin(l)
	if err != nil {
		return wrap(op, err)
	}
	if len(data) > maxLogin {
		return wrap(op, fmt.Errorf("it is longer than %d bytes", maxLogin))
	}
	p := t.ready[l.ClientID]
	if p == nil {
		if p = t.ready[""]; p == nil {
			return wrap(op, errors.New("the save was not prepared"))
		}
		delete(t.ready, "")
		t.ready[l.ClientID] = p
	}
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(l.Issuer, l.ClientID)
	err = Again(func() error { return t.writeItem(ctx, p, key, "token-helpers: login at "+l.Issuer, data) })
	if err != nil {
		return wrap(op, s.ringError(p.backend, key, err))
	}
	return t.updateEntry(ctx, p, l, key)
}

// Again calls f until it succeeds, up to 6 times within about 1.5 seconds. It returns the
// last error. A call that exceeded its time limit is not repeated.
func Again(f func() error) error {
	var err error
	for n := range saveTries {
		if err = f(); err == nil || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if n < saveTries-1 {
			time.Sleep(savePause << n)
		}
	}
	return err
}

// writeItem writes the item to the keyring.
func (t *Tx) writeItem(ctx context.Context, p *prepared, key, label string, data []byte) error {
	if p.spare != nil {
		p.spare.Close() // frees the space for the keyring program
		p.spare = nil
	}
	f, ok := p.ring.(*fileRing)
	if !ok {
		return p.ring.set(ctx, key, label, data)
	}
	b, err := f.encrypt(key, label, data)
	if err != nil {
		return err
	}
	if p.item != nil {
		if err = p.item.CommitTo(f.path(key), b); err == nil {
			p.item.Close()
			p.item = nil
			return nil
		}
	}
	// Try again without the prepared file, which may be the cause.
	if werr := private.Write(f.path(key), b); werr == nil || err == nil {
		return werr
	}
	return err
}

// updateEntry updates the index after a login was saved.
func (t *Tx) updateEntry(ctx context.Context, p *prepared, l *Login, key string) error {
	s := t.s
	old := p.old
	existed := old.ClientID != ""
	entry := IndexEntry{
		Issuer: l.Issuer, ClientID: l.ClientID, Registered: l.Registered, Backend: p.backend,
		Scopes: slices.Clone(l.Scopes), Created: l.Created, Refreshed: l.Refreshed, RefreshExpires: l.RefreshExpires,
		Unrenewable: l.RefreshToken == "" && len(l.Scopes) > 0,
	}
	err := Again(func() error {
		return s.updateIndex(ctx, p.index, func(in []IndexEntry) []IndexEntry {
			return append(without(in, l.Issuer, l.ClientID), entry)
		})
	})
	if p.index != nil {
		p.index.Close()
		p.index = nil
	}
	if err != nil && existed && old.Backend == p.backend && slices.Equal(old.Scopes, l.Scopes) {
		s.o.Note("the login was saved, but the list of logins was not updated: %v", err)
		return nil
	}
	if err != nil {
		return wrap("update the list of logins", err)
	}
	if existed && old.Backend != p.backend {
		s.o.Note("the login at %s moved from the keyring %s to %s", l.Issuer, old.Backend, p.backend)
		if err := s.removeItem(ctx, old.Backend, key); err != nil {
			s.o.Note("the keyring %s still has the old copy of the login: %v", old.Backend, err)
		}
	}
	return nil
}

// Note changes the index entry of a login whose secrets have not changed.
func (t *Tx) Note(ctx context.Context, clientID string, change func(*IndexEntry)) error {
	var w *private.File
	if p := t.ready[clientID]; p != nil && p.index != nil {
		w, p.index = p.index, nil
		defer w.Close()
	}
	return wrap("update the list of logins", t.s.updateIndex(ctx, w, func(in []IndexEntry) []IndexEntry {
		for i, e := range in {
			if sameIssuer(e.Issuer) == sameIssuer(t.issuer) && e.ClientID == clientID {
				change(&in[i])
			}
		}
		return in
	}))
}

// Delete deletes the login of the client. It is not an error if the login does not exist.
func (t *Tx) Delete(ctx context.Context, clientID string) error {
	const op = "delete the login"
	s := t.s
	e, ok, err := s.exact(t.issuer, clientID)
	if err != nil || !ok {
		return wrap(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.removeItem(ctx, e.Backend, keyOf(e.Issuer, e.ClientID)); err != nil {
		return wrap(op, s.ringError(e.Backend, keyOf(e.Issuer, e.ClientID), err))
	}
	return wrap(op, s.updateIndex(ctx, nil, func(in []IndexEntry) []IndexEntry {
		return without(in, e.Issuer, e.ClientID)
	}))
}

func (s *Store) removeItem(ctx context.Context, backend, key string) error {
	r, err := s.open(ctx, backend)
	if err != nil {
		return err
	}
	if err := r.remove(ctx, key); err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	return nil
}

func (s *Store) indexPath() (string, error) {
	dir, err := s.stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "logins.json"), nil
}
