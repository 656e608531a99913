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
	// keyName is the host's key in the state directory, and the credential by which
	// systemd's LoadCredential gives it.
	keyName = "condor-token-credmon.key"
	keySize = 32
)

// hostKey is the secret that the logins on this host are encrypted with.
type hostKey [keySize]byte

// String is redacted.
func (hostKey) String() string { return "[key redacted]" }

// GoString is redacted.
func (hostKey) GoString() string { return "[key redacted]" }

// loadKey reads the host's key: from the file that is given, else from the credential that
// systemd loaded, else from the state directory, where it is made if it does not exist.
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

// forUser is the key of a user's logins. Each user has another one, so that files
// that were moved into another user's directory are of no use there.
func (k hostKey) forUser(name string) []byte {
	m := hmac.New(sha256.New, k[:])
	_, _ = m.Write([]byte("token-helpers credmon user\x00" + name))
	return m.Sum(nil)
}
