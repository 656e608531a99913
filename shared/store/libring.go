package store

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/99designs/keyring"
)

// itemRing is the part of [keyring.Keyring] that the store uses.
type itemRing interface {
	Get(key string) (keyring.Item, error)
	Set(item keyring.Item) error
	Remove(key string) error
}

// libRing is a keyring of the library, with a time limit for each call.
type libRing struct {
	kr    itemRing
	limit time.Duration
}

func (r libRing) get(ctx context.Context, key string) (data []byte, err error) {
	var it keyring.Item
	err = within(ctx, r.limit, func() (err error) { it, err = r.kr.Get(key); return err })
	if err != nil {
		return nil, notFound(err)
	}
	return it.Data, nil
}

func (r libRing) set(ctx context.Context, key, label string, data []byte) error {
	return within(ctx, r.limit, func() error {
		return r.kr.Set(keyring.Item{Key: key, Label: label, Description: "login of the token helpers", Data: data, KeychainNotSynchronizable: true})
	})
}

func (r libRing) remove(ctx context.Context, key string) error {
	return notFound(within(ctx, r.limit, func() error { return r.kr.Remove(key) }))
}

func notFound(err error) error {
	if errors.Is(err, keyring.ErrKeyNotFound) || errors.Is(err, fs.ErrNotExist) {
		return errNotFound
	}
	return err
}

// openItems opens a keyring that stores items in the library's format.
func openItems(backend string, c keyring.Config) (itemRing, error) {
	switch backend {
	case secretService, kwallet:
		return openDesktop(backend, c)
	}
	kr, err := keyring.Open(c)
	if errors.Is(err, keyring.ErrNoAvailImpl) {
		// The library reports the cause to its debug log only.
		return nil, errors.New("it could not be opened")
	}
	return kr, err
}
