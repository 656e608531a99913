// Package store keeps what lasts: logins in a keyring, access tokens and
// discovery documents in private folders, and the locks between processes. It is
// the only package that knows github.com/99designs/keyring.
//
// One login for each issuer and client serves all helpers. A list of the logins,
// without secrets, stands beside the keyring, so that asking what there is
// neither opens the keyring nor asks for a passphrase.
//
// Issuers are the same where they differ in one trailing slash only.
package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/store/dbusguard"
)

// keyring's initialisation is over when this runs, as this package imports it.
func init() { dbusguard.Restore() }

// What is behind the errors of this package; all of them come wrapped in [Error].
var (
	// ErrNoLogin: there is no login at this issuer.
	ErrNoLogin = errors.New("no login")
	// ErrLockTimeout: another process held the lock for longer than LockTimeout.
	ErrLockTimeout = errors.New("another process holds the lock")
	// ErrNobodyToAsk: a passphrase is needed, and no terminal is there to ask.
	ErrNobodyToAsk = errors.New("a passphrase is needed and nobody is there to ask")
	// ErrWrongPassphrase: the passphrase does not open the encrypted files.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrNoBackend: the keyring that was chosen cannot be used here.
	ErrNoBackend = errors.New("keyring not available")
	// ErrNoHome: neither HOME nor the XDG variable in question says where to
	// keep files.
	ErrNoHome = errors.New("no home folder")
)

// Error is every error of the store.
type Error struct {
	Op   string // what was being done, such as "save the login"
	Err  error
	Hint string // what to do about it; may be empty
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// wrap adds what was being done, once: an Error stays what it is.
func wrap(op string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	e = &Error{Op: op, Err: err}
	var pe *PermissionError
	if errors.As(err, &pe) {
		e.Hint = pe.hint()
	}
	return e
}

// PermissionError is a file or folder that others could read or exchange: it is
// refused, not repaired, for what it holds may already be known or forged.
type PermissionError struct {
	Path   string
	Reason string
	Mode   os.FileMode // the permissions that it should have
	fix    bool        // whether chmod cures it
}

func (e *PermissionError) Error() string { return e.Path + " " + e.Reason }

func (e *PermissionError) hint() string {
	if e.fix {
		return fmt.Sprintf("make it private: chmod %o %s", e.Mode.Perm(), e.Path)
	}
	return "look who made " + e.Path + ", and remove it"
}

// Options are what the store needs of the world. The zero value is not usable:
// LookupEnv and Now are required.
type Options struct {
	// LookupEnv reads an environment variable, as os.LookupEnv.
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	// Backend is where logins are kept, as in --keyring. Empty and "auto" are
	// the backend remembered from the last login, else the first that works.
	Backend string
	// Passphrase asks the user on the terminal; nil where nobody is to ask. What
	// TOKEN_HELPER_PASSPHRASE_FILE and TOKEN_HELPER_PASSPHRASE_COMMAND name comes
	// before it.
	Passphrase func(prompt string) (string, error)
	// Note tells the user something worth knowing, Verbose the rest. Both may
	// be nil; neither is ever given a secret.
	Note    func(format string, a ...any)
	Verbose func(format string, a ...any)
	// UnlockFor is how long the kernel's key store holds the passphrase of the
	// encrypted files once it was typed; 0 is never.
	UnlockFor time.Duration
	// LockTimeout is how long to wait for another process; 0 is one minute.
	LockTimeout time.Duration
}

// Store is the store. It is safe for concurrent use.
type Store struct {
	o Options

	mu         sync.Mutex      // guards what follows
	rings      map[string]ring // opened keyrings by backend
	passphrase string          // of the encrypted files, once it is known to be right
}

// New makes a Store. It opens nothing and touches no file.
func New(o Options) *Store {
	nothing := func(string, ...any) {}
	if o.Note == nil {
		o.Note = nothing
	}
	if o.Verbose == nil {
		o.Verbose = nothing
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Minute
	}
	return &Store{o: o, rings: map[string]ring{}}
}

func sameIssuer(s string) string { return strings.TrimSuffix(s, "/") }
