// Package dbusguard protects commands that need no keyring from
// github.com/99designs/keyring, which dials the D-Bus session bus while it is initialized:
// without a bus it would run dbus-launch, and it would wait forever for a bus that accepts
// the connection and never answers.
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
	saved   string
	wasSet  bool
	hidden  bool
	because string
)

func init() {
	var address string
	if address, because = decide(os.Args, os.Getenv, readSmall, probe, os.Getuid()); because != "" {
		address = dead
	}
	saved, wasSet = os.LookupEnv(variable)
	hidden = os.Setenv(variable, address) == nil
}

// Restore restores the user's environment. It is called after keyring has been initialized,
// before any child can start. Calling it again does nothing.
func Restore() {
	if !hidden {
		return
	}
	hidden = false
	if wasSet {
		_ = os.Setenv(variable, saved)
	} else {
		_ = os.Unsetenv(variable)
	}
}

// Hidden returns why the session bus was hidden from keyring, or "" if it was not hidden.
func Hidden() string { return because }

// decide returns the address of the bus, or the reason why it must not be dialled.
func decide(args []string, getenv func(string) string, read func(string) string,
	answers func(string) bool, uid int,
) (address, why string) {
	if why := notWanted(args, getenv, read); why != "" {
		return "", why
	}
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

// notWanted says why this command will not use a keyring that lives on the bus.
// It reads the command line as roughly as it must, long before it is parsed: a
// bus that is dialled in vain costs some milliseconds, no more.
func notWanted(args []string, getenv func(string) string, read func(string) string) string {
	choice := ""
	for i, a := range args {
		if i == 0 {
			continue
		}
		if a == "--" {
			break
		}
		switch a {
		case "version", "completion", "sources", "status":
			if i == 1 { // elsewhere it may be a flag's value
				return "this command needs no keyring"
			}
		case "-h", "--help", "--version":
			return "this command needs no keyring"
		case "--keyring":
			if i+1 < len(args) {
				choice = args[i+1]
			}
		default:
			if v, ok := strings.CutPrefix(a, "--keyring="); ok {
				choice = v
			}
		}
	}
	if choice == "" {
		choice = getenv("TOKEN_HELPER_KEYRING")
	}
	if onBus(choice) {
		return ""
	}
	if choice != "" && choice != "auto" {
		return "the keyring " + choice + " was chosen"
	}
	home := getenv("HOME")
	if home == "" {
		home = "/nonexistent"
	}
	in := func(variable, fallback, file string) string {
		d := getenv(variable)
		if !strings.HasPrefix(d, "/") {
			d = home + "/" + fallback
		}
		return read(d + "/token-helpers/" + file)
	}
	if conf := in("XDG_CONFIG_HOME", ".config", "config.toml"); strings.Contains(conf, "secret-service") || strings.Contains(conf, "kwallet") {
		return ""
	}
	// One login may have been kept elsewhere than the keyring remembered now.
	if list := in("XDG_STATE_HOME", ".local/state", "logins.json"); strings.Contains(list, `"secret-service"`) || strings.Contains(list, `"kwallet"`) {
		return ""
	}
	if remembered := strings.TrimSpace(in("XDG_STATE_HOME", ".local/state", "keyring")); remembered != "" && !onBus(remembered) {
		return "the keyring " + remembered + " is remembered from the last login"
	}
	return ""
}

func onBus(backend string) bool { return backend == "secret-service" || backend == "kwallet" }

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

// readSmall returns the beginning of the file, or "" if it cannot be read.
func readSmall(path string) string {
	// A named pipe in this place must not hold up the start.
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	var all []byte
	buf := make([]byte, 4096)
	for len(all) < 1<<18 {
		n, err := f.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	return string(all)
}
