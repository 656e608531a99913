package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/private"
)

// IndexEntry describes a login without its secrets, so that its keyring need not be opened.
type IndexEntry struct {
	Issuer     string    `json:"issuer"`
	ClientID   string    `json:"client_id"`
	Registered bool      `json:"registered,omitempty"`
	Backend    string    `json:"backend"`
	Scopes     []string  `json:"scopes,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Refreshed  time.Time `json:"refreshed,omitzero"`
	// RefreshExpires is zero if it is unknown.
	RefreshExpires time.Time `json:"refresh_expires,omitzero"`
	// Unrenewable means that the issuer issued no refresh token.
	Unrenewable bool `json:"unrenewable,omitempty"`
	// Ended is the reason why the issuer no longer accepts the login, such as invalid_grant.
	// It is empty for a login that worked when it was last used.
	Ended string `json:"ended,omitempty"`
	// ClientGone means that the client is no longer registered at the issuer.
	ClientGone bool `json:"client_gone,omitempty"`
}

// maxIndex is the size limit of the index in bytes, enough for more than 100,000 logins.
const maxIndex = 64 << 20

type index struct {
	Version int          `json:"version"`
	Logins  []IndexEntry `json:"logins"`
}

// Index returns the logins sorted by issuer and client. It reads them from a private file
// without secrets. If the file does not exist, there are no logins.
func (s *Store) Index() ([]IndexEntry, error) {
	const op = "read the list of logins"
	path, err := s.indexPath()
	if err != nil {
		return nil, wrap(op, err)
	}
	b, err := private.ReadUpTo(path, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	// Decode only if changed: the index may be long and is read several times for each change.
	s.indexed.Lock()
	defer s.indexed.Unlock()
	if s.index == nil || !bytes.Equal(b, s.indexText) {
		in, err := decodeIndex(b)
		if err != nil {
			return nil, &Error{Op: op, Err: err, Hint: "remove " + path + " and log in again"}
		}
		s.index, s.indexText = in, b
	}
	return slices.Clone(s.index), nil
}

func decodeIndex(b []byte) ([]IndexEntry, error) {
	var x index
	if err := json.Unmarshal(b, &x); err != nil || x.Version != 1 {
		return nil, errors.New("logins.json is damaged or was written by a newer version")
	}
	return sorted(x.Logins), nil
}

func sorted(in []IndexEntry) []IndexEntry {
	order := func(a, b IndexEntry) int {
		if c := strings.Compare(a.Issuer, b.Issuer); c != 0 {
			return c
		}
		return strings.Compare(a.ClientID, b.ClientID)
	}
	if !slices.IsSortedFunc(in, order) {
		slices.SortStableFunc(in, order)
	}
	return in
}

// updateIndex changes the index under a separate lock, because two helpers may log in at
// different issuers at the same time. w is the prepared replacement of the file, or nil.
func (s *Store) updateIndex(ctx context.Context, w *private.File, change func([]IndexEntry) []IndexEntry) error {
	path, err := s.indexPath()
	if err != nil {
		return err
	}
	l, err := s.lock(ctx, "logins.lock")
	if err != nil {
		return err
	}
	defer l.release()
	in, err := s.Index()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(index{Version: 1, Logins: sorted(change(in))}, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if w != nil && w.Commit(b) == nil {
		return nil
	}
	return private.Write(path, b)
}

// without removes the client's entry from in.
func without(in []IndexEntry, issuer, clientID string) []IndexEntry {
	return slices.DeleteFunc(in, func(e IndexEntry) bool {
		return sameIssuer(e.Issuer) == sameIssuer(issuer) && e.ClientID == clientID
	})
}

// exact returns the entry of the client.
func (s *Store) exact(issuer, clientID string) (IndexEntry, bool, error) {
	in, err := s.Index()
	if err != nil {
		return IndexEntry{}, false, err
	}
	for _, e := range in {
		if sameIssuer(e.Issuer) == sameIssuer(issuer) && e.ClientID == clientID {
			return e, true, nil
		}
	}
	return IndexEntry{}, false, nil
}

// Find returns the login to use at the issuer. With a clientID it is the login of that
// client. Without one it is the login of the client that these tools registered, else the
// only other login. A registered client that is not logged in is returned only if there is
// no such login. Find reads the index only.
func (s *Store) Find(issuer, clientID string) (IndexEntry, bool, error) {
	if clientID != "" {
		return s.exact(issuer, clientID)
	}
	in, err := s.Index()
	if err != nil {
		return IndexEntry{}, false, err
	}
	var registered, given []IndexEntry
	for _, e := range in {
		switch {
		case sameIssuer(e.Issuer) != sameIssuer(issuer):
		case e.Registered:
			registered = append(registered, e)
		default:
			given = append(given, e)
		}
	}
	slices.SortStableFunc(registered, func(a, b IndexEntry) int { return b.Refreshed.Compare(a.Refreshed) })
	for _, e := range registered {
		if len(e.Scopes) > 0 {
			return e, true, nil
		}
	}
	if len(given) == 1 {
		return given[0], true, nil
	}
	if len(registered) > 0 {
		return registered[0], true, nil
	}
	return IndexEntry{}, false, nil
}
