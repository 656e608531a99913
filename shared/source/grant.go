package source

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// GrantError means that a token differs from the request, with a finding for each
// difference. The token is neither printed nor cached.
type GrantError struct {
	Findings []finding.Finding
	// Granted are the scopes of the token, Missing the requested ones that it lacks.
	Granted, Missing []string
	// Hidden means that scopes are missing because the token, a JWT, has no scope claim.
	Hidden bool
	// FromIssuer means that the issuer granted the token just now.
	FromIssuer bool
	// Renewed means that the token came from a saved login. A new login may get what a
	// refresh does not.
	Renewed bool
	// Lifetime is how long the token is valid; 0 if that is unknown.
	Lifetime time.Duration
	// Offset is how far the issuer's clock is ahead of this machine's.
	Offset time.Duration
}

func (e *GrantError) Error() string {
	var problems []string
	for _, f := range e.Findings {
		if f.Code != finding.ScopeMissing {
			problems = append(problems, text.Foreign(f.Message, 300))
		}
	}
	if len(e.Missing) > 0 {
		problems = append([]string{e.short()}, problems...)
	}
	return strings.Join(problems, "; ")
}

func (e *GrantError) short() string {
	got, missing := text.Foreign(strings.Join(service.Demandable(e.Granted), " "), 300), strings.Join(e.Missing, " ")
	switch {
	case got == "":
		return "the token does not include the " + plural("scope", len(e.Missing)) + " " + missing
	case e.FromIssuer:
		return "the issuer granted " + got + " but not " + missing
	}
	return "the token includes " + got + " but not " + missing
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// ExitCode implements cli.Explained.
func (e *GrantError) ExitCode() int { return cli.GrantDiffer }

// Hints implements cli.Explained. The helper adds the hint about missing scopes, which
// contains its flags.
func (e *GrantError) Hints() []string {
	var out []string
	for _, f := range e.Findings {
		switch f.Code {
		case finding.Expired, finding.NotYetValid:
			if e.Offset.Abs() > leeway {
				side := "behind"
				if e.Offset < 0 {
					side = "ahead of"
				}
				out = append(out, "set this machine's clock: it is "+text.Duration(e.Offset.Abs())+" "+side+" the issuer's")
				continue
			}
		case finding.ScopeMissing, finding.AudMismatch, finding.AudMissing, finding.LifetimeShort:
			continue
		}
		if f.Hint != "" {
			out = append(out, f.Hint)
		}
	}
	return out
}

// Has reports whether the error has a finding with the code.
func (e *GrantError) Has(code finding.Code) bool {
	return slices.ContainsFunc(e.Findings, func(f finding.Finding) bool { return f.Code == code })
}

const (
	// leeway is how far this machine's clock may be behind the issuer's. Services check
	// the token with another clock, so one from the near future is accepted.
	leeway = time.Minute
	// worthNoting is the clock difference above which a note is printed.
	worthNoting = 2 * time.Second
)

// check compares a new token of a source against the request. It prints a note if the token
// allows more.
func (c *Chain) check(t token.Token, req token.Request, from kind) error {
	if err := checkCharacters(t); err != nil {
		return err
	}
	e, ahead := compare(t, req, c.env.Now())
	if e != nil {
		e.FromIssuer, e.Renewed = from.issued, from.renews
		if from.issued {
			e.Offset = c.env.Logins.Issuer.ClockOffset()
		}
		return e
	}
	if ahead > worthNoting {
		c.env.Note("this machine's clock is %s behind the issuer's", text.Duration(ahead))
	}
	c.noteWider(t, req)
	if t.Type != "" {
		c.env.Note("note: the issuer issued a token of type %s, which a service may reject as a bearer token", t.Type)
	}
	return nil
}

// Granted compares a token that the issuer granted just now against the request. The
// error is a [GrantError] if it differs. wider is what the token allows beyond the
// request, or empty.
func Granted(t token.Token, req token.Request, now time.Time) (wider string, err error) {
	if err := checkCharacters(t); err != nil {
		return "", err
	}
	e, _ := compare(t, req, now)
	if e != nil {
		e.FromIssuer = true
		return "", e
	}
	return excess(t, req), nil
}

// isPrintable reports whether a token consists of printable ASCII without spaces.
func isPrintable(raw string) bool {
	return !strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}

func checkCharacters(t token.Token) error {
	if !isPrintable(t.Raw()) || t.Raw() == "" {
		return fail(cli.Failed, "", "the source %s returned a token with characters that tokens cannot contain", t.Source)
	}
	return nil
}

// compare compares a token against the request. e is nil if the token satisfies it. ahead
// is how far the token's times are in the future.
func compare(t token.Token, req token.Request, now time.Time) (e *GrantError, ahead time.Duration) {
	if req.AnyLifetime {
		req.MinLifetime = 0
	}
	list, ahead := differences(t, req, now)
	list = slices.DeleteFunc(list, func(f finding.Finding) bool {
		return f.Code == finding.AudMismatch && slices.Contains(t.Audiences, token.AnyAudience)
	})
	if len(list) == 0 {
		return nil, ahead
	}
	e = &GrantError{Findings: list, Granted: t.Scopes}
	e.Lifetime, _ = t.Lifetime(now)
	for _, f := range list {
		if f.Code == finding.ScopeMissing {
			e.Missing = append(e.Missing, f.Missing...)
		}
	}
	e.Hidden = len(e.Missing) > 0 && t.JWT() != nil && !t.JWT().Has("scope")
	return e, ahead
}

// differences compares a token against the request. ahead is how far the token's times
// are in the future; up to leeway this is not a difference.
func differences(t token.Token, req token.Request, now time.Time) (list []finding.Finding, ahead time.Duration) {
	ahead = clockAhead(t, now)
	list = service.Check(t, service.Required{
		Issuer: req.Issuer, Audiences: req.Audiences, Scopes: req.Scopes, MinLifetime: req.MinLifetime,
	}, now)
	if ahead == math.MaxInt64 {
		list = append(list, finding.Finding{Code: finding.NotYetValid, Message: "the token's iat or nbf is beyond the year 9999"})
	}
	return slices.DeleteFunc(list, func(f finding.Finding) bool { return f.Code == finding.NotYetValid && ahead <= leeway }), ahead
}

// clockAhead returns how far the token's iat or nbf is in the future.
func clockAhead(t token.Token, now time.Time) time.Duration {
	var ahead time.Duration
	if j := t.JWT(); j != nil {
		for _, claim := range []string{"nbf", "iat"} {
			at, ok := j.Time(claim)
			switch {
			case ok:
				ahead = max(ahead, at.Sub(now))
			case farFuture(j.Raw(claim)):
				ahead = math.MaxInt64
			}
		}
	}
	return ahead
}

// farFuture reports whether a time is a number beyond the year 9999.
func farFuture(raw json.RawMessage) bool {
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f > 253402300799
}

// noteWider prints a note if a token allows more than was requested.
func (c *Chain) noteWider(t token.Token, req token.Request) {
	if more := excess(t, req); more != "" {
		c.env.Note("note: the token allows more than was requested: %s", more)
	}
}

// excess returns what a token allows beyond the request, or "".
func excess(t token.Token, req token.Request) string {
	var more []string
	if extra := token.MissingScopes(req.Scopes, service.Demandable(t.Scopes)); len(extra) > 0 && len(req.Scopes) > 0 {
		more = append(more, "it includes "+text.Foreign(strings.Join(extra, " "), 200))
	}
	if len(req.Audiences) > 0 && slices.Contains(t.Audiences, token.AnyAudience) {
		more = append(more, "it is valid at any service")
	}
	return strings.Join(more, ", and ")
}
