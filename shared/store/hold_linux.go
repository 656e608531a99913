package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's key store (keyrings(7)) holds a passphrase in memory that is never
// swapped, for processes of this user alone, until its time is over.

const (
	// userKeyring is KEY_SPEC_USER_KEYRING: one for each user, whatever the session.
	userKeyring    = -4
	sessionKeyring = -3 // KEY_SPEC_SESSION_KEYRING
)

// holdPerm lets the possessor and the user do everything, and others nothing: a
// session that is not linked to the user's keyring possesses none of its keys.
const holdPerm = 0x3f3f0000

// hold adds the key to the session's keyring first, since only a key that the process
// possesses can be given a timeout and permissions, and not every session is linked to
// the user's keyring.
func hold(name string, secret []byte, d time.Duration) error {
	id, err := unix.AddKey("user", name, secret, sessionKeyring)
	if err != nil {
		return err
	}
	if _, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, int(d/time.Second), 0, 0); err == nil {
		err = unix.KeyctlSetperm(id, holdPerm)
	}
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_LINK, id, userKeyring, 0, 0)
	}
	// The user's keyring alone holds it: the session may end before the timeout.
	_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, sessionKeyring, 0, 0)
	return err
}

// held returns the secret, or nil if there is none or the kernel has no key store.
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

func unhold(name string) {
	if id, err := unix.KeyctlSearch(userKeyring, "user", name, 0); err == nil {
		_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, userKeyring, 0, 0)
	}
}

// maxHeld is the kernel's own limit for a key of the type user, in bytes.
const maxHeld = 32767
