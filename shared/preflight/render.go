package preflight

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// paint is the colours of a report. All are empty if stdout is not a terminal.
type paint struct{ good, bad, dim, bold, off string }

// page builds the report as text.
type page struct {
	b     strings.Builder
	width int
	paint
	// remarks are the remarks that were shown already.
	remarks map[string]bool
}

// line adds an indented paragraph. The text is made printable before it is coloured.
func (p *page) line(colour string, indent int, format string, a ...any) {
	for _, l := range text.Wrap(text.OneLine(text.Printable(fmt.Sprintf(format, a...))), p.width-indent) {
		if colour != "" {
			l = colour + l + p.off
		}
		p.b.WriteString(strings.Repeat(" ", indent) + l + "\n")
	}
}

// command adds a command to be pasted. It is not wrapped.
func (p *page) command(indent int, s string) {
	p.b.WriteString(strings.Repeat(" ", indent) + text.OneLine(text.Printable(s)) + "\n")
}

// text returns the report as text.
func (r *Report) text(width int, colours bool) string {
	p := &page{width: width, remarks: map[string]bool{}}
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
	p.endpoints(r)
	return p.b.String()
}

// headline returns the verdict as a sentence.
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
	add(n[Refused], "1 check failed", "%d checks failed")
	add(n[Accepted], "1 check passed", "%d checks passed")
	add(n[Unknown], "1 check is not possible", "%d checks are not possible")
	if len(parts) == 0 {
		parts = []string{"the jobs use no tokens and no storage"}
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
	for _, hint := range hintsOf(h.Err) {
		lead, command, ok := strings.Cut(hint, "\n  ")
		p.line("", 2, "hint: %s", lead)
		if ok {
			p.command(4, command)
		}
	}
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

// maxAlike is how many endpoints with the same [Endpoint.alike] are shown.
const maxAlike = 3

// alike returns the line of the submit file, verdict and reasons. Only some of the endpoints
// that have these in common are shown.
func (e *Endpoint) alike() string {
	out := fmt.Sprintf("%s: %s with %s: %s", e.At, e.Verdict, orNone(e.Credential), e.Purpose)
	for _, f := range e.Causes {
		out += ", " + string(f.Code)
	}
	if e.Why != "" {
		out += ": " + e.Why
	}
	return out
}

// endpoints adds the verdicts. -o json has all of them.
func (p *page) endpoints(r *Report) {
	count, shown := map[string]int{}, map[string]int{}
	for _, e := range r.Endpoints {
		count[e.alike()]++
	}
	for _, e := range r.Endpoints {
		key := e.alike()
		shown[key]++
		switch n := shown[key]; {
		case n <= maxAlike || count[key] == maxAlike+1:
			p.endpoint(e, r)
		case n == maxAlike+1:
			p.line("", 0, "%s: %d more like these", key, count[key]-maxAlike)
		}
	}
}

func (p *page) endpoint(e *Endpoint, r *Report) {
	colour := map[string]string{Accepted: p.good, Refused: p.bad, Unknown: p.bold}[e.Verdict]
	with := "without a token"
	if e.Credential != "" {
		with = "with " + e.Credential
	}
	jobs := ""
	if r.Jobs > 1 {
		jobs = fmt.Sprintf(" (%s, from job %d)", plural(e.Jobs, "job"), e.First)
	}
	p.line(colour, 0, "%s: %s: %s %s: %s%s", e.At, e.Verdict, e.What, with, e.Purpose, jobs)
	if e.Why != "" {
		p.line("", 2, "%s", e.Why)
	}
	for i, f := range e.Causes {
		if f.Code == finding.TokenUnavailable && r.has(e.Credential) {
			f = finding.Finding{Code: f.Code, Message: "there is no token " + e.Credential + ": see above"}
		}
		p.finding(fmt.Sprintf("%d. ", i+1), f)
	}
	for _, f := range e.Remarks {
		// Most remarks are about the token, and are the same for each endpoint.
		if key := string(f.Code) + f.Message; !p.remarks[key] {
			p.remarks[key] = true
			p.line("", 2, "- %s (%s)", f.Message, f.Code)
		}
	}
}

// has reports whether a token is among the credentials. Their errors are shown above the
// endpoints.
func (r *Report) has(name string) bool {
	return slices.ContainsFunc(r.Credentials, func(h *Credential) bool { return h.Name() == name })
}

func (p *page) finding(lead string, f finding.Finding) {
	p.line("", 2, "%s%s (%s)", lead, f.Message, f.Code)
	if f.Hint != "" {
		p.line("", 2+len(lead), "hint: %s", f.Hint)
	}
	if f.Command != "" {
		p.command(4+len(lead), f.Command)
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
	Implied    bool          `json:"implied"`
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

// json returns the report as one line of JSON.
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
		out.Endpoints = append(out.Endpoints, endpointJSON{e.What, e.Purpose, e.Credential, e.At.String(), e.Jobs, e.First, e.Implied, e.Service, e.Versions, e.Verdict, e.Why,
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
