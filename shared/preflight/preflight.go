// Package preflight judges the tokens that the jobs of a submit file would carry, at each
// service that the submit file names, before anything is submitted.
//
// The services judge by the same rules as in jwt-inspect: [condor.CE] and [xrootd.Server].
package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/token"
)

// Tokens gets the tokens that jobs carry.
type Tokens interface {
	// Token returns the token for a credential. Errors with a hint implement [cli.Explained].
	Token(ctx context.Context, c submit.Credential) (token.Token, error)
}

// Options are the inputs of a check besides the submit file.
type Options struct {
	Tokens Tokens
	// File reads the token that scitokens_file names.
	File func(name string) (token.Token, error)
	Now  func() time.Time
	// Program is the name of the helper, for the commands in hints.
	Program string
	// HTCondor and XRootD are the versions of the servers. The default is the newest known.
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
	// Err is the reason why there is no token.
	Err error
	// used means that a URL of the submit file names it.
	used bool
}

// Endpoint is one service that the jobs use, and the verdict about the token that they
// present there.
type Endpoint struct {
	// What is the URL, or HOST:PORT of a CE, as in the submit file. Purpose is the operation,
	// such as "read files".
	What, Purpose string
	// Credential is the name of the token's file without .use, or the file of the token
	// for a CE; empty if no token is presented.
	Credential string
	At         submit.Position
	// Jobs is the number of jobs that use it, and First the number of the first one.
	Jobs, First int
	// Implied means that no command names the service: it follows from the token's audience.
	Implied  bool
	last     int
	Service  string
	Versions string
	Verdict  string
	// Why is the reason why the verdict is unknown.
	Why             string
	Causes, Remarks []finding.Finding
	// code is the exit code of the error if the token could not be obtained.
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

// OK reports whether the check found no reason for the jobs to fail.
func (r *Report) OK() bool { return r.Code == cli.OK }

// check is a check in progress.
type check struct {
	Options
	report *Report
	seen   map[string]*Endpoint
}

// Check judges the jobs of a submit file.
func Check(ctx context.Context, name string, f *submit.File, o Options) (*Report, error) {
	c := &check{Options: o, report: &Report{File: name, Jobs: f.Total, Notes: slices.Clone(f.Notes)}, seen: map[string]*Endpoint{}}
	if o.HTCondor != (service.Version{}) && !o.HTCondor.Before(service.Version{Major: 24}) {
		for i := range c.report.Notes {
			n := &c.report.Notes[i]
			n.Breaks = n.Breaks || n.Text == submit.AfterQueue
		}
	}
	if o.HTCondor != (service.Version{}) && o.HTCondor.Before(service.Version{Major: 25}) {
		for i := range c.report.Notes {
			n := &c.report.Notes[i]
			n.Breaks = n.Breaks || n.Text == submit.NoQueue
		}
	}
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
				e.Jobs, e.Implied = f.Total, true // every job carries it
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
// not be obtained.
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

// endpoint returns the endpoint like e, and whether it is new.
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
