package store

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's key store (keyrings(7)) holds a passphrase in memory that is never swapped,
// for processes of this user only, until it times out.

const (
	// userKeyring is KEY_SPEC_USER_KEYRING, which all sessions of a user share.
	userKeyring    = -4
	sessionKeyring = -3 // KEY_SPEC_SESSION_KEYRING
)

// holdPerm gives all permissions to the possessor and the user, and none to others. The user
// needs them because a session that is not linked to the user's keyring does not possess its
// keys.
const holdPerm = 0x3f3f0000

// hold stores the secret in the user's keyring for d. It adds the key to the session's
// keyring first, because a process can set the timeout and the permissions only of a key
// that it possesses, and not every session is linked to the user's keyring.
func hold(name string, secret []byte, d time.Duration) error {
	id, err := unix.AddKey("user", name, secret, sessionKeyring)
	if err != nil {
		return err
	}
	if _, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, holdSeconds(d), 0, 0); err == nil {
		err = unix.KeyctlSetperm(id, holdPerm)
	}
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_LINK, id, userKeyring, 0, 0)
	}
	// Keep the key in the user's keyring only: the session may end before the timeout.
	_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, sessionKeyring, 0, 0)
	return err
}

// holdSeconds returns d in seconds, at least 1, because 0 would remove the timeout.
func holdSeconds(d time.Duration) int {
	return int(min(max(d/time.Second, 1), math.MaxInt32))
}

// held returns the secret, or nil if it does not exist or the kernel has no key store.
func held(name string) []byte {
	id, err := unix.KeyctlSearch(userKeyring, "user", name, 0)
	if err != nil {
		return nil
	}
	buf := make([]byte, maxHeld)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buf, 0)
	if err != nil || n > len(buf) {
		return nil
	}
	return buf[:n]
}

// unhold removes the secret.
func unhold(name string) {
	if id, err := unix.KeyctlSearch(userKeyring, "user", name, 0); err == nil {
		_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, userKeyring, 0, 0)
	}
}

// maxHeld is the kernel's size limit for a key of the type user, in bytes.
const maxHeld = 32767
