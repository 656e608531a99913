package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/99designs/keyring"

	"example.org/token-helpers/shared/private"
)

const (
	// serviceName is the same for all helpers: they share their logins.
	serviceName = "token-helpers"
	itemPrefix  = serviceName + "-"
	probeKey    = itemPrefix + "probe"
)

// The backends, as --keyring spells them.
const (
	auto          = "auto"
	secretService = "secret-service"
	kwallet       = "kwallet"
	keychain      = "keychain"
	wincred       = "wincred"
	pass          = "pass"
	keyctl        = "keyctl"
	file          = "file"
)

// Backends lists what Options.Backend may be besides empty.
func Backends() []string {
	return []string{auto, secretService, kwallet, keychain, wincred, pass, keyctl, file}
}

var errNotFound = errors.New("not in the keyring")

// ring is a keyring reduced to what the store does with it.
type ring interface {
	get(ctx context.Context, key string) ([]byte, error) // errNotFound
	set(ctx context.Context, key, label string, data []byte) error
	remove(ctx context.Context, key string) error // errNotFound
}

// reserver is a keyring that can make sure that a later set will find room.
type reserver interface {
	reserve(ctx context.Context, p *prepared, key string) error
}

const (
	// patience is how long a keyring has for its answer if there is a terminal: its user
	// may have to type a passphrase first.
	patience = 2 * time.Minute
	// openPatience is for the secret service, which opens without asking.
	openPatience = 10 * time.Second
)

// within runs f, which knows no context, for as long as limit and ctx allow. After
// that f is left running.
func within(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %v: %w", limit, ctx.Err())
		}
		return ctx.Err()
	}
}

// patience is how long a keyring has for its answer. Without a terminal there is likely
// nobody to answer a dialog that it opens.
func (s *Store) patience() time.Duration {
	if s.o.Passphrase == nil {
		return min(patience, s.o.LockTimeout)
	}
	return patience
}

// open opens the keyring, once. The caller holds s.mu.
func (s *Store) open(ctx context.Context, backend string) (ring, error) {
	if r := s.rings[backend]; r != nil {
		return r, nil
	}
	r, err := s.openRing(ctx, backend)
	if err != nil {
		return nil, err
	}
	s.o.Verbose("opened the keyring %s", backend)
	s.rings[backend] = r
	return r, nil
}

func (s *Store) openRing(ctx context.Context, backend string) (ring, error) {
	const op = "open the keyring "
	if !slices.Contains(Backends()[1:], backend) {
		return nil, &Error{
			Op: op + backend, Err: fmt.Errorf("%w: unknown name", ErrNoBackend),
			Hint: "choose one of " + strings.Join(Backends(), ", "),
		}
	}
	if backend == file {
		dir, err := s.dataDir()
		if err != nil {
			return nil, err
		}
		return &fileRing{s: s, dir: filepath.Join(dir, "keyring")}, nil
	}
	if err := available(backend); err != nil {
		return nil, &Error{Op: op + backend, Err: err, Hint: hintFor(backend)}
	}
	if backend == pass {
		return newPassRing(s.config(backend).PassDir, s.patience())
	}
	limit := s.patience()
	if backend == secretService {
		limit = openPatience
	}
	var kr itemRing
	err := within(ctx, limit, func() (err error) { kr, err = openItems(backend, s.config(backend)); return err })
	if err != nil {
		if ctx.Err() != nil {
			return nil, wrap(op+backend, ctx.Err())
		}
		return nil, &Error{Op: op + backend, Err: fmt.Errorf("%w: %w", ErrNoBackend, err), Hint: hintFor(backend)}
	}
	if backend == keyctl {
		return keyctlRing{libRing{kr, s.patience()}}, nil
	}
	return libRing{kr, s.patience()}, nil
}

// keyctlRing is the kernel's key store, where each user has a small quota.
type keyctlRing struct{ libRing }

// reserve finds out whether the quota has room for a second key of the size of the
// login, since replacing a key takes as much.
func (r keyctlRing) reserve(ctx context.Context, _ *prepared, key string) error {
	old, err := r.get(ctx, key)
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	probe := ownProbe()
	// The kernel gives the room of removed keys back a moment later.
	err = Again(func() error { return r.set(ctx, probe, "token-helpers: probe", make([]byte, len(old)+1024)) })
	if err != nil {
		return &Error{Op: "prepare to save the login", Err: fmt.Errorf("the kernel's key store has no room: %w", err), Hint: "the issuer was not asked, and the login is unchanged: " + hintQuota}
	}
	return r.remove(ctx, probe)
}

const hintQuota = "remove keys that you do not need ('keyctl show @u' lists them, /proc/key-users shows the quota), or log in with --keyring file"

// ringError adds what to do to an error of a keyring that was opened. The key is that of the
// login.
func (s *Store) ringError(backend, key string, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || backend == file || isDiskFull(err) {
		return err
	}
	hint := hintFor(backend)
	switch backend {
	case secretService, kwallet:
		hint = "unlock the desktop's keyring, or log in with --keyring file if its session has ended"
	case keyctl:
		hint = hintQuota
	case wincred:
		hint = "an entry of the Credential Manager has at most 2560 bytes: log in with --keyring file if yours is longer"
	case pass:
		hint = "run 'pass show " + serviceName + "/" + key + "' on a terminal, with GPG_TTY set, to unlock the gpg key, or log in with --keyring file"
	}
	return &Error{Op: "use the keyring " + backend, Err: err, Hint: hint}
}

func (s *Store) config(backend string) keyring.Config {
	c := keyring.Config{
		AllowedBackends: []keyring.BackendType{keyring.BackendType(backend)},
		ServiceName:     serviceName,
		// The collection that the desktop unlocks at login: a separate one would have
		// a separate passphrase.
		LibSecretCollectionName:        "login",
		KWalletAppID:                   serviceName,
		KWalletFolder:                  serviceName,
		KeychainTrustApplication:       true,
		KeychainAccessibleWhenUnlocked: true,
		WinCredPrefix:                  serviceName,
		PassPrefix:                     serviceName,
		PassDir:                        s.getenv("PASSWORD_STORE_DIR"),
		KeyCtlScope:                    "user",
		// Possessor and user may do everything: a key that only its possessor may read
		// is lost to the next session.
		KeyCtlPerm: 0x3f3f0000,
	}
	if backend == kwallet {
		// For KWallet this is the wallet's name; the items are in a folder of it.
		c.ServiceName = "kdewallet"
	}
	if home := Home(runtime.GOOS, s.getenv); c.PassDir == "" && home != "" {
		c.PassDir = filepath.Join(home, ".password-store")
	}
	return c
}

// available says why the backend cannot be used here at all.
func available(backend string) error {
	if runtime.GOOS == "linux" && (backend == secretService || backend == kwallet) {
		return sessionBus()
	}
	if slices.Contains(keyring.AvailableBackends(), keyring.BackendType(backend)) {
		return nil
	}
	if runtime.GOOS == "darwin" && backend == keychain {
		return fmt.Errorf("%w: this program was built without cgo, which the Keychain needs", ErrNoBackend)
	}
	return fmt.Errorf("%w: not on %s", ErrNoBackend, runtime.GOOS)
}

func hintFor(backend string) string {
	switch backend {
	case keyctl:
		return "run 'keyctl link @u @s' if the session is not linked to the user's keyring, or log in with --keyring file"
	case pass:
		return "install pass and run 'pass init', or log in with --keyring file"
	case secretService, kwallet:
		return "run in a desktop session, or log in with --keyring file"
	case file:
		return "check that you can write to that directory, or set HOME or XDG_DATA_HOME to another one"
	}
	return "log in with --keyring file"
}

// choose returns the backend that a login is saved to: the one that the user asked for,
// else the one that the login is in, else the one remembered, else the first that
// works. A choice is tried before it is remembered; afterwards there is no fallback.
// The caller holds s.mu.
func (s *Store) choose(ctx context.Context, current string) (string, error) {
	asked := s.o.Backend != "" && s.o.Backend != auto
	if !asked && current != "" {
		return current, nil
	}
	remembered, err := s.remembered()
	if asked && s.o.Backend == current {
		if err != nil || remembered != current {
			// The login stays where it is, even if the choice cannot be remembered.
			if err := s.remember(current); err != nil {
				s.o.Verbose("the choice of the keyring was not remembered: %v", err)
			}
		}
		return current, nil
	}
	switch {
	case err != nil && !asked:
		return "", err
	case asked && err == nil && s.o.Backend == remembered:
		return remembered, nil
	case asked:
		if err := s.try(ctx, s.o.Backend); err != nil {
			return "", err
		}
		return s.o.Backend, s.remember(s.o.Backend)
	case remembered != "":
		return remembered, nil
	}
	return s.chooseAuto(ctx)
}

func (s *Store) chooseAuto(ctx context.Context) (string, error) {
	var passed []string
	for _, c := range candidates(runtime.GOOS) {
		err := available(c.backend)
		if err == nil {
			err = s.try(ctx, c.backend)
		}
		if err == nil {
			s.o.Note("%syour login is saved in %s", because(passed), c.what)
			return c.backend, s.remember(c.backend)
		}
		if ctx.Err() != nil || c.backend == file {
			return "", err
		}
		s.o.Verbose("the keyring %s is not used: %v", c.backend, err)
		passed = append(passed, c.backend)
	}
	return "", ErrNoBackend
}

func because(passed []string) string {
	if len(passed) == 0 {
		return ""
	}
	return "no desktop keyring found: "
}

type candidate struct{ backend, what string }

// candidates are what auto tries, in order. keyctl is not among them, as the kernel
// forgets its keys when the machine restarts, and neither is pass, as it needs a key.
func candidates(goos string) []candidate {
	last := candidate{file, "passphrase-encrypted files"}
	switch goos {
	case "darwin":
		return []candidate{{keychain, "the Keychain"}, last}
	case "windows":
		return []candidate{{wincred, "the Credential Manager"}, last}
	default:
		return []candidate{{secretService, "the desktop's keyring"}, {kwallet, "KWallet"}, last}
	}
}

// ownProbe is the name of a probe that no other process uses: one would remove what the
// other is about to read.
func ownProbe() string { return probeKey + "-" + strings.ToLower(rand.Text()[:8]) }

// probeRemoval is the time limit for the removal of a probe.
const probeRemoval = 5 * time.Second

// try stores a probe in the backend and reads it back.
func (s *Store) try(ctx context.Context, backend string) error {
	r, err := s.open(ctx, backend)
	if err != nil {
		return err
	}
	_, encrypted := r.(*fileRing)
	key := ownProbe()
	if encrypted {
		key = probeKey // it stays, to recognise a wrong passphrase
	}
	// The contents are always the same, as another process may try at the same time.
	const want = "probe"
	op := "try the keyring " + backend
	err = r.set(ctx, key, "token-helpers: probe", []byte(want))
	stored := err == nil || backend == pass // which may leave a part
	if err == nil {
		var got []byte
		if got, err = r.get(ctx, key); err == nil && string(got) != want {
			err = errors.New("it does not return what was stored")
		}
	}
	if stored && !encrypted {
		s.removeProbe(ctx, r, backend, key)
	}
	var own *Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, errors.As(err, &own), errors.As(err, new(*private.Error)), isDiskFull(err), isReadOnly(err):
		return wrap(op, err)
	default:
		return &Error{Op: op, Err: fmt.Errorf("%w: %w", ErrNoBackend, err), Hint: hintFor(backend)}
	}
}

// removeProbe removes what try stored, whether it could be read or not, and also after an
// interruption.
func (s *Store) removeProbe(ctx context.Context, r ring, backend, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeRemoval)
	defer cancel()
	if err := r.remove(ctx, key); err != nil && !errors.Is(err, errNotFound) {
		s.o.Verbose("could not remove the probe from the keyring %s: %v", backend, err)
	}
}

func (s *Store) remembered() (string, error) {
	dir, err := s.stateDir()
	if err != nil {
		return "", err
	}
	b, err := private.Read(filepath.Join(dir, "keyring"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if errors.Is(err, private.ErrTooLong) {
		err = &Error{Op: "read the remembered keyring", Err: err, Hint: "remove " + filepath.Join(dir, "keyring") + ", or choose one with --keyring"}
	}
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(b))
	if name != "" && !slices.Contains(Backends()[1:], name) {
		return "", &Error{
			Op: "read the remembered keyring", Err: fmt.Errorf("unknown keyring %q", name),
			Hint: "remove " + filepath.Join(dir, "keyring") + ", or choose one with --keyring",
		}
	}
	return name, nil
}

func (s *Store) remember(backend string) error {
	dir, err := s.stateDir()
	if err != nil {
		return err
	}
	return writeIn(filepath.Join(dir, "keyring"), []byte(backend+"\n"))
}
