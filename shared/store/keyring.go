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

// The backends, by their names in --keyring.
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

// Backends returns the names that Options.Backend may have, except the empty one.
func Backends() []string {
	return []string{auto, secretService, kwallet, keychain, wincred, pass, keyctl, file}
}

var errNotFound = errors.New("not in the keyring")

// ring is a keyring. get and remove return errNotFound if the item does not exist.
type ring interface {
	get(ctx context.Context, key string) ([]byte, error)
	set(ctx context.Context, key, label string, data []byte) error
	remove(ctx context.Context, key string) error
}

// reserver is a keyring that can reserve space for a later set.
type reserver interface {
	reserve(ctx context.Context, p *prepared, key string) error
}

const (
	// keyringTimeout is the time limit for a keyring if there is a terminal: the user may
	// first need to type a passphrase.
	keyringTimeout = 2 * time.Minute
	// openTimeout is the time limit for opening the secret service, which does not prompt.
	openTimeout = 10 * time.Second
)

// within calls f, which has no context parameter, with a time limit. If the limit is exceeded
// or ctx is canceled, within returns and f continues to run.
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

// timeout returns the time limit for a keyring. It is shorter without a terminal, because
// then probably no user can answer a dialog that the keyring opens.
func (s *Store) timeout() time.Duration {
	if s.o.Passphrase == nil {
		return min(keyringTimeout, s.o.LockTimeout)
	}
	return keyringTimeout
}

// open opens the keyring, or returns it if it is open already. The caller holds s.mu.
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
		return newPassRing(s.config(backend).PassDir, s.timeout())
	}
	limit := s.timeout()
	if backend == secretService {
		limit = openTimeout
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
		return keyctlRing{libRing{kr, s.timeout()}}, nil
	}
	return libRing{kr, s.timeout()}, nil
}

// keyctlRing is the kernel's key store, where each user has a small quota.
type keyctlRing struct{ libRing }

// reserve checks that the quota has space for a second key of the size of the login, which
// replacing a key requires.
func (r keyctlRing) reserve(ctx context.Context, _ *prepared, key string) error {
	old, err := r.get(ctx, key)
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	probe := uniqueProbe()
	// The kernel frees the space of removed keys with a short delay.
	err = Again(func() error { return r.set(ctx, probe, "token-helpers: probe", make([]byte, len(old)+1024)) })
	if err != nil {
		return &Error{Op: "prepare to save the login", Err: fmt.Errorf("the kernel's key store has no room: %w", err), Hint: "the issuer was not asked, and the login is unchanged: " + hintQuota}
	}
	return r.remove(ctx, probe)
}

const hintQuota = "remove keys that you do not need ('keyctl show @u' lists them, /proc/key-users shows the quota), or log in with --keyring file"

const hintKWallet = "in a desktop session, enable KWallet and unlock the wallet in its dialog, or log in with --keyring file"

// ringError adds a hint to the error of an open keyring. key is the name of the login's item.
func (s *Store) ringError(backend, key string, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || backend == file || isDiskFull(err) {
		return err
	}
	hint := hintFor(backend)
	switch backend {
	case kwallet:
		hint = hintKWallet
	case secretService:
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
		// The desktop unlocks this collection at login. A new one would have a separate
		// passphrase.
		LibSecretCollectionName:        "login",
		KWalletAppID:                   serviceName,
		KWalletFolder:                  serviceName,
		KeychainTrustApplication:       true,
		KeychainAccessibleWhenUnlocked: true,
		WinCredPrefix:                  serviceName,
		PassPrefix:                     serviceName,
		PassDir:                        s.getenv("PASSWORD_STORE_DIR"),
		KeyCtlScope:                    "user",
		// Give all permissions to the possessor and the user: another session could not
		// read a key that only its possessor may read.
		KeyCtlPerm: 0x3f3f0000,
	}
	if backend == kwallet {
		// For KWallet this is the name of the wallet, which contains a folder for the items.
		c.ServiceName = "kdewallet"
	}
	if home := Home(runtime.GOOS, s.getenv); c.PassDir == "" && home != "" {
		c.PassDir = filepath.Join(home, ".password-store")
	}
	return c
}

// available returns an error if the backend cannot be used on this system.
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
	case secretService:
		return "run in a desktop session, or log in with --keyring file"
	case kwallet:
		return hintKWallet
	case file:
		return "check that you can write to that directory, or set HOME or XDG_DATA_HOME to another one"
	}
	return "log in with --keyring file"
}

// choose returns the backend to save a login to: the one that the user requested, else the
// login's current one, else the one remembered, else the first that works. A backend is tried
// before it is remembered; afterwards there is no fallback. The caller holds s.mu.
func (s *Store) choose(ctx context.Context, current string) (string, error) {
	asked := s.o.Backend != "" && s.o.Backend != auto
	if !asked && current != "" {
		return current, nil
	}
	remembered, err := s.remembered()
	if asked && s.o.Backend == current {
		if err != nil || remembered != current {
			// The login can be saved even if the choice cannot be remembered.
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
	skipped := false
	for _, c := range usableCandidates() {
		err := available(c.backend)
		note := func() { s.o.Note("%slogins are saved in %s", notFoundPrefix(skipped), c.what) }
		if err == nil && c.backend == file {
			note() // before the prompt for a new passphrase, because it says what that is for
		}
		if err == nil {
			err = s.try(ctx, c.backend)
		}
		if err == nil {
			if c.backend != file {
				note()
			}
			return c.backend, s.remember(c.backend)
		}
		if ctx.Err() != nil || c.backend == file {
			return "", err
		}
		s.o.Verbose("the keyring %s is not used: %v", c.backend, err)
		skipped = true
	}
	return "", ErrNoBackend
}

// notFoundPrefix returns the beginning of the note if other keyrings were skipped, else "".
func notFoundPrefix(skipped bool) string {
	if !skipped {
		return ""
	}
	return "no desktop keyring found: "
}

type candidate struct{ backend, what string }

// candidates returns the backends that auto tries, in order. keyctl is not included because
// its keys are lost when the machine restarts, and pass because it needs a gpg key.
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

// usableCandidates returns the candidates of this system. If KWallet's daemon is the secret
// service, too, KWallet is used by its own interface: the wallet can be saved after each change,
// and the bus starts the daemon if it does not run.
func usableCandidates() []candidate {
	out := candidates(runtime.GOOS)
	if runtime.GOOS == "linux" && kwalletIsSecretService() {
		out = slices.DeleteFunc(out, func(c candidate) bool { return c.backend == secretService })
	}
	return out
}

// uniqueProbe returns the name of a probe for this process only: another process could remove
// a shared one before it is read.
func uniqueProbe() string { return probeKey + "-" + strings.ToLower(rand.Text()[:8]) }

// probeRemoval is the time limit for the removal of a probe.
const probeRemoval = 5 * time.Second

// try checks that the backend works: it stores a probe and reads it back.
func (s *Store) try(ctx context.Context, backend string) error {
	r, err := s.open(ctx, backend)
	if err != nil {
		return err
	}
	_, encrypted := r.(*fileRing)
	key := uniqueProbe()
	if encrypted {
		key = probeKey // it is not removed: a passphrase is checked against it
	}
	// The contents are constant, because another process may try at the same time.
	const want = "probe"
	op := "try the keyring " + backend
	err = r.set(ctx, key, "token-helpers: probe", []byte(want))
	stored := err == nil || backend == pass // a failed pass may leave an incomplete entry
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

// removeProbe removes the probe that try stored, even if ctx has been canceled.
func (s *Store) removeProbe(ctx context.Context, r ring, backend, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeRemoval)
	defer cancel()
	if err := r.remove(ctx, key); err != nil && !errors.Is(err, errNotFound) {
		s.o.Verbose("could not remove the probe from the keyring %s: %v", backend, err)
	}
}

// remembered returns the backend that an earlier login was saved to, or "".
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
