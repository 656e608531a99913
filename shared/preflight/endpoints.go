package preflight

import (
	"errors"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
	"example.org/token-helpers/shared/xrootd"
)

// purpose returns the operation in words.
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

// judgeStorage judges a token at a storage server. Writing means to create files. If the token
// does not allow replacing existing files, that is a remark.
func (c *check) judgeStorage(e *Endpoint, t submit.Transfer, held *Credential) {
	o := xrootd.Options{Access: "read", Version: c.XRootD, Flag: "the URL"}
	if t.Write {
		o.Access = "create"
	}
	s, err := xrootd.New(t.URL, o)
	if err != nil {
		e.conclude([]finding.Finding{{Code: finding.URLUnusable, Message: problem(err), Hint: "correct the URL"}})
		return
	}
	c.judge(e, s, held.Token, held.Err, c.XRootD != service.Version{})
	o.Access = "write"
	if over, err := xrootd.New(t.URL, o); err == nil && t.Write && e.Verdict == Accepted {
		for _, f := range over.Judge(c.presented(held.Token)) {
			if f.Refuses() {
				f.Remark = true
				e.Remarks = append(e.Remarks, f)
			}
		}
	}
	if aud, err := service.StorageAudience("the URL", t.URL); err == nil {
		e.remedies(held, aud, t)
	}
}

// problem returns the problem of a value. It omits the flag of a usage error, because the value
// comes from the submit file.
func problem(err error) string {
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return ue.Problem
	}
	return err.Error()
}

// missing returns the cause for a URL whose credential the job does not request.
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
	if !slices.ContainsFunc(c.report.Credentials, func(h *Credential) bool { return strings.EqualFold(h.Service, svc) }) {
		f.Command = "use_oauth_services = " + svc
	}
	return f
}

// withoutToken judges a URL that is transferred without a token. The verdict is Unknown unless
// the submit file requests a token for the server.
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
			// The plugin depends on the site.
			e.Verdict, e.Causes, e.Why = Unknown, nil, "HTCondor's plugin for "+scheme+":// chooses the token"
		}
	case !web:
		e.Verdict, e.Why = Unknown, "HTCondor's plugin for "+scheme+":// chooses the token"
	default:
		e.Verdict, e.Why = Unknown, "HTCondor sends no token with this URL; whether the server requires one is unknown"
	}
}

// grid judges the token of a job of the grid universe at its CE.
func (c *check) grid(j submit.Job) {
	e, isNew := c.endpoint(j, Endpoint{What: j.Collector.Text, Purpose: "submit jobs", Credential: j.TokenFile.Text, At: j.Collector.At})
	if !isNew {
		return
	}
	if j.TokenFile.Text == "" {
		e.Verdict, e.Why = Unknown, "the job names no token for the CE (scitokens_file); whether the CE accepts another authentication method is unknown"
		return
	}
	collector := j.Collector.Text
	if _, port, problem := service.HostPort(collector); problem == "" && port == 0 {
		collector += ":9618" // HTCondor's port; that of an HTCondor-CE is 9619
	}
	ce, err := condor.New(collector, condor.Options{Write: true, Version: c.HTCondor})
	if err != nil {
		e.Verdict, e.Causes = Refused, []finding.Finding{{Code: finding.URLUnusable, Message: "grid_resource: " + problem(err), Hint: "write it as grid_resource = condor SCHEDD CE.EXAMPLE.ORG:9619"}}
		return
	}
	t, err := c.File(j.TokenFile.Text)
	c.judge(e, ce, t, err, c.HTCondor != service.Version{})
	for i := range e.Causes {
		cause := &e.Causes[i]
		if cause.Code == finding.TokenUnavailable && errorCode(err) == cli.NeedLogin {
			cause.Hint, cause.Command = "get one with", c.Program+" --ce "+text.ShellWord(collector)
		}
		if cause.Command != "" {
			cause.Command += " --file " + text.ShellWord(j.TokenFile.Text)
		}
	}
	e.code = errorCode(err)
}

// errorCode returns the exit code of an error, or 0 if err is nil.
func errorCode(err error) int {
	if err == nil {
		return cli.OK
	}
	return cli.Explain(err).Code
}

// unused judges a token that no URL names, at the service that its requested audience and
// scopes are for.
func (c *check) unused(held *Credential) {
	j := submit.Job{}
	aud := held.Audience
	if list := held.Token.Audiences; aud == "" && len(list) > 0 && list[0] != token.AnyAudience {
		aud = list[0] // from the configuration
	}
	scheme, rest, isURL := strings.Cut(aud, "://")
	compute := slices.ContainsFunc(held.scopes(), func(s string) bool { return strings.HasPrefix(s, "compute.") || strings.HasPrefix(s, "condor:") })
	switch {
	case aud != "" && (compute || !isURL):
		// Compute scopes with a URL such as https://ce.example.org:9619 are for a CE.
		if isURL {
			aud, _, _ = strings.Cut(rest, "/")
		}
		if c.compute(held, aud) {
			return
		}
	case scheme == "https" || scheme == "root":
		for _, t := range intended(held, aud) {
			if e, isNew := c.endpoint(j, Endpoint{What: t.URL, Purpose: purpose(t.Write), Credential: held.Name(), At: held.At}); isNew {
				c.judgeStorage(e, t, held)
			}
		}
		return
	}
	e, _ := c.endpoint(j, Endpoint{What: orNone(held.Audience), Purpose: "any operation", Credential: held.Name(), At: held.At})
	c.granted(e, held)
}

// compute judges a token at the CE that its audience names. It returns false if the audience
// is not a CE.
func (c *check) compute(held *Credential, host string) bool {
	write := slices.ContainsFunc(held.scopes(), func(s string) bool {
		return s == "compute.create" || s == "compute.modify" || s == "compute.cancel" || strings.EqualFold(s, "condor:/WRITE")
	})
	want, err := condor.Audience(host)
	if err != nil {
		return false
	}
	ce, err := condor.New(host, condor.Options{Write: write, Version: c.HTCondor})
	if err != nil {
		return false
	}
	e, _ := c.endpoint(submit.Job{}, Endpoint{What: want, Purpose: ce.Purpose(), Credential: held.Name(), At: held.At})
	c.judge(e, ce, held.Token, held.Err, c.HTCondor != service.Version{})
	e.remedies(held, want, submit.Transfer{})
	for i := range e.Causes {
		if f := &e.Causes[i]; f.Code == finding.ScopeMissing || f.Code == finding.WriteIncomplete {
			f.Hint, f.Command = "request it in the submit file", held.Command("permissions")+" = "+joined(held.scopes(), f.Missing)
		}
	}
	return true
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
