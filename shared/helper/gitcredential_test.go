package helper

import (
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

func TestGitAnswer(t *testing.T) {
	tok := token.New("opaque")
	tok.Expires = time.Unix(1767225600, 0)
	const (
		bearer = "capability[]=authtype\nauthtype=Bearer\ncredential=opaque\nephemeral=1\npassword_expiry_utc=1767225600\n"
		basic  = "username=oauth2\npassword=opaque\npassword_expiry_utc=1767225600\n"
		ask    = "protocol=https\nhost=git.example.org\n"
		new    = ask + "capability[]=authtype\ncapability[]=state\n"
	)
	for _, tt := range []struct{ request, want string }{
		{ask, basic},
		{new, bearer},
		{new + "wwwauth[]=Bearer realm=\"x\"\nwwwauth[]=Basic realm=\"x\"\n", bearer},
		{new + "wwwauth[]=Basic realm=\"x\"\nwwwauth[]=bearer\n", bearer},
		// GitLab accepts a token, but only as a password.
		{new + "wwwauth[]=Basic realm=\"GitLab\"\n", basic},
		{new + "wwwauth[]=Basic realm=\"x\"\nwwwauth[]=\n", bearer},
		{ask + "wwwauth[]=Bearer\n", basic},
		{ask + "capability[]=state\n", basic},
		{ask + "username=me\npath=a/b.git\nsome=thing=else\n", strings.Replace(basic, "oauth2", "me", 1)},
		{ask + "\ncapability[]=authtype\n", basic}, // after the request
	} {
		q, err := readGitRequest(strings.NewReader(tt.request))
		if err != nil {
			t.Errorf("%q: %v", tt.request, err)
			continue
		}
		got, err := q.answer(tok, "oauth2")
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: %q, %v", tt.request, got, err)
		}
	}
	if _, err := (gitRequest{}).answer(token.New("two\nlines"), "x"); err == nil {
		t.Error("a token of two lines was accepted")
	}
}

func TestGitAudience(t *testing.T) {
	for host, want := range map[string]string{
		"git.example.org": "https://git.example.org", "GIT.Example.org:443": "https://git.example.org",
		"git.example.org:8443": "https://git.example.org:8443", "[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
		"": "", "a b": "", "user@host": "",
	} {
		got, err := gitRequest{host: host}.audience()
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", host, got, err)
		}
	}
}

func FuzzReadGitRequest(f *testing.F) {
	f.Add("protocol=https\nhost=x\ncapability[]=authtype\nwwwauth[]=Basic\n\n")
	f.Add("no equals sign")
	f.Add("=\n=\n\x00=\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		q, err := readGitRequest(strings.NewReader(s))
		if err != nil {
			return
		}
		b, err := q.answer(token.New("opaque"), "oauth2")
		if err != nil {
			t.Fatal(err)
		}
		// The request cannot add a line to the answer.
		lines := 2
		if q.bearer() {
			lines = 4
		}
		if n := strings.Count(string(b), "\n"); n != lines {
			t.Errorf("%d lines: %q", n, b)
		}
	})
}
