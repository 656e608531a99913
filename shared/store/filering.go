package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/99designs/keyring"
	jose "github.com/dvsekhvalnov/jose2go"

	"example.org/token-helpers/shared/child"
	"example.org/token-helpers/shared/private"
)

// Environment variables for a passphrase that is not typed: the file that contains it, and a
// command that prints it.
const (
	passphraseVariable = "TOKEN_HELPER_PASSPHRASE_FILE"
	passphraseCommand  = "TOKEN_HELPER_PASSPHRASE_COMMAND"
)

// ErrDamaged means that the item in the keyring is not a login, whatever the passphrase or
// key.
var ErrDamaged = errors.New("damaged")

// damagedError is an [ErrDamaged] with its own message.
type damagedError struct{ error }

func (e *damagedError) Unwrap() error      { return e.error }
func (*damagedError) Is(target error) bool { return target == ErrDamaged }

func damagedFile(path string) error { return &damagedError{fmt.Errorf("%s is damaged", path)} }

// fileRing stores each login in a separate file, in the format of the library's file backend
// (a keyring.Item in a JWE encrypted with a passphrase). The library itself is not used,
// because it writes its files in place and does not detect a wrong passphrase. A probe,
// encrypted with the same passphrase, distinguishes a wrong passphrase from a damaged file,
// and prevents items from being written with different passphrases.
type fileRing struct {
	s   *Store
	dir string
}

func (r *fileRing) path(key string) string { return filepath.Join(r.dir, key) }

func (r *fileRing) get(ctx context.Context, key string) ([]byte, error) {
	if _, err := private.Read(r.path(key)); err != nil {
		return nil, notFound(err)
	}
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	data, err := r.decrypt(key, r.s.passphrase)
	if errors.Is(err, ErrWrongPassphrase) {
		// The passphrase decrypted the probe, so the file is damaged.
		err = damagedFile(r.path(key))
	}
	return data, notFound(err)
}

func (r *fileRing) set(ctx context.Context, key, label string, data []byte) error {
	if err := r.unlock(ctx); err != nil {
		return err
	}
	b, err := r.encrypt(key, label, data)
	if err != nil {
		return err
	}
	return private.Write(r.path(key), b)
}

// reserve opens the file that will replace the login's file, and reserves space for it.
func (r *fileRing) reserve(ctx context.Context, p *prepared, key string) (err error) {
	if err := r.unlock(ctx); err != nil {
		return err
	}
	private.Sweep(r.dir, r.s.o.Now())
	// Earlier versions left temporary files beside the directory.
	private.Sweep(filepath.Dir(r.dir), r.s.o.Now())
	if p.item == nil {
		p.item, err = private.Create(r.path(key), reservedSize)
	}
	return err
}

func (r *fileRing) remove(_ context.Context, key string) error {
	if err := private.CheckDir(r.dir); err != nil {
		return notFound(err)
	}
	if err := os.Remove(r.path(key)); err != nil {
		return notFound(err)
	}
	private.SyncDir(r.dir)
	if !r.hasLogin() {
		unhold(r.holdName()) // it no longer decrypts anything
	}
	return nil
}

func (r *fileRing) hasLogin() bool {
	items, err := os.ReadDir(r.dir)
	return err != nil || slices.ContainsFunc(items, func(it fs.DirEntry) bool {
		return strings.HasPrefix(it.Name(), itemPrefix) && it.Name() != probeKey
	})
}

// passphraseTries is how often the user is asked for a passphrase.
const passphraseTries = 3

// unlock gets the passphrase and checks it against the probe. If there are no items, this
// sets the passphrase.
func (r *fileRing) unlock(ctx context.Context) error {
	if r.s.passphrase != "" {
		return nil
	}
	if err := makeDir(r.dir); err != nil || r.s.o.Key != nil {
		return err
	}
	probe, err := r.probeItem()
	if err != nil {
		return err
	}
	if pw := string(held(r.holdName())); pw != "" && probe != "" && r.s.o.UnlockFor > 0 {
		if _, err := r.decrypt(probe, pw); err == nil {
			r.s.passphrase = pw
			return nil
		}
		unhold(r.holdName())
	}
	for n := 1; ; n++ {
		pw, asked, err := r.ask(ctx, probe == "")
		if err != nil {
			return err
		}
		err = r.check(ctx, pw)
		if err == nil {
			r.s.passphrase = pw
			break
		}
		if !asked || n == passphraseTries || !errors.Is(err, ErrWrongPassphrase) {
			return r.explain(err)
		}
		r.s.o.Note("wrong passphrase: try again")
	}
	r.hold()
	return nil
}

// check checks the passphrase against the probe, and creates the probe if it does not exist.
func (r *fileRing) check(ctx context.Context, pw string) error {
	// Another process may have set the passphrase while the user was typing.
	l, err := r.s.lock(ctx, "keyring.lock")
	if err != nil {
		return err
	}
	defer l.release()
	probe, err := r.probeItem()
	if err != nil {
		return err
	}
	if probe != "" {
		if _, err := r.decrypt(probe, pw); err != nil {
			return err
		}
	}
	if probe == probeKey {
		return nil
	}
	b, err := seal(probeKey, "token-helpers: probe", []byte("probe"), pw)
	if err != nil {
		return err
	}
	return private.Write(r.path(probeKey), b)
}

// hold stores the passphrase in the kernel's key store for later runs.
func (r *fileRing) hold() {
	if r.s.o.UnlockFor == 0 || r.s.getenv(passphraseVariable) != "" {
		return
	}
	err := hold(r.holdName(), []byte(r.s.passphrase), r.s.o.UnlockFor)
	switch {
	case err == nil:
		r.s.o.Verbose("the kernel's key store holds the passphrase for %v", r.s.o.UnlockFor)
	case errors.Is(err, errNoKeyStore) || r.s.getenv(passphraseCommand) != "":
		// The note would be printed by each run, although the user cannot change anything.
		r.s.o.Verbose("the passphrase is not held: %v", err)
	default:
		r.s.o.Note("the kernel's key store cannot hold the passphrase, so you will be asked for it each time: %v", err)
	}
}

// errNoKeyStore is the error of hold on systems other than Linux.
var errNoKeyStore = errors.New("this system has no key store in its kernel")

// holdName returns the name of the passphrase in the kernel's key store. It depends on the
// directory, because each directory may have a different passphrase.
func (r *fileRing) holdName() string {
	sum := sha256.Sum256([]byte(r.dir))
	return serviceName + ":passphrase:" + hex.EncodeToString(sum[:16])
}

func (r *fileRing) explain(err error) error {
	switch {
	case errors.Is(err, ErrWrongPassphrase):
		return &Error{
			Op: "open the encrypted logins", Err: err,
			Hint: "use the passphrase that was set at the first login; if it is lost, remove " + r.dir + " and log in again",
		}
	case errors.Is(err, ErrDamaged):
		return &Error{Op: "open the encrypted logins", Err: err, Hint: "remove that file and log in again"}
	}
	return err
}

// probeItem returns the item that a passphrase is checked against: the probe, else any
// login, or "" if there is none.
func (r *fileRing) probeItem() (string, error) {
	items, err := os.ReadDir(r.dir)
	if err != nil {
		return "", err
	}
	found := ""
	for _, it := range items {
		if it.Name() == probeKey {
			return probeKey, nil
		}
		if strings.HasPrefix(it.Name(), itemPrefix) {
			found = it.Name()
		}
	}
	return found, nil
}

// ask gets the passphrase from the file or the command in the environment, else from the
// user. asked reports whether the user typed it. first means that the passphrase is new.
func (r *fileRing) ask(ctx context.Context, first bool) (pw string, asked bool, err error) {
	const op = "read the passphrase"
	if path := r.s.getenv(passphraseVariable); path != "" {
		pw, err := private.ReadSecret(path)
		return pw, false, secretError(op, err)
	}
	if command := r.s.getenv(passphraseCommand); command != "" {
		pw, err := SecretFromCommand(ctx, passphraseCommand, command)
		return pw, false, wrap(op, err)
	}
	if r.s.o.Passphrase == nil {
		return "", false, nobodyToAsk()
	}
	prompt := "Passphrase of your encrypted logins: "
	if first {
		prompt = "New passphrase to encrypt your logins: "
	}
	for n := 1; ; n++ {
		pw, err := r.s.o.Passphrase(prompt)
		if err != nil {
			return "", true, wrap(op, err)
		}
		problem := ""
		switch {
		case pw == "":
			problem = "the passphrase is empty"
		case first:
			again, err := r.s.o.Passphrase("Repeat the passphrase: ")
			if err != nil {
				return "", true, wrap(op, err)
			}
			if again != pw {
				problem = "the two passphrases differ"
			}
		}
		if problem == "" {
			return pw, true, nil
		}
		if n == passphraseTries {
			return "", true, &Error{Op: op, Err: errors.New(problem), Hint: "run the command again"}
		}
		r.s.o.Note("%s: try again", problem)
	}
}

// nobodyToAsk returns the error if a passphrase is needed and there is no terminal.
func nobodyToAsk() error {
	return &Error{
		Op: "open the encrypted logins", Err: ErrNobodyToAsk,
		Hint: "run on a terminal, or set " + passphraseVariable + " to a file that only you can read, or " + passphraseCommand + " to a command that prints the passphrase",
	}
}

// secretError adds to the error about a passphrase file a hint to use a command instead.
func secretError(op string, err error) error {
	err = wrap(op, err)
	var e *Error
	if errors.As(err, &e) {
		other := "set " + passphraseCommand + " to a command that prints the passphrase"
		if e.Hint == "" {
			e.Hint = "check " + passphraseVariable + ", or " + other
		} else {
			e.Hint += "\nor " + other
		}
	}
	return err
}

// SecretFromCommand runs command in a shell and returns its output without the line end. The
// command may prompt on the terminal. Errors begin with name, the variable or option that
// contains the command.
func SecretFromCommand(ctx context.Context, name, command string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, keyringTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, "sh", "-c", command)
	if runtime.GOOS == "windows" {
		cmd = exec.CommandContext(limited, "cmd", "/c", command)
	}
	cmd.Stderr = os.Stderr
	out, err := child.Output(cmd)
	switch {
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return "", fmt.Errorf("%s did not finish within %v", name, keyringTimeout)
	case err != nil:
		return "", fmt.Errorf("%s: %w", name, err)
	}
	pw := private.WithoutLineEnd(out)
	if pw == "" {
		return "", fmt.Errorf("%s printed nothing", name)
	}
	return pw, nil
}

// seal encrypts an item in the same way as the library's file backend.
func seal(key, label string, data []byte, pw string) ([]byte, error) {
	return sealWith(key, label, data, jose.PBES2_HS256_A128KW, pw)
}

func sealWith(key, label string, data []byte, alg string, secret any) ([]byte, error) {
	b, err := json.Marshal(keyring.Item{Key: key, Label: label, Data: data})
	if err != nil {
		return nil, err
	}
	jwe, err := jose.Encrypt(string(b), alg, jose.A256GCM, secret,
		jose.Headers(map[string]any{"created": time.Now().String()}))
	return []byte(jwe), err
}

// encrypt seals an item with the key, or with the passphrase from unlock. It does not make
// system calls that can fail.
func (r *fileRing) encrypt(key, label string, data []byte) ([]byte, error) {
	if r.s.o.Key != nil {
		return sealWith(key, label, data, jose.A256KW, r.s.o.Key)
	}
	return seal(key, label, data, r.s.passphrase)
}

// ErrWrongKey means that a login was encrypted with a key other than [Options.Key].
var ErrWrongKey = errors.New("encrypted with another key")

// decryptWithKey decrypts an item that was sealed with [Options.Key].
func (r *fileRing) decryptWithKey(path string, b []byte) ([]byte, error) {
	if !sealed(b, jose.A256KW) {
		return nil, damagedFile(path)
	}
	payload, _, err := jose.Decode(string(b), r.s.o.Key)
	if err != nil {
		return nil, fmt.Errorf("%s is %w", path, ErrWrongKey)
	}
	var it keyring.Item
	if json.Unmarshal([]byte(payload), &it) != nil {
		return nil, damagedFile(path)
	}
	return it.Data, nil
}

func (r *fileRing) decrypt(key, pw string) ([]byte, error) {
	b, err := private.Read(r.path(key))
	if err != nil {
		return nil, err
	}
	if r.s.o.Key != nil {
		return r.decryptWithKey(r.path(key), b)
	}
	damaged := damagedFile(r.path(key))
	if !sealed(b, jose.PBES2_HS256_A128KW) {
		return nil, damaged
	}
	payload, _, err := jose.Decode(string(b), pw)
	if err != nil && strings.Contains(err.Error(), "message authentication failed") {
		// The passphrase decrypted the key, but the key did not decrypt the contents.
		return nil, damaged
	}
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	var it keyring.Item
	if json.Unmarshal([]byte(payload), &it) != nil {
		return nil, damaged
	}
	return it.Data, nil
}

// sealed reports whether b has the format that the library writes: a JWE in compact
// serialization (RFC 7516 section 3.1) whose key is encrypted with a passphrase (RFC 7518
// section 4.8) or with another key (section 4.4).
func sealed(b []byte, alg string) bool {
	parts := strings.Split(string(b), ".")
	if len(parts) != 5 {
		return false
	}
	for _, p := range parts {
		if _, err := base64.RawURLEncoding.DecodeString(p); err != nil || p == "" {
			return false
		}
	}
	h, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var header struct {
		Alg string `json:"alg"`
	}
	return json.Unmarshal(h, &header) == nil && header.Alg == alg
}
