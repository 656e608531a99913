package main

import (
	"slices"
	"strings"

	"example.org/token-helpers/shared/cmdline"
)

// programPage returns the page of a program.
func programPage(p *cmdline.Program, all []*cmdline.Program, date string) string {
	m := newPage(date, p.Name, 1, p.Name, p.Brief)
	m.line(".Sh SYNOPSIS")
	for _, c := range p.Commands {
		m.line(".Nm")
		if usage := strings.TrimSpace(strings.TrimPrefix(p.Invocation(c), p.Name)); usage != "" {
			m.line("%s", escape(usage))
		}
	}
	m.line(".Sh DESCRIPTION")
	m.text(p.Summary)
	for para := range strings.SplitSeq(p.Notes, "\n\n") {
		m.line(".Pp")
		m.text(strings.TrimSpace(para))
	}
	main := p.Commands[0]
	if len(p.Commands) > 1 {
		m.line(".Ss Commands")
		m.line(".Bl -tag -width Ds")
		for _, c := range p.Commands {
			m.line(".It %s", term(c.Name))
			m.text(c.Help)
		}
		m.line(".El")
		m.line(".Ss Flags of %s", escape(main.Name))
	} else {
		m.line(".Ss Flags")
	}
	m.groups(p, main.Line, main.Shown(true))
	for _, c := range p.Commands[1:] {
		m.command(p, main, c)
	}
	if t := p.Topic("environment"); t != nil {
		m.line(".Sh ENVIRONMENT")
		m.page(t.Page(), ".Ss")
	}
	if p.Topic("configuration") != nil {
		m.line(".Sh FILES")
		m.text("The configuration is described in")
		m.line(".Xr token-helpers.toml 5 .")
	}
	m.exitCodes(p.ExitCodes)
	m.examples(p)
	var others []string
	for _, o := range all {
		if o.Name != p.Name {
			others = append(others, o.Name+"(1)")
		}
	}
	slices.Sort(others)
	m.seeAlso(append(others, "token-helpers.toml(5)", "token-helpers(7)")...)
	return m.String()
}

// command writes the flags of a command that the first command does not have or describes
// differently, and the names of the other flags.
func (m *mdoc) command(p *cmdline.Program, main, c *cmdline.Command) {
	var own, shared []*cmdline.Flag
	for _, f := range c.Shown(true) {
		if g := main.Line.Flag(f.Name); g != nil && g.Help == f.Help {
			shared = append(shared, f)
		} else {
			own = append(own, f)
		}
	}
	if len(own) == 0 {
		return // the command has only the flags that all commands have
	}
	m.line(".Ss Flags of %s", escape(c.Name))
	m.flags(c.Line, own, p.Variable)
	if len(shared) > 0 {
		var names []string
		for _, f := range shared {
			names = append(names, "`--"+f.Name+"`")
		}
		m.line(".Pp")
		m.text("As for " + main.Name + ": " + strings.Join(names, ", ") + ".")
	}
}

// configurationPage returns the page of the configuration.
func configurationPage(p *cmdline.Program, date string) string {
	m := newPage(date, "token-helpers.toml", 5, "token-helpers.toml", "configuration of the token helpers")
	m.line(".Sh DESCRIPTION")
	m.page(p.Topic("configuration").Page(), ".Sh")
	m.seeAlso("condor-token-helper(1)", "xrd-token-helper(1)", "token-helpers(7)")
	return m.String()
}

// overviewPage returns the page about all programs, with the topics that have no other page.
func overviewPage(all []*cmdline.Program, date string) string {
	m := newPage(date, "token-helpers", 7, "token-helpers", "get and explain the tokens that grid services require")
	m.line(".Sh DESCRIPTION")
	m.line(".Bl -tag -width Ds")
	for _, p := range all {
		m.line(".It Xr %s 1", p.Name)
		m.text(p.Summary)
	}
	m.line(".El")
	m.line(".Sh EXIT STATUS")
	m.page(all[0].Topic("exit-codes").Page(), ".Ss")
	m.line(".Sh PLUGINS")
	m.page(all[0].Topic("plugins").Page(), ".Ss")
	m.seeAlso("condor-token-helper(1)", "jwt-inspect(1)", "xrd-token-helper(1)", "token-helpers.toml(5)")
	return m.String()
}
