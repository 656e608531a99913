// Package inspect is jwt-inspect: it decodes tokens offline, says what is in them,
// and checks them against what is wanted. It neither verifies signatures nor knows
// the store.
package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/check"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

type grammar struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files with a token each or a token a line; - is stdin."`

	Output        string       `short:"o" enum:",text,claims,json" default:"" placeholder:"FORMAT" help:"text (the default on a terminal), claims (the default elsewhere) or json."`
	ShowSignature bool         `help:"Show the signature too."`
	Aud           []string     `name:"aud" aliases:"audience" sep:"none" placeholder:"AUD" help:"Check that the token is for this audience. Repeatable."`
	Scope         []string     `short:"s" sep:"none" placeholder:"SCOPE" help:"Check that the token grants this scope. Repeatable."`
	Issuer        string       `placeholder:"URL" help:"Check that the token is from this issuer."`
	MinLifetime   cli.Duration `aliases:"time,minsecs" placeholder:"D" help:"Check that it lives at least this long: seconds, or 90s, 1h."`
	Now           string       `placeholder:"TIME" help:"Check as if it were TIME: RFC 3339, or seconds since 1970."`
	Skew          cli.Duration `placeholder:"D" help:"Let the clocks differ by this much. Real servers allow nothing."`

	Version kong.VersionFlag `help:"Print the version."`
}

const description = `Show what is in a token, and check it, without any network.

Examples:
  jwt-inspect < token
  jwt-inspect --aud ce.example.org:9619 --scope compute.create token
  jwt-inspect < token | jq -r .aud

With no file and a terminal as stdin, the token is looked for as WLCG Bearer Token Discovery says. Time is checked where any check is asked for; the report always words it. The signature is never checked.

Exit codes: 0 decoded and every check holds, 1 a check fails, 2 usage, 3 not a token.`

// maxInput is the most that is read of one input, in bytes.
const maxInput = 4 << 20

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
	checks bool
	code   int
}

func run(env *cli.Env) (int, error) {
	var g grammar
	_, done, err := cli.Parse(env, &g, kong.Description(description))
	if err != nil || done {
		return cli.OK, err
	}
	in := &inspector{env: env, g: g, format: g.Output, now: env.Now(), tty: isTerminal(env.Stdout)}
	in.checks = len(g.Aud) > 0 || len(g.Scope) > 0 || g.Issuer != "" || g.MinLifetime > 0 || g.Now != "" || g.Skew > 0
	for _, a := range append(append([]string{}, g.Aud...), g.Scope...) {
		if strings.TrimSpace(a) == "" {
			return 0, cli.Errorf(cli.Usage, "--aud and --scope must not be empty").Hint("run 'jwt-inspect --help' to see the flags")
		}
	}
	if g.Now != "" {
		if in.now, err = parseTime(g.Now); err != nil {
			return 0, err
		}
	}
	if in.format == "" {
		in.format = "claims"
		if in.tty {
			in.format = "text"
		}
	}
	if len(g.Files) == 0 && isTerminal(env.Stdin) {
		return in.discovered()
	}
	if len(g.Files) == 0 {
		g.Files = []string{"-"}
	}
	for _, name := range g.Files {
		if err := in.file(name); err != nil {
			return 0, err
		}
	}
	return in.code, nil
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, cli.Errorf(cli.Usage, "--now: %q is not a time", s).Hint("write it as 2026-01-31T12:00:00Z, or in seconds since 1970")
	}
	return t, nil
}

func (in *inspector) discovered() (int, error) {
	found, err := bearer.Discover(in.env.LookupEnv, os.Geteuid())
	if err != nil {
		return 0, cli.Errorf(cli.NeedLogin, "%w", err)
	}
	if found.Token == "" {
		return 0, cli.Errorf(cli.NeedLogin, "no token on stdin, and none where bearer tokens are looked for").
			Hint("give a file, or pipe a token: jwt-inspect < token")
	}
	in.env.Say("the token is from %s", found.Place)
	for _, h := range found.Hidden {
		in.env.Say("it hides the one in %s", h)
	}
	in.one(found.Place, []byte(found.Token))
	return in.code, nil
}

var looksLikeToken = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.`)

func (in *inspector) file(name string) error {
	rd, label := in.env.Stdin, "stdin"
	if name != "-" {
		label = name
		if _, err := os.Stat(name); err != nil && looksLikeToken.MatchString(name) {
			// Not repeated: the error would be a second place where it can be read.
			return cli.Errorf(cli.Usage, "a token was given as an argument, where everybody on the host can read it").
				Hint("pipe it instead: jwt-inspect < token")
		}
		f, err := os.Open(name)
		if err != nil {
			return cli.Errorf(cli.Usage, "%w", err)
		}
		defer func() { _ = f.Close() }()
		rd = f
	}
	data, err := io.ReadAll(io.LimitReader(rd, maxInput+1))
	if err != nil {
		return cli.Errorf(cli.Usage, "read %s: %w", label, err)
	}
	if len(data) > maxInput {
		in.bad(label, fmt.Errorf("%w: more than %d MB", token.ErrNotToken, maxInput>>20))
		return nil
	}
	n := 0
	for line := range bytes.Lines(data) {
		if line = trim(line); len(line) > 0 {
			n++
			in.one(label, line)
		}
	}
	if n == 0 {
		in.bad(label, fmt.Errorf("%w: empty", token.ErrNotToken))
	}
	return nil
}

// trim takes off what surrounds a token where people keep it: white space, a byte
// order mark, quotes, the header's name and scheme.
func trim(line []byte) []byte {
	s := bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
	s = bytes.TrimSpace(bytes.Trim(s, `"'`))
	for _, lead := range []string{"authorization:", "bearer "} {
		if len(s) >= len(lead) && strings.EqualFold(string(s[:len(lead)]), lead) {
			s = bytes.TrimSpace(s[len(lead):])
		}
	}
	return s
}

// worse keeps the code that says most: not a token before a failed check.
func (in *inspector) worse(code int) { in.code = max(in.code, code) }

func (in *inspector) bad(label string, err error) {
	in.worse(cli.NeedLogin)
	in.env.Say("error: %s: %s", label, err)
	in.env.Say("hint: a JWT is three parts of base64url with dots between them")
}

func (in *inspector) one(label string, raw []byte) {
	j, err := token.Decode(raw)
	if err != nil {
		in.bad(label, err)
		return
	}
	unsigned := j.Unsigned()
	if unsigned && in.format == "claims" {
		// Claims for a pipe would pass for those of a token.
		in.bad(label, fmt.Errorf("%w: it is not signed (alg none), and no service takes it; -o text shows what is in it", token.ErrNotToken))
		return
	}
	var findings []check.Finding
	if in.checks || unsigned || in.format == "text" {
		findings = check.Token(token.New(string(raw)), check.Want{
			Issuer: in.g.Issuer, Audiences: in.g.Aud, Scopes: in.g.Scope,
			MinLifetime: time.Duration(in.g.MinLifetime), Skew: time.Duration(in.g.Skew),
		}, in.now)
	}
	if in.checks && len(findings) > 0 {
		in.worse(cli.Failed)
	}
	if unsigned {
		in.worse(cli.NeedLogin)
	}
	var out []byte
	switch in.format {
	case "text":
		out = []byte(report(j, findings, in.now, in.g.ShowSignature))
	case "json":
		out, err = document(j, findings, in.g.ShowSignature)
	default:
		out = append(bytes.Clone(j.Claims), '\n')
		for _, f := range findings {
			in.env.Say("error: %s", f.Message)
			if f.Hint != "" {
				in.env.Say("hint: %s", f.Hint)
			}
		}
	}
	if in.tty && in.format != "text" {
		// JSON allows DEL, C1 and bidirectional controls raw; a terminal obeys them.
		out = []byte(cli.Printable(string(out)))
	}
	if err == nil {
		_, err = in.env.Stdout.Write(out)
	}
	if err != nil {
		in.worse(cli.Failed)
		in.env.Say("error: write the output: %s", err)
	}
}

func document(j *token.JWT, findings []check.Finding, signature bool) ([]byte, error) {
	type cause struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	causes := []cause{}
	for _, f := range findings {
		causes = append(causes, cause{f.Code, f.Message, f.Hint})
	}
	verdict := "ok"
	if len(causes) > 0 {
		verdict = "fail"
	}
	// Put together by hand: encoding/json would re-indent and re-escape the claims.
	rest, err := json.Marshal(causes)
	if err != nil {
		return nil, errors.Join(errors.New("encode the report"), err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"apiVersion":"token-helpers/v1","verdict":%q,"causes":%s,"header":%s,"claims":%s`, verdict, rest, j.Header, j.Claims)
	if signature {
		fmt.Fprintf(&b, `,"signature":%q`, j.Signature)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}
