package helper

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/shared/cli"
)

func TestTokenTables(t *testing.T) {
	for _, c := range []struct{ name, text, err string }{
		{"one audience", `audience = "a"` + "\n" + `scopes = ["s"]`, ""},
		{"several", `audience = ["a", "b"]` + "\n" + `scopes = ["s", "t"]`, ""},
		{"no audience", `scopes = ["s"]`, ""},
		{"no scopes", `audience = "a"`, "token.x has no scopes"},
		{"scopes in one word", `scopes = ["s t"]`, `"s t" is not one scope`},
		{"audiences in one word", "audience = \"a b\"\n" + `scopes = ["s"]`, `"a b" is not one audience`},
		{"a number", "audience = 7\n" + `scopes = ["s"]`, "7 is not a string"},
		{"a mistyped key", "audiences = \"a\"\n" + `scopes = ["s"]`, "unknown key token.x.audiences"},
	} {
		conf := &config{path: "config.toml"}
		err := conf.parse("[token.x]\n" + c.text + "\n")
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		var e *cli.Error
		if err != nil && (!errors.As(err, &e) || e.Code != cli.Usage) {
			t.Errorf("%s: %T", c.name, err)
		}
	}
	conf := &config{path: "config.toml"}
	if err := conf.parse("[token.\"../x\"]\nscopes = [\"s\"]\n"); err == nil || !strings.Contains(err.Error(), "the name of a token") {
		t.Errorf("a name that is a path: %v", err)
	}
	if err := conf.parse("token = 3\n"); err == nil {
		t.Error("a number instead of the tables is accepted")
	}
}

func TestNamedTokens(t *testing.T) {
	conf := &config{path: "config.toml", Tokens: map[string]tokenConfig{"b": {}, "a": {}}}
	for _, c := range []struct {
		flags getCmd
		want  []string
		err   string
	}{
		{getCmd{}, nil, ""},
		{getCmd{keepFlags: keepFlags{Token: []string{"b", "a", "b"}}}, []string{"b", "a"}, ""},
		{getCmd{keepFlags: keepFlags{AllTokens: true}}, []string{"a", "b"}, ""},
		{getCmd{keepFlags: keepFlags{Token: []string{"c"}}}, nil, `no token "c" is configured`},
	} {
		got, err := c.flags.named(conf)
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %q, %v", c.flags.keepFlags, got, err)
		}
	}
	if _, err := (&getCmd{keepFlags: keepFlags{AllTokens: true}}).named(&config{}); err == nil {
		t.Error("--all-tokens without any token is accepted")
	}
}

func TestSplitCommand(t *testing.T) {
	for _, c := range []struct{ args, own, command []string }{
		{[]string{"--ce", "x"}, []string{"--ce", "x"}, nil},
		{[]string{"--ce", "x", "--", "a", "--", "b"}, []string{"--ce", "x"}, []string{"a", "--", "b"}},
		{[]string{"--"}, nil, []string{}},
	} {
		own, command := splitCommand(c.args)
		if !slices.Equal(own, c.own) || !slices.Equal(command, c.command) || (command == nil) != (c.command == nil) {
			t.Errorf("%q: %q, %q", c.args, own, command)
		}
	}
}
