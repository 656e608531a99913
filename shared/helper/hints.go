package helper

import (
	"errors"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/login"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/text"
)

// explainGrant adds hints for a token that differs from the request.
func (p *plan) explainGrant(w *world, e *cli.Error, grant *source.GrantError) *cli.Error {
	switch {
	case len(grant.Missing) == 0:
	case grant.Hidden && grant.FromIssuer:
		_ = e.Hint("use a client that is registered with the scope wlcg: the issuer writes no scopes into its tokens")
	case grant.FromIssuer:
		_ = p.explainScopes(w, e, grant.Missing)
	default:
		_ = e.Hint("get the token from another source with --from, or request less")
	}
	if !grant.FromIssuer && (grant.Has(finding.AudMismatch) || grant.Has(finding.AudMissing)) {
		_ = e.Hint("check how this source requests an audience")
	} else if grant.Has(finding.AudMismatch) || grant.Has(finding.AudMissing) {
		switch w.logins.AudienceParameter {
		case "", "audience":
			_ = e.Hint("try --audience-parameter resource: this issuer may expect the audience in another parameter")
		default:
			_ = e.Hint("ask the issuer's administrators how a token for this audience is requested")
		}
		if grant.Renewed {
			_ = e.Hint("try --from device: some issuers accept an audience only when you log in")
		}
	}
	if grant.Has(finding.LifetimeShort) {
		// Slightly less, because time passes before the token arrives.
		if shorter := (grant.Lifetime * 9 / 10).Truncate(time.Second); grant.FromIssuer && shorter > 0 {
			_ = e.Hint("the issuer grants tokens that are valid for %s: use --min-lifetime %s, or ask its administrators for a longer lifetime", text.Duration(grant.Lifetime), shorter)
		} else {
			_ = e.Hint("request less with --min-lifetime, or ask the issuer's administrators for a longer lifetime")
		}
	}
	return e
}

// explainRefusal adds the login command, or a hint about the scopes that the issuer
// rejected.
func (p *plan) explainRefusal(w *world, e *cli.Error) error {
	var re *issuer.ResponseError
	if errors.As(e, &re) && re.ExitCode() == cli.NeedLogin {
		return e.Hint("log in with\n  %s", p.loginCommand())
	}
	if re == nil || re.Code != "invalid_scope" {
		return e
	}
	rejected := login.Named(re.Description, p.request.Scopes)
	if len(rejected) == 0 {
		rejected = p.request.Scopes
	}
	return p.explainScopes(w, e, rejected)
}
