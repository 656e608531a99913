package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/manual"
)

// Every flag of every command is in --help-all, in the man page, in the completion and in
// help environment, and these do not contain other flags.
func TestFlagsAreEverywhere(t *testing.T) {
	files := pages("January 1, 2026")
	for _, p := range programs() {
		page := plain(files["man/man1/"+p.Name+".1"])
		inPage := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^\.It .*--([a-z-]+)`).FindAllStringSubmatch(page, -1) {
			inPage[m[1]] = true
		}
		flags, variables := map[string]bool{}, map[string]bool{}
		for _, c := range p.Commands {
			help := p.Help(c, true, 80)
			var inHelp, inCompletion, want []string
			for _, m := range regexp.MustCompile(`(?m)^  (?:-[a-z], )?--([a-z-]+)`).FindAllStringSubmatch(help, -1) {
				inHelp = append(inHelp, m[1])
			}
			for _, line := range complete(t, p, c.Name, "--") {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "--"), "\t")
				inCompletion = append(inCompletion, name)
			}
			for _, f := range c.Line.Flags {
				want = append(want, f.Name)
				flags[f.Name] = true
				if p.Variable != nil && p.Variable(f) != "" {
					variables[p.Variable(f)] = true
				}
			}
			slices.Sort(want)
			slices.Sort(inHelp)
			slices.Sort(inCompletion)
			if !slices.Equal(inHelp, want) {
				t.Errorf("%s %s --help-all has %q, want %q", p.Name, c.Name, inHelp, want)
			}
			if !slices.Equal(inCompletion, want) {
				t.Errorf("%s %s is completed with %q, want %q", p.Name, c.Name, inCompletion, want)
			}
		}
		if got, want := slices.Sorted(maps.Keys(inPage)), slices.Sorted(maps.Keys(flags)); !slices.Equal(got, want) {
			t.Errorf("%s(1) has %q, want %q", p.Name, got, want)
		}
		if topic := p.Topic("environment"); topic != nil {
			shown := regexp.MustCompile("(?m)^\\| `(TOKEN_HELPER_[A-Z_]+)` \\| `--").FindAllStringSubmatch(topic.Page(), -1)
			var got []string
			for _, m := range shown {
				got = append(got, m[1])
			}
			slices.Sort(got)
			if want := slices.Sorted(maps.Keys(variables)); !slices.Equal(got, want) {
				t.Errorf("%s help environment has %q, want %q", p.Name, got, want)
			}
		}
	}
}

// plain removes fonts and escapes from roff.
func plain(page string) string {
	return strings.NewReplacer(`\-`, "-", `\fB`, "", `\fI`, "", `\fR`, "", `\%`, "").Replace(page)
}

func complete(t *testing.T, p *cmdline.Program, command, word string) []string {
	t.Helper()
	var b strings.Builder
	words := []string{word}
	if command != "" {
		words = []string{command, word}
	}
	if err := p.Complete(&b, words, func(string) []cmdline.Candidate { return nil }); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// A flag with a value describes its completion, and no help text contains an unreplaced
// variable.
func TestFlagsAreDescribed(t *testing.T) {
	groups := map[string]bool{}
	for _, p := range programs() {
		for _, g := range p.Groups {
			groups[g] = true
		}
		for _, c := range p.Commands {
			for _, f := range c.Line.Flags {
				help := cmdline.FlagHelp(c.Line, f, true)
				if help == "" || strings.Contains(help, "${") || !groups[f.Group] {
					t.Errorf("%s %s --%s: group %q, help %q", p.Name, c.Name, f.Name, f.Group, help)
				}
				if slices.ContainsFunc(f.Values, func(v string) bool {
					return !strings.Contains(help+f.Placeholder, v)
				}) {
					t.Errorf("%s %s --%s: the help does not name all of %q", p.Name, c.Name, f.Name, f.Values)
				}
			}
		}
	}
}

// The help of a program has five examples and at most 40 lines, so that it fits on a screen.
func TestHelpFitsOnAScreen(t *testing.T) {
	for _, p := range programs() {
		for _, c := range p.Commands {
			help := p.Help(c, false, 80)
			if n := strings.Count(help, "\n"); n > 40 {
				t.Errorf("%s %s --help has %d lines", p.Name, c.Name, n)
			}
		}
		if len(p.Examples) != 5 {
			t.Errorf("%s has %d examples", p.Name, len(p.Examples))
		}
		for _, topic := range p.Topics {
			if page := manual.Text(topic.Page(), 80); strings.Contains(page, "${") && topic.Name != "configuration" || len(page) < 200 {
				t.Errorf("%s help %s: %q", p.Name, topic.Name, page)
			}
		}
	}
}
