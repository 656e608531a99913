package helper

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.org/token-helpers/docs"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
)

func TestConfigErrorPositions(t *testing.T) {
	tests := []struct{ text, want string }{
		{"[defaults]\nissuer =\n", "config.toml:2"},
		{"[defaults]\ncolour = 1\n", "config.toml:2: unknown key defaults.colour"},
		{"\n[defauls]\n", "config.toml:2: unknown key defauls"},
		{"[issuer.a]\nurl = \"https://a/\"\ncolour = 1\n", "config.toml:3: unknown key issuer.a.colour"},
		{"[issuer.a]\nclient-id = \"x\"\n", "issuer.a has no url"},
		{"[issuer.a]\nurl = \"https://a/\"\naudience-parameter = \"aud\"\n", "audience-parameter must be audience, resource or both"},
		{"[issuer.a]\nurl = 7\n", "config.toml:2: issuer.a.url is a number, not a string"},
		{"[issuer.a]\nurl = [\"a\"]\n", "config.toml:2: issuer.a.url is a list, not a string"},
		{"[issuer.a]\nurl = \"https://a/\"\npkce = \"yes\"\n", "config.toml:3: issuer.a.pkce is a string, not a boolean"},
		{"[token.a]\naudience = \"a\"\nscopes = \"a b\"\n", "config.toml:3: token.a.scopes is a string, not a list"},
		{"[issuer]\na = 1\n", "config.toml:2: issuer.a is a number, not a table"},
		{"issuer = 1\n", "config.toml"},
	}
	for _, tt := range tests {
		err := (&config{path: "config.toml"}).parse(tt.text)
		var e *cli.Error
		if !errors.As(err, &e) || e.Code != cli.Usage || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	c := &config{path: "config.toml"}
	if err := c.parse("[defaults]\nissuer = \"a\"\nfrom = [\"cache\"]\n[issuer.a]\nurl = \"https://a/\"\nscopes = [\"x\"]\n"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "https://a", "https://a/"} {
		if i, err := c.issuer(name); err != nil || len(i.Scopes) != 1 {
			t.Errorf("%s: %+v %v", name, i, err)
		}
	}
}

func TestUserConfigurationTakesPrecedence(t *testing.T) {
	c := &config{path: "host"}
	if err := c.parse("[defaults]\nissuer = \"a\"\nkeyring = \"pass\"\n[issuer.a]\nurl = \"https://a/\"\n[issuer.b]\nurl = \"https://b/\"\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.parse("[defaults]\nissuer = \"b\"\n[issuer.b]\nurl = \"https://other/\"\n"); err != nil {
		t.Fatal(err)
	}
	if c.Defaults["issuer"] != "b" || c.Defaults["keyring"] != "pass" || c.Issuers["a"].URL != "https://a/" || c.Issuers["b"].URL != "https://other/" {
		t.Errorf("%+v", c)
	}
}

// help configuration and token-helpers.toml(5) describe every key.
func TestAllKeysAreDocumented(t *testing.T) {
	for table, keys := range map[string][]string{
		"[defaults]": defaultable, "[issuer.NAME]": issuerKeys, "[token.NAME]": tokenKeys, "[service.NAME]": serviceKeys, "[credmon]": credmonKeys,
	} {
		_, part, ok := strings.Cut(docs.Configuration, "| key of `"+table+"`")
		if part, _, _ = strings.Cut(part, "\n\n"); table == "[defaults]" {
			_, part, ok = strings.Cut(docs.Configuration, "these flags can be set")
		}
		for _, key := range keys {
			if !ok || !strings.Contains(part, "`"+key+"`") {
				t.Errorf("%s: %s is not in docs/configuration.md", table, key)
			}
		}
	}
}

// tables matches a table of the configuration in a page of the documentation.
var tables = regexp.MustCompile(`(?m)^ +\[(?:defaults|credmon|(?:issuer|token|service)\.\w+)\]\n(?: +[a-z-]+ = .*\n)*`)

// The configurations in the documentation are valid.
func TestConfigurationsInDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables.FindAllString(string(b), -1) {
			found++
			if err := (&config{path: filepath.Base(name)}).parse(table); err != nil {
				t.Errorf("%s\n%v", table, err)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d tables were found", found)
	}
}

// The commented-out lines in the host's configuration are valid.
func TestHostConfiguration(t *testing.T) {
	const name = "../../packaging/config.toml"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c := &config{path: name}
	if err := c.parse(regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(b), "$1")); err != nil || len(c.Issuers) < 3 || len(c.Tokens) < 1 {
		t.Errorf("%v %+v", err, c)
	}
}

// The examples for OSG, WLCG, CMS and EGI are valid without changes.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../docs/examples/config/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c := &config{path: name}
		if err := c.parse(string(b)); err != nil {
			t.Error(err)
			continue
		}
		chosen, _ := c.Defaults["issuer"].(string)
		if i, err := c.issuer(chosen); err != nil || i.name != chosen || chosen == "" {
			t.Errorf("%s: the default issuer %q: %v", name, chosen, err)
		}
		for _, i := range c.Issuers {
			if err := issuer.CheckURL("the issuer", i.URL); err != nil || !strings.HasPrefix(i.URL, "https://") {
				t.Errorf("%s: %s: %v", name, i.URL, err)
			}
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{"", "[defaults]\nissuer = \"a\"\n[issuer.a]\nurl = \"https://a/\"\n", "[issuer]\n", "[issuer.a]\nurl = 7", "\xff", "a = [[[["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := (&config{path: "config.toml"}).parse(text)
		var e *cli.Error
		if err != nil && (!errors.As(err, &e) || e.Code != cli.Usage || !strings.Contains(err.Error(), "config.toml")) {
			t.Fatalf("%v", err)
		}
	})
}

// Of several tables with the same URL, always the same one applies.
func TestIssuersWithTheSameURL(t *testing.T) {
	c := &config{path: "config.toml"}
	if err := c.parse("[issuer.robot]\nurl = \"https://a/\"\nclient-id = \"robot\"\n[issuer.me]\nurl = \"https://a/\"\nclient-id = \"me\"\n"); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if i, err := c.issuer("https://a"); err != nil || i.ClientID != "me" {
			t.Fatalf("%+v %v", i, err)
		}
	}
	if i, err := c.issuer("robot"); err != nil || i.ClientID != "robot" {
		t.Errorf("%+v %v", i, err)
	}
}

// The first of several mistakes is reported.
func TestMistakesAreReportedInOrder(t *testing.T) {
	for range 50 {
		err := (&config{path: "config.toml"}).parse("[issuer.b]\nclient-id = \"x\"\n[issuer.a]\nclient-id = \"x\"\n[issuer.c]\nclient-id = \"x\"\n")
		if err == nil || !strings.Contains(err.Error(), "issuer.a has no url") {
			t.Fatal(err)
		}
	}
}

// HTCondor ignores the case of services, but a service with exactly the name has precedence.
func TestServicesThatDifferInCase(t *testing.T) {
	services := map[string]Service{"svc": {Issuer: "lower"}, "Svc": {Issuer: "title"}, "SVC": {Issuer: "upper"}}
	s := &Session{&app{conf: &config{Services: services}}}
	for name, want := range map[string]string{"svc": "lower", "Svc": "title", "SVC": "upper", "sVc": "upper"} {
		for range 20 {
			if _, v, err := s.Completed(ServiceRequest{Service: name, Scopes: []string{"s"}}); err != nil || v.Issuer != want {
				t.Fatalf("%s: %q %v", name, v.Issuer, err)
			}
		}
	}
}
