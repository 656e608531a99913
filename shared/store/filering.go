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
)

// Where the passphrase comes from on machines where nobody types: a file's
// content, or what a command prints.
const (
	passphraseVariable = "TOKEN_HELPER_PASSPHRASE_FILE"
	passphraseCommand  = "TOKEN_HELPER_PASSPHRASE_COMMAND"
)

var errDamaged = errors.New("damaged")

// fileRing is the library's file backend made safe: it writes in place and knows
// no wrong passphrase, so the library only encrypts, into a folder of its own,
// and the result is renamed over the old file. A probe, encrypted with the same
// passphrase, tells a wrong passphrase from a damaged file, and keeps items from
// being written with different ones.
type fileRing struct {
	s   *Store
	dir string
}

func (r *fileRing) path(key string) string { return filepath.Join(r.dir, key) }

func (r *fileRing) get(ctx context.Context, key string) ([]byte, error) {
	if _, err := readPrivate(r.path(key)); err != nil {
		return nil, notFound(err)
	}
	pw, err := r.unlock(ctx)
	if err != nil {
		return nil, err
	}
	data, err := r.decrypt(key, pw)
	if errors.Is(err, ErrWrongPassphrase) {
		// The probe has opened with it.
		err = fmt.Errorf("%s is %w", r.path(key), errDamaged)
	}
	return data, notFound(err)
}

func (r *fileRing) set(ctx context.Context, key, label string, data []byte) error {
	pw, err := r.unlock(ctx)
	if err != nil {
		return err
	}
	return r.encrypt(key, label, data, pw)
}

func (r *fileRing) remove(_ context.Context, key string) error {
	if err := checkPrivateDir(r.dir); err != nil {
		return notFound(err)
	}
	if err := os.Remove(r.path(key)); err != nil {
		return notFound(err)
	}
	syncDir(r.dir)
	if !r.hasLogin() {
		unhold(r.holdName()) // it opens nothing any more
	}
	return nil
}

func (r *fileRing) hasLogin() bool {
	items, err := os.ReadDir(r.dir)
	return err != nil || slices.ContainsFunc(items, func(it fs.DirEntry) bool {
		return strings.HasPrefix(it.Name(), itemPrefix) && it.Name() != probeKey
	})
}

// unlock returns the passphrase, checked against the probe; where there is no
// item at all it is set now.
func (r *fileRing) unlock(ctx context.Context) (string, error) {
	if r.s.passphrase != "" {
		return r.s.passphrase, nil
	}
	witness, err := r.witness()
	if err != nil {
		return "", err
	}
	if pw := string(held(r.holdName())); pw != "" && witness != "" && r.s.o.UnlockFor > 0 {
		if _, err := r.decrypt(witness, pw); err == nil {
			r.s.passphrase = pw
			return pw, nil
		}
		unhold(r.holdName())
	}
	pw, err := r.ask(ctx, witness == "")
	if err != nil {
		return "", err
	}
	// Another process may have set the passphrase while ours was being typed.
	unlock, err := r.s.lock(ctx, "keyring.lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if witness, err = r.witness(); err != nil {
		return "", err
	}
	if witness != "" {
		if _, err := r.decrypt(witness, pw); err != nil {
			return "", r.explain(err)
		}
	}
	if witness != probeKey {
		if err := r.encrypt(probeKey, "token-helpers: probe", []byte("probe"), pw); err != nil {
			return "", err
		}
	}
	r.s.passphrase = pw
	if r.s.o.UnlockFor > 0 && r.s.getenv(passphraseVariable) == "" {
		if err := hold(r.holdName(), []byte(pw), r.s.o.UnlockFor); err != nil {
			r.s.o.Note("the passphrase will be asked for each time, as the kernel's key store does not hold it: %v", err)
		} else {
			r.s.o.Verbose("the kernel's key store holds the passphrase for %v", r.s.o.UnlockFor)
		}
	}
	return pw, nil
}

// holdName is the name of the passphrase in the kernel's key store: one for each
// folder, as each has a passphrase of its own.
func (r *fileRing) holdName() string {
	sum := sha256.Sum256([]byte(r.dir))
	return serviceName + ":passphrase:" + hex.EncodeToString(sum[:16])
}

func (r *fileRing) explain(err error) error {
	switch {
	case errors.Is(err, ErrWrongPassphrase):
		return &Error{
			Op: "open the encrypted keyring", Err: err,
			Hint: "it is the one set at the first login with --keyring file; if it is lost, remove " + r.dir + " and log in again",
		}
	case errors.Is(err, errDamaged):
		return &Error{Op: "open the encrypted keyring", Err: err, Hint: "remove that file and log in again"}
	}
	return err
}

// witness is the item that a passphrase is checked against: the probe, else any
// login; none where the keyring is new.
func (r *fileRing) witness() (string, error) {
	err := checkPrivateDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
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

func (r *fileRing) ask(ctx context.Context, first bool) (string, error) {
	const op = "read the passphrase"
	if path := r.s.getenv(passphraseVariable); path != "" {
		pw, err := passphraseFromFile(path)
		return pw, wrap(op, err)
	}
	if command := r.s.getenv(passphraseCommand); command != "" {
		pw, err := SecretFromCommand(ctx, passphraseCommand, command)
		return pw, wrap(op, err)
	}
	if r.s.o.Passphrase == nil {
		return "", &Error{
			Op: "open the encrypted keyring", Err: ErrNobodyToAsk,
			Hint: "run on a terminal, or set " + passphraseVariable + " to a file that only you can read or " + passphraseCommand + " to a command that prints it",
		}
	}
	prompt := "Passphrase of the encrypted keyring: "
	if first {
		prompt = "New passphrase to encrypt logins with: "
	}
	pw, err := r.s.o.Passphrase(prompt)
	if err != nil {
		return "", wrap(op, err)
	}
	if pw == "" {
		return "", wrap(op, errors.New("an empty passphrase protects nothing"))
	}
	if first {
		again, err := r.s.o.Passphrase("Repeat the passphrase: ")
		if err != nil {
			return "", wrap(op, err)
		}
		if again != pw {
			return "", &Error{Op: op, Err: errors.New("the two passphrases differ"), Hint: "try again"}
		}
	}
	return pw, nil
}

func passphraseFromFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	if fi.IsDir() {
		return "", fmt.Errorf("%s is a folder", path)
	}
	if err := checkOwner(path, fi, 0o077); err != nil {
		return "", err
	}
	b, err := readBounded(f)
	if err != nil {
		return "", err
	}
	pw := oneLine(b)
	if pw == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return pw, nil
}

func oneLine(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// SecretFromCommand returns what a command prints, but for the line's end. It is
// run by the shell, as people write it with arguments and quotes, and may ask its
// own questions on the terminal. Errors begin with name: where the command came
// from.
func SecretFromCommand(ctx context.Context, name, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	if runtime.GOOS == "windows" {
		cmd = exec.CommandContext(ctx, "cmd", "/c", command)
	}
	cmd.Stderr = os.Stderr
	// A child that keeps the pipe open after it was killed is not waited for.
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s gave none within %v", name, patience)
	case err != nil:
		return "", fmt.Errorf("%s: %w", name, err)
	}
	pw := oneLine(out)
	if pw == "" {
		return "", fmt.Errorf("%s printed nothing", name)
	}
	return pw, nil
}

func (r *fileRing) library(dir, pw string) (keyring.Keyring, error) {
	return keyring.Open(keyring.Config{
		AllowedBackends: []keyring.BackendType{keyring.FileBackend},
		// The library expands a leading ~; ours is absolute already.
		FileDir: dir, FilePasswordFunc: keyring.FixedStringPrompt(pw),
	})
}

// encrypt has the library encrypt the item in a folder of its own and puts the
// resulting file in its place.
func (r *fileRing) encrypt(key, label string, data []byte, pw string) error {
	if err := makePrivateDir(r.dir); err != nil {
		return err
	}
	r.s.sweepTemps(filepath.Dir(r.dir))
	r.s.sweepTemps(r.dir)
	temp, err := os.MkdirTemp(filepath.Dir(r.dir), tempKeyringPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	kr, err := r.library(temp, pw)
	if err != nil {
		return err
	}
	if err := kr.Set(keyring.Item{Key: key, Label: label, Data: data}); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(temp, key))
	if err != nil {
		return err
	}
	return writePrivate(r.path(key), b)
}

func (r *fileRing) decrypt(key, pw string) ([]byte, error) {
	b, err := readPrivate(r.path(key))
	if err != nil {
		return nil, err
	}
	if !sealed(b) {
		return nil, fmt.Errorf("%s is %w", r.path(key), errDamaged)
	}
	kr, err := r.library(r.dir, pw)
	if err != nil {
		return nil, err
	}
	it, err := kr.Get(key)
	switch {
	case err == nil:
		return it.Data, nil
	case errors.Is(err, keyring.ErrKeyNotFound):
		return nil, err
	case strings.Contains(err.Error(), "message authentication failed"):
		// The passphrase opened the key, and the key did not open the content.
		return nil, fmt.Errorf("%s is %w", r.path(key), errDamaged)
	}
	return nil, ErrWrongPassphrase
}

// sealed reports whether b has the form that the library writes: a JWE in compact
// serialisation (RFC 7516 section 3.1) encrypted with a passphrase (RFC 7518
// section 4.8).
func sealed(b []byte) bool {
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
	return json.Unmarshal(h, &header) == nil && header.Alg == "PBES2-HS256+A128KW"
}
