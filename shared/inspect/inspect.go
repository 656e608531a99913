// Package inspect is jwt-inspect: it decodes tokens offline, explains their contents, and
// says why a service refuses them.
//
// Data flows one way: bytes are read and split into inputs, an input is decoded, a token
// judged, and the result rendered. There is one file for each format.
package inspect

import (
	"errors"
	"io"
	"os"

	"golang.org/x/term"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Main runs jwt-inspect and returns its exit code.
func Main(env *cli.Env) int {
	code, err := run(env)
	if err != nil {
		return env.Report(err)
	}
	return code
}

func run(env *cli.Env) (int, error) {
	if len(env.Args) > 0 && env.Args[0] == cmdline.CompleteFlag {
		return cli.OK, Describe(env.Program).Complete(env.Stdout, env.Args[1:], candidates)
	}
	g, done, err := parse(env)
	if err != nil || done {
		return cli.OK, err
	}
	if g.Completion != "" {
		_, err := io.WriteString(env.Stdout, cmdline.Script(g.Completion, env.Program))
		return cli.OK, err
	}
	if g.Explain != "" {
		meaning, err := explain(g.Explain)
		if err == nil {
			_, err = io.WriteString(env.Stdout, text.Printable(meaning))
		}
		return cli.OK, err
	}
	screen := newScreen(env)
	jd, f, err := g.plan(env, screen.tty)
	if err != nil {
		return 0, err
	}
	out := &output{env: env, stdout: env.Stdout, screen: screen, now: jd.now, several: len(g.Files) > 1, showSignature: g.ShowSignature}
	p := &pipeline{env: env, judge: jd, format: f, renderer: f.new(out), output: out}
	if g.Redact {
		p.redactor = newRedactor()
	}
	if f.parallel {
		p.start()
	}
	err = p.read(g.Files)
	p.wait()
	if err != nil {
		return 0, err
	}
	if err := p.renderer.finish(); err != nil {
		return 0, err
	}
	return p.code, nil
}

// plan returns what tokens are checked against, and the format to print in.
func (o *options) plan(env *cli.Env, tty bool) (*judge, format, error) {
	f, err := o.format(tty)
	if err != nil {
		return nil, format{}, err
	}
	jd, err := o.judge(env, f)
	return jd, f, err
}

// pipeline reads, decodes, judges and renders.
type pipeline struct {
	env      *cli.Env
	judge    *judge
	format   format
	renderer renderer
	// redactor masks persons; nil unless --redact is given.
	redactor *redactor
	// decoder is set if a token is not used any more when the next one is decoded.
	decoder *token.Decoder
	// crew does the work if the format allows it; otherwise nil.
	crew *crew
	// shown is how many of the inputs of a file were shown.
	shown int
	*output
}

// one decodes, judges and renders an input. A JSON object may have several tokens or, in a
// log, none.
func (p *pipeline) one(i input) {
	if i.object {
		for _, found := range fromObject(i) {
			p.decoded(found)
		}
		return
	}
	p.decoded(i)
}

func (p *pipeline) decoded(i input) {
	p.shown++
	i, j := decode(p.decoder, i)
	if j == nil {
		p.worse(cli.NeedLogin)
		if p.redactor != nil {
			i.label = p.redactor.label(i.label)
			p.redactor.learnText(i.err.Error())
			i.err = errors.New(p.redactor.text(i.err.Error())) // an issuer's answer can name a user
		}
		p.renderer.notToken(i)
		return
	}
	v := p.judge.verdict(i, j)
	p.worse(v.code)
	shown := p.format.view(i, j, v, p.judge)
	if p.redactor != nil {
		shown = shown.redacted(p.redactor)
	}
	if !p.format.parallel { // there, every line of stdout is a verdict
		p.verdict(shown)
	}
	p.renderer.token(shown)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// obeysColours reports whether a terminal understands control sequences.
func obeysColours(v any) bool {
	f, ok := v.(*os.File)
	return ok && cli.ControlSequences(f)
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
