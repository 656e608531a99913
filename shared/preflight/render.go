package preflight

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// paint holds the colours of a report; all are empty without a terminal.
type paint struct{ good, bad, dim, bold, off string }

// page builds the report for people.
type page struct {
	b     strings.Builder
	width int
	paint
}

// line adds a paragraph that is indented, its further lines by two columns more. It is made
// printable before it is coloured.
func (p *page) line(colour string, indent int, format string, a ...any) {
	for i, l := range text.Wrap(text.OneLine(text.Printable(fmt.Sprintf(format, a...))), p.width-indent-2) {
		lead := strings.Repeat(" ", indent)
		if i > 0 {
			lead += "  "
		}
		if colour != "" {
			l = colour + l + p.off
		}
		p.b.WriteString(lead + l + "\n")
	}
}

// command adds a line to be pasted, which is never wrapped.
func (p *page) command(indent int, s string) {
	p.b.WriteString(strings.Repeat(" ", indent) + text.OneLine(text.Printable(s)) + "\n")
}

// text is the report for people.
func (r *Report) text(width int, colours bool) string {
	p := &page{width: width}
	if colours {
		p.paint = paint{"\x1b[32;1m", "\x1b[31;1m", "\x1b[2m", "\x1b[1m", "\x1b[0m"}
	}
	colour := p.good
	if !r.OK() {
		colour = p.bad
	}
	p.line(colour, 0, "verdict: %s", r.headline())
	p.b.WriteString("\n")
	for _, n := range r.Notes {
		kind := "note"
		if n.Breaks {
			kind = "error"
		}
		p.line("", 0, "%s: %s: %s", n.At, kind, n.Text)
		if n.Hint != "" {
			p.line("", 2, "hint: %s", n.Hint)
		}
	}
	if len(r.Notes) > 0 {
		p.b.WriteString("\n")
	}
	for _, h := range r.Credentials {
		p.credential(h)
	}
	if len(r.Credentials) > 0 {
		p.b.WriteString("\n")
	}
	for _, e := range r.Endpoints {
		p.endpoint(e, r)
	}
	return p.b.String()
}

// headline is the verdict as a sentence.
func (r *Report) headline() string {
	n := map[string]int{}
	for _, e := range r.Endpoints {
		n[e.Verdict]++
	}
	breaks := 0
	for _, note := range r.Notes {
		if note.Breaks {
			breaks++
		}
	}
	var parts []string
	add := func(count int, one, many string) {
		switch {
		case count == 1:
			parts = append(parts, one)
		case count > 1:
			parts = append(parts, fmt.Sprintf(many, count))
		}
	}
	add(breaks, "1 error in the submit file", "%d errors in the submit file")
	add(n[Refused], "1 service would refuse the token", "%d services would refuse the token")
	add(n[Accepted], "1 service would accept it", "%d services would accept it")
	add(n[Unknown], "1 cannot be judged", "%d cannot be judged")
	if len(parts) == 0 {
		parts = []string{"the jobs use no service that can be checked"}
	}
	state := "ok"
	if !r.OK() {
		state = "fail"
	}
	return fmt.Sprintf("%s: %s: %s (%s)", r.File, state, strings.Join(parts, ", "), plural(r.Jobs, "job"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *page) credential(h *Credential) {
	what := "no token: " + errorText(h.Err)
	if h.Err == nil {
		what = "a token of " + h.Token.Issuer
		if h.Token.JWT() == nil {
			what = "a token that is not a JWT"
		}
		if !h.Token.Expires.IsZero() {
			what += ", expires " + h.Token.Expires.UTC().Format(time.RFC3339)
		}
	}
	p.line("", 0, "%s: token %s: %s", h.At, h.Name(), what)
	p.line(p.dim, 2, "requested: %s; audience %s", orNone(strings.Join(h.Scopes, " ")), orNone(h.Audience))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (p *page) endpoint(e *Endpoint, r *Report) {
	colour, mark := p.good, "ok"
	switch e.Verdict {
	case Refused:
		colour, mark = p.bad, "refused"
	case Unknown:
		colour, mark = p.bold, "unknown"
	}
	with := "without a token"
	if e.Credential != "" {
		with = "with " + e.Credential
	}
	jobs := ""
	if r.Jobs > 1 {
		jobs = fmt.Sprintf(" (%s, from job %d)", plural(e.Jobs, "job"), e.First)
	}
	p.line(colour, 0, "%s: %s: %s %s: %s%s", e.At, mark, e.What, with, e.Purpose, jobs)
	if e.Why != "" {
		p.line("", 2, "%s", e.Why)
	}
	for i, f := range e.Causes {
		p.finding(fmt.Sprintf("%d. ", i+1), f)
	}
	for _, f := range e.Remarks {
		p.finding("- ", f)
	}
}

func (p *page) finding(lead string, f finding.Finding) {
	p.line("", 2, "%s%s (%s)", lead, f.Message, f.Code)
	if f.Hint != "" {
		p.line("", 5, "hint: %s", f.Hint)
	}
	if f.Command != "" {
		p.command(7, f.Command)
	}
}

type findingJSON struct {
	Code    finding.Code `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Command string       `json:"command,omitempty"`
	Source  string       `json:"source,omitempty"`
}

type credentialJSON struct {
	Name     string   `json:"name"`
	Service  string   `json:"service"`
	Handle   string   `json:"handle,omitempty"`
	At       string   `json:"at"`
	Scopes   []string `json:"requestedScopes"`
	Audience string   `json:"requestedAudience,omitempty"`
	Issuer   string   `json:"issuer,omitempty"`
	Expires  string   `json:"expiresAt,omitempty"`
	Error    string   `json:"error,omitempty"`
	ExitCode int      `json:"exitCode,omitempty"`
}

type endpointJSON struct {
	Endpoint   string        `json:"endpoint"`
	Purpose    string        `json:"purpose"`
	Credential string        `json:"credential,omitempty"`
	At         string        `json:"at"`
	Jobs       int           `json:"jobs"`
	FirstJob   int           `json:"firstJob"`
	Service    string        `json:"service,omitempty"`
	Versions   string        `json:"versions,omitempty"`
	Verdict    string        `json:"verdict"`
	Reason     string        `json:"reason,omitempty"`
	Causes     []findingJSON `json:"causes"`
	Remarks    []findingJSON `json:"remarks,omitempty"`
}

type noteJSON struct {
	At     string `json:"at"`
	Breaks bool   `json:"error"`
	Text   string `json:"message"`
	Hint   string `json:"hint,omitempty"`
}

type reportJSON struct {
	APIVersion  string           `json:"apiVersion"`
	File        string           `json:"file"`
	Jobs        int              `json:"jobs"`
	Verdict     string           `json:"verdict"`
	ExitCode    int              `json:"exitCode"`
	Notes       []noteJSON       `json:"notes"`
	Credentials []credentialJSON `json:"credentials"`
	Endpoints   []endpointJSON   `json:"endpoints"`
}

// json is the report as one line of JSON.
func (r *Report) json() ([]byte, error) {
	out := reportJSON{APIVersion: text.APIVersion, File: r.File, Jobs: r.Jobs, Verdict: Accepted, ExitCode: r.Code,
		Notes: []noteJSON{}, Credentials: []credentialJSON{}, Endpoints: []endpointJSON{}}
	if !r.OK() {
		out.Verdict = Refused
	}
	for _, n := range r.Notes {
		out.Notes = append(out.Notes, noteJSON{n.At.String(), n.Breaks, n.Text, n.Hint})
	}
	for _, h := range r.Credentials {
		c := credentialJSON{Name: h.Name(), Service: h.Service, Handle: h.Handle, At: h.At.String(), Scopes: text.NonNil(h.Scopes), Audience: h.Audience, Issuer: h.Token.Issuer, Error: errorText(h.Err)}
		if h.Err != nil {
			c.ExitCode = cli.Explain(h.Err).Code
		}
		if !h.Token.Expires.IsZero() {
			c.Expires = h.Token.Expires.UTC().Format(time.RFC3339)
		}
		out.Credentials = append(out.Credentials, c)
	}
	for _, e := range r.Endpoints {
		out.Endpoints = append(out.Endpoints, endpointJSON{e.What, e.Purpose, e.Credential, e.At.String(), e.Jobs, e.First, e.Service, e.Versions, e.Verdict, e.Why,
			findingsJSON(e.Causes), findingsJSON(e.Remarks)})
	}
	b, err := json.Marshal(out)
	return append(b, '\n'), err
}

func findingsJSON(list []finding.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range list {
		out = append(out, findingJSON{f.Code, f.Message, f.Hint, f.Command, f.Source})
	}
	return out
}
