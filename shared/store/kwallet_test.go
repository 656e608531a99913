//go:build linux

package store

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/keyring"
	"github.com/godbus/dbus"
)

// startBus starts a bus without services and returns its address.
func startBus(t *testing.T) string {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(dir, "bus")), 0o600))
	cmd := exec.Command(daemon, "--config-file="+config, "--nofork", "--print-address")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	return strings.TrimSpace(address)
}

func connect(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Dial(address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.Auth(nil))
	must(t, conn.Hello())
	return conn
}

// wallet answers like KWallet's daemon, which reports most failures as empty or negative results.
type wallet struct {
	mu             sync.Mutex
	entries, saved map[string]string
	// handle is 0 while the wallet is closed. The application may use it if member is set.
	handle, last int32
	member       bool
	denied       bool
	// before is called before a method uses the handle.
	before func()
}

func (w *wallet) valid(handle int32) bool {
	if f := w.before; f != nil {
		w.before = nil
		f()
	}
	return handle != 0 && handle == w.handle && w.member
}

func (w *wallet) IsOpen(handle int32) (bool, *dbus.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return handle != 0 && handle == w.handle, nil
}

func (w *wallet) Open(_ string, _ int64, _ string) (int32, *dbus.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.denied {
		return -1, nil
	}
	if w.handle == 0 {
		w.last++
		w.handle = w.last
	}
	w.member = true
	return w.handle, nil
}

func (w *wallet) ReadEntry(handle int32, folder, key, _ string) ([]byte, *dbus.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.valid(handle) {
		return nil, nil
	}
	return []byte(w.entries[folder+"/"+key]), nil
}

func (w *wallet) WriteEntry(handle int32, folder, key string, value []byte, _ string) (int32, *dbus.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.valid(handle) {
		return -1, nil
	}
	w.entries[folder+"/"+key] = string(value)
	return 0, nil
}

func (w *wallet) RemoveEntry(handle int32, folder, key, _ string) (int32, *dbus.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.valid(handle) {
		return -1, nil
	}
	if _, ok := w.entries[folder+"/"+key]; !ok {
		return -3, nil
	}
	delete(w.entries, folder+"/"+key)
	return 0, nil
}

func (w *wallet) Sync(handle int32, _ string) *dbus.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.valid(handle) {
		w.saved = map[string]string{}
		for k, v := range w.entries {
			w.saved[k] = v
		}
	}
	return nil
}

// openWallet returns a wallet on a real bus, and the keyring that uses it.
func openWallet(t *testing.T) (*wallet, *walletItems) {
	t.Helper()
	address := startBus(t)
	w := &wallet{entries: map[string]string{}}
	server := connect(t, address)
	names := map[string]string{
		"IsOpen": "isOpen", "Open": "open", "ReadEntry": "readEntry", "WriteEntry": "writeEntry", "RemoveEntry": "removeEntry", "Sync": "sync",
	}
	must(t, server.ExportWithMap(w, names, "/modules/kwalletd5", "org.kde.KWallet"))
	_, err := server.RequestName(kwalletName, dbus.NameFlagDoNotQueue)
	must(t, err)
	return w, &walletItems{
		bus: connect(t, address).Object(kwalletName, "/modules/kwalletd5"), wallet: "kdewallet", folder: "folder", name: "test",
	}
}

func TestWallet(t *testing.T) {
	w, r := openWallet(t)
	// change changes the wallet while no method is called.
	change := func(f func()) { w.mu.Lock(); defer w.mu.Unlock(); f() }
	closeIt := func() { w.handle = 0 }
	item := func(data string) keyring.Item { return keyring.Item{Key: "key", Data: []byte(data)} }
	want := func(data string) {
		t.Helper()
		if it, err := r.Get("key"); err != nil || string(it.Data) != data {
			t.Errorf("got %q, %v, want %q", it.Data, err, data)
		}
	}
	saved := func(n int) {
		t.Helper()
		change(func() {
			if len(w.saved) != n {
				t.Errorf("%d items are saved, want %d", len(w.saved), n)
			}
		})
	}

	must(t, r.Set(item("one")))
	saved(1)
	want("one")

	change(closeIt) // and open it again
	want("one")
	change(func() { w.before = closeIt }) // after it was opened
	want("one")
	change(func() { w.member = false }) // the user disconnected the application
	want("one")

	change(func() { w.before = closeIt })
	if err := r.Set(item("two")); !errors.Is(err, errWallet) {
		t.Errorf("saved to a closed wallet: %v", err)
	}
	must(t, r.Set(item("two")))
	want("two")
	change(func() { w.before = closeIt })
	if err := r.Remove("key"); !errors.Is(err, errWallet) {
		t.Errorf("removed from a closed wallet: %v", err)
	}

	change(func() { closeIt(); w.denied = true })
	if _, err := r.Get("key"); !errors.Is(err, errWallet) {
		t.Errorf("read from a wallet that was not opened: %v", err)
	}
	if err := r.Set(item("three")); !errors.Is(err, errWallet) {
		t.Errorf("saved to a wallet that was not opened: %v", err)
	}
	if err := r.Remove("key"); !errors.Is(err, errWallet) {
		t.Errorf("removed from a wallet that was not opened: %v", err)
	}

	change(func() { w.denied = false })
	want("two")
	must(t, r.Remove("key"))
	saved(0)
	if _, err := r.Get("key"); !errors.Is(err, keyring.ErrKeyNotFound) {
		t.Errorf("get of a missing item: %v", err)
	}
	if err := r.Remove("key"); !errors.Is(err, keyring.ErrKeyNotFound) {
		t.Errorf("removal of a missing item: %v", err)
	}
}
