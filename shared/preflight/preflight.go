// Package preflight judges the tokens that the jobs of a submit file would carry, at each
// service that the submit file names, before anything is submitted.
//
// The services judge by the same rules as in jwt-inspect: [condor.CE] and [xrootd.Server].
package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
	"example.org/token-helpers/shared/xrootd"
)

// Tokens gets the tokens that jobs carry.
type Tokens interface {
	// Token returns the token for a credential. Its errors are those of cli.Explained if
	// they know what to do.
	Token(ctx context.Context, c submit.Credential) (token.Token, error)
}

// Options are what a check depends on besides the submit file.
type Options struct {
	Tokens Tokens
	// File reads the token that scitokens_file names.
	File func(name string) (token.Token, error)
	Now  func() time.Time
	// Program is the name of the helper, for the commands in hints.
	Program string
	// HTCondor and XRootD are the versions of the servers, the newest known by default.
	HTCondor, XRootD service.Version
}

// The verdicts about an endpoint.
const (
	Accepted = "ok"
	Refused  = "fail"
	// Unknown means that the endpoint cannot be judged.
	Unknown = "unknown"
)

// Credential is a token that the jobs would carry.
type Credential struct {
	submit.Credential
	Token token.Token
	// Err is why there is none.
	Err error
	// used says that a URL of the submit file names it.
	used bool
}

// Endpoint is one service that the jobs use, and the verdict about the token that they
// present there.
type Endpoint struct {
	// What is the URL, or HOST:PORT of a CE, as it is in the submit file; Purpose the
	// operation, such as "read files".
	What, Purpose string
	// Credential is the name of the token's file without .use, or the file of the token
	// for a CE; empty if no token is presented.
	Credential string
	At         submit.Position
	// Jobs is how many of the jobs use it, and First the number of the first one.
	Jobs, First int
	last        int
	Service     string
	Versions    string
	Verdict     string
	// Why says why the verdict is unknown.
	Why             string
	Causes, Remarks []finding.Finding
	// code is the exit code of the error for which there is no token.
	code int
}

// Report is the result of a check.
type Report struct {
	File        string
	Jobs        int
	Credentials []*Credential
	Endpoints   []*Endpoint
	Notes       []submit.Note
	// Code is the exit code.
	Code int
}

// OK reports whether nothing was found that makes the jobs fail.
func (r *Report) OK() bool { return r.Code == cli.OK }

// check collects a report.
type check struct {
	Options
	report *Report
	seen   map[string]*Endpoint
}

// Check judges the jobs of a submit file.
func Check(ctx context.Context, name string, f *submit.File, o Options) (*Report, error) {
	c := &check{Options: o, report: &Report{File: name, Jobs: f.Total, Notes: f.Notes}, seen: map[string]*Endpoint{}}
	for _, cred := range f.Credentials {
		held := &Credential{Credential: cred}
		held.Token, held.Err = o.Tokens.Token(ctx, cred)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.report.Credentials = append(c.report.Credentials, held)
	}
	for _, j := range f.Jobs {
		for _, t := range j.Transfers {
			c.transfer(j, t)
		}
		if j.Collector.Text != "" {
			c.grid(j)
		}
	}
	for _, held := range c.report.Credentials {
		if !held.used {
			n := len(c.report.Endpoints)
			c.unused(held)
			for _, e := range c.report.Endpoints[n:] {
				e.Jobs = f.Total // every job carries it
			}
		}
	}
	if f.Total > len(f.Jobs) {
		c.report.Notes = append(c.report.Notes, submit.Note{At: submit.Position{File: name, Line: 1}, Text: fmt.Sprintf("only the first %d of %d jobs were checked", len(f.Jobs), f.Total),
			Hint: "check the others with a shorter list of items"})
	}
	c.report.Code = c.code()
	return c.report, nil
}

// code returns the exit code: 1 if a check failed, else that of the first token that could
// not be had.
func (c *check) code() int {
	code := cli.OK
	for _, held := range c.report.Credentials {
		if code == cli.OK {
			code = errorCode(held.Err)
		}
	}
	for _, e := range c.report.Endpoints {
		held := c.credential(e.Credential)
		switch {
		case e.Verdict != Refused, held != nil && held.Err != nil:
		case e.code != cli.OK:
			code = cmp.Or(code, e.code)
		default:
			code = cli.Failed
		}
	}
	for _, n := range c.report.Notes {
		if n.Breaks {
			code = cli.Failed
		}
	}
	return code
}

// endpoint returns the endpoint for a key, and whether it is new.
func (c *check) endpoint(j submit.Job, e Endpoint) (*Endpoint, bool) {
	key := strings.Join([]string{e.What, e.Purpose, e.Credential}, "\x00")
	if old, ok := c.seen[key]; ok {
		if old.last != j.Proc {
			old.Jobs, old.last = old.Jobs+1, j.Proc
		}
		return old, false
	}
	e.Jobs, e.First, e.last = 1, j.Proc, j.Proc
	c.seen[key] = &e
	c.report.Endpoints = append(c.report.Endpoints, &e)
	return &e, true
}

// credential returns the token with a name, or nil.
func (c *check) credential(name string) *Credential {
	i := slices.IndexFunc(c.report.Credentials, func(h *Credential) bool { return h.Name() == name })
	if i < 0 {
		return nil
	}
	return c.report.Credentials[i]
}

// purpose is the operation in words.
func purpose(write bool) string {
	if write {
		return "write files"
	}
	return "read files"
}

// plain are the schemes of storage servers whose rules are known.
var plain = []string{"https", "davs", "root", "roots", "xroot", "xroots"}

// transfer judges a URL that a file is transferred from or to.
func (c *check) transfer(j submit.Job, t submit.Transfer) {
	e, isNew := c.endpoint(j, Endpoint{What: t.Given, Purpose: purpose(t.Write), Credential: t.Credential, At: t.At})
	held := c.credential(t.Credential)
	if held != nil {
		held.used = true
	}
	if !isNew {
		return
	}
	scheme, _, _ := strings.Cut(t.URL, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case t.Credential == "":
		c.withoutToken(e, t, scheme)
		return
	case held == nil:
		e.Verdict, e.Causes = Refused, []finding.Finding{c.missing(t)}
		return
	case scheme == "dav" || scheme == "davs":
		// Measured with curl_plugin of 23.9.6 and 25.14.1.
		e.Verdict, e.Causes = Refused, []finding.Finding{{Code: finding.URLUnusable, Message: "HTCondor does not transfer " + scheme + ":// with a token: protocol not supported",
			Hint: "write https for it", Command: strings.Replace(t.Given, "+"+scheme+"://", "+https://", 1), Source: "measured on HTCondor 23.9.6 and 25.14.1"}}
		return
	case !slices.Contains(plain, scheme):
		e.Verdict, e.Why = Unknown, "the rules of servers for "+scheme+":// are not known"
		return
	}
	c.judgeStorage(e, t, held)
}

// judgeStorage judges a token at a storage server.
func (c *check) judgeStorage(e *Endpoint, t submit.Transfer, held *Credential) {
	access := "read"
	if t.Write {
		access = "write"
	}
	s, err := xrootd.New(t.URL, xrootd.Options{Access: access, Version: c.XRootD, Flag: "the URL"})
	if err != nil {
		e.Verdict, e.Causes = Refused, []finding.Finding{{Code: finding.URLUnusable, Message: err.Error(), Hint: "correct the URL"}}
		return
	}
	c.judge(e, s, held.Token, held.Err, c.XRootD != service.Version{})
	if aud, err := service.StorageAudience("the URL", t.URL); err == nil {
		e.remedies(held, aud, t)
	}
}

// missing is the cause for a URL whose credential the job does not carry.
func (c *check) missing(t submit.Transfer) finding.Finding {
	f := finding.Finding{Code: finding.CredentialMissing, Message: "the URL names the token " + t.Credential + ", which the job does not request: there will be no file " + t.Credential + ".use",
		Source: "measured on HTCondor 23.9.6 and 25.14.1: Unable to open credential file"}
	for _, held := range c.report.Credentials {
		if strings.EqualFold(held.Name(), t.Credential) {
			f.Hint = "write it in the same case as the request"
			f.Command = strings.ReplaceAll(held.Name(), "_", ".") + strings.TrimPrefix(t.Given, strings.ReplaceAll(t.Credential, "_", "."))
			return f
		}
	}
	svc, handle, _ := strings.Cut(t.Credential, "_")
	f.Hint = "request it in the submit file"
	f.Command = submit.Credential{Service: svc, Handle: handle}.Command("permissions") + " = SCOPE"
	if !slices.ContainsFunc(c.report.Credentials, func(h *Credential) bool { return h.Service == svc }) {
		f.Command = "use_oauth_services = " + svc
	}
	return f
}

// withoutToken judges a URL that is transferred without a token. Only if the submit file
// itself requests a token for the server is it clear that the server wants one.
func (c *check) withoutToken(e *Endpoint, t submit.Transfer, scheme string) {
	if !slices.Contains(plain, scheme) && scheme != "http" {
		e.Verdict, e.Why = Unknown, "HTCondor's plugin for "+scheme+":// chooses the token"
		return
	}
	web := scheme == "https" || scheme == "http" || scheme == "davs"
	aud, _ := service.StorageAudience("the URL", t.URL)
	var meant *Credential
	for _, held := range c.report.Credentials {
		if aud != "" && (held.Audience == aud || slices.Contains(held.Token.Audiences, aud)) {
			meant = held
			break
		}
	}
	switch {
	case meant != nil:
		f := finding.Finding{Code: finding.CredentialMissing, Message: "HTCondor sends no token with this URL, although the job carries the token " + meant.Name() + " for its server",
			Hint: "write the token's name in front of the URL, with a dot for the underscore", Command: strings.ReplaceAll(meant.Name(), "_", ".") + "+" + t.Given,
			Source: "measured on HTCondor 23.9.6 and 25.14.1"}
		meant.used = true
		e.Verdict, e.Causes = Refused, []finding.Finding{f}
		if !web {
			// What a plugin of the site does is not known.
			e.Verdict, e.Causes, e.Why = Unknown, nil, "HTCondor's plugin for "+scheme+":// chooses the token"
		}
	case !web:
		e.Verdict, e.Why = Unknown, "HTCondor's plugin for "+scheme+":// chooses the token"
	default:
		e.Verdict, e.Why = Unknown, "HTCondor sends no token with this URL; whether the server wants one is not known"
	}
}

// grid judges the token of a job of the grid universe at its CE.
func (c *check) grid(j submit.Job) {
	e, isNew := c.endpoint(j, Endpoint{What: j.Collector.Text, Purpose: "submit jobs", Credential: j.TokenFile.Text, At: j.Collector.At})
	if !isNew {
		return
	}
	if j.TokenFile.Text == "" {
		e.Verdict, e.Why = Unknown, "the job names no token for the CE (scitokens_file); whether the CE accepts another authentication is not known"
		return
	}
	ce, err := condor.New(j.Collector.Text, condor.Options{Write: true, Version: c.HTCondor})
	if err != nil {
		e.Verdict, e.Causes = Refused, []finding.Finding{{Code: finding.URLUnusable, Message: "grid_resource: " + strings.TrimPrefix(err.Error(), "--ce: "), Hint: "write it as grid_resource = condor SCHEDD CE.EXAMPLE.ORG:9619"}}
		return
	}
	t, err := c.File(j.TokenFile.Text)
	c.judge(e, ce, t, err, c.HTCondor != service.Version{})
	for i := range e.Causes {
		cause := &e.Causes[i]
		if cause.Code == finding.TokenUnavailable && errorCode(err) == cli.NeedLogin {
			cause.Hint, cause.Command = "get one with", c.Program+" --ce "+text.ShellWord(j.Collector.Text)
		}
		if cause.Command != "" {
			cause.Command += " --file " + text.ShellWord(j.TokenFile.Text)
		}
	}
	e.code = errorCode(err)
}

// errorCode is the exit code of an error; 0 if there is none.
func errorCode(err error) int {
	if err == nil {
		return cli.OK
	}
	return cli.Explain(err).Code
}

// unused judges a token that no URL names by what the submit file requests it for: its
// audience and its scopes.
func (c *check) unused(held *Credential) {
	j := submit.Job{}
	aud := held.Audience
	scheme, _, isURL := strings.Cut(aud, "://")
	switch {
	case aud == "":
		e, _ := c.endpoint(j, Endpoint{What: held.Name(), Purpose: "any service", Credential: held.Name(), At: held.At})
		c.granted(e, held)
	case isURL && (scheme == "https" || scheme == "root"):
		for _, t := range intended(held, aud) {
			if e, isNew := c.endpoint(j, Endpoint{What: t.URL, Purpose: purpose(t.Write), Credential: held.Name(), At: held.At}); isNew {
				c.judgeStorage(e, t, held)
			}
		}
	case isURL:
		e, _ := c.endpoint(j, Endpoint{What: aud, Purpose: "any operation", Credential: held.Name(), At: held.At})
		c.granted(e, held)
	default:
		write := slices.ContainsFunc(held.scopes(), func(s string) bool {
			return s == "compute.create" || s == "compute.modify" || s == "compute.cancel" || s == "condor:/WRITE"
		})
		ce, err := condor.New(aud, condor.Options{Write: write, Version: c.HTCondor})
		if err != nil {
			e, _ := c.endpoint(j, Endpoint{What: aud, Purpose: "any operation", Credential: held.Name(), At: held.At})
			c.granted(e, held)
			return
		}
		e, _ := c.endpoint(j, Endpoint{What: aud, Purpose: ce.Purpose(), Credential: held.Name(), At: held.At})
		c.judge(e, ce, held.Token, held.Err, c.HTCondor != service.Version{})
		want, err := condor.Audience(aud)
		if err == nil {
			e.remedies(held, want, submit.Transfer{})
		}
		for i := range e.Causes {
			if e.Causes[i].Code == finding.ScopeMissing || e.Causes[i].Code == finding.WriteIncomplete {
				all := joined(held.scopes(), e.Causes[i].Missing)
				e.Causes[i].Hint, e.Causes[i].Command = "request it in the submit file", held.Command("permissions")+" = "+all
			}
		}
	}
}

// joined joins lists of scopes, each scope once.
func joined(lists ...[]string) string {
	var out []string
	for _, s := range slices.Concat(lists...) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// scopes are those that are requested, or else those of the token.
func (h *Credential) scopes() []string {
	if len(h.Scopes) > 0 {
		return h.Scopes
	}
	return h.Token.Scopes
}

// intended are the operations at a storage server that the scopes are for.
func intended(held *Credential, aud string) []submit.Transfer {
	var out []submit.Transfer
	for _, s := range held.scopes() {
		name, where, _ := strings.Cut(s, ":")
		t := submit.Transfer{URL: aud + where, Given: aud + where, Credential: held.Name(), At: held.At}
		switch name {
		case "read", "storage.read":
			out = append(out, t)
		case "write", "storage.modify":
			t.Write = true
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		out = append(out, submit.Transfer{URL: aud, Given: aud, Credential: held.Name(), At: held.At})
	}
	return out
}

// granted compares a token with what the submit file requests.
func (c *check) granted(e *Endpoint, held *Credential) {
	if c.unobtained(e, held.Err) {
		return
	}
	want := service.Required{Scopes: held.Scopes}
	if held.Audience != "" {
		want.Audiences = []string{held.Audience}
	}
	e.conclude(service.Check(held.Token, want, c.at(held.Token)))
}

// unobtained reports whether a token could not be had, and concludes so.
func (c *check) unobtained(e *Endpoint, err error) bool {
	if err == nil {
		return false
	}
	f := finding.Finding{Code: finding.TokenUnavailable, Message: err.Error()}
	var hints []string
	for _, h := range hintsOf(err) {
		lead, command, ok := strings.Cut(h, "\n  ")
		hints = append(hints, lead)
		if ok {
			f.Command = command
		}
	}
	f.Hint = strings.Join(hints, "; ")
	e.conclude([]finding.Finding{f})
	return true
}

// hintsOf are the hints of an error.
func hintsOf(err error) []string {
	var known cli.Explained
	if !errors.As(err, &known) {
		return nil
	}
	return known.Hints()
}

// judge judges a token at a service, in all versions that sites run unless one is given.
func (c *check) judge(e *Endpoint, s service.Service, t token.Token, err error, versionGiven bool) {
	e.Service = s.Name()
	if v, ok := s.(service.Versioned); ok {
		e.Versions = v.Versions()
	}
	if c.unobtained(e, err) {
		return
	}
	if t.JWT() == nil {
		e.Verdict, e.Why = Unknown, "the token is not a JWT, so that nothing is known about it"
		return
	}
	p := service.Presented{JWT: t.JWT(), Size: len(t.Raw()), Now: c.at(t)}
	list := s.Judge(p)
	if v, ok := s.(service.Versioned); ok && !versionGiven {
		list = append(list, others(v, p, list)...)
	}
	e.conclude(list)
}

// leeway is how far the issuer's clock may be ahead of this machine's: the job presents
// the token later.
const leeway = time.Minute

// at is the time that a token is judged at: now, or when it becomes valid if that is soon.
func (c *check) at(t token.Token) time.Time {
	now := c.Now()
	latest := now.Add(leeway)
	if t.JWT() == nil {
		return now
	}
	for _, claim := range []string{"iat", "nbf"} {
		if from, ok := t.JWT().Time(claim); ok && from.After(now) && !from.After(latest) {
			now = from
		}
	}
	return now
}

// others says which other version of a service decides differently.
func others(s service.Versioned, p service.Presented, list []finding.Finding) []finding.Finding {
	var out []finding.Finding
	for _, other := range s.Others() {
		theirs := other.Judge(p)
		if finding.AnyRefuses(theirs) == finding.AnyRefuses(list) {
			continue
		}
		f := finding.Finding{Code: finding.VersionDiffers, Remark: true, Message: other.(service.Versioned).Versions() + " accepts this token",
			Hint: "if the server has another version, name it with --htcondor-version or --xrootd-version", Source: "measured with both versions"}
		if i := slices.IndexFunc(theirs, finding.Finding.Refuses); i >= 0 {
			f.Message = fmt.Sprintf("%s refuses this token: %s", other.(service.Versioned).Versions(), theirs[i].Message)
		}
		out = append(out, f)
	}
	return out
}

// conclude sets the verdict.
func (e *Endpoint) conclude(list []finding.Finding) {
	e.Verdict = Accepted
	for _, f := range list {
		if f.Refuses() {
			e.Verdict = Refused
			e.Causes = append(e.Causes, f)
		} else {
			e.Remarks = append(e.Remarks, f)
		}
	}
}

// remedies names the line of the submit file to change where the token is what was
// requested, but not what the service demands.
func (e *Endpoint) remedies(held *Credential, aud string, t submit.Transfer) {
	for i := range e.Causes {
		f := &e.Causes[i]
		switch f.Code {
		case finding.AudMismatch, finding.AudMissing:
			f.Hint, f.Command = "request the audience of the server in the submit file", held.Command("resource")+" = "+aud
		case finding.ScopeMissing, finding.PathMismatch, finding.PathBase, finding.PathOutsideBase:
			if t.URL == "" {
				continue
			}
			f.Hint, f.Command = "request the path in the submit file", held.Command("permissions")+" = "+joined(held.Scopes, scopesFor(held, t))
		case finding.Expired:
			f.Hint = cmp.Or(f.Hint, "get a new token")
		}
	}
}

// scopesFor are the scopes for a transfer, spelled as the others of the token.
func scopesFor(held *Credential, t submit.Transfer) []string {
	name := map[bool]string{false: "read", true: "write"}[t.Write]
	for _, s := range append(slices.Clone(held.Scopes), held.Token.Scopes...) {
		if strings.HasPrefix(s, "storage.") {
			name = map[bool]string{false: "storage.read", true: "storage.modify"}[t.Write]
		}
	}
	_, rest, _ := strings.Cut(t.URL, "://")
	_, where, _ := strings.Cut(rest, "/")
	where, _, _ = strings.Cut(where, "?")
	dir := "/" + strings.Trim(where, "/")
	if i := strings.LastIndexByte(dir, '/'); i > 0 {
		dir = dir[:i]
	}
	p, err := service.ScopePath("the path", dir)
	if err != nil {
		p = "/PATH"
	}
	return []string{name + ":" + p}
}
