package dbusguard

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	const bus = "unix:path=/bus"
	for _, c := range []struct {
		name  string
		args  string
		env   map[string]string
		files map[string]string
		mute  bool
		open  bool
	}{
		{name: "nothing remembered", open: true},
		{name: "mute", mute: true},
		{name: "chosen but mute", args: "login --keyring secret-service", mute: true},
		{name: "version flag", args: "--version"},
		{name: "help", args: "login -h"},
		{name: "version", args: "version"},
		{name: "status as a value", args: "--account status", open: true},
		{name: "file by flag", args: "login --keyring file"},
		{name: "file by flag with equals", args: "login --keyring=file"},
		{name: "kwallet by flag with equals", args: "login --keyring=kwallet", open: true},
		{name: "flag of the command that is run", args: "-- x --version", open: true},
		{name: "file by variable", env: map[string]string{"TOKEN_HELPER_KEYRING": "file"}},
		{name: "flag before variable", args: "--keyring secret-service", env: map[string]string{"TOKEN_HELPER_KEYRING": "file"}, open: true},
		{name: "file remembered", files: map[string]string{"/h/.local/state/token-helpers/keyring": "file\n"}},
		{name: "auto, file remembered", args: "--keyring auto", files: map[string]string{"/h/.local/state/token-helpers/keyring": "file\n"}},
		{
			name: "file remembered, a login on the bus", open: true, files: map[string]string{
				"/h/.local/state/token-helpers/keyring":     "file\n",
				"/h/.local/state/token-helpers/logins.json": `{"logins":[{"backend": "secret-service"}]}`,
			},
		},
		{name: "remembered", open: true, files: map[string]string{"/h/.local/state/token-helpers/keyring": "secret-service\n"}},
		{
			name: "remembered elsewhere", env: map[string]string{"XDG_STATE_HOME": "/s"},
			files: map[string]string{"/s/token-helpers/keyring": "pass"},
		},
		{
			name: "config over what is remembered", open: true, files: map[string]string{
				"/h/.config/token-helpers/config.toml":  "keyring = 'kwallet'\n",
				"/h/.local/state/token-helpers/keyring": "file\n",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{"HOME": "/h", variable: bus}
			for k, v := range c.env {
				env[k] = v
			}
			addr, why := decide(append([]string{"prog"}, strings.Fields(c.args)...),
				func(k string) string { return env[k] }, func(p string) string { return c.files[p] },
				func(string) bool { return !c.mute }, os.Getuid())
			if (why == "") != c.open || c.open && addr != bus {
				t.Errorf("address %q, hidden because %q; open should be %v", addr, why, c.open)
			}
		})
	}
}

func TestNoBusIsNotLaunched(t *testing.T) {
	for _, v := range []string{"", "autolaunch:"} {
		addr, why := decide([]string{"p", "--keyring", "secret-service"},
			func(k string) string { return map[string]string{variable: v}[k] },
			func(string) string { return "" }, func(string) bool { return true }, 4294967)
		if addr != "" || why == "" {
			t.Errorf("%q: address %q", v, addr)
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
				_, _ = c.Read(make([]byte, 64)) // closing with it unread would reset the connection
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
