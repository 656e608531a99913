// Package inspect is jwt-inspect: it decodes tokens offline, says what is in them,
// and why a service refuses them. It does not know the store, and reaches the
// network for an issuer's keys alone, when it is told to.
package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/ecosystems"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

type grammar struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files with a token each or a token a line; - is stdin."`

	Output        string `short:"o" enum:",text,claims,json,ndjson,html" default:"" placeholder:"FORMAT" help:"text (the default on a terminal), claims (the default elsewhere), json, ndjson (a line for each token) or html (a page to look at or to attach)."`
	ShowSignature bool   `help:"Show the signature too (text, json)."`
	Explain       string `placeholder:"WORD" help:"Say what a claim, a scope or a cause means, and stop."`
	Diff          bool   `help:"Show in what two tokens differ, such as one that works and one that is refused."`

	kong.Plugins
	Read          bool   `help:"To look at jobs, or to read files (the default of --xrd)." group:"Services"`
	Write         bool   `help:"To submit jobs (the default of --ce), or to write files and overwrite them." group:"Services"`
	ServerVersion string `placeholder:"V" help:"The server's version, where its faults matter; today's unless given." group:"Services"`

	Aud         []string     `name:"aud" aliases:"audience" sep:"none" placeholder:"AUD" help:"Check that the token is for this audience; with --ce or --xrd, the service's audience. Repeatable." group:"Checks"`
	Scope       []string     `short:"s" sep:"none" placeholder:"SCOPE" help:"Check that the token grants this scope. Repeatable." group:"Checks"`
	Issuer      string       `placeholder:"URL" help:"Check that the token is from this issuer." group:"Checks"`
	Profile     string       `enum:",wlcg,scitokens" default:"" placeholder:"wlcg|scitokens" help:"Check that the token is of this profile and has what it demands." group:"Checks"`
	MinLifetime cli.Duration `aliases:"time,minsecs" placeholder:"D" help:"Check that it lives at least this long: seconds, or 90s, 1h." group:"Checks"`
	Now         string       `placeholder:"TIME" help:"Check as if it were TIME: RFC 3339, a date, or seconds since 1970." group:"Checks"`
	Skew        cli.Duration `placeholder:"D" help:"Let the clocks differ by this much. Real servers allow nothing." group:"Checks"`
	JWKS        string       `name:"jwks" placeholder:"FILE" help:"Check the signature against this JWK Set." group:"Checks"`
	FetchKeys   bool         `help:"Check the signature against the issuer's keys: the only flag that uses the network." group:"Checks"`
	CAFile      string       `name:"cafile" placeholder:"FILE" help:"Trust the CAs in FILE alone (--fetch-keys)." group:"Checks"`
	CAPath      string       `name:"capath" placeholder:"DIR" help:"Trust the CAs in DIR alone (--fetch-keys)." group:"Checks"`
	Timeout     cli.Duration `default:"15s" placeholder:"D" help:"Time limit for one network exchange (--fetch-keys)." group:"Checks"`

	Version kong.VersionFlag `help:"Print the version."`
}

const description = `Show what is in a token, and why a service refuses it, without any network.

Examples:
  jwt-inspect < token
  jwt-inspect --ce ce.example.org:9619 token
  jwt-inspect --xrd root://x.example.org --write --path /store/user/me token
  jwt-inspect --diff works refused
  jwt-inspect < token | jq -r .aud

With no file and a terminal as stdin, the token is looked for as WLCG Bearer Token Discovery says. Time is checked where a check is asked for, and by all formats but claims. The signature is checked with --jwks or --fetch-keys alone.

Exit codes: 0 decoded and every check holds, 1 a check fails, 2 usage, 3 not a token, 5 network.`

// Main runs jwt-inspect and returns its exit code.
func Main(env *cli.Env) int {
	code, err := run(env)
	if err != nil {
		return env.Report(err)
	}
	return code
}

type inspector struct {
	env    *cli.Env
	g      grammar
	format string
	tty    bool
	now    time.Time
	code   int
	hinted bool
	judge
	// What shows several tokens at once, a page or a comparison, is collected here.
	// shown counts all that were to be shown.
	views  []*view
	tokens []*token.JWT
	labels []string
	shown  int
	bytes  int
}

// What a page holds, for input of any size: tokens, their bytes in all, and claims of
// one of them, which is also what a report shows.
const (
	maxViews = 1000
	maxBytes = 4 << 20
	maxRows  = 500
)

func run(env *cli.Env) (int, error) {
	// Before anything repeats an argument.
	if slices.ContainsFunc(env.Args, func(a string) bool { return holdsToken(a) && !exists(a) }) {
		return 0, tokenArgument()
	}
	var g grammar
	for _, e := range ecosystems.All() {
		g.Plugins = append(g.Plugins, e.Target())
	}
	ctx, done, err := cli.Parse(env, &g, kong.Description(description))
	if err != nil || done {
		return cli.OK, err
	}
	if err := plain(ctx); err != nil {
		return 0, err
	}
	if g.Explain != "" {
		meaning, err := explain(g.Explain)
		if err == nil {
			_, err = io.WriteString(env.Stdout, text.Printable(meaning))
		}
		return cli.OK, err
	}
	in := &inspector{env: env, g: g, format: g.Output, now: env.Now(), tty: isTerminal(env.Stdout)}
	if g.Now != "" {
		if in.now, err = parseTime(g.Now); err != nil {
			return 0, err
		}
	}
	if in.judge, err = newJudge(env, &g); err != nil {
		return 0, err
	}
	if g.Diff && len(g.Files) != 2 {
		return 0, diffUsage()
	}
	if in.format == "" {
		in.format = "claims"
		if in.tty {
			in.format = "text"
		}
	}
	if g.ShowSignature && in.format != "text" && in.format != "json" {
		return 0, cli.Errorf(cli.Usage, "--show-signature goes with -o text and -o json").Hint("jwt-inspect -o text --show-signature < token")
	}
	if len(g.Files) == 0 && isTerminal(env.Stdin) {
		if err := in.discovered(); err != nil {
			return 0, err
		}
	} else if len(g.Files) == 0 {
		g.Files = []string{"-"}
	}
	for _, name := range g.Files {
		if err := in.file(name); err != nil {
			return 0, err
		}
	}
	switch {
	case g.Diff && len(in.tokens) != 2 && in.code == cli.OK: // else it has been said
		return 0, diffUsage()
	case g.Diff && len(in.tokens) == 2:
		in.write([]byte(difference(in.labels, in.tokens, in.now)))
	case in.format == "html" && len(in.views) > 0:
		if n := len(in.views); in.shown > n {
			in.env.Say("note: the page shows %d of %d tokens; -o ndjson shows all", n, in.shown)
		}
		out, err := page(in.views)
		if err != nil {
			return 0, err
		}
		in.write(out)
	}
	return in.code, nil
}

// plain refuses what would check less than was meant, as a variable that is empty does
// in a script.
func plain(ctx *kong.Context) error {
	seen := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag == nil {
			continue
		}
		name := "--" + p.Flag.Name
		value := fmt.Sprint(ctx.FlagValue(p.Flag))
		switch {
		case p.Flag.IsSlice():
		case seen[name]:
			return cli.Errorf(cli.Usage, "%s is given twice", name).Hint("give it once: the last one alone would count")
		case p.Flag.IsBool():
		case strings.TrimSpace(value) == "":
			return cli.Errorf(cli.Usage, "%s is empty", name).Hint("give it a value, or leave it out")
		}
		seen[name] = true
	}
	return nil
}

func diffUsage() error {
	return cli.Errorf(cli.Usage, "--diff takes two files with a token each").Hint("jwt-inspect --diff works refused")
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n < 253402300800 { // the end of the year 9999
		return time.Unix(n, 0), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, cli.Errorf(cli.Usage, "--now: %q is not a time", s).Hint("write it as 2026-01-31T12:00:00Z, or in seconds since 1970")
	}
	return t, nil
}

func (in *inspector) discovered() error {
	found, err := bearer.Discover(in.env.LookupEnv, os.Geteuid())
	if err != nil {
		return cli.Errorf(cli.NeedLogin, "%w", err)
	}
	if found.Token == "" {
		return cli.Errorf(cli.NeedLogin, "no token on stdin, and none where bearer tokens are looked for").
			Hint("looked at BEARER_TOKEN, BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u%[1]d and /tmp/bt_u%[1]d: give a file, or pipe a token: jwt-inspect < token", os.Geteuid())
	}
	in.env.Say("the token is from %s", found.Place)
	for _, h := range found.Hidden {
		in.env.Say("it hides the one in %s", h)
	}
	if found.File != "" {
		// As it stands there, for that is what a client sends.
		return in.file(found.File)
	}
	in.one(input{label: found.Place, line: 1, raw: []byte(found.Token), only: true, bare: true})
	return nil
}

// worse keeps the code that says most: the network before no token, that before a
// failed check.
func (in *inspector) worse(code int) { in.code = max(in.code, code) }

func (in *inspector) bad(i input) {
	in.worse(cli.NeedLogin)
	if in.format == "ndjson" {
		in.write(append(result(i, &view{Kind: i.kind}, []finding.Finding{{Code: finding.NotAToken, Message: i.err.Error()}}), '\n'))
		return
	}
	in.env.Say("error: %s: %s", in.place(i), text.OneLine(i.err.Error()))
	if in.format == "html" {
		in.show(&view{Label: i.label, Line: i.line, Kind: i.kind, Headline: i.err.Error(), Now: in.now, Signature: notChecked}, 0)
	}
	if !in.hinted && (i.kind == "" || i.kind == "opaque string") {
		in.hinted = true
		in.env.Say("hint: a JWT is three parts of base64url with dots between them")
	}
}

func (in *inspector) one(i input) {
	var j *token.JWT
	if i.err == nil {
		if j, i.err = token.Decode(i.raw); i.err != nil {
			if raw, note, more := within(i.raw); raw != nil {
				if j, i.err = token.Decode(raw); i.err == nil {
					i.raw, i.note, i.wrapped = raw, note, more && i.mode != 0
				}
			}
		}
		if i.err != nil {
			i.kind, i.err = notJWT(i.raw, i.err)
		}
	}
	if i.err != nil {
		in.bad(i)
		return
	}
	if i.note != "" && in.format == "claims" {
		in.env.Say("note: this is %s", i.note)
	}
	if in.g.Diff {
		if len(in.tokens) < 3 {
			in.tokens, in.labels = append(in.tokens, j), append(in.labels, i.label)
		}
		return
	}
	unsigned := j.Unsigned()
	if unsigned && in.format == "claims" {
		// Claims for a pipe would pass for those of a token.
		i.kind, _ = kindOf(j)
		i.err = fmt.Errorf("%w: it is not signed (alg none), and no service takes it; -o text shows what is in it", token.ErrNotToken)
		if i.kind == "refresh token" {
			i.err = fmt.Errorf("%w: it is not signed (alg none), as INDIGO IAM's refresh tokens are: use the access token", token.ErrNotToken)
		}
		in.bad(i)
		return
	}
	var findings []finding.Finding
	signature := notChecked
	if in.checks || in.format != "claims" {
		var code int
		findings, signature, code = in.findings(j, i, in.now)
		in.worse(code)
	} else {
		findings = duplicates(j)
	}
	// A report has a verdict, which looks at the time whatever else is asked.
	if (in.checks || in.format != "claims") && slices.ContainsFunc(findings, refuses) {
		in.worse(cli.Failed)
	}
	if unsigned {
		in.worse(cli.NeedLogin)
	}
	v := newView(i, j, findings, in.now)
	in.conclude(v, signature)
	switch in.format {
	case "text":
		show := ""
		if in.g.ShowSignature {
			show = j.Signature
		}
		out := report(v, show, in.width(), in.colours())
		if len(in.g.Files) > 1 || !i.only {
			out = "== " + text.Printable(in.place(i)) + "\n\n" + out
		}
		if in.shown++; in.shown > 1 {
			out = "\n" + out
		}
		if _, height := in.size(); in.tty && strings.Count(out, "\n") > height {
			// The verdict has left the screen by now.
			out += "\n" + strings.Join(fold(text.Printable(text.OneLine("verdict: "+v.Headline)), in.width(), 2), "\n  ") + "\n"
		}
		in.write([]byte(out))
	case "html":
		in.show(v, len(i.raw))
	case "ndjson":
		in.write(append(result(i, v, findings), '\n'))
	case "json":
		in.write(document(i, v, j, findings, in.g.ShowSignature))
	default:
		in.tell(i, findings)
		in.write(append(bytes.Clone(j.Claims), '\n'))
	}
}

// tell says what was found where stdout has the claims alone: the causes, and of the
// remarks those that are about the claims themselves.
func (in *inspector) tell(i input, findings []finding.Finding) {
	where := ""
	if len(in.g.Files) > 1 || !i.only {
		where = in.place(i) + ": "
	}
	for _, f := range findings {
		if refuses(f) {
			in.env.Say("error: %s%s", where, text.OneLine(f.Message))
			if f.Hint != "" {
				in.env.Say("hint: %s", text.OneLine(f.Hint))
			}
			if f.Command != "" {
				in.env.Say("  %s", text.OneLine(f.Command))
			}
		}
	}
	for _, f := range findings {
		if f.Code == finding.ClaimDuplicate || f.Code == finding.Kind && !slices.ContainsFunc(findings, refuses) {
			in.env.Say("note: %s%s", where, text.OneLine(f.Message))
		}
	}
}

// place names an input: its file, and the line in it.
func (in *inspector) place(i input) string {
	if i.line > 1 {
		return fmt.Sprintf("%s line %d", text.OneLine(i.label), i.line)
	}
	return text.OneLine(i.label)
}

// show keeps what a page shows, of a token with this many bytes.
func (in *inspector) show(v *view, size int) {
	in.shown++
	if in.bytes += size; len(in.views) < maxViews && in.bytes <= maxBytes {
		in.views = append(in.views, v)
	}
}

func refuses(f finding.Finding) bool { return !f.Remark }

// write puts the product on stdout; on a terminal nothing goes there raw.
func (in *inspector) write(out []byte) {
	if in.tty && in.format != "text" {
		// JSON allows DEL, C1 and bidirectional controls raw; a terminal obeys them. Tabs
		// and the like stand between its parts alone.
		out = []byte(text.Printable(strings.NewReplacer("\t", " ", "\r", " ").Replace(string(out))))
	}
	if _, err := in.env.Stdout.Write(out); err != nil {
		in.worse(cli.Failed)
		in.env.Say("error: write the output: %s", err)
	}
}

// size is the terminal's, in columns and lines; 0 where there is none.
func (in *inspector) size() (columns, lines int) {
	if f, ok := in.env.Stdout.(*os.File); ok && in.tty {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			return w, h
		}
	}
	return 0, 0
}

// width is the terminal's, between 60 columns and what is still easy to read.
func (in *inspector) width() int {
	w, _ := in.size()
	if w == 0 {
		var err error
		if w, err = strconv.Atoi(in.env.Getenv("COLUMNS")); err != nil {
			return 80
		}
	}
	return min(max(w, 60), 100)
}

func (in *inspector) colours() bool {
	return in.tty && in.env.Getenv("NO_COLOR") == "" && in.env.Getenv("TERM") != "dumb"
}

// The objects that -o json and -o ndjson write.
type causeJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Command string `json:"command,omitempty"`
	Source  string `json:"source,omitempty"`
}

type resultJSON struct {
	APIVersion string      `json:"apiVersion"`
	File       string      `json:"file"`
	Line       int         `json:"line"`
	Kind       string      `json:"kind,omitempty"`
	Note       string      `json:"note,omitempty"`
	Issuer     string      `json:"iss,omitempty"`
	Subject    string      `json:"sub,omitempty"`
	ID         string      `json:"jti,omitempty"`
	Service    string      `json:"service,omitempty"`
	Verdict    string      `json:"verdict"`
	Causes     []causeJSON `json:"causes"`
	Remarks    []causeJSON `json:"remarks,omitempty"`
	Signature  string      `json:"signatureState,omitempty"`
}

func result(i input, v *view, findings []finding.Finding) []byte {
	r := resultJSON{APIVersion: "token-helpers/v1", File: i.label, Line: i.line, Kind: v.Kind, Note: i.note, Issuer: v.claim("iss"), Subject: v.claim("sub"), ID: v.claim("jti"), Service: v.Target, Verdict: "ok", Causes: []causeJSON{}, Signature: v.Signature}
	for _, f := range findings {
		c := causeJSON{string(f.Code), f.Message, f.Hint, f.Command, f.Source}
		if f.Remark {
			r.Remarks = append(r.Remarks, c)
			continue
		}
		r.Verdict = "fail"
		r.Causes = append(r.Causes, c)
	}
	// Strings and numbers alone: it cannot fail.
	b, _ := json.Marshal(r)
	return b
}

// document is put together by hand: encoding/json would re-indent and re-escape
// the claims.
func document(i input, v *view, j *token.JWT, findings []finding.Finding, signature bool) []byte {
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(result(i, v, findings), []byte("}")))
	fmt.Fprintf(&b, `,"header":%s,"claims":%s`, j.Header, j.Claims)
	if signature {
		fmt.Fprintf(&b, `,"signature":%q`, j.Signature)
	}
	b.WriteString("}\n")
	return b.Bytes()
}
