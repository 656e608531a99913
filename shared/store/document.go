package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"example.org/token-helpers/shared/private"
)

type document struct {
	Issuer  string    `json:"issuer"`
	Stored  time.Time `json:"stored"`
	Expires time.Time `json:"expires"`
	Body    []byte    `json:"body"`
}

func (s *Store) documentPath(issuer string) (string, error) {
	dir, err := s.cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(sameIssuer(issuer)))
	return filepath.Join(dir, "discovery", hex.EncodeToString(sum[:])+".json"), nil
}

// Document returns the issuer's cached discovery document, if it is fresh. On any error it
// returns false, because the document can be fetched again.
func (s *Store) Document(issuer string) ([]byte, bool) {
	path, err := s.documentPath(issuer)
	if err != nil {
		return nil, false
	}
	b, err := private.Read(path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			s.o.Verbose("ignoring the cached discovery document: %v", err)
		}
		return nil, false
	}
	return decodeDocument(b, issuer, s.o.Now())
}

func decodeDocument(b []byte, issuer string, now time.Time) ([]byte, bool) {
	var d document
	if json.Unmarshal(b, &d) != nil || len(d.Body) == 0 || sameIssuer(d.Issuer) != sameIssuer(issuer) {
		return nil, false
	}
	// A clock that was set back must not keep a document forever.
	if d.Stored.After(now) || !d.Expires.After(now) {
		return nil, false
	}
	return d.Body, true
}

// PutDocument caches the issuer's discovery document for maxAge. With a maxAge of zero,
// or a document that is too long, it removes the cached one.
func (s *Store) PutDocument(issuer string, doc []byte, maxAge time.Duration) error {
	const op = "cache the discovery document"
	path, err := s.documentPath(issuer)
	if err != nil {
		return wrap(op, err)
	}
	now := s.o.Now()
	b, err := json.Marshal(document{Issuer: issuer, Stored: now, Expires: now.Add(maxAge), Body: doc})
	if err != nil {
		return wrap(op, err)
	}
	if maxAge <= 0 || len(doc) == 0 || len(b) > private.MaxRead {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return wrap(op, err)
		}
		return nil
	}
	return wrap(op, writeIn(path, b))
}
