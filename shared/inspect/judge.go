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

	"example.org/token-helpers/shared/check"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/ecosystem"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// judge is what tokens are held against, built once from the flags.
type judge struct {
	// checks says that something is checked: the exit code tells of it.
	checks  bool
	want    check.Want
	service *ecosystem.Service
	profile string
	config  *ecosystem.SciTokensConfig
	mapping *ecosystem.MapFile
	keys    *jwks.Set
	// fetch gets an issuer's keys; nil unless told to. fetched keeps them.
	fetch   func(issuer string) (*jwks.Set, error)
	fetched map[string]fetchedKeys
}

func newJudge(env *cli.Env, g *grammar) (judge, error) {
	usage := func(format string, a ...any) (judge, error) {
		return judge{}, cli.Errorf(cli.Usage, format, a...).Hint("run 'jwt-inspect --help' to see the flags")
	}
	jd := judge{profile: g.Profile, want: check.Want{
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
	case g.CE != "" && g.Xrd != "":
		return usage("--ce and --xrd: give one of them")
	case g.Xrd == "" && (g.Create || g.Path != "" || g.SciTokensCfg != ""):
		return usage("--create, --path and --scitokens-cfg go with --xrd")
	case g.Mapfile != "" && g.Xrd != "":
		return usage("--mapfile is HTCondor's: it goes with --ce")
	case g.CE == "" && g.Xrd == "" && (g.Read || g.Write || g.ServerVersion != ""):
		return usage("--read, --write and --server-version go with --ce or --xrd")
	case g.Read && g.Write || g.Create && (g.Read || g.Write):
		return usage("--read, --write and --create: give one of them, for each has a verdict of its own")
	case g.Diff && (g.Output != "" && g.Output != "text" || g.CE != "" || g.Xrd != "" || g.JWKS != "" || g.FetchKeys || g.Mapfile != "" || g.Issuer != "" ||
		g.Profile != "" || g.MinLifetime > 0 || len(g.Aud)+len(g.Scope) > 0):
		return usage("--diff compares and checks nothing: it goes without checks and formats")
	case g.JWKS != "" && g.FetchKeys:
		return usage("--jwks and --fetch-keys: give one of them")
	}
	var err error
	switch {
	case g.CE != "":
		jd.service, err = ecosystem.NewCE(g.CE, !g.Read)
	case g.Xrd != "":
		access := "read"
		if g.Write {
			access = "write"
		} else if g.Create {
			access = "create"
		}
		jd.service, err = ecosystem.NewXRootD(g.Xrd, access, g.Path)
	}
	if err == nil && g.ServerVersion != "" {
		jd.service.Version, err = ecosystem.ParseVersion(g.ServerVersion)
	}
	var ue *ecosystem.UsageError
	if errors.As(err, &ue) {
		return jd, cli.Errorf(cli.Usage, "%w", err).Hint("write it as %s", ue.Form)
	} else if err != nil {
		return jd, err
	}
	read := func(flag, name string, parse func([]byte) error) {
		if err != nil || name == "" {
			return
		}
		var b []byte
		if b, err = readFile(name); err == nil {
			err = parse(b)
		}
		if err != nil {
			err = cli.Errorf(cli.Usage, "%s %s: %w", flag, text.OneLine(name), err)
		}
	}
	read("--scitokens-cfg", g.SciTokensCfg, func(b []byte) (err error) {
		if jd.config, err = ecosystem.ParseSciTokensConfig(b); err == nil {
			jd.config.Apply(jd.service)
		}
		return err
	})
	read("--mapfile", g.Mapfile, func(b []byte) (err error) {
		// HTCondor-CE sets CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS.
		jd.mapping, err = ecosystem.ParseMapFile(b, true)
		return err
	})
	read("--jwks", g.JWKS, func(b []byte) (err error) {
		if jd.keys, err = jwks.Parse(b); err == nil && jd.keys.HoldsSecret() {
			env.Say("note: %s holds a secret key: keep it to yourself", g.JWKS)
		}
		return err
	})
	if err != nil {
		return jd, err
	}
	if jd.service != nil && len(g.Aud) > 0 {
		jd.service.Accept(g.Aud)
		jd.want.Audiences = nil
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
		jd.service != nil || jd.mapping != nil || jd.keys != nil || jd.fetch != nil || g.Profile != ""
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
func duplicates(j *token.JWT) (out []check.Finding) {
	look := func(what string, members []token.Member) {
		seen := map[string]int{}
		for _, m := range members {
			if seen[m.Name]++; seen[m.Name] == 2 && len(out) < 5 {
				out = append(out, check.Finding{Code: "claim-duplicate", Remark: true,
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
var hints = map[string]string{
	"aud-mismatch":   "ask for one with this audience: condor-token-helper and xrd-token-helper take --aud",
	"aud-missing":    "ask for one with this audience: condor-token-helper and xrd-token-helper take --aud",
	"scope-missing":  "ask for it, or ask the issuer who may have it",
	"lifetime-short": "get a new token; how long it lives is the issuer's to say",
	"iss-mismatch":   "ask the other issuer, or leave --issuer out",
}

// signature checks it, where there are keys or they can be had: what was found, the
// state of the signature, and whether keys were there. code is not [cli.OK] where the
// issuer's could not be had.
func (jd *judge) signature(j *token.JWT, raw string) (list []check.Finding, state string, had bool, code int) {
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
			return []check.Finding{{Code: "keys-unavailable", Message: "the issuer's keys could not be had: " + issuer.Short(err).Error(),
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
		case "crit-unknown":
			// No server looks at it: measured on HTCondor 23.9.6, XRootD 5.5.3 and 5.8.1.
			f.Remark = jd.service != nil
		case "signature-invalid", "alg-refused":
			state = sigInvalid
		default: // there is no key to check it with
			state = notChecked
		}
	}
	return list, state, true, cli.OK
}

// findings holds a token against everything, and says what became of its signature.
// code is not [cli.OK] where the issuer's keys could not be had.
func (jd *judge) findings(j *token.JWT, i input, now time.Time) (all []check.Finding, signature string, code int) {
	raw := string(i.raw)
	add := func(list ...check.Finding) { all = append(all, list...) }
	addNew := func(list []check.Finding) {
		for _, f := range list {
			// The checks look at times and claims that a service looks at too.
			if !slices.ContainsFunc(all, func(g check.Finding) bool { return g.Code == f.Code && slices.Equal(g.Missing, f.Missing) }) {
				all = append(all, f)
			}
		}
	}
	all, signature, keys, code := jd.signature(j, raw)
	shown := ecosystem.Presented{JWT: j, Size: len(raw), Now: now, Skew: jd.want.Skew, Mode: i.mode, Wrapped: i.wrapped, Link: i.link, KeyChecked: keys}
	var service []check.Finding
	if jd.service != nil {
		service = jd.service.Judge(shown)
		add(service...)
	}
	if jd.config != nil {
		said := jd.config.Explain(shown, jd.service)
		if slices.ContainsFunc(said, func(f check.Finding) bool {
			return refuses(f) && slices.Contains([]string{"path-base", "path-outside-base", "path-restricted"}, f.Code)
		}) {
			// It says better why no scope covers the path.
			all = slices.DeleteFunc(all, func(f check.Finding) bool { return f.Code == "path-mismatch" })
		}
		add(said...)
	}
	if jd.mapping != nil {
		iss, _ := j.String("iss")
		sub, ok := j.String("sub")
		if ok && iss != "" {
			add(jd.mapping.Judge(iss, sub)...)
		} else {
			addNew([]check.Finding{{Code: "claim-missing", Missing: []string{"sub"}, Message: "the token has no issuer and subject to map",
				Hint: "the issuer has to name both, as strings", Source: "RFC 7519 section 4.1"}})
		}
	}
	if jd.config != nil || jd.mapping != nil {
		// It asks for what has been looked at.
		all = slices.DeleteFunc(all, func(f check.Finding) bool { return f.Code == "iss-slash" })
	}
	_, aside := kindOf(j)
	if aside != "" {
		f := check.Finding{Code: "kind", Remark: true, Message: aside, Hint: "ask for an access token", Source: "RFC 6749 section 1.4"}
		if slices.ContainsFunc(service, refuses) {
			// Why each thing about it is not as in an access token helps nobody.
			all = slices.DeleteFunc(all, func(g check.Finding) bool {
				return refuses(g) && slices.ContainsFunc(service, func(s check.Finding) bool { return s.Code == g.Code && s.Message == g.Message })
			})
			f.Remark = false
		}
		all = append([]check.Finding{f}, all...)
	}
	if jd.config != nil && jd.config.LetsAllIn(jd.service) {
		for i := range all {
			all[i].Remark = true
		}
	}
	for _, f := range check.Token(token.Decoded(raw, j), jd.want, now) {
		if hint, ok := hints[f.Code]; ok {
			f.Hint = hint
		}
		// A service has a way of its own to look at times.
		if jd.service == nil || f.Code != "expired" && f.Code != "not-yet-valid" {
			addNew([]check.Finding{f})
		}
	}
	if _, ok := j.Time("exp"); !ok && jd.want.MinLifetime > 0 {
		addNew([]check.Finding{{Code: "claim-missing", Missing: []string{"exp"}, Message: "the token does not say when it ends",
			Hint: "the issuer has to set exp, in seconds since 1970", Source: "RFC 7519 section 4.1.4"}})
	}
	if jd.profile != "" {
		addNew(ecosystem.Profile(j, jd.profile))
	}
	add(duplicates(j)...)
	// One command mends several causes, and is said with the first of them.
	for i := range all {
		if slices.ContainsFunc(all[:i], func(f check.Finding) bool { return f.Command == all[i].Command }) {
			all[i].Command = ""
		}
	}
	return all, signature, code
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
		v.Target = s.Name + ", " + s.Purpose()
		if version := s.Version.String(); version != "" {
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
	case in.service != nil && in.config != nil && in.config.LetsAllIn(in.service):
		v.Headline = "let in by " + v.Target + ", with any token or none: onmissing = allow"
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
