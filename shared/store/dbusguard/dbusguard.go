// Package dbusguard prevents github.com/99designs/keyring from dialing the D-Bus session bus
// when it is initialized. Most runs do not need a keyring. Without a bus, keyring would run
// dbus-launch, and it would wait forever for a bus that accepts the connection but never
// answers. A store that needs the bus calls [Address].
//
// This package must be initialized before keyring. Of the packages that are ready, Go
// initializes the one whose path sorts first, and example.org sorts before github.com. godbus
// imports everything that this package imports, so it is never ready earlier. This package
// must not import anything that godbus does not import.
package dbusguard

import (
	"net"
	"os"
	"strings"
	"time"
)

const (
	variable = "DBUS_SESSION_BUS_ADDRESS"
	// dead is an address that fails immediately, because there is no such transport.
	dead = "none:"
	// timeout is the time limit for connecting to the bus, and for its first answer.
	timeout = time.Second
)

var (
	saved  string
	wasSet bool
	hidden bool
)

func init() {
	saved, wasSet = os.LookupEnv(variable)
	hidden = os.Setenv(variable, dead) == nil
}

// Restore restores the user's environment. It must be called after keyring has been
// initialized and before a child process is started. Calling it again does nothing.
func Restore() {
	if !hidden {
		return
	}
	hidden = false
	restore()
}

func restore() {
	if wasSet {
		_ = os.Setenv(variable, saved)
	} else {
		_ = os.Unsetenv(variable)
	}
}

// Address returns the address of the session bus, or the reason why it must not be dialed.
func Address() (address, why string) { return decide(os.Getenv, probe, os.Getuid()) }

// With calls f with the address in the environment. Otherwise godbus would search for a bus,
// or start one, if the user's environment does not contain an address.
func With(address string, f func() error) error {
	_ = os.Setenv(variable, address)
	defer restore()
	return f()
}

// decide implements [Address].
func decide(getenv func(string) string, answers func(string) bool, uid int) (address, why string) {
	address = getenv(variable)
	if address == "" || address == "autolaunch:" {
		path := "/run/user/" + itoa(uid) + "/bus"
		if _, err := os.Stat(path); err != nil {
			return "", "there is no D-Bus session bus"
		}
		address = "unix:path=" + path
	}
	if !answers(address) {
		return "", "the D-Bus session bus at " + address + " does not answer"
	}
	return address, ""
}

// probe reports whether a D-Bus server answers at the address. It starts the
// authentication (D-Bus specification, "Authentication Protocol") and waits for
// any answer.
func probe(address string) bool {
	for _, a := range strings.Split(address, ";") {
		rest, ok := strings.CutPrefix(a, "unix:")
		if !ok {
			continue
		}
		for _, kv := range strings.Split(rest, ",") {
			k, v, _ := strings.Cut(kv, "=")
			switch k {
			case "path":
			case "abstract":
				v = "@" + v
			default:
				continue
			}
			// godbus also uses the first address that connects.
			if answered, connected := greet(unescape(v)); connected {
				return answered
			}
		}
	}
	return false
}

func greet(socket string) (answered, connected bool) {
	c, err := net.DialTimeout("unix", socket, timeout)
	if err != nil {
		return false, false
	}
	defer func() { _ = c.Close() }()
	if !trusted(c) {
		return false, true
	}
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte("\x00AUTH\r\n")); err != nil {
		return false, true
	}
	buf := make([]byte, 64)
	n, _ := c.Read(buf)
	s := string(buf[:n])
	return strings.HasPrefix(s, "REJECTED") || strings.HasPrefix(s, "OK") || strings.HasPrefix(s, "ERROR"), true
}

// unescape decodes the %xx escapes in D-Bus addresses.
func unescape(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(digits, lower(s[i+1])), strings.IndexByte(digits, lower(s[i+2]))
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

const digits = "0123456789abcdef"

func lower(c byte) byte {
	if c >= 'A' && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

func itoa(n int) string {
	if n < 0 {
		return "0"
	}
	s := ""
	for {
		s = string(rune('0'+n%10)) + s
		if n /= 10; n == 0 {
			return s
		}
	}
}
