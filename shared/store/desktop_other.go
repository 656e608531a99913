//go:build !linux

package store

import (
	"errors"

	"github.com/99designs/keyring"
)

func sessionBus() error { return ErrNoBackend }

func openDesktop(string, keyring.Config) (itemRing, error) {
	return nil, errors.New("it could not be opened")
}

func kwalletIsSecretService() bool { return false }
