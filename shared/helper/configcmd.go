package helper

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/text"
)

// configCmd has the flags of get, because it shows what get would use.
type configCmd struct {
	cmdline.Plugins `group:"Request" common:""`
	Request         requestFlags `embed:"" group:"Request"`
	Client          clientFlags  `embed:"" group:"Login"`
	Source          sourceFlags  `embed:"" group:"Sources"`
	Output          string       `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text or json. Default: text."`
}

// origin is where the value of a flag comes from: "default", "file", "environment" or
// "command line". From is the file or the variable.
type origin struct {
	Origin string `json:"origin"`
	From   string `json:"from,omitempty"`
}

func (o origin) String() string {
	switch o.Origin {
	case "environment", "file":
		return o.From
	}
	return o.Origin
}

// setting is the effective value of a flag: a string, a bool, or a list of strings.
type setting struct {
	Flag  string `json:"flag"`
	Value any    `json:"value"`
	origin
}

func (s setting) text() string {
	switch v := s.Value.(type) {
	case []string:
		if len(v) > 0 {
			return strings.Join(v, " ")
		}
	case string:
		if v != "" {
			return v
		}
	case bool:
		return fmt.Sprint(v)
	}
	return "not set"
}

// configuredIssuer is an [issuer.NAME] table.
type configuredIssuer struct {
	Name              string   `json:"name"`
	URL               string   `json:"url"`
	ClientID          string   `json:"clientId,omitempty"`
	SecretFile        string   `json:"clientSecretFile,omitempty"`
	SecretCommand     string   `json:"clientSecretCommand,omitempty"`
	RegistrationFile  string   `json:"registrationTokenFile,omitempty"`
	AudienceParameter string   `json:"audienceParameter,omitempty"`
	Scopes            []string `json:"scopes"`
	CAFile            string   `json:"cafile,omitempty"`
	PKCE              bool     `json:"pkce"`
	From              string   `json:"from"`
}

// configuredToken is a [token.NAME] table.
type configuredToken struct {
	Name      string   `json:"name"`
	Issuer    string   `json:"issuer,omitempty"`
	Audiences []string `json:"audiences"`
	Scopes    []string `json:"scopes"`
	File      string   `json:"file,omitempty"`
	From      string   `json:"from"`
}

type configReport struct {
	APIVersion string             `json:"apiVersion"`
	Files      []configFile       `json:"files"`
	Settings   []setting          `json:"settings"`
	Issuers    []configuredIssuer `json:"issuers"`
	Tokens     []configuredToken  `json:"tokens"`
}

// Run shows the effective settings.
func (c *configCmd) Run(_ context.Context, a *app) error {
	named, err := a.conf.issuer(a.common.Issuer)
	if err != nil {
		return err
	}
	r := &configReport{APIVersion: text.APIVersion, Files: a.conf.files, Settings: a.settings(named), Issuers: []configuredIssuer{}, Tokens: []configuredToken{}}
	slices.Reverse(r.Files) // the first wins
	for _, name := range slices.Sorted(maps.Keys(a.conf.Issuers)) {
		i := a.conf.Issuers[name]
		r.Issuers = append(r.Issuers, configuredIssuer{name, i.URL, i.ClientID, i.ClientSecretFile, i.ClientSecretCmd, i.RegistrationFile,
			i.AudienceParameter, text.NonNil(i.Scopes), i.CAFile, i.PKCE, a.conf.origin["issuer."+name]})
	}
	for _, name := range slices.Sorted(maps.Keys(a.conf.Tokens)) {
		t := a.conf.Tokens[name]
		r.Tokens = append(r.Tokens, configuredToken{name, t.Issuer, text.NonNil(t.Audience), text.NonNil(t.Scopes), t.File, a.conf.origin["token."+name]})
	}
	if c.Output == "json" {
		return a.json(r)
	}
	return a.print(r.text())
}

// settings returns the effective values of get's flags, in the order of the help.
func (a *app) settings(named issuerConfig) []setting {
	get := newLine()
	get.Add(newGet(a.eco), "")
	get.Add(new(commonFlags), "")
	issuers := map[string]string{
		"client-id": named.ClientID, "client-secret-file": named.ClientSecretFile, "client-secret-command": named.ClientSecretCmd,
		"registration-token-file": named.RegistrationFile, "audience-parameter": named.AudienceParameter, "cafile": named.CAFile,
	}
	var out []setting
	for _, f := range get.Flags {
		if variable(f) == "" {
			continue
		}
		from := origin{Origin: "command line"}
		values, known := a.onCommandLine(f.Name)
		if !known {
			values, from, known = a.conf.lookup(a.env, f)
		}
		if v := issuers[f.Name]; !known && v != "" {
			values, from, known = []string{v}, origin{"file", "[issuer." + named.name + "] in " + a.conf.origin["issuer."+named.name]}, true
		}
		if !known {
			from = origin{Origin: "default"}
			if v := cmp.Or(get.Expand(f.Default), implicitDefault(f.Name)); v != "" {
				values = []string{v}
			}
		}
		out = append(out, setting{f.Name, plainValue(f, values), from})
	}
	return out
}

// implicitDefault returns the effective value of a flag that has no default so that an issuer's
// table can set it.
func implicitDefault(flag string) string {
	switch flag {
	case "audience-parameter":
		return "audience"
	case "keyring":
		return "auto"
	}
	return ""
}

// onCommandLine returns the values that a flag has on the command line. The output format
// of config does not apply to get.
func (a *app) onCommandLine(flag string) (values []string, ok bool) {
	f := a.line.Flag(flag)
	if f == nil || !f.Given || flag == "output" {
		return nil, false
	}
	return f.Texts(), true
}

// plainValue returns the value of a flag as it appears in JSON.
func plainValue(f *cmdline.Flag, values []string) any {
	switch {
	case f.Repeats:
		return text.NonNil(values)
	case f.IsSwitch():
		return len(values) > 0 && values[0] == "true"
	case len(values) > 0:
		return values[0]
	}
	return ""
}

func (r *configReport) text() string {
	const width = 28
	var b strings.Builder
	b.WriteString("files, the first of which wins:\n")
	for _, f := range r.Files {
		path := f.Path
		if !f.Exists {
			path += " (does not exist)"
		}
		b.WriteString("  " + path + "\n")
	}
	b.WriteString("settings:\n")
	for _, s := range r.Settings {
		b.WriteString(text.Labelled(width, "  --"+s.Flag, s.text()+" ("+s.String()+")"))
	}
	line := func(label, value string) {
		if value != "" {
			b.WriteString(text.Labelled(width, "  "+label, value))
		}
	}
	for _, i := range r.Issuers {
		fmt.Fprintf(&b, "issuer %s (%s):\n", i.Name, i.From)
		line("url", i.URL)
		line("client-id", i.ClientID)
		line("client-secret-file", i.SecretFile)
		line("client-secret-command", i.SecretCommand)
		line("registration-token-file", i.RegistrationFile)
		line("audience-parameter", i.AudienceParameter)
		line("scopes", strings.Join(i.Scopes, " "))
		line("cafile", i.CAFile)
		if i.PKCE {
			line("pkce", "true")
		}
	}
	for _, t := range r.Tokens {
		fmt.Fprintf(&b, "token %s (%s):\n", t.Name, t.From)
		line("issuer", t.Issuer)
		line("audience", strings.Join(t.Audiences, " "))
		line("scopes", strings.Join(t.Scopes, " "))
		line("file", t.File)
	}
	return b.String()
}
