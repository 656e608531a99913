//go:build linux

package credd

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.org/token-helpers/shared/private"
)

const (
	// keyName is the name of the host's key in the state directory, and of the credential
	// for systemd's LoadCredential.
	keyName = "condor-token-credmon.key"
	keySize = 32
)

// hostKey is the key that encrypts the logins on this host.
type hostKey [keySize]byte

// String is redacted.
func (hostKey) String() string { return "[key redacted]" }

// GoString is redacted.
func (hostKey) GoString() string { return "[key redacted]" }

// loadKey reads the host's key from file if it is not empty, else from the credential that
// systemd loaded, else from the state directory, where it is created if it does not exist.
func loadKey(file, credentials, stateDir string) (hostKey, error) {
	if file == "" && credentials != "" {
		path := filepath.Join(credentials, keyName)
		if _, err := os.Stat(path); err == nil {
			file = path
		}
	}
	if file == "" {
		file = filepath.Join(stateDir, keyName)
		if err := makeKey(stateDir, file); err != nil {
			return hostKey{}, err
		}
	}
	text, err := private.ReadSecret(file)
	if err != nil {
		return hostKey{}, fmt.Errorf("read the host's key: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < keySize {
		return hostKey{}, fmt.Errorf("read the host's key: %s does not contain %d bytes in base64", file, keySize)
	}
	return hostKey(sha256.Sum256(b)), nil
}

func makeKey(stateDir, file string) error {
	if err := private.MakeDir(stateDir); err != nil {
		return err
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b := make([]byte, keySize)
	_, _ = rand.Read(b)
	return private.Write(file, []byte(base64.StdEncoding.EncodeToString(b)+"\n"))
}

// forUser returns the key for a user's logins. Each user has a different key, so that files
// cannot be decrypted if they are moved to another user's directory.
func (k hostKey) forUser(name string) []byte {
	m := hmac.New(sha256.New, k[:])
	_, _ = m.Write([]byte("token-helpers credmon user\x00" + name))
	return m.Sum(nil)
}
