package source

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

// agent listens like oidc-agent, and calls handle for each connection.
func agent(t *testing.T, network string, handle func(net.Conn)) *Env {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "sock")
	}
	l, err := net.Listen(network, address)
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
			go func() {
				defer func() { _ = c.Close() }()
				handle(c)
			}()
		}
	}()
	variable := "OIDC_SOCK"
	if network == "tcp" {
		variable = "OIDC_REMOTE_SOCK"
	}
	return &Env{
		Explicit: true, Timeout: 5 * time.Minute, Program: "test", Now: time.Now,
		Getenv: func(k string) string {
			if k == variable {
				return l.Addr().String()
			}
			return ""
		},
	}
}

func saying(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
	}
}

// With a faulty agent, the source returns within the time limit: an error if the user
// chose it, and a None in the default order.
func TestAgentErrors(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	tests := []struct {
		name   string
		handle func(net.Conn)
		code   int
		text   string
		hint   string
	}{
		{"hangs", func(net.Conn) { <-hang }, cli.Network, "no answer within 50ms", "--no-autoreauthenticate"},
		{"hangs up", func(net.Conn) {}, cli.Network, "could not talk to oidc-agent at ", "start an agent"},
		{"another protocol", saying("HTTP/1.1 400 Bad Request\r\n\r\n"), cli.Network, "not JSON", "start an agent"},
		{"refuses", saying(`{"status":"failure","error":"Agent locked","info":"unlock it"}`), cli.Refused, "Agent locked", "unlock it"},
		{"an account that is not loaded", saying(`{"status":"failure","error":"account not loaded"}`), cli.Refused, "account not loaded", "oidc-add"},
		{"a login that expired", saying(`{"status":"failure","error":"invalid_grant: expired"}`), cli.Refused, "invalid_grant: expired", "--reauthenticate"},
		{"a scope that is not granted", saying(`{"status":"failure","error":"invalid_scope: x"}`), cli.Refused, "invalid_scope: x", "request less"},
		{"has nothing", saying(`{"status":"success"}`), cli.Refused, "no token", "oidc-add"},
		{"an expiry in words", saying(`{"status":"success","expires_at":"tomorrow"}`), cli.Refused, "no token", "oidc-add"},
		{"raw newlines", saying("{\"status\":\"failure\",\"error\":\"a\nb\"}"), cli.Refused, "oidc-agent: a b", "oidc-add"},
	}
	for _, tt := range tests {
		d := agent(t, "unix", tt.handle)
		if tt.name == "hangs" {
			d.Timeout = 50 * time.Millisecond
		}
		_, err := oidcAgent{d}.Token(context.Background(), token.Request{Issuer: "https://i/"})
		var known cli.Explained
		if !errors.As(err, &known) || known.ExitCode() != tt.code || len(known.Hints()) != 1 || !strings.Contains(err.Error(), tt.text) || !strings.Contains(known.Hints()[0], tt.hint) {
			t.Errorf("%s: %T %v", tt.name, err, err)
		}
		d.Explicit = false
		var n *None
		if _, err := (oidcAgent{d}).Token(context.Background(), token.Request{Issuer: "https://i/"}); !errors.As(err, &n) {
			t.Errorf("%s, in the default order: %T %v", tt.name, err, err)
		}
	}
}

func TestAgentRequest(t *testing.T) {
	got := make(chan string, 1)
	d := agent(t, "unix", func(c net.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		_, _ = io.WriteString(c, `{"status":"success","access_token":"opaque","issuer":"https://i/","expires_at":"1767225600"}`)
	})
	req := token.Request{Issuer: "https://i/", Audiences: []string{"a:1", "b:2"}, Scopes: []string{"x", "y"}, MinLifetime: time.Minute}
	tok, err := oidcAgent{d}.Token(context.Background(), req)
	if err != nil || tok.Raw() != "opaque" || tok.Expires.Unix() != 1767225600 || tok.Issuer != "https://i/" {
		t.Errorf("%v %v", tok.Expires, err)
	}
	if want := `{"request":"access_token","issuer":"https://i/","min_valid_period":60,"scope":"x y","audience":"a:1 b:2","application_hint":"test"}`; <-got != want {
		t.Errorf("sent something other than %s", want)
	}
	d.Account, d.ForceNew = "acc", true
	if _, err := (oidcAgent{d}).Token(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	if q := <-got; !strings.Contains(q, `"account":"acc","min_valid_period":-1`) || strings.Contains(q, "issuer") {
		t.Errorf("sent %s", q)
	}
}

// This agent of the encrypted protocol follows the source code of oidc-agent.
func TestAgentSealed(t *testing.T) {
	b64 := base64.StdEncoding
	var saw string
	d := agent(t, "tcp", func(c net.Conn) {
		public, private, _ := box.GenerateKey(rand.Reader)
		key := make([]byte, 44)
		if _, err := io.ReadFull(c, key); err != nil {
			return
		}
		theirs, err := b64.DecodeString(string(key))
		if err != nil || len(theirs) != 32 {
			return
		}
		_, _ = io.WriteString(c, b64.EncodeToString(public[:]))
		var shared [32]byte
		box.Precompute(&shared, (*[32]byte)(theirs), private)
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		plain, err := unseal(b[:n], &shared)
		if err != nil {
			return
		}
		saw = string(plain)
		answer := []byte(`{"status":"success","access_token":"opaque"}`)
		var nonce [24]byte
		_, _ = rand.Read(nonce[:])
		_, _ = io.WriteString(c, strconv.Itoa(len(answer))+":"+b64.EncodeToString(nonce[:])+":"+b64.EncodeToString(box.SealAfterPrecomputation(nil, answer, &nonce, &shared)))
	})
	tok, err := oidcAgent{d}.Token(context.Background(), token.Request{Issuer: "https://i/"})
	if err != nil || tok.Raw() != "opaque" || !strings.Contains(saw, `"issuer":"https://i/"`) {
		t.Errorf("%v, the agent saw %q", err, saw)
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte("5:AAAA:BBBB"))
	f.Add([]byte("::"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := unseal(b, new([32]byte)); err != nil && out != nil {
			t.Fatal("an error and a message")
		}
	})
}
