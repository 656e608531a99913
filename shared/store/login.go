package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// Login is what one login at an issuer leaves: kept in a keyring, never on disk
// unencrypted. Every way of formatting it is redacted.
type Login struct {
	Issuer                 string
	ClientID, ClientSecret string
	// AuthMethod is the client's token_endpoint_auth_method (RFC 7591 section
	// 2): client_secret_basic, client_secret_post or none.
	AuthMethod string
	// Registered: the client is our own (RFC 7591), so logout deletes it.
	Registered bool
	// RegistrationURI and RegistrationToken manage that client (RFC 7592).
	RegistrationURI, RegistrationToken string
	// RegisteredScopes are those that the client may ask for.
	RegisteredScopes []string
	RefreshToken     string
	// Scopes are those granted in the last answer.
	Scopes             []string
	Created, Refreshed time.Time
	// RefreshExpires is when the refresh token ends; zero where that is unknown.
	RefreshExpires time.Time
}

const redacted = "[login redacted]"

// String is redacted.
func (l Login) String() string { return redacted }

// GoString is redacted.
func (l Login) GoString() string { return redacted }

// Format is redacted for every verb.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is redacted.
func (l Login) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is redacted; the keyring's form is made by the store alone.
func (l Login) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// loginJSON is the form in the keyring. Members may be added, never renamed:
// other helpers, older or newer, read it too.
type loginJSON struct {
	Issuer            string    `json:"issuer"`
	ClientID          string    `json:"client_id"`
	ClientSecret      string    `json:"client_secret,omitempty"`
	AuthMethod        string    `json:"token_endpoint_auth_method,omitempty"`
	Registered        bool      `json:"registered,omitempty"`
	RegistrationURI   string    `json:"registration_client_uri,omitempty"`
	RegistrationToken string    `json:"registration_access_token,omitempty"`
	RegisteredScopes  []string  `json:"registered_scopes,omitempty"`
	RefreshToken      string    `json:"refresh_token,omitempty"`
	Scopes            []string  `json:"scopes,omitempty"`
	Created           time.Time `json:"created,omitzero"`
	Refreshed         time.Time `json:"refreshed,omitzero"`
	RefreshExpires    time.Time `json:"refresh_expires,omitzero"`
}

func encodeLogin(l *Login) ([]byte, error) { return json.Marshal(loginJSON(*l)) }

func decodeLogin(b []byte) (*Login, error) {
	var w loginJSON
	if len(b) > maxRead {
		return nil, errTooLong
	}
	if json.Unmarshal(b, &w) != nil {
		// json's own text would quote the secret.
		return nil, errors.New("what the keyring holds is not a login")
	}
	l := Login(w)
	return &l, nil
}

// keyOf is the name of the login's item in the keyring. It is a hash because
// keyrings differ in the characters that a name may hold.
func keyOf(issuer, clientID string) string {
	// Neither string can make the pair ambiguous: JSON delimits them.
	b, _ := json.Marshal([]string{sameIssuer(issuer), clientID})
	sum := sha256.Sum256(b)
	return itemPrefix + hex.EncodeToString(sum[:16])
}

// Load returns the login at the issuer. An empty clientID is any client: the one
// we registered ourselves first, then the one used last. Where there is no login
// the error is [ErrNoLogin], found without opening the keyring.
func (s *Store) Load(ctx context.Context, issuer, clientID string) (*Login, error) {
	const op = "load the login"
	e, ok, err := s.entry(issuer, clientID)
	if err != nil {
		return nil, wrap(op, err)
	}
	if !ok {
		return nil, wrap(op, fmt.Errorf("%w at %s", ErrNoLogin, issuer))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.open(ctx, e.Backend)
	if err != nil {
		return nil, wrap(op, err)
	}
	data, err := r.get(ctx, keyOf(e.Issuer, e.ClientID))
	if errors.Is(err, errNotFound) {
		return nil, &Error{Op: op, Err: fmt.Errorf("%w at %s: the keyring %s has lost it", ErrNoLogin, issuer, e.Backend), Hint: "log in again"}
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	l, err := decodeLogin(data)
	if err == nil && (sameIssuer(l.Issuer) != sameIssuer(e.Issuer) || l.ClientID != e.ClientID) {
		err = errors.New("the keyring holds the login of another issuer in its place")
	}
	if err != nil {
		return nil, &Error{Op: op, Err: err, Hint: "log out and log in again"}
	}
	return l, nil
}

// Save keeps the login, in the place of the one with the same issuer and client.
// A login stays in the keyring it is in unless another is asked for. The caller
// holds [Store.Lock] for the issuer.
func (s *Store) Save(ctx context.Context, l *Login) error {
	const op = "save the login"
	if l.Issuer == "" || l.ClientID == "" {
		return wrap(op, errors.New("issuer and client id are needed"))
	}
	old, had, err := s.exactEntry(l.Issuer, l.ClientID)
	if err != nil {
		return wrap(op, err)
	}
	data, err := encodeLogin(l)
	if err != nil {
		return wrap(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	backend, err := s.choose(ctx, old.Backend)
	if err != nil {
		return wrap(op, err)
	}
	r, err := s.open(ctx, backend)
	if err != nil {
		return wrap(op, err)
	}
	key := keyOf(l.Issuer, l.ClientID)
	if err := r.set(ctx, key, "token-helpers: login at "+l.Issuer, data); err != nil {
		return wrap(op, err)
	}
	err = s.updateIndex(ctx, func(in []IndexEntry) []IndexEntry {
		return append(without(in, l.Issuer, l.ClientID), IndexEntry{
			Issuer: l.Issuer, ClientID: l.ClientID, Registered: l.Registered, Backend: backend,
			Scopes: slices.Clone(l.Scopes), Created: l.Created, Refreshed: l.Refreshed, RefreshExpires: l.RefreshExpires,
		})
	})
	if err != nil {
		return wrap(op, err)
	}
	if had && old.Backend != backend {
		s.o.Note("the login at %s moved from the keyring %s to %s", l.Issuer, old.Backend, backend)
		if err := s.removeItem(ctx, old.Backend, key); err != nil {
			s.o.Note("the keyring %s still holds the login as it was: %v", old.Backend, err)
		}
	}
	return nil
}

// Reserve makes sure that there is room to save the login again: an issuer that
// rotates refresh tokens has ended the old one by the time its answer would meet a
// full disk. release gives the room back, for [Store.Save] to use. The caller
// holds [Store.Lock] for the issuer.
func (s *Store) Reserve(issuer, clientID string) (release func(), err error) {
	const op = "make room to keep the login"
	e, ok, err := s.exactEntry(issuer, clientID)
	if err != nil || !ok || e.Backend != file {
		return func() {}, wrap(op, err)
	}
	dir, err := s.dataDir()
	if err != nil {
		return nil, wrap(op, err)
	}
	release, err = reserve(filepath.Join(dir, "keyring"))
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the full error names a temporary file
		}
		return nil, &Error{
			Op: op, Err: fmt.Errorf("%s: %w", dir, err),
			Hint: "nothing was asked of the issuer yet, and the login is as it was: make room, and try again",
		}
	}
	return release, nil
}

// Touch notes that the login was refreshed, where nothing of it that is secret
// changed. The caller holds [Store.Lock] for the issuer.
func (s *Store) Touch(ctx context.Context, issuer, clientID string, at time.Time) error {
	return wrap("note the refresh", s.updateIndex(ctx, func(in []IndexEntry) []IndexEntry {
		for i, e := range in {
			if sameIssuer(e.Issuer) == sameIssuer(issuer) && e.ClientID == clientID {
				in[i].Refreshed = at
			}
		}
		return in
	}))
}

// Delete forgets the login; one that is not there is forgotten already. The
// caller holds [Store.Lock] for the issuer.
func (s *Store) Delete(ctx context.Context, issuer, clientID string) error {
	const op = "forget the login"
	e, ok, err := s.entry(issuer, clientID)
	if err != nil || !ok {
		return wrap(op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.removeItem(ctx, e.Backend, keyOf(e.Issuer, e.ClientID)); err != nil {
		return wrap(op, err)
	}
	return wrap(op, s.updateIndex(ctx, func(in []IndexEntry) []IndexEntry {
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
