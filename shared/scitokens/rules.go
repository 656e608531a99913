// Package scitokens holds the rules of scitokens-cpp, the library with which both
// HTCondor and XRootD read tokens: signature, times, version claims, audience and scope
// claim. What scopes mean to a server is the server's own matter.
package scitokens

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// Sources that rules cite more than once.
const (
	srcCPP      = "scitokens-cpp src/scitokens_internal.h"
	srcMeasured = "measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1"
	srcCondor   = "measured on HTCondor 23.9.6"
	srcXRootD   = "measured on XRootD 5.5.3 and 5.8.1"

	// WLCGSource is the profile document that rules cite.
	WLCGSource = "WLCG Common JWT Profile v1.3"
)

// Library judges tokens as scitokens-cpp does in one server.
type Library struct {
	// Version is the library's version, which is a package of its own.
	Version service.Version
	// Audiences are those that the server accepts, each exactly as it is written.
	Audiences []string
	// IssuersKnown says that the issuers in the server's configuration are checked, so that
	// a remark on the issuer's spelling is not needed.
	IssuersKnown bool
	// Remedy returns the command that gets a better token than the one presented; "" if
	// there is none. It may be nil.
	Remedy func(service.Presented) string
}

// Judge returns what the library finds about a token, in the order in which it checks.
func (l Library) Judge(p service.Presented) []finding.Finding {
	var out []finding.Finding
	for _, r := range []rule{signed, keyID, issuerNamed, times, notBefore, versioned, audience, scoped, identity} {
		out = append(out, r(l, p)...)
	}
	return out
}

func (l Library) command(p service.Presented) string {
	if l.Remedy == nil {
		return ""
	}
	return l.Remedy(p)
}

// A rule is one thing that the library looks at. It finds nothing in what another rule
// covers: a missing claim is found once.
type rule func(Library, service.Presented) []finding.Finding

func one(f finding.Finding) []finding.Finding { return []finding.Finding{f} }

// signed: neither server takes an unsigned token, nor one signed with anything but
// RS256 or ES256 ("wrong algorithm").
func signed(_ Library, p service.Presented) []finding.Finding {
	alg, _ := p.JWT.HeaderString("alg")
	switch {
	case p.JWT.Unsigned():
		return one(finding.NoSignature)
	case strings.HasPrefix(alg, "HS"):
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %s, a shared secret that no service has", alg),
			Hint: "the issuer has to sign with ES256 or RS256", Source: WLCGSource + ", \"Token integrity\"; " + srcMeasured})
	case alg != "RS256" && alg != "ES256":
		return one(finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %q, and servers know RS256 and ES256", alg),
			Hint: "the issuer has to sign with ES256 or RS256", Source: srcCPP + ", Validator::get_public_key_pem"})
	}
	return nil
}

// keyID: without kid a server finds the key only where the issuer has just one.
func keyID(_ Library, p service.Presented) []finding.Finding {
	if _, ok := p.JWT.HeaderString("kid"); ok || p.JWT.Unsigned() {
		return nil
	}
	if slices.ContainsFunc(p.JWT.HeaderMembers(), func(m token.Member) bool { return m.Name == "kid" }) {
		return one(finding.Finding{Code: finding.KidMissing, Message: "the header's kid is not a string, and no server reads it",
			Hint: "the issuer has to write the key's id as a string", Source: "RFC 7515 section 4.1.4; " + srcMeasured})
	}
	if p.KeyChecked {
		return nil
	}
	return one(finding.Finding{Code: finding.KidMissing, Remark: true, Message: "the header names no key: servers refuse it where the issuer has several",
		Hint: "check with --jwks FILE or --fetch-keys how many there are", Source: srcMeasured})
}

// issuerNamed: without iss no key can be found.
func issuerNamed(l Library, p service.Presented) []finding.Finding {
	iss, ok := p.JWT.String("iss")
	if !ok || iss == "" {
		return one(service.MissingClaim(p.JWT, "iss", "the issuer has to name itself", srcMeasured))
	}
	if !strings.HasPrefix(iss, "https://") {
		return one(finding.Finding{Code: finding.IssNotHTTPS, Message: fmt.Sprintf("the issuer %q is not an https URL", iss),
			Hint: "ask for a token at the issuer's https address, over which alone servers fetch its keys", Source: srcCPP + ", get_public_keys_from_web"})
	}
	if strings.HasSuffix(iss, "/") && !l.IssuersKnown {
		return one(finding.Finding{Code: finding.IssSlash, Remark: true, Message: "the issuer ends in a slash, which the server's configuration must have too",
			Hint: "the map file or scitokens.cfg is compared as it stands: --mapfile and --scitokens-cfg check it", Source: srcMeasured})
	}
	return nil
}

// identity: sub is what the token is mapped by, and jti has to be a string where it
// is there at all.
func identity(_ Library, p service.Presented) []finding.Finding {
	if _, ok := p.JWT.String("jti"); !ok && p.JWT.Has("jti") {
		return one(service.MissingClaim(p.JWT, "jti", "it has to be a string", srcMeasured+": \"'jti' claim verification failed\""))
	}
	sub, ok := p.JWT.String("sub")
	switch {
	case !ok:
		return one(service.MissingClaim(p.JWT, "sub", "the issuer has to name the subject (server: std::bad_cast)", srcMeasured))
	case len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r > 0x7e || r < 0x20 }):
		return one(finding.Finding{Code: finding.SubForm, Remark: true, Message: "the subject is not ASCII of at most 255 characters", Source: WLCGSource + ", \"sub\""})
	}
	return nil
}

// versioned: the version decides what the scopes mean; one that is not known is
// refused.
func versioned(_ Library, p service.Presented) []finding.Finding {
	var out []finding.Finding
	kind, what := ProfileOf(p.JWT)
	switch {
	case kind == Unknown:
		out = append(out, finding.Finding{Code: finding.VersionUnknown, Message: what + ", which servers do not know",
			Hint: "it has to be wlcg.ver \"1.0\" or ver \"scitoken:2.0\", as strings", Source: srcCPP + ", Validator::verify; " + srcMeasured})
	case p.JWT.Has("ver") && p.JWT.Has("wlcg.ver"):
		out = append(out, finding.Finding{Code: finding.VersionBoth, Remark: true, Message: "the token has both ver and wlcg.ver: ver wins, and WLCG's scopes do not count",
			Hint: "let the issuer write one profile", Source: srcXRootD})
	case kind == SciTokens1:
		// SciTokens 1.0 refuses what it does not know; these it does.
		known := []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "opt", "ver"}
		lead := "there is no version claim"
		if what != "" {
			lead = "the version is " + what
		}
		for _, m := range p.JWT.Members() {
			if !slices.Contains(known, m.Name) {
				out = append(out, finding.Finding{Code: finding.VersionMissing, Message: fmt.Sprintf("%s, and then the claim %q is not allowed", lead, finding.Brief(m.Name)),
					Hint:   "the issuer has to write wlcg.ver \"1.0\" or ver \"scitoken:2.0\"; at INDIGO IAM a client registered with the scope wlcg gets it",
					Source: "SciTokens 1.0, \"claims\"; " + srcMeasured + ": \"claim verification is mandatory\""})
				break
			}
		}
	}
	return out
}

// scoped: scope is demanded, as one string (RFC 8693 section 4.2).
func scoped(_ Library, p service.Presented) []finding.Finding {
	raw := p.JWT.Raw("scope")
	switch {
	case raw == nil && p.JWT.Has("wlcg.groups"):
		return one(finding.Finding{Code: finding.GroupsOnly, Message: "the token has groups but no scope: this service goes by scopes",
			Hint: "ask for capabilities: compute.read, storage.read:/ and the like", Source: srcMeasured + ": \"'scope' claim is mandatory\""})
	case raw == nil:
		f := service.MissingClaim(p.JWT, "scope", "ask for scopes; an ID token has none: is it one?", srcMeasured+": \"'scope' claim is mandatory\"")
		return one(f)
	case raw[0] != '"':
		return one(finding.Finding{Code: finding.ScopeNotString, Message: "the scope claim is not a string: " + finding.Brief(string(raw)),
			Hint: "the issuer has to write the scopes as one string with spaces between them", Source: "RFC 8693 section 4.2; " + srcMeasured})
	}
	return nil
}
