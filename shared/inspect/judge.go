package inspect

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// depth selects which checks are made.
type depth int

const (
	// claimsOnly checks only whether the claims are ambiguous.
	claimsOnly depth = iota
	// full makes all checks, which determine the exit code.
	full
	// none makes no checks.
	none
)

// judge checks tokens. It is built once, from the flags.
type judge struct {
	depth depth
	now   time.Time
	want  service.Required
	// service is the service that the flags name, or nil. judges are its rules, or those of
	// a service without a name.
	service service.Service
	judges  []func(service.Presented) []finding.Finding
	// target describes the service and the operation, and versions are the versions whose
	// rules are applied. Both are "" if there is no service. versionGiven means that the
	// version of the server or of its library was given. Otherwise, others is the service in
	// other versions.
	target, versions string
	versionGiven     bool
	others           []service.Service
	profile          string
	// origin describes how the reports are made.
	origin origin
	keys   keys
}

// verdict is the result for one token.
type verdict struct {
	kind      kindName
	findings  []finding.Finding
	signature string
	// code is the exit code for the token.
	code int
}

// verdict judges a token.
func (jd *judge) verdict(i input, j *token.JWT) verdict {
	v := verdict{kind: kindOf(j), signature: notChecked, code: cli.OK}
	switch jd.depth {
	case none:
		return v
	case full:
		jd.full(&v, i, j)
	case claimsOnly:
		v.findings = duplicates(j)
	}
	if j.Unsigned() {
		v.code = max(v.code, cli.NeedLogin)
	}
	return v
}

// full makes all checks.
func (jd *judge) full(v *verdict, i input, j *token.JWT) {
	sig := jd.keys.verify(j, i.raw, jd.want.Issuer)
	if jd.service != nil {
		// Servers ignore crit (measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1).
		for k := range sig.findings {
			sig.findings[k].Remark = sig.findings[k].Code == finding.CritUnknown
		}
	}
	shown := service.Presented{JWT: j, Size: len(i.raw), Now: jd.now, Skew: jd.want.Skew, Mode: i.mode, Form: i.form, Link: i.link, KeyChecked: sig.hadKeys}
	if sig.state == sigMissing {
		shown.Form = service.Bare // clients do not use tokens without a signature
	}
	var judged, kind []finding.Finding
	for _, judge := range jd.judges {
		judged = append(judged, judge(shown)...)
	}
	for k := range judged {
		if i.among && judged[k].Code == finding.FileForm {
			judged[k].Hint += "; -o ndjson judges the tokens of a list"
		}
	}
	others := service.Differing(jd.others, shown, judged, "if the server has another version, name it with --server-version and --scitokens-cpp")
	if v.kind.note != "" && !jd.understands(j) {
		f := finding.Finding{Code: finding.Kind, Remark: true, Message: v.kind.note, Hint: "request an access token", Source: "RFC 6749 section 1.4"}
		if v.kind.special && jd.service == nil {
			f.Hint, f.Source = "", ""
		}
		f, judged = finding.OfKind(f, judged)
		kind = append(kind, f)
	}
	list := finding.Merge(kind, sig.findings, judged, others)
	if jd.letsAllIn() != "" {
		for k := range list {
			list[k].Remark = true
		}
	}
	list = finding.Merge(list, jd.required(j), duplicates(j))
	for k := range list {
		// People remove the signature on purpose before they show a token.
		list[k].Remark = list[k].Remark || list[k].Code == finding.SignatureMissing
	}
	v.findings, v.signature, v.code = list, sig.state, sig.code
	if finding.AnyRefuses(list) {
		v.code = max(v.code, cli.Failed)
	}
}

// required checks the requirements of the user, in addition to those of a service.
func (jd *judge) required(j *token.JWT) []finding.Finding {
	list := service.Check(token.Decoded("", j), jd.want, jd.now)
	if jd.service != nil {
		// The service checks the times itself.
		list = slices.DeleteFunc(list, func(f finding.Finding) bool {
			return f.Code == finding.Expired || f.Code == finding.NotYetValid || f.Code == finding.TimeNotInteger
		})
	}
	if _, ok := j.Time("exp"); !ok && jd.want.MinLifetime > 0 {
		list = append(list, finding.Finding{Code: finding.ClaimMissing, Missing: []string{"exp"}, Message: "the token does not say when it expires",
			Hint: "the issuer must set exp, in seconds since 1970", Source: "RFC 7519 section 4.1.4"})
	}
	if !j.Has("exp") && jd.want.MinLifetime == 0 && jd.service == nil {
		list = append(list, finding.Finding{Code: finding.NeverExpires, Remark: true, Message: "the token has no exp, so it never expires: whoever copies it can use it until its key is replaced",
			Hint: "the issuer must set exp", Source: "RFC 7519 section 4.1.4"})
	}
	if jd.profile != "" {
		list = append(list, scitokens.CheckProfile(j, jd.profile)...)
	}
	return list
}

// understands reports whether the service also accepts tokens of this kind, although they
// are not access tokens.
func (jd *judge) understands(j *token.JWT) bool {
	special, ok := jd.service.(service.Special)
	return ok && special.Understands(j)
}

// letsAllIn returns the setting because of which the service admits all clients, or "".
func (jd *judge) letsAllIn() string {
	if open, ok := jd.service.(service.Open); ok {
		return open.LetsAllIn()
	}
	return ""
}

// setService sets the service that tokens are judged for.
func (jd *judge) setService(s service.Service, versionGiven bool) {
	jd.service, jd.versionGiven = s, versionGiven
	jd.want.Audiences = nil // the service checks them
	jd.target = fmt.Sprintf("%s (%s)", s.Name(), s.Purpose())
	v, ok := s.(service.Versioned)
	if !ok {
		return
	}
	jd.versions = v.Versions()
	if versionGiven {
		jd.target += ", " + jd.versions
		return
	}
	jd.versions += " (the newest known)"
	jd.others = v.Others()
}

// duplicates reports the first names that occur more than once.
func duplicates(j *token.JWT) (out []finding.Finding) {
	if !j.Duplicates() {
		return nil
	}
	check := func(what string, members []token.Member) {
		seen := map[string]int{}
		for _, m := range members {
			if seen[m.Name]++; seen[m.Name] == 2 && len(out) < 5 {
				out = append(out, finding.Finding{Code: finding.ClaimDuplicate, Remark: true,
					Message: fmt.Sprintf("the %s %q occurs more than once: jwt-inspect, HTCondor and XRootD use the last one", what, text.Brief(m.Name, 60)),
					Hint:    "the issuer must write it once, because other software may use the first one", Source: "RFC 7519 section 4, RFC 7515 section 4"})
			}
		}
	}
	check("claim", j.Members())
	check("header parameter", j.HeaderMembers())
	return out
}

// readFile reads and parses the file that a flag names, such as a configuration, and
// records its digest for the reports.
func (o *options) readFile(flag, name string, parse func([]byte) error) error {
	const most = 1 << 20
	b, err := func() ([]byte, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return io.ReadAll(io.LimitReader(f, most+1))
	}()
	switch {
	case err == nil && len(b) > most:
		err = fmt.Errorf("longer than %d bytes", most)
	case err == nil:
		o.files = append(o.files, digest(flag, name, b))
		err = parse(b)
	}
	if err != nil {
		return cli.Errorf(cli.Usage, "%s %s: %w", flag, text.OneLine(name), err)
	}
	return nil
}
