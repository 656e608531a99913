// Package store stores logins in a keyring, and access tokens and discovery documents in
// private directories, with locks between processes. It is the only package that imports
// github.com/99designs/keyring.
//
// All helpers share one login for each issuer and client. An index of the logins, without
// secrets, is stored beside the keyring, so that listing the logins neither opens the
// keyring nor prompts for a passphrase.
//
// Issuers that differ only in one trailing slash are the same issuer.
package store

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/store/dbusguard"
)

// When this runs, keyring has been initialized, because this package imports it.
func init() { dbusguard.Restore() }

// Causes of errors. All errors of this package are wrapped in [Error].
var (
	// ErrNoLogin: there is no login at this issuer.
	ErrNoLogin = errors.New("no login")
	// ErrLocked: another process holds the lock and did not make progress in time.
	ErrLocked = errors.New("another process")
	// ErrNobodyToAsk: a passphrase is needed, but there is no terminal.
	ErrNobodyToAsk = errors.New("a passphrase is needed, but there is no terminal to ask on")
	// ErrWrongPassphrase: the passphrase does not open the encrypted files.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrNoBackend: the chosen keyring cannot be used here.
	ErrNoBackend = errors.New("keyring not available")
	// ErrNoHome: neither HOME nor the XDG variable is set to an absolute path.
	ErrNoHome = errors.New("no home directory")
)

// Error is the type of all errors of the store.
type Error struct {
	Op   string // what was being done, such as "save the login"
	Err  error
	Hint string // the next step; may be empty
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *Error) ExitCode() int {
	if errors.Is(e.Err, ErrLocked) {
		return cli.TimedOut
	}
	return cli.StoreFailed
}

// Hints implements cli.Explained.
func (e *Error) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// wrap adds what was being done, once: an [Error] is returned as it is.
func wrap(op string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	e = &Error{Op: op, Err: err, Hint: diskHint(err)}
	var pe *private.Error
	if errors.As(err, &pe) {
		e.Hint = pe.Hint()
	}
	return e
}

// Options configure a [Store]. LookupEnv and Now are required.
type Options struct {
	// LookupEnv reads an environment variable, as os.LookupEnv does.
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	// Backend is the keyring, as in --keyring. Empty and "auto" mean the backend remembered
	// from an earlier login, else the first that works.
	Backend string
	// Passphrase prompts the user on the terminal; nil if there is no terminal. The variables
	// TOKEN_HELPER_PASSPHRASE_FILE and TOKEN_HELPER_PASSPHRASE_COMMAND take precedence.
	Passphrase func(prompt string) (string, error)
	// Key, of 32 bytes, encrypts the files of logins instead of a passphrase. It is meant for
	// services, which cannot prompt.
	Key []byte
	// Note prints an important message for the user, Verbose any other. Both may be nil.
	// Neither is passed secrets.
	Note    func(format string, a ...any)
	Verbose func(format string, a ...any)
	// UnlockFor is how long the kernel's key store holds a passphrase after it was typed; 0
	// means never.
	UnlockFor time.Duration
	// LockTimeout is how long to wait for one other process; 0 means one minute. It restarts
	// whenever another process gets the lock or the holder makes progress.
	LockTimeout time.Duration
}

// Store is the store. It is safe for concurrent use.
type Store struct {
	o Options

	mu         sync.Mutex      // guards what follows
	rings      map[string]ring // opened keyrings by backend
	passphrase string          // of the encrypted files, after it was checked

	indexed   sync.Mutex   // guards what follows
	indexText []byte       // the index as last read
	index     []IndexEntry // indexText decoded

	locks sync.Mutex // guards held
	held  []*lock    // the locks that this process holds
}

// New returns a Store. It does not open the keyring or access any file.
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

// diskHint returns the hint for an error of the file system.
func diskHint(err error) string {
	switch {
	case isNoLocks(err):
		return "set XDG_STATE_HOME to a directory on another file system, such as a local disk: this one has no file locks"
	case isDiskFull(err):
		return "free some disk space or quota and run the command again"
	case errors.Is(err, fs.ErrPermission):
		return "check who owns that file or directory, and its mode"
	case isNotDir(err):
		return "move away the file that exists where a directory is needed"
	case isReadOnly(err):
		return "set HOME, or the XDG variables, to a directory that can be written"
	}
	return ""
}

var errUnnamed = errors.New("issuer and client ID are required")
