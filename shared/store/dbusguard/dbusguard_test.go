package dbusguard

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	const bus = "unix:path=/bus"
	for _, c := range []struct {
		name, variable string
		silent         bool
		address, why   string
	}{
		{"a bus that answers", bus, false, bus, ""},
		{"a bus that does not answer", bus, true, "", "the D-Bus session bus at " + bus + " does not answer"},
		// No bus is launched.
		{"no bus", "", false, "", "there is no D-Bus session bus"},
		{"a bus to be launched", "autolaunch:", false, "", "there is no D-Bus session bus"},
	} {
		address, why := decide(func(string) string { return c.variable }, func(string) bool { return !c.silent }, 4294967)
		if address != c.address || why != c.why {
			t.Errorf("%s: %q, %q", c.name, address, why)
		}
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	serve := func(name, answer string) string {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 64)) // closing with unread data would reset the connection
				_, _ = c.Write([]byte(answer))
				_ = c.Close()
			}
		}()
		return "unix:path=" + path
	}
	good := serve("a b", "REJECTED EXTERNAL\r\n")
	for addr, want := range map[string]bool{
		strings.ReplaceAll(good, " ", "%20"):              true,
		strings.ReplaceAll(good, " ", "%20") + ",guid=00": true,
		"unix:path=" + dir + "/none;" + good:              true,
		serve("web", "HTTP/1.1 400\r\n"):                  false,
		"unix:path=" + dir + "/none":                      false,
		"tcp:host=localhost,port=1":                       false, "": false, "unix:": false, "unix:%": false,
	} {
		if got := probe(addr); got != want {
			t.Errorf("probe(%q) = %v", addr, got)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add("/tmp/a%20b%")
	f.Fuzz(func(t *testing.T, s string) {
		if len(unescape(s)) > len(s) {
			t.Error("longer")
		}
	})
}
