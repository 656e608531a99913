package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/99designs/keyring"
	"github.com/godbus/dbus"
	"github.com/gsterjov/go-libsecret"

	"example.org/token-helpers/shared/store/dbusguard"
)

// The desktop keyrings. 99designs/keyring supports them too (secretservice.go and kwallet.go)
// and uses the same items, but connects to the session bus whenever a program starts. This
// file dials the bus only when a keyring is opened.

// sessionBus connects to the session bus, once.
var sessionBus = sync.OnceValue(func() error {
	address, why := dbusguard.Address()
	if why != "" {
		return fmt.Errorf("%w: %s", ErrNoBackend, why)
	}
	// godbus keeps the connection, which libsecret uses too.
	err := dbusguard.With(address, func() error { _, err := dbus.SessionBus(); return err })
	if err != nil {
		return fmt.Errorf("%w: the D-Bus session bus refused the connection", ErrNoBackend)
	}
	return nil
})

// openDesktop opens a keyring on the session bus, after [sessionBus] has connected to it.
func openDesktop(backend string, c keyring.Config) (itemRing, error) {
	var ring itemRing
	var err error
	if backend == secretService {
		ring, err = openSecretService(c)
	} else {
		ring, err = openKWallet(c)
	}
	if err != nil && !errors.Is(err, errWallet) {
		// The errors of godbus are of no use to users.
		err = errors.New("it could not be opened")
	}
	return ring, err
}

// kwalletName is the name of KWallet on the bus. Version 6 of the daemon has this name, too.
const kwalletName = "org.kde.kwalletd5"

// kwalletIsSecretService reports whether KWallet's daemon is the secret service.
func kwalletIsSecretService() bool {
	if sessionBus() != nil {
		return false
	}
	conn, err := dbus.SessionBus()
	if err != nil {
		return false
	}
	// The bus itself answers this, and starts no service.
	owner := func(name string) (owner string) {
		_ = conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner)
		return owner
	}
	secrets := owner(libsecret.DBusServiceName)
	return secrets != "" && secrets == owner(kwalletName)
}

// secretItems is a collection of the secret service
// (https://specifications.freedesktop.org/secret-service/).
type secretItems struct {
	service    *libsecret.Service
	session    *libsecret.Session
	collection *libsecret.Collection // nil if it does not exist
	name       string
}

func openSecretService(c keyring.Config) (*secretItems, error) {
	service, err := libsecret.NewService()
	if err != nil {
		return nil, err
	}
	r := &secretItems{service: service, name: c.LibSecretCollectionName}
	return r, r.refresh()
}

// refresh opens a session and looks up the collection, which may have been created since.
func (r *secretItems) refresh() error {
	session, err := r.service.Open()
	if err != nil {
		return err
	}
	collections, err := r.service.Collections()
	if err != nil {
		return err
	}
	r.session, r.collection = session, nil
	for _, c := range collections {
		if strings.HasSuffix(string(c.Path()), "/collection/"+r.name) {
			r.collection = &c
		}
	}
	if r.collection == nil && len(collections) > 0 {
		r.collection, err = defaultCollection()
	}
	return err
}

// defaultCollection returns the collection that the user chose for new items, or nil. Only
// gnome-keyring has a collection named login.
func defaultCollection() (*libsecret.Collection, error) {
	conn, err := dbus.SessionBus()
	if err != nil {
		return nil, err
	}
	var path dbus.ObjectPath
	err = conn.Object(libsecret.DBusServiceName, libsecret.DBusPath).
		Call("org.freedesktop.Secret.Service.ReadAlias", 0, "default").Store(&path)
	if err != nil || path == "/" {
		return nil, err
	}
	return libsecret.NewCollection(conn, path), nil
}

// find returns the item with the key, unlocked, or nil if there is none.
func (r *secretItems) find(key string) (*libsecret.Item, error) {
	if err := r.refresh(); err != nil || r.collection == nil {
		return nil, err
	}
	items, err := r.collection.SearchItems(key)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	item := items[0]
	locked, err := item.Locked()
	if err == nil && locked {
		err = r.service.Unlock(item)
	}
	return &item, err
}

// Get returns the item with the key. When an item is saved, KWallet's daemon replaces its object
// on the bus, which does not exist for a moment.
func (r *secretItems) Get(key string) (item keyring.Item, err error) {
	for range 50 {
		item, err = r.get(key)
		var answer dbus.Error
		if !errors.As(err, &answer) || answer.Name != "org.freedesktop.DBus.Error.UnknownObject" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return item, err
}

func (r *secretItems) get(key string) (keyring.Item, error) {
	item, err := r.find(key)
	if err != nil {
		return keyring.Item{}, err
	}
	if item == nil {
		return keyring.Item{}, keyring.ErrKeyNotFound
	}
	secret, err := item.GetSecret(r.session)
	if err != nil {
		return keyring.Item{}, err
	}
	if len(secret.Value) == 0 {
		// KWallet's daemon was killed before it saved the secret, but after the attributes.
		return keyring.Item{}, keyring.ErrKeyNotFound
	}
	return decodeItem(secret.Value)
}

func (r *secretItems) Set(item keyring.Item) error {
	if err := r.refresh(); err != nil {
		return err
	}
	if r.collection == nil {
		created, err := r.service.CreateCollection(r.name)
		if err != nil {
			return err
		}
		r.collection = created
	}
	locked, err := r.collection.Locked()
	if err == nil && locked {
		err = r.service.Unlock(r.collection)
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(item)
	if err != nil {
		return err
	}
	_, err = r.collection.CreateItem(item.Key, libsecret.NewSecret(r.session, []byte{}, data, "application/json"), true)
	return err
}

func (r *secretItems) Remove(key string) error {
	item, err := r.find(key)
	if err != nil {
		return err
	}
	if item == nil {
		return keyring.ErrKeyNotFound
	}
	return item.Delete()
}

func decodeItem(data []byte) (item keyring.Item, err error) {
	err = json.Unmarshal(data, &item)
	return item, err
}

// errWallet is part of the errors of [walletItems] that users can understand.
var errWallet = errors.New("KWallet")

// The results of the methods of org.kde.KWallet.
const (
	walletDone    = 0
	walletNoEntry = -3
)

// walletItems is a folder of a wallet (org.kde.KWallet).
type walletItems struct {
	bus                  dbus.BusObject
	wallet, folder, name string
	handle               int32
}

func openKWallet(c keyring.Config) (*walletItems, error) {
	conn, err := dbus.SessionBus()
	if err != nil {
		return nil, err
	}
	r := &walletItems{
		bus:    conn.Object(kwalletName, "/modules/kwalletd5"),
		wallet: c.ServiceName, folder: c.KWalletFolder, name: c.KWalletAppID,
	}
	return r, r.open()
}

// open opens the wallet unless it is open.
func (r *walletItems) open() error {
	var isOpen bool
	if err := r.call("isOpen", r.handle).Store(&isOpen); err != nil || isOpen {
		return err
	}
	return r.reopen()
}

// reopen opens the wallet, or connects to it if it is open already.
func (r *walletItems) reopen() error {
	r.handle = 0
	var handle int32
	if err := r.call("open", r.wallet, int64(0), r.name).Store(&handle); err != nil {
		return err
	}
	// It is negative if KWallet is disabled, if the user closed the dialog, or if this
	// application is not allowed to use the wallet.
	if handle < 0 {
		return fmt.Errorf("%w did not open the wallet %s", errWallet, r.wallet)
	}
	r.handle = handle
	return nil
}

func (r *walletItems) call(method string, args ...any) *dbus.Call {
	return r.bus.Call("org.kde.KWallet."+method, 0, args...)
}

func (r *walletItems) Get(key string) (keyring.Item, error) {
	var data []byte
	read := func() error { return r.call("readEntry", r.handle, r.folder, key, r.name).Store(&data) }
	err := r.open()
	if err == nil {
		err = read()
	}
	if err == nil && len(data) == 0 {
		// The answer is the same if the wallet was closed after open.
		if err = r.reopen(); err == nil {
			err = read()
		}
	}
	if err != nil {
		return keyring.Item{}, err
	}
	if len(data) == 0 {
		return keyring.Item{}, keyring.ErrKeyNotFound
	}
	return decodeItem(data)
}

func (r *walletItems) Set(item keyring.Item) error {
	data, err := json.Marshal(item)
	if err != nil {
		return err
	}
	return r.change("writeEntry", item.Key, data)
}

func (r *walletItems) Remove(key string) error { return r.change("removeEntry", key) }

// change changes an entry and saves the wallet: KWallet itself does so only after seconds.
func (r *walletItems) change(method, key string, value ...any) error {
	if err := r.open(); err != nil {
		return err
	}
	args := append(append([]any{r.handle, r.folder, key}, value...), r.name)
	var result int32
	err := r.call(method, args...).Store(&result)
	switch {
	case err != nil:
		return err
	case result == walletNoEntry:
		return keyring.ErrKeyNotFound
	case result != walletDone:
		// The wallet was closed after open.
		return fmt.Errorf("%w did not change the wallet %s", errWallet, r.wallet)
	}
	return r.call("sync", r.handle, r.name).Err
}
