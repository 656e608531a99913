package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// judge is what tokens are held against, built once from the flags.
type judge struct {
	// checks says that something is checked: the exit code tells of it.
	checks bool
	want   service.Required
	// service is what the flags name; judges are what judges the token by it.
	service service.Service
	judges  []func(service.Presented) []finding.Finding
	version service.Version
	profile string
	keys    *jwks.Set
	// fetch gets an issuer's keys; nil unless told to. fetched keeps them.
	fetch   func(issuer string) (*jwks.Set, error)
	fetched map[string]fetchedKeys
}

func newJudge(env *cli.Env, g *grammar) (judge, error) {
	var flags []string
	var given []service.Target
	for i, t := range g.Plugins {
		flags = append(flags, ecosystems.All()[i].Flag)
		if t := t.(service.Target); t.Given() != "" {
			given = append(given, t)
		}
	}

	usage := func(format string, a ...any) (judge, error) {
		return judge{}, cli.Errorf(cli.Usage, format, a...).Hint("run 'jwt-inspect --help' to see the flags")
	}
	jd := judge{profile: g.Profile, want: service.Required{
		Issuer: g.Issuer, Audiences: g.Aud, Scopes: g.Scope, MinLifetime: time.Duration(g.MinLifetime), Skew: time.Duration(g.Skew),
	}}
	for _, a := range slices.Concat(g.Aud, g.Scope) {
		if strings.TrimSpace(a) == "" {
			return usage("--aud and --scope must not be empty")
		}
	}
	// As a token has them, and as --explain and the helpers take them.
	jd.want.Scopes = token.SplitScopes(strings.Join(g.Scope, " "))
	switch {
	case g.Diff && (g.Output != "" && g.Output != "text" || len(given) > 0 || g.JWKS != "" || g.FetchKeys || g.Issuer != "" ||
		g.Profile != "" || g.MinLifetime > 0 || len(g.Aud)+len(g.Scope) > 0):
		return usage("--diff compares and checks nothing: it goes without checks and formats")
	case g.JWKS != "" && g.FetchKeys:
		return usage("--jwks and --fetch-keys: give one of them")
	}
	read := func(flag, name string, parse func([]byte) error) error {
		b, err := readFile(name)
		if err == nil {
			err = parse(b)
		}
		if err != nil {
			return cli.Errorf(cli.Usage, "%s %s: %w", flag, text.OneLine(name), err)
		}
		return nil
	}
	var err error
	switch {
	case len(given) > 1:
		return usage("%s and %s: give one of them", given[0].Given(), given[1].Given())
	case len(given) == 0 && (g.Read || g.Write || g.ServerVersion != ""):
		return usage("--read, --write and --server-version go with %s", strings.Join(flags, " or "))
	case len(given) == 1:
		asked := service.Asked{Read: g.Read, Write: g.Write, Audiences: g.Aud, ReadFile: read}
		if g.ServerVersion != "" {
			asked.Version, err = service.ParseVersion("--server-version", g.ServerVersion)
		}
		if err == nil {
			jd.version = asked.Version
			jd.service, err = given[0].Service(asked)
		}
	}
	var ue *service.UsageError
	if errors.As(err, &ue) {
		return jd, cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	} else if err != nil {
		return jd, err
	}
	if jd.service != nil {
		jd.judges = append(jd.judges, jd.service.Judge)
		if jd.service.Name() == "" {
			jd.service = nil
		} else {
			jd.want.Audiences = nil
		}
	}
	if g.JWKS != "" {
		err = read("--jwks", g.JWKS, func(b []byte) (err error) {
			if jd.keys, err = jwks.Parse(b); err == nil && jd.keys.HoldsSecret() {
				env.Say("note: %s holds a secret key: keep it to yourself", g.JWKS)
			}
			return err
		})
	}
	if err != nil {
		return jd, err
	}
	if g.FetchKeys {
		if g.CAFile == "" && g.CAPath == "" {
			// What the token helpers are told.
			g.CAFile, g.CAPath = env.Getenv("TOKEN_HELPER_CAFILE"), env.Getenv("TOKEN_HELPER_CAPATH")
		}
		client := issuer.NewClient(issuer.HTTPOptions{CAFile: g.CAFile, CAPath: g.CAPath, Timeout: time.Duration(g.Timeout),
			LookupEnv: env.LookupEnv, UserAgent: cli.VersionString(env.Program)})
		if err := client.Ready(); err != nil {
			return jd, err
		}
		jd.fetched = map[string]fetchedKeys{}
		// For all of them together: a file of tokens must not hold the run up for ever.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Duration(g.Timeout))
		context.AfterFunc(ctx, cancel)
		jd.fetch = func(url string) (*jwks.Set, error) {
			b, err := client.Keys(ctx, url)
			if err != nil {
				return nil, err
			}
			return jwks.Parse(b)
		}
	}
	jd.checks = len(g.Aud) > 0 || len(g.Scope) > 0 || g.Issuer != "" || g.MinLifetime > 0 || g.Now != "" || g.Skew > 0 ||
		len(jd.judges) > 0 || jd.keys != nil || jd.fetch != nil || g.Profile != ""
	return jd, nil
}

// readFile reads a configuration, which is never as long as this.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20+1))
	if err == nil && len(b) > 1<<20 {
		err = errors.New(name + " is longer than 1 MB")
	}
	return b, err
}

// The states of a signature.
const (
	notChecked = "not checked"
	sigValid   = "valid"
	sigInvalid = "invalid"
	sigNone    = "none"
)

// duplicates are the names that stand more than once, the first of them.
func duplicates(j *token.JWT) (out []finding.Finding) {
	look := func(what string, members []token.Member) {
		seen := map[string]int{}
		for _, m := range members {
			if seen[m.Name]++; seen[m.Name] == 2 && len(out) < 5 {
				out = append(out, finding.Finding{Code: finding.ClaimDuplicate, Remark: true,
					Message: fmt.Sprintf("the %s %q stands more than once: here, and at the servers that were measured, the last one counts", what, text.Brief(m.Name, 60)),
					Hint:    "the issuer has to write it once, for others may take the first", Source: "RFC 7519 section 4, RFC 7515 section 4"})
			}
		}
	}
	look("claim", j.Members())
	look("header parameter", j.HeaderMembers())
	return out
}

// hints are in the place of those that the token helpers give for what they asked for.
var hints = map[finding.Code]string{
	finding.AudMismatch:   "ask for one with this audience: condor-token-helper and xrd-token-helper take --aud",
	finding.AudMissing:    "ask for one with this audience: condor-token-helper and xrd-token-helper take --aud",
	finding.ScopeMissing:  "ask for it, or ask the issuer who may have it",
	finding.LifetimeShort: "get a new token; how long it lives is the issuer's to say",
	finding.IssMismatch:   "ask the other issuer, or leave --issuer out",
}

// signature checks it, where there are keys or they can be had: what was found, the
// state of the signature, and whether keys were there. code is not [cli.OK] where the
// issuer's could not be had.
func (jd *judge) signature(j *token.JWT, raw string) (list []finding.Finding, state string, had bool, code int) {
	if j.Unsigned() {
		return nil, sigNone, jd.keys != nil, cli.OK
	}
	iss, _ := j.String("iss")
	keys := jd.keys
	// The issuer that was named is the only one that is asked then.
	if jd.fetch != nil && (jd.want.Issuer == "" || token.SameIssuer(iss, jd.want.Issuer)) {
		var err error
		if keys, err = jd.fetchKeys(iss); err != nil {
			code = cli.Failed
			if issuer.IsNetwork(err) {
				code = cli.Network
			}
			return []finding.Finding{{Code: finding.KeysUnavailable, Message: "the issuer's keys could not be had: " + err.Error(),
				Hint: "servers fetch them the same way: check the issuer's name, name its CA with --cafile, or give the keys with --jwks FILE", Source: "OpenID Connect Discovery section 3, RFC 8414 section 2"}}, notChecked, false, code
		}
	}
	if keys == nil {
		return nil, notChecked, false, cli.OK
	}
	state = sigValid
	list = keys.Verify(raw, j)
	for k := range list {
		switch f := &list[k]; f.Code {
		case finding.CritUnknown:
			// No server looks at it: measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1.
			f.Remark = jd.service != nil
		case finding.SignatureInvalid, finding.AlgRefused:
			state = sigInvalid
		default: // there is no key to check it with
			state = notChecked
		}
	}
	return list, state, true, cli.OK
}

// findings holds a token against everything, and says what became of its signature.
// code is not [cli.OK] where the issuer's keys could not be had.
func (jd *judge) findings(j *token.JWT, i input, now time.Time) (all []finding.Finding, signature string, code int) {
	raw := string(i.raw)
	list, signature, keys, code := jd.signature(j, raw)
	shown := service.Presented{JWT: j, Size: len(raw), Now: now, Skew: jd.want.Skew, Mode: i.mode, Wrapped: i.wrapped, Link: i.link, KeyChecked: keys}
	var judged, kind []finding.Finding
	for _, judge := range jd.judges {
		judged = append(judged, judge(shown)...)
	}
	if _, aside := kindOf(j); aside != "" {
		f := finding.Finding{Code: finding.Kind, Remark: true, Message: aside, Hint: "ask for an access token", Source: "RFC 6749 section 1.4"}
		f, judged = finding.OfKind(f, judged)
		kind = append(kind, f)
	}
	all = finding.Merge(kind, list, judged)
	if jd.letsAllIn() != "" {
		for i := range all {
			all[i].Remark = true
		}
	}
	var own []finding.Finding
	for _, f := range service.Check(token.Decoded(raw, j), jd.want, now) {
		// A service has a way of its own to look at times.
		if jd.service == nil || f.Code != finding.Expired && f.Code != finding.NotYetValid {
			if hint, ok := hints[f.Code]; ok {
				f.Hint = hint
			}
			own = append(own, f)
		}
	}
	if _, ok := j.Time("exp"); !ok && jd.want.MinLifetime > 0 {
		own = append(own, finding.Finding{Code: finding.ClaimMissing, Missing: []string{"exp"}, Message: "the token does not say when it ends",
			Hint: "the issuer has to set exp, in seconds since 1970", Source: "RFC 7519 section 4.1.4"})
	}
	if jd.profile != "" {
		own = append(own, scitokens.CheckProfile(j, jd.profile)...)
	}
	return finding.Merge(all, own, duplicates(j)), signature, code
}

// letsAllIn is the setting because of which the service lets everybody in, or "".
func (jd *judge) letsAllIn() string {
	if open, ok := jd.service.(service.Open); ok {
		return open.LetsAllIn()
	}
	return ""
}

// fetchedKeys is what came of asking an issuer.
type fetchedKeys struct {
	set *jwks.Set
	err error
}

// maxIssuers is how many issuers are asked: a file of tokens must not make a flood of
// requests.
const maxIssuers = 20

// fetchKeys asks each issuer once.
func (jd *judge) fetchKeys(iss string) (*jwks.Set, error) {
	if f, ok := jd.fetched[iss]; ok {
		return f.set, f.err
	}
	if len(jd.fetched) >= maxIssuers {
		return nil, fmt.Errorf("%d other issuers have been asked, and no more are", maxIssuers)
	}
	var f fetchedKeys
	if iss == "" {
		f.err = errors.New("the token names no issuer")
	} else if f.err = issuer.CheckURL("the issuer", iss); f.err == nil {
		f.set, f.err = jd.fetch(iss)
	}
	jd.fetched[iss] = f
	return f.set, f.err
}

// conclude words the verdict.
func (in *inspector) conclude(v *view, signature string) {
	v.Signature = signature
	switch signature {
	case notChecked:
		v.SignatureNote = "NOT CHECKED: see the causes"
		if in.keys != nil || in.fetch != nil {
			break
		}
		v.SignatureNote = "NOT CHECKED: anybody could have written this (--jwks FILE or --fetch-keys checks it)"
	case sigValid:
		v.SignatureNote = "VALID: made with a key that the issuer publishes"
		if in.fetch == nil {
			v.SignatureNote = "VALID: made with a key of " + in.g.JWKS
		}
	case sigInvalid:
		v.SignatureNote = "NOT VALID: see the causes"
	case sigNone:
		v.SignatureNote = "NONE: this token is not signed, and no service takes it"
	}
	if s := in.service; s != nil {
		v.Target = s.Name() + ", " + s.Purpose()
		if version := in.version.String(); version != "" {
			v.Target += " (version " + version + ")"
		}
	}
	switch {
	case !v.OK && in.service != nil:
		v.Headline = "refused by " + v.Target
	case len(v.Causes) == 1:
		v.Headline = v.Causes[0].Message
	case !v.OK:
		v.Headline = fmt.Sprintf("%d things speak against it", len(v.Causes))
	case in.service != nil && in.letsAllIn() != "":
		v.Headline = "let in by " + v.Target + ", with any token or none: " + in.letsAllIn()
	case in.service != nil:
		v.Headline = "accepted by " + v.Target
	case v.KindNote != "":
		v.Headline = v.KindNote
	default:
		v.Headline = "nothing speaks against it"
	}
	if v.OK && v.KindNote == "" && signature == notChecked {
		v.Headline += " (the signature was not checked)"
	}
}
