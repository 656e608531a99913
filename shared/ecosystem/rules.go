package ecosystem

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Presented is a token as it is shown to a service.
type Presented struct {
	JWT *token.JWT
	// Size is the token's length in bytes.
	Size int
	// Now is the service's clock, Skew how far off it may be.
	Now  time.Time
	Skew time.Duration
	// Mode is that of the file the token is in; 0 where there is none. Wrapped says
	// that more than white space stands around it there, Link that the file is a symbolic
	// link.
	Mode          fs.FileMode
	Wrapped, Link bool
	// KeyChecked says that the signature was checked against the issuer's keys, which
	// answers what can only be a remark without them.
	KeyChecked bool
}

// Service is what a token is held against: one door of one server, and what is to
// be done there.
type Service struct {
	// Name is the service in words.
	Name string
	// Audiences are those that it takes, each exactly as it stands; see [Service.Accept].
	Audiences []string
	// Access is read, write or create; Path where, on a storage server.
	Access, Path string
	// Version is the server's; the zero value is today's.
	Version Version
	// Paths, where set, are the places on the server that a scope's path names: the
	// base_path of its scitokens.cfg. Without it a path is itself.
	Paths func(issuer, scopePath string) []string
	// ScopePaths, where set, are the paths that a scope has to carry for a place on the
	// server. Without it a place is itself.
	ScopePaths func(issuer, place string) []string

	// ask is the helper's command that asks for the audience.
	ask string
	// pathNamed says that Path was.
	pathNamed bool
	// web says that there is no login before the authorisation.
	web   bool
	rules []rule
}

// Judge holds a token against a service. The findings stand in the order in which
// the service comes upon them; those that are no [Finding.Remark] refuse the token.
func (s *Service) Judge(p Presented) []Finding {
	var out []Finding
	for _, r := range s.rules {
		out = append(out, r(p, s)...)
	}
	return out
}

// Accept replaces the audiences that the service takes.
func (s *Service) Accept(audiences []string) {
	if len(audiences) > 0 && (len(s.Audiences) == 0 || !slices.Contains(audiences, s.Audiences[0])) {
		program, _, _ := strings.Cut(s.ask, " ")
		s.ask = program + " --aud " + text.ShellWord(audiences[0])
	}
	s.Audiences = audiences
}

// command gets a token for what is to be done at the service, of the same profile as
// this one.
func (s *Service) command(p Presented) string {
	kind, _ := profile(p.JWT)
	c := s.ask
	if s.Path == "" {
		if kind != profileWLCG && kind != profileUnknown {
			c += " --profile scitokens"
		}
		if s.Access == "read" {
			c += " --read"
		}
		return c
	}
	if kind == profileWLCG {
		c += " --profile wlcg"
	}
	switch {
	case s.Access == "create" && kind == profileWLCG:
		c += " --read --create"
	case s.Access != "read":
		c += " --write"
	}
	if place := s.scopePath(p); place != "/" {
		c += " --path " + text.ShellWord(place)
	}
	return c
}

// scopePath is the path that a scope has to carry: as narrow as one can name it, for a
// blank would end the scope, and what is encoded is never decoded.
func (s *Service) scopePath(p Presented) string {
	place := s.Path
	if s.ScopePaths != nil {
		iss, _ := p.JWT.String("iss")
		if list := s.ScopePaths(iss, s.Path); len(list) > 0 {
			place = list[0]
		}
	}
	for place != "/" && (&url.URL{Path: place}).EscapedPath() != place {
		place = path.Dir(place)
	}
	return place
}

// Purpose is what is to be done at the service, in words.
func (s *Service) Purpose() string {
	switch {
	case s.Path != "" && s.Access == "create":
		return "to make " + s.Path
	case s.Path != "":
		return "to " + s.Access + " " + s.Path
	case s.Access == "write":
		return "to submit jobs"
	}
	return "to look at jobs"
}

// A rule is one thing that a service looks at. It finds nothing in what another
// rule answers for: a claim that is missing is found once.
type rule func(Presented, *Service) []Finding

// Version is a server's version, such as 5.6.9. The zero value is today's.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads MAJOR[.MINOR[.PATCH]] as packages are numbered: a leading v or an
// epoch is left out, and what follows the numbers.
func ParseVersion(s string) (Version, error) {
	core := strings.TrimPrefix(s, "v")
	if _, rest, ok := strings.Cut(core, ":"); ok {
		core = rest // Debian's epoch
	}
	if i := strings.IndexFunc(core, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i > 0 {
		core = core[:i]
	}
	var n [3]int
	parts := strings.Split(core, ".")
	if len(parts) > 3 {
		parts = parts[:3]
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return Version{}, &UsageError{"--server-version", strconv.Quote(s) + " is not a version", "--server-version 5.6.9"}
		}
		n[i] = int(v)
	}
	if n == [3]int{} {
		return Version{}, &UsageError{"--server-version", strconv.Quote(s) + " is not a version", "--server-version 5.6.9"}
	}
	return Version{n[0], n[1], n[2]}, nil
}

// Before reports whether v is older than o. Today's version is older than none.
func (v Version) Before(o Version) bool {
	if v == (Version{}) {
		return false
	}
	return slices.Compare([]int{v.Major, v.Minor, v.Patch}, []int{o.Major, o.Minor, o.Patch}) < 0
}

// String is the version as it is written; empty for today's.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// The sources that rules cite more than once. scitokens-cpp is the library with
// which both HTCondor and XRootD read tokens.
const (
	srcCPP      = "scitokens-cpp src/scitokens_internal.h"
	srcWLCG     = "WLCG Common JWT Profile v1.3"
	srcMeasured = "measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1"
	srcCondor   = "measured on HTCondor 23.9.6"
	srcXRootD   = "measured on XRootD 5.5.3 and 5.8.1"
)

// profileOf is the profile by which scitokens-cpp reads a token.
type profileOf int

const (
	profileUnknown    profileOf = iota // a version that it refuses
	profileSciTokens1                  // no version claim, or scitokens:1.0
	profileSciTokens2
	profileWLCG
	profileATJWT // RFC 9068
)

// profile decides as scitokens-cpp does: ver before wlcg.ver, then the header's typ
// (Validator::verify).
func profile(j *token.JWT) (profileOf, string) {
	if j.Has("ver") {
		v, ok := j.String("ver")
		switch {
		case ok && (v == "scitoken:2.0" || v == "scitokens:2.0"):
			return profileSciTokens2, v
		case ok && v == "scitokens:1.0": // and not scitoken:1.0
			return profileSciTokens1, v
		case ok:
			return profileUnknown, fmt.Sprintf("ver is %q", v)
		}
		return profileUnknown, "ver is not a string"
	}
	if j.Has("wlcg.ver") {
		v, ok := j.String("wlcg.ver")
		switch {
		case ok && v == "1.0":
			return profileWLCG, v
		case ok:
			return profileUnknown, fmt.Sprintf("wlcg.ver is %q", v)
		}
		return profileUnknown, "wlcg.ver is not a string"
	}
	if typ, _ := j.HeaderString("typ"); typ == "at+jwt" || typ == "application/at+jwt" {
		return profileATJWT, ""
	}
	return profileSciTokens1, ""
}

func one(f Finding) []Finding { return []Finding{f} }

// signed: neither server takes an unsigned token, nor one signed with anything but
// RS256 or ES256 ("wrong algorithm").
func signed(p Presented, _ *Service) []Finding {
	alg, _ := p.JWT.HeaderString("alg")
	switch {
	case p.JWT.Unsigned():
		return one(Unsigned)
	case strings.HasPrefix(alg, "HS"):
		return one(Finding{Code: "alg-refused", Message: fmt.Sprintf("the token is signed with %s, a shared secret that no service has", alg),
			Hint: "the issuer has to sign with ES256 or RS256", Source: srcWLCG + ", \"Token integrity\"; " + srcMeasured})
	case alg != "RS256" && alg != "ES256":
		return one(Finding{Code: "alg-refused", Message: fmt.Sprintf("the token is signed with %q, and servers know RS256 and ES256", alg),
			Hint: "the issuer has to sign with ES256 or RS256", Source: srcCPP + ", Validator::get_public_key_pem"})
	}
	return nil
}

// keyID: without kid a server finds the key only where the issuer has just one.
func keyID(p Presented, _ *Service) []Finding {
	if _, ok := p.JWT.HeaderString("kid"); ok || p.JWT.Unsigned() {
		return nil
	}
	if slices.ContainsFunc(p.JWT.HeaderMembers(), func(m token.Member) bool { return m.Name == "kid" }) {
		return one(Finding{Code: "kid-missing", Message: "the header's kid is not a string, and no server reads it",
			Hint: "the issuer has to write the key's id as a string", Source: "RFC 7515 section 4.1.4; " + srcMeasured})
	}
	if p.KeyChecked {
		return nil
	}
	return one(Finding{Code: "kid-missing", Remark: true, Message: "the header names no key: servers refuse it where the issuer has several",
		Hint: "check with --jwks FILE or --fetch-keys how many there are", Source: srcMeasured})
}

// issuerNamed: without iss no key can be found.
func issuerNamed(p Presented, _ *Service) []Finding {
	iss, ok := p.JWT.String("iss")
	if !ok || iss == "" {
		return one(missingClaim(p.JWT, "iss", "the issuer has to name itself", srcMeasured))
	}
	if !strings.HasPrefix(iss, "https://") {
		return one(Finding{Code: "iss-not-https", Message: fmt.Sprintf("the issuer %q is not an https URL", iss),
			Hint: "ask for a token at the issuer's https address, over which alone servers fetch its keys", Source: srcCPP + ", get_public_keys_from_web"})
	}
	if strings.HasSuffix(iss, "/") {
		return one(Finding{Code: "iss-slash", Remark: true, Message: "the issuer ends in a slash, which the server's configuration must have too",
			Hint: "the map file or scitokens.cfg is compared as it stands: --mapfile and --scitokens-cfg check it", Source: srcMeasured})
	}
	return nil
}

func missingClaim(j *token.JWT, claim, hint, source string) Finding {
	msg := fmt.Sprintf("the token has no %s claim", claim)
	if j.Has(claim) {
		msg = fmt.Sprintf("the %s claim is not of the right kind: %s", claim, brief(string(j.Raw(claim))))
	}
	return Finding{Code: "claim-missing", Message: msg, Missing: []string{claim}, Hint: hint, Source: source}
}

func brief(s string) string { return text.Brief(s, 60) }

// times: exp and iat are demanded, whole seconds, and no skew is allowed; a token
// from the future is told as "token expired".
func times(p Presented, _ *Service) []Finding {
	var out []Finding
	for _, claim := range []string{"exp", "iat", "nbf"} {
		raw := string(p.JWT.Raw(claim))
		if raw == "" {
			if claim != "nbf" {
				out = append(out, missingClaim(p.JWT, claim, "the issuer has to set it", srcMeasured))
			}
			continue
		}
		seconds, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			out = append(out, Finding{Code: "time-not-integer", Message: fmt.Sprintf("%s is %s, and servers take whole seconds alone", claim, brief(raw)),
				Hint: "the issuer has to write it as an integer (server: std::bad_cast)", Source: srcCondor})
			continue
		}
		at := serverTime(seconds)
		ended := claim == "exp" && !at.After(p.Now.Add(-p.Skew))
		early := claim != "exp" && at.After(p.Now.Add(p.Skew))
		switch {
		case at.Unix() != seconds:
			out = append(out, Finding{Code: "time-range", Remark: !ended && !early, Message: fmt.Sprintf("%s is %d seconds, which servers misread as %s", claim, seconds, at.Format(time.RFC3339)),
				Hint: "the issuer has to write seconds since 1970: are these milliseconds?", Source: "RFC 7519 section 2, NumericDate; " + srcMeasured})
		case ended:
			out = append(out, Finding{Code: "expired", Message: fmt.Sprintf("the token ended at %s, %s ago", at.Format(time.RFC3339), text.Duration(p.Now.Sub(at))),
				Hint: "get a new token; if it is new, check the clock", Source: srcMeasured + ": \"token expired\", no leeway"})
		case early:
			out = append(out, Finding{Code: "not-yet-valid", Message: fmt.Sprintf("the token is not valid before %s, in %s (%s)", at.Format(time.RFC3339), text.Duration(at.Sub(p.Now)), claim),
				Hint: "check this machine's clock against the issuer's; the server words it \"token expired\"", Source: srcMeasured})
		}
	}
	return out
}

// serverTime is what servers make of a time: they count in nanoseconds, whose 64 bits
// run over in 2262 (std::chrono::system_clock in jwt-cpp, decoded_jwt::get_expires_at).
func serverTime(seconds int64) time.Time { return time.Unix(0, seconds*int64(time.Second)).UTC() }

// notBefore: scitokens-cpp before 1.0.0 demands nbf, but of at+jwt. The library is
// a package of its own: that servers before since have the older one is likely, and
// no more.
func notBefore(since Version) rule {
	return func(p Presented, s *Service) []Finding {
		if kind, _ := profile(p.JWT); p.JWT.Has("nbf") || kind == profileATJWT {
			return nil
		}
		f := missingClaim(p.JWT, "nbf", "servers with scitokens-cpp before 1.0.0 demand it: let the issuer set it, a minute back",
			"measured on XRootD 5.5.3 with scitokens-cpp 0.7.3")
		f.Remark = !s.Version.Before(since)
		return one(f)
	}
}

// identity: sub is what the token is mapped by, and jti has to be a string where it
// is there at all.
func identity(p Presented, _ *Service) []Finding {
	if _, ok := p.JWT.String("jti"); !ok && p.JWT.Has("jti") {
		return one(missingClaim(p.JWT, "jti", "it has to be a string", srcMeasured+": \"'jti' claim verification failed\""))
	}
	sub, ok := p.JWT.String("sub")
	switch {
	case !ok:
		return one(missingClaim(p.JWT, "sub", "the issuer has to name the subject (server: std::bad_cast)", srcMeasured))
	case len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r > 0x7e || r < 0x20 }):
		return one(Finding{Code: "sub-form", Remark: true, Message: "the subject is not ASCII of at most 255 characters", Source: srcWLCG + ", \"sub\""})
	}
	return nil
}

// versioned: the version decides what the scopes mean; one that is not known is
// refused.
func versioned(p Presented, _ *Service) []Finding {
	var out []Finding
	kind, what := profile(p.JWT)
	switch {
	case kind == profileUnknown:
		out = append(out, Finding{Code: "version-unknown", Message: what + ", which servers do not know",
			Hint: "it has to be wlcg.ver \"1.0\" or ver \"scitoken:2.0\", as strings", Source: srcCPP + ", Validator::verify; " + srcMeasured})
	case p.JWT.Has("ver") && p.JWT.Has("wlcg.ver"):
		out = append(out, Finding{Code: "version-both", Remark: true, Message: "the token has both ver and wlcg.ver: ver wins, and WLCG's scopes do not count",
			Hint: "let the issuer write one profile", Source: srcXRootD})
	case kind == profileSciTokens1:
		// SciTokens 1.0 refuses what it does not know; these it does.
		known := []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "opt", "ver"}
		lead := "there is no version claim"
		if what != "" {
			lead = "the version is " + what
		}
		for _, m := range p.JWT.Members() {
			if !slices.Contains(known, m.Name) {
				out = append(out, Finding{Code: "version-missing", Message: fmt.Sprintf("%s, and then the claim %q is not allowed", lead, brief(m.Name)),
					Hint:   "the issuer has to write wlcg.ver \"1.0\" or ver \"scitoken:2.0\"; at INDIGO IAM a client registered with the scope wlcg gets it",
					Source: "SciTokens 1.0, \"claims\"; " + srcMeasured + ": \"claim verification is mandatory\""})
				break
			}
		}
	}
	return out
}

// The audiences that stand for any service, each in its own profile alone
// (scitokens-cpp, Validator::verify; measured on both servers). AnyAudience is that of
// the WLCG profile (Common JWT Profile, "aud").
const (
	AnyAudience  = "https://wlcg.cern.ch/jwt/v1/any"
	anySciTokens = "ANY"
)

// Unsigned is what is found of a token without a signature, wherever one is looked at.
var Unsigned = Finding{Code: "unsigned", Message: "the token is not signed: no service takes it",
	Hint: "use the access token: INDIGO IAM's refresh tokens look like this one", Source: "RFC 7518 section 3.6"}

// audience: one of aud's strings must be one of the server's, byte for byte.
func audience(p Presented, s *Service) []Finding {
	kind, _ := profile(p.JWT)
	got, ok := p.JWT.Audiences()
	if !p.JWT.Has("aud") {
		if len(s.Audiences) == 0 && kind != profileWLCG && kind != profileSciTokens2 {
			return nil
		}
		return one(Finding{Code: "aud-missing", Message: "the token has no aud claim, and names no service",
			Hint: audienceHint(s, ""), Command: s.command(p), Missing: s.Audiences, Source: srcMeasured})
	}
	if !ok {
		return one(missingClaim(p.JWT, "aud", "it has to be a string or a list of strings", "RFC 7519 section 4.1.3"))
	}
	if slices.ContainsFunc(got, func(a string) bool { return slices.Contains(s.Audiences, a) }) {
		return nil
	}
	for _, a := range got {
		if a == AnyAudience && kind == profileWLCG || a == anySciTokens && kind == profileSciTokens2 {
			return one(Finding{Code: "aud-any", Remark: true, Message: "the token is good for any service, so that each one it is shown to can use it at all others",
				Hint: "ask for one for this service alone", Command: s.command(p), Source: srcWLCG + ", \"aud\"; " + srcMeasured})
		}
	}
	near := ""
	for _, a := range got {
		for _, w := range s.Audiences {
			if near == "" {
				near = nearMiss(a, w)
			}
		}
	}
	shown := "an empty list"
	if len(got) > 0 {
		shown = briefAudiences(got)
	}
	return one(Finding{Code: "aud-mismatch", Message: fmt.Sprintf("the token's audience is %s, not %s", shown, orNone(s.Audiences)), Missing: s.Audiences,
		Hint: audienceHint(s, near), Command: s.command(p), Source: "RFC 7519 section 4.1.3, compared byte for byte: " + srcMeasured})
}

// briefAudiences words the token's: in quotes where one is not a plain word.
func briefAudiences(list []string) string {
	var out []string
	for _, a := range list[:min(len(list), 5)] {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			a = strconv.Quote(a)
		}
		out = append(out, text.Brief(a, 200))
	}
	if len(list) > 5 {
		out = append(out, "…")
	}
	return strings.Join(out, " ")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "one that the server has"
	}
	return strings.Join(list, " or ")
}

func audienceHint(s *Service, near string) string {
	if len(s.Audiences) == 0 {
		return "the server has no audience of its own: only tokens for any service pass"
	}
	if near != "" {
		return near
	}
	return "ask for a token for it"
}

// nearMiss says in what an audience differs from the one that was meant.
func nearMiss(got, want string) string {
	g, w := takeApart(got), takeApart(want)
	shorter := func(long, short string) bool {
		return short != "" && net.ParseIP(long) == nil && strings.HasPrefix(long, short+".")
	}
	var differ []string
	add := func(is bool, what string) {
		if is {
			differ = append(differ, what)
		}
	}
	switch {
	case got == AnyAudience:
		return "the any-value of WLCG counts with wlcg.ver 1.0 alone"
	case strings.EqualFold(got, anySciTokens):
		return "ANY counts with ver scitoken:2.0 alone, in capitals"
	case got != want && strings.TrimSpace(got) == want:
		return "only white space around it differs"
	case slices.Contains(strings.Fields(got), want):
		return "several audiences stand in one string: they have to be a list"
	case !strings.EqualFold(strings.TrimSuffix(g.host, "."), strings.TrimSuffix(w.host, ".")):
		switch {
		case shorter(g.host, w.host):
			return "the token is for the host's full name: was " + g.host + " meant?"
		case shorter(w.host, g.host):
			return "the host's short name is not its full name"
		}
		return ""
	}
	add(g.scheme != w.scheme, fmt.Sprintf("the scheme (the token has %s, the service %s)", word(g.scheme), word(w.scheme)))
	add(g.port != w.port, fmt.Sprintf("the port (the token has %s, the service %s)", word(g.port), word(w.port)))
	add(!strings.EqualFold(g.host, w.host), "a dot at the host's end")
	add(g.host != w.host && strings.EqualFold(g.host, w.host), "upper and lower case")
	add(g.rest != w.rest, "what follows the host")
	if len(differ) == 0 {
		return ""
	}
	return "the host is right, and only this differs: " + strings.Join(differ, ", ")
}

// place is an audience that names a host: [scheme://]host[:port][rest].
type place struct{ scheme, host, port, rest string }

func takeApart(a string) (p place) {
	if scheme, rest, ok := strings.Cut(a, "://"); ok {
		p.scheme, a = scheme+"://", rest
	}
	if i := strings.IndexByte(a, '/'); i >= 0 {
		a, p.rest = a[:i], a[i:]
	}
	p.host = a
	if h, port, err := net.SplitHostPort(a); err == nil {
		p.host, p.port = h, port
	}
	p.host = strings.Trim(p.host, "[]")
	return p
}

func word(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// scoped: scope is demanded, as one string (RFC 8693 section 4.2).
func scoped(p Presented, _ *Service) []Finding {
	raw := p.JWT.Raw("scope")
	switch {
	case raw == nil && p.JWT.Has("wlcg.groups"):
		return one(Finding{Code: "groups-only", Message: "the token has groups but no scope: this service goes by scopes",
			Hint: "ask for capabilities: compute.read, storage.read:/ and the like", Source: srcMeasured + ": \"'scope' claim is mandatory\""})
	case raw == nil:
		f := missingClaim(p.JWT, "scope", "ask for scopes; an ID token has none: is it one?", srcMeasured+": \"'scope' claim is mandatory\"")
		return one(f)
	case raw[0] != '"':
		return one(Finding{Code: "scope-not-string", Message: "the scope claim is not a string: " + brief(string(raw)),
			Hint: "the issuer has to write the scopes as one string with spaces between them", Source: "RFC 8693 section 4.2; " + srcMeasured})
	}
	return nil
}

// profileRange: what the WLCG profile recommends and no server refuses.
func profileRange(p Presented, _ *Service) []Finding {
	kind, _ := profile(p.JWT)
	if kind != profileWLCG {
		return nil
	}
	var out []Finding
	if !p.JWT.Has("jti") {
		f := missingClaim(p.JWT, "jti", "", srcWLCG+", \"jti\"")
		f.Remark = true
		out = append(out, f)
	}
	exp, ok1 := p.JWT.Time("exp")
	iat, ok2 := p.JWT.Time("iat")
	if life := exp.Sub(iat); ok1 && ok2 && (life < 15*time.Minute || life > 6*time.Hour) {
		f := Finding{Code: "lifetime-range", Remark: true, Message: "the token's lifetime is " + text.Duration(life) + ", outside the 15 minutes to 6 hours of the profile",
			Source: srcWLCG + ", \"Token lifetime guidance\""}
		if life < 0 {
			f.Message = "the token ends before it was issued"
		}
		out = append(out, f)
	}
	return out
}

// fileForm: the clients send what is in the file as it stands, but for white space.
func fileForm(p Presented, _ *Service) []Finding {
	if !p.Wrapped {
		return nil
	}
	return one(Finding{Code: "file-form", Message: "more than the token stands in its file, such as \"Bearer\" or quotes, and clients send it as it is",
		Hint: "put the token alone into the file", Source: "WLCG Bearer Token Discovery, step 2; " + srcMeasured})
}

// tooLong: how much of a token a client or server reads.
func tooLong(limit int, source string) rule {
	return func(p Presented, _ *Service) []Finding {
		if p.Size <= limit {
			return nil
		}
		return one(Finding{Code: "too-long", Message: fmt.Sprintf("the token is %d bytes long, and at most %d are read", p.Size, limit),
			Hint: "ask for fewer scopes, or for no groups", Source: source})
	}
}

// Profile holds a token against what its profile demands of it, whether a server
// does or not: wlcg (Common JWT Profile v1.3) or scitokens (SciTokens 2.0).
func Profile(j *token.JWT, name string) []Finding {
	required, source, want, member := []string{"sub", "exp", "iss", "aud", "iat", "jti"}, srcWLCG+", \"Claims\"", profileWLCG, `wlcg.ver "1.0"`
	if name == "scitokens" {
		required, source, want, member = []string{"iss", "aud", "exp", "iat", "nbf", "scope"}, "SciTokens 2.0, \"Claims\"", profileSciTokens2, `ver "scitoken:2.0"`
	}
	var out []Finding
	if kind, _ := profile(j); kind != want {
		out = append(out, Finding{Code: "profile-mismatch", Message: fmt.Sprintf("the token is not of the %s profile: it lacks %s", name, member),
			Hint: "ask the issuer for this profile, or see how the client is registered", Source: source})
	}
	for _, claim := range required {
		if !j.Has(claim) {
			out = append(out, missingClaim(j, claim, "the profile demands it", source))
		}
	}
	return out
}
