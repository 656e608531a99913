package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// maxLifetime is the longest lifetime of a credential that may be stored unencrypted:
// 1,000,000 seconds (IGTF, Private Key Protection Guidelines).
const maxLifetime = 1_000_000 * time.Second

// CacheKey identifies a request for an access token. The order and the repetition of
// audiences and scopes make no difference.
type CacheKey struct {
	Issuer, ClientID, Account string
	// Subject identifies what the token is derived from if that is not the login at the
	// issuer: the source and its input.
	Subject           string
	Audiences, Scopes []string
}

// CachedInfo describes a cached access token without revealing it. Audiences and Scopes
// are those granted.
type CachedInfo struct {
	Issuer, ClientID, Account string
	Audiences, Scopes         []string
	Expires                   time.Time
	Source                    string
}

// cacheEntry is the format of a cached token on disk.
type cacheEntry struct {
	// If a service rejected the token, Token is empty and Rejected is the token's hash.
	Token     string    `json:"token"`
	Rejected  string    `json:"rejected,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	Expires   time.Time `json:"expires"`
	Scopes    []string  `json:"scopes,omitempty"`
	Audiences []string  `json:"audiences,omitempty"`
	Source    string    `json:"source,omitempty"`
	For       struct {
		Issuer   string `json:"issuer"`
		ClientID string `json:"client_id,omitempty"`
		Account  string `json:"account,omitempty"`
	} `json:"for"`
}

func (k CacheKey) file() string {
	// Lengths delimit the items, so that different requests never have the same encoding.
	form := []byte("v2")
	add := func(list ...string) {
		form = append(strconv.AppendInt(form, int64(len(list)), 10), ';')
		for _, s := range list {
			form = append(append(strconv.AppendInt(form, int64(len(s)), 10), ':'), s...)
		}
	}
	add(sameIssuer(k.Issuer), k.ClientID, k.Account, k.Subject)
	add(text.Set(k.Audiences)...)
	add(text.Set(k.Scopes)...)
	sum := sha256.Sum256(form)
	return hex.EncodeToString(sum[:]) + cacheSuffix
}

const cacheSuffix = ".token"

// CachedToken returns the token cached for the request, if it has not expired. The
// caller checks whether its remaining lifetime is sufficient. A damaged entry is ignored.
// A directory or file that other users can use is an error.
func (s *Store) CachedToken(key CacheKey) (token.Token, bool, error) {
	dir, err := s.tokenDir()
	if err != nil {
		return token.Token{}, false, wrap("read the token cache", err)
	}
	e, ok, err := s.readEntry(filepath.Join(dir, key.file()))
	if err != nil || !ok || e.Token == "" || !e.Expires.After(s.o.Now()) {
		return token.Token{}, false, wrap("read the token cache", err)
	}
	t := token.New(e.Token)
	t.Issuer, t.Expires, t.Scopes, t.Audiences, t.Source = e.Issuer, e.Expires, e.Scopes, e.Audiences, e.Source
	return t, true, nil
}

func (s *Store) readEntry(path string) (cacheEntry, bool, error) {
	b, err := private.Read(path)
	var pe *private.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cacheEntry{}, false, nil
	case errors.As(err, &pe), errors.Is(err, fs.ErrPermission):
		return cacheEntry{}, false, err
	case err != nil:
		s.o.Verbose("ignoring a cached token: %v", err)
		return cacheEntry{}, false, nil
	}
	e, ok := decodeEntry(b)
	if !ok {
		s.o.Verbose("ignoring a cached token: %s is damaged", path)
	}
	return e, ok, nil
}

// decodeEntry decodes the members one by one. encoding/json would first examine the types
// that it decodes into, which takes longer than decoding one entry.
func decodeEntry(b []byte) (e cacheEntry, ok bool) {
	ok = eachMember(b, func(m *token.Member) (ok bool) {
		switch m.Name {
		case "token":
			e.Token, ok = m.Text()
		case "rejected":
			e.Rejected, ok = m.Text()
		case "issuer":
			e.Issuer, ok = m.Text()
		case "expires":
			ok = e.Expires.UnmarshalJSON(m.Value) == nil
		case "scopes":
			e.Scopes, ok = m.Texts()
		case "audiences":
			e.Audiences, ok = m.Texts()
		case "source":
			e.Source, ok = m.Text()
		case "for":
			ok = eachMember(m.Value, e.readOwner)
		default:
			ok = true // written by a newer version
		}
		return ok
	})
	if !ok {
		return cacheEntry{}, false
	}
	return e, (e.Token != "" || e.Rejected != "") && !e.Expires.IsZero()
}

func (e *cacheEntry) readOwner(m *token.Member) (ok bool) {
	switch m.Name {
	case "issuer":
		e.For.Issuer, ok = m.Text()
	case "client_id":
		e.For.ClientID, ok = m.Text()
	case "account":
		e.For.Account, ok = m.Text()
	default:
		ok = true
	}
	return ok
}

// eachMember calls read for the members of a JSON object. It returns false if object is not
// a JSON object, or if read returns false for a member.
func eachMember(object []byte, read func(*token.Member) bool) bool {
	members, ok := token.ReadObject(object)
	for i := range members {
		ok = ok && read(&members[i])
	}
	return ok
}

// PutToken caches the token for the request, and from time to time removes some expired
// tokens. It does not cache a token whose expiry is unknown or past, or one that lives
// longer than 1,000,000 seconds, which must not be stored unencrypted. That is not an error.
func (s *Store) PutToken(key CacheKey, t token.Token) error {
	const op = "write the token cache"
	dir, err := s.tokenDir()
	if err != nil {
		return wrap(op, err)
	}
	if err := makeDir(dir); err != nil {
		return wrap(op, err)
	}
	s.sweep(dir)
	if why := s.whyNotCached(t); why != "" {
		s.o.Verbose("the token is not cached: %s", why)
		return nil
	}
	e := cacheEntry{
		Token: t.Raw(), Issuer: t.Issuer, Expires: t.Expires, Scopes: t.Scopes, Audiences: t.Audiences, Source: t.Source,
	}
	e.For.Issuer, e.For.ClientID, e.For.Account = key.Issuer, key.ClientID, key.Account
	b, err := json.Marshal(e)
	if err != nil {
		return wrap(op, err)
	}
	if len(b) > private.MaxRead {
		s.o.Verbose("the token is not cached: %v", private.ErrTooLong)
		return nil
	}
	return wrap(op, writeIn(filepath.Join(dir, key.file()), b))
}

// RejectToken removes the token cached for the request, which a service rejected, and
// remembers it until it would have expired: see [Store.Rejected]. If raw is not empty, only
// that token is removed.
func (s *Store) RejectToken(key CacheKey, raw string) error {
	const op = "clear the token cache"
	dir, err := s.tokenDir()
	if err != nil {
		return wrap(op, err)
	}
	path := filepath.Join(dir, key.file())
	e, ok, err := s.readEntry(path)
	if err != nil || !ok || e.Token == "" || raw != "" && e.Token != raw {
		return wrap(op, err)
	}
	b, err := json.Marshal(cacheEntry{Rejected: hash(e.Token), Expires: e.Expires})
	if err != nil {
		return wrap(op, err)
	}
	return wrap(op, writeIn(path, b))
}

// Rejected reports whether raw is the last token for the request that a service rejected.
func (s *Store) Rejected(key CacheKey, raw string) bool {
	dir, err := s.tokenDir()
	if err != nil {
		return false
	}
	e, ok, err := s.readEntry(filepath.Join(dir, key.file()))
	return err == nil && ok && e.Rejected != "" && e.Rejected == hash(raw)
}

func hash(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:])
}

// whyNotCached returns the reason why t must not be cached, or "".
func (s *Store) whyNotCached(t token.Token) string {
	left, known := t.Lifetime(s.o.Now())
	if t.IsZero() || !known {
		return "its lifetime is unknown"
	}
	if left <= 0 {
		return "it has expired"
	}
	whole := left
	if j, err := token.Decode([]byte(t.Raw())); err == nil {
		if issued, ok := j.Time("iat"); ok {
			whole = max(left, t.Expires.Sub(issued))
		}
	}
	if whole > maxLifetime {
		return "it lives longer than 1,000,000 seconds"
	}
	return ""
}

// each calls f for every entry that is not damaged.
func (s *Store) each(f func(path string, e cacheEntry) error) error {
	dir, err := s.tokenDir()
	if err != nil {
		return err
	}
	err = private.CheckDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	items, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, it := range items {
		if !strings.HasSuffix(it.Name(), cacheSuffix) {
			continue
		}
		path := filepath.Join(dir, it.Name())
		e, ok, err := s.readEntry(path)
		if err != nil {
			return err
		}
		if ok {
			if err := f(path, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tokens lists the cached tokens that have not expired, sorted by expiry.
func (s *Store) Tokens() ([]CachedInfo, error) {
	var out []CachedInfo
	now := s.o.Now()
	err := s.each(func(_ string, e cacheEntry) error {
		if e.Token != "" && e.Expires.After(now) {
			out = append(out, CachedInfo{
				Issuer: e.For.Issuer, ClientID: e.For.ClientID, Account: e.For.Account,
				Audiences: e.Audiences, Scopes: e.Scopes, Expires: e.Expires, Source: e.Source,
			})
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b CachedInfo) int { return a.Expires.Compare(b.Expires) })
	return out, wrap("read the token cache", err)
}

// ForgetTokens removes the cached tokens of the issuer.
func (s *Store) ForgetTokens(issuer string) error {
	return s.forget(func(e cacheEntry) bool {
		return token.SameIssuer(e.For.Issuer, issuer) || token.SameIssuer(e.Issuer, issuer)
	})
}

// forget removes the cached tokens for which match returns true.
func (s *Store) forget(match func(cacheEntry) bool) error {
	return wrap("clear the token cache", s.each(func(path string, e cacheEntry) error {
		if !match(e) {
			return nil
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}))
}

// ForgetOthers removes the cached tokens of a client that came from one of the sources,
// unless they have the same subject as the new token fresh: another user may have logged in.
func (s *Store) ForgetOthers(issuer, clientID string, sources []string, fresh token.Token) error {
	subject, known := subjectOf(fresh)
	return s.forget(func(e cacheEntry) bool {
		if !slices.Contains(sources, e.Source) || !token.SameIssuer(e.For.Issuer, issuer) || e.For.ClientID != "" && e.For.ClientID != clientID {
			return false
		}
		other, ok := subjectOf(token.New(e.Token))
		return !known || !ok || other != subject
	})
}

func subjectOf(t token.Token) (subject string, ok bool) {
	if t.JWT() == nil {
		return "", false
	}
	return t.JWT().String("sub")
}
