// Package dbusguard keeps github.com/99designs/keyring from dialling the D-Bus session bus
// while it is initialized: most runs need no keyring, without a bus it would run dbus-launch,
// and it would wait forever for a bus that accepts the connection and never answers. A store
// that needs the bus asks for its [Address].
//
// This package is initialized first. Of all packages that are ready, Go initializes the one
// whose path sorts first, and example.org sorts before github.com. godbus imports everything
// that this package imports, so that it is never ready earlier: import nothing that godbus
// does not import.
package dbusguard

import (
	"net"
	"os"
	"strings"
	"time"
)

const (
	variable = "DBUS_SESSION_BUS_ADDRESS"
	// dead is an address that fails at once, because there is no such transport.
	dead = "none:"
	// patience is how long the bus has for its first answer.
	patience = time.Second
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

// Restore restores the user's environment. It is called after keyring has been initialized,
// before any child can start. Calling it again does nothing.
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

// Address returns the address of the session bus, or the reason why it must not be dialled.
func Address() (address, why string) { return decide(os.Getenv, probe, os.Getuid()) }

// With runs f while the environment names the bus at the address. godbus would look for
// another one, or start one, if the user's environment names none.
func With(address string, f func() error) error {
	_ = os.Setenv(variable, address)
	defer restore()
	return f()
}

// decide returns the address of the bus, or the reason why it must not be dialled.
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

// probe reports whether something at the address speaks D-Bus: it starts the
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
			// godbus takes the first address that connects: so does the probe.
			if answered, connected := greet(unescape(v)); connected {
				return answered
			}
		}
	}
	return false
}

func greet(socket string) (answered, connected bool) {
	c, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return false, false
	}
	defer func() { _ = c.Close() }()
	if !ours(c) {
		return false, true
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("\x00AUTH\r\n")); err != nil {
		return false, true
	}
	buf := make([]byte, 64)
	n, _ := c.Read(buf)
	s := string(buf[:n])
	return strings.HasPrefix(s, "REJECTED") || strings.HasPrefix(s, "OK") || strings.HasPrefix(s, "ERROR"), true
}

// unescape decodes the %xx of D-Bus addresses.
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
