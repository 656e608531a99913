// Package scitokens implements the rules of scitokens-cpp, the library with which both
// HTCondor and XRootD verify tokens: signature, times, version claims, audience and scope
// claim. The meaning of scopes is defined by each server.
package scitokens

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Sources that rules cite more than once.
const (
	srcCPP      = "scitokens-cpp src/scitokens_internal.h"
	srcMeasured = "measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1"
	srcLibrary  = "measured with scitokens-cpp 0.7.3, 1.1.3 and 1.4.1"
	srcCondor   = "measured on HTCondor 23.9.6"
	srcXRootD   = "measured on XRootD 5.5.3 and 5.8.1"

	// WLCGSource is the profile document that rules cite.
	WLCGSource = "WLCG Common JWT Profile v1.3"
)

// Library judges tokens as scitokens-cpp does in one server.
type Library struct {
	// Version is the library's version. It does not depend on the server's version, because
	// the library is a separate package.
	Version service.Version
	// Audiences are the exact strings that the server accepts.
	Audiences []string
	// IssuersKnown means that the issuers in the server's configuration are checked, so no
	// remark on the issuer's spelling is needed.
	IssuersKnown bool
	// Remedy returns the command that gets a better token than the one presented, or "" if
	// there is none. It may be nil.
	Remedy func(service.Presented) string
}

// Judge returns what the library finds about a token, in the order in which it checks.
func (l Library) Judge(p service.Presented) []finding.Finding {
	var out []finding.Finding
	for _, r := range rules {
		out = append(out, r(l, p)...)
	}
	return out
}

var rules = []rule{parsed, signed, keyID, headerType, issuerNamed, times, notBefore, versioned, audience, scoped, separators, paths, identity}

func (l Library) command(p service.Presented) string {
	if l.Remedy == nil {
		return ""
	}
	return l.Remedy(p)
}

// A rule is one check of the library. Rules do not overlap: a missing claim is reported
// once.
type rule func(Library, service.Presented) []finding.Finding

func one(f finding.Finding) []finding.Finding { return []finding.Finding{f} }

// signed checks the algorithm: servers accept RS256 and ES256 only ("wrong algorithm").
func signed(_ Library, p service.Presented) (out []finding.Finding) {
	alg, _ := p.JWT.HeaderString("alg")
	switch {
	case p.JWT.Unsigned():
		return one(finding.NoSignature)
	case p.JWT.SignatureMissing():
		out = one(finding.CutOff)
	}
	switch {
	case strings.HasPrefix(alg, "HS"):
		return append(out, finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %s, a shared secret that no service has", finding.Brief(alg)),
			Hint: "the issuer must sign with ES256 or RS256", Source: WLCGSource + ", \"Token integrity\"; " + srcMeasured})
	case alg != "RS256" && alg != "ES256":
		return append(out, finding.Finding{Code: finding.AlgRefused, Message: fmt.Sprintf("the token is signed with %q, but servers accept only RS256 and ES256", finding.Brief(alg)),
			Hint: "the issuer must sign with ES256 or RS256", Source: srcCPP + ", Validator::get_public_key_pem"})
	}
	return out
}

// keyID checks kid. Without it, a server finds the key only if the issuer has just one.
func keyID(_ Library, p service.Presented) []finding.Finding {
	if _, ok := p.JWT.HeaderString("kid"); ok || p.JWT.Unsigned() {
		return nil
	}
	if slices.ContainsFunc(p.JWT.HeaderMembers(), func(m token.Member) bool { return m.Name == "kid" }) {
		return one(finding.Finding{Code: finding.KidMissing, Message: "the header's kid is not a string, so servers do not find the key",
			Hint: "the issuer must write the key ID as a string", Source: "RFC 7515 section 4.1.4; " + srcMeasured})
	}
	if p.KeyChecked {
		return nil
	}
	return one(finding.Finding{Code: finding.KidMissing, Remark: true, Message: "the header names no key: servers refuse the token if the issuer has several",
		Hint: "check the number of keys with --jwks FILE or --fetch-keys", Source: srcMeasured})
}

// headerType checks that typ is a string. Otherwise, the library throws an exception.
func headerType(_ Library, p service.Presented) []finding.Finding {
	members := p.JWT.HeaderMembers()
	for k := range members {
		if m := &members[k]; m.Name == "typ" && m.Value[0] != '"' {
			return one(finding.Finding{Code: finding.HeaderType, Message: "the header's typ is not a string: " + finding.Brief(string(m.Value)),
				Hint: "the issuer must write a string, such as JWT (servers report std::bad_cast)", Source: "RFC 7515 section 4.1.9; " + srcLibrary})
		}
	}
	return nil
}

// issuerNamed checks iss, which servers need to find the key.
func issuerNamed(l Library, p service.Presented) []finding.Finding {
	iss, ok := p.JWT.String("iss")
	if !ok || iss == "" {
		return one(service.MissingClaim(p.JWT, "iss", "the issuer must set it", srcMeasured))
	}
	if !strings.HasPrefix(iss, "https://") {
		return one(finding.Finding{Code: finding.IssNotHTTPS, Message: fmt.Sprintf("the issuer %q is not an https URL", text.Brief(iss, 200)),
			Hint: "request the token at the issuer's https address: servers fetch keys over https only", Source: srcCPP + ", get_public_keys_from_web"})
	}
	if strings.HasSuffix(iss, "/") && !l.IssuersKnown {
		return one(finding.Finding{Code: finding.IssSlash, Remark: true, Message: "the issuer ends with a slash, so the server's configuration must have the slash too",
			Hint: "check the server's configuration, which is compared byte for byte, with --mapfile or --scitokens-cfg", Source: srcMeasured})
	}
	return nil
}

// identity checks sub, by which servers map the token to a user, and jti, which must be a
// string if it is present.
func identity(_ Library, p service.Presented) []finding.Finding {
	if _, ok := p.JWT.String("jti"); !ok && p.JWT.Has("jti") {
		return one(service.MissingClaim(p.JWT, "jti", "the issuer must write it as a string", srcMeasured+": \"'jti' claim verification failed\""))
	}
	sub, ok := p.JWT.String("sub")
	switch {
	case !ok:
		return one(service.MissingClaim(p.JWT, "sub", "the issuer must set it (servers report std::bad_cast)", srcMeasured))
	case len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r > 0x7e || r < 0x20 }):
		return one(finding.Finding{Code: finding.SubForm, Remark: true, Message: "the subject is longer than 255 characters or not ASCII", Source: WLCGSource + ", \"sub\""})
	}
	return nil
}

// versioned checks the version claims, which determine the meaning of the scopes. Servers
// refuse unknown versions.
func versioned(_ Library, p service.Presented) []finding.Finding {
	var out []finding.Finding
	kind, what := ProfileOf(p.JWT)
	switch {
	case kind == Unknown:
		out = append(out, finding.Finding{Code: finding.VersionUnknown, Message: what + ", which is unknown to servers",
			Hint: "the issuer must write the string \"1.0\" as wlcg.ver or \"scitoken:2.0\" as ver", Source: srcCPP + ", Validator::verify; " + srcMeasured})
	case p.JWT.Has("ver") && p.JWT.Has("wlcg.ver") && kind != SciTokens1:
		out = append(out, finding.Finding{Code: finding.VersionBoth, Remark: true, Message: "the token has both ver and wlcg.ver: ver wins, and WLCG scopes do not count",
			Hint: "the issuer must write one of them", Source: srcXRootD})
	case kind == SciTokens1:
		// With SciTokens 1.0, servers refuse tokens with claims other than these.
		known := []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "opt", "ver"}
		subject := "the token has no version claim"
		if what != "" {
			subject = "the token has version " + what
		}
		for _, m := range p.JWT.Members() {
			if !slices.Contains(known, m.Name) {
				out = append(out, finding.Finding{Code: finding.VersionMissing, Message: fmt.Sprintf("%s, which does not allow the claim %q", subject, finding.Brief(m.Name)),
					Hint:   "the issuer must write wlcg.ver \"1.0\" or ver \"scitoken:2.0\"; at INDIGO IAM, register the client with the scope wlcg",
					Source: "SciTokens 1.0, \"claims\"; " + srcMeasured + ": \"claim verification is mandatory\""})
				break
			}
		}
	}
	return out
}

// scoped checks that the token has a scope claim, and that it is one string (RFC 8693
// section 4.2).
func scoped(_ Library, p service.Presented) []finding.Finding {
	raw := p.JWT.Raw("scope")
	switch {
	case raw == nil && p.JWT.Has("wlcg.groups"):
		return one(finding.Finding{Code: finding.GroupsOnly, Message: "the token has groups but no scope, and this service authorizes by scopes",
			Hint: "request capabilities, such as compute.read or storage.read:/", Source: srcMeasured + ": \"'scope' claim is mandatory\""})
	case raw == nil:
		f := service.MissingClaim(p.JWT, "scope", "request scopes, and check that this is not an ID token, which has none", srcMeasured+": \"'scope' claim is mandatory\"")
		return one(f)
	case raw[0] != '"':
		return one(finding.Finding{Code: finding.ScopeNotString, Message: "the scope claim is not a string: " + finding.Brief(string(raw)),
			Hint: "the issuer must write the scopes as one string, separated by spaces", Source: "RFC 8693 section 4.2; " + srcMeasured})
	}
	return nil
}
