package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// IndexEntry is what can be told about a login without opening its keyring.
type IndexEntry struct {
	Issuer     string    `json:"issuer"`
	ClientID   string    `json:"client_id"`
	Registered bool      `json:"registered,omitempty"`
	Backend    string    `json:"backend"`
	Scopes     []string  `json:"scopes,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Refreshed  time.Time `json:"refreshed,omitzero"`
	// RefreshExpires is zero where it is unknown.
	RefreshExpires time.Time `json:"refresh_expires,omitzero"`
}

type index struct {
	Version int          `json:"version"`
	Logins  []IndexEntry `json:"logins"`
}

// Index lists the logins, by issuer and client, from a private file that holds no
// secrets. No file is no logins.
func (s *Store) Index() ([]IndexEntry, error) {
	const op = "read the list of logins"
	dir, err := s.stateDir()
	if err != nil {
		return nil, wrap(op, err)
	}
	path := filepath.Join(dir, "logins.json")
	b, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(op, err)
	}
	in, err := decodeIndex(b)
	if err != nil {
		return nil, &Error{Op: op, Err: err, Hint: "remove " + path + " and log in again"}
	}
	return in, nil
}

func decodeIndex(b []byte) ([]IndexEntry, error) {
	var x index
	if err := json.Unmarshal(b, &x); err != nil || x.Version != 1 {
		return nil, errors.New("logins.json is damaged, or written by a newer version")
	}
	return sorted(x.Logins), nil
}

func sorted(in []IndexEntry) []IndexEntry {
	slices.SortStableFunc(in, func(a, b IndexEntry) int {
		if c := strings.Compare(a.Issuer, b.Issuer); c != 0 {
			return c
		}
		return strings.Compare(a.ClientID, b.ClientID)
	})
	return in
}

// updateIndex changes the list under a lock of its own, as two helpers may log in
// at different issuers at once.
func (s *Store) updateIndex(ctx context.Context, change func([]IndexEntry) []IndexEntry) error {
	unlock, err := s.lock(ctx, "logins.lock")
	if err != nil {
		return err
	}
	defer unlock()
	in, err := s.Index()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(index{Version: 1, Logins: sorted(change(in))}, "", "  ")
	if err != nil {
		return err
	}
	dir, err := s.stateDir()
	if err != nil {
		return err
	}
	s.sweepTemps(dir)
	return writePrivate(filepath.Join(dir, "logins.json"), append(b, '\n'))
}

func without(in []IndexEntry, issuer, clientID string) []IndexEntry {
	return slices.DeleteFunc(in, func(e IndexEntry) bool {
		return sameIssuer(e.Issuer) == sameIssuer(issuer) && e.ClientID == clientID
	})
}

func (s *Store) exactEntry(issuer, clientID string) (IndexEntry, bool, error) {
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

func (s *Store) entry(issuer, clientID string) (IndexEntry, bool, error) {
	if clientID != "" {
		return s.exactEntry(issuer, clientID)
	}
	in, err := s.Index()
	if err != nil {
		return IndexEntry{}, false, err
	}
	var best IndexEntry
	found := false
	for _, e := range in {
		if sameIssuer(e.Issuer) != sameIssuer(issuer) {
			continue
		}
		better := e.Registered && !best.Registered ||
			e.Registered == best.Registered && e.Refreshed.After(best.Refreshed)
		if !found || better {
			best, found = e, true
		}
	}
	return best, found, nil
}
