package condor

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// srcIDToken cites the source of the rules for IDTOKENs.
const srcIDToken = "HTCondor manual, \"Token Authentication\"; src/condor_io/condor_auth_passwd.cpp"

// kind implements the Kind of [Ecosystem]: it recognizes IDTOKENs.
func kind(j *token.JWT) (name, note string) {
	if !isIDToken(j) {
		return "", ""
	}
	return "HTCondor IDTOKEN", "an IDTOKEN is only for the HTCondor pool that issued it: it belongs in ~/.condor/tokens.d with mode 0600, not in BEARER_TOKEN"
}

// isIDToken reports whether a token is an IDTOKEN, which HTCondor itself issues and signs
// with a secret of the pool. Its issuer is the pool's TRUST_DOMAIN, which is not a URL, and
// it has no audience.
func isIDToken(j *token.JWT) bool {
	alg, _ := j.HeaderString("alg")
	iss, ok := j.String("iss")
	return strings.HasPrefix(alg, "HS") && ok && iss != "" && !strings.Contains(iss, "://") && !j.Has("aud") && j.Has("sub")
}

// Understands implements [service.Special]. HTCondor also accepts IDTOKENs.
func (c *CE) Understands(j *token.JWT) bool { return isIDToken(j) }

// judgeIDToken checks the expiry and the scopes of an IDTOKEN. Only the daemons of its pool
// can verify the signature.
func (c *CE) judgeIDToken(p service.Presented) []finding.Finding {
	iss, _ := p.JWT.String("iss")
	out := one(finding.Finding{Code: finding.IDToken, Remark: true, Source: srcIDToken,
		Message: fmt.Sprintf("the token is an IDTOKEN of the HTCondor pool %s: only daemons that have its signing key can verify it", finding.Brief(iss)),
		Hint:    "put it into ~/.condor/tokens.d (or /etc/condor/tokens.d for daemons) with mode 0600, not into BEARER_TOKEN; HTCondor uses it for the methods TOKEN and IDTOKENS"})
	out = append(out, idTokenTimes(p)...)
	list, ok := p.JWT.Scopes()
	if !ok || !slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "condor:/") }) {
		return out // not limited
	}
	read, write := levels(list)
	if c.write && !write || !c.write && !read {
		want := map[bool]string{false: condorRead, true: condorWrite}[c.write]
		out = append(out, finding.Finding{Code: finding.ScopeMissing, Missing: []string{want}, Source: srcIDToken,
			Message: fmt.Sprintf("the scopes of the IDTOKEN do not allow %s: it lacks %s", c.doing(), want),
			Hint:    "create one without limits, or with this level: condor_token_fetch -authz " + strings.TrimPrefix(want, "condor:/")})
	}
	return out
}

// levels returns which access the scopes condor:/LEVEL allow.
func levels(list []string) (read, write bool) {
	for _, s := range list {
		r, w := includes(strings.TrimPrefix(s, "condor:/"))
		read, write = read || r, write || w
	}
	return read, write
}

func idTokenTimes(p service.Presented) []finding.Finding {
	if !p.JWT.Has("exp") {
		return one(finding.Finding{Code: finding.NeverExpires, Remark: true, Message: "the token has no exp, so it never expires: whoever copies it can use it until the pool's signing key is replaced",
			Hint: "create tokens with a lifetime: condor_token_fetch -lifetime SECONDS", Source: srcIDToken})
	}
	list := service.Check(token.Decoded("", p.JWT), service.Required{Skew: p.Skew}, p.Now)
	return slices.DeleteFunc(list, func(f finding.Finding) bool { return f.Code == finding.SignatureMissing })
}
