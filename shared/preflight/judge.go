package preflight

import (
	"errors"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// unobtained reports whether err is not nil, that is, a token could not be obtained. It then
// sets the verdict.
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

// hintsOf returns the hints of an error.
func hintsOf(err error) []string {
	var known cli.Explained
	if !errors.As(err, &known) {
		return nil
	}
	return known.Hints()
}

// judge judges a token at a service. Unless a version is given, it adds a remark if another
// version that sites run decides differently.
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
	p := c.presented(t)
	list := s.Judge(p)
	if v, ok := s.(service.Versioned); ok && !versionGiven {
		list = append(list, service.Differing(v.Others(), p, list, "if the server has another version, name it with --htcondor-version or --xrootd-version")...)
	}
	e.conclude(list)
}

// presented returns a token as a job presents it.
func (c *check) presented(t token.Token) service.Presented {
	return service.Presented{JWT: t.JWT(), Size: len(t.Raw()), Now: c.at(t)}
}

// leeway is how far the issuer's clock may be ahead of the local clock: the job presents the
// token later.
const leeway = time.Minute

// at returns the time at which to judge a token: now, or when it becomes valid if that is
// within leeway.
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

// conclude sets the verdict, causes and remarks.
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
