// Package inspect implements jwt-inspect, which decodes tokens offline, explains their
// contents, and reports why a service refuses them.
//
// It reads bytes and splits them into inputs, decodes each input, judges the token, and
// renders the result. There is one file for each format.
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

// plan returns the judge and the output format.
func (o *options) plan(env *cli.Env, tty bool) (*judge, format, error) {
	f, err := o.format(tty)
	if err != nil {
		return nil, format{}, err
	}
	jd, err := o.judge(env, f)
	return jd, f, err
}

// pipeline reads, decodes, judges and renders tokens.
type pipeline struct {
	env      *cli.Env
	judge    *judge
	format   format
	renderer renderer
	// redactor masks data that identifies persons. It is nil unless --redact is given.
	redactor *redactor
	// decoder is set if no token is used after the next one is decoded.
	decoder *token.Decoder
	// pool processes the inputs if the format can be rendered in parallel. Otherwise, it is
	// nil.
	pool *pool
	// shown is the number of inputs of a file that were shown.
	shown int
	*output
}

// process decodes, judges and renders an input. A JSON object may contain several tokens or,
// in a log, none.
func (p *pipeline) process(i input) {
	if i.object {
		for _, found := range fromObject(i) {
			p.processToken(found)
		}
		return
	}
	p.processToken(i)
}

// processToken decodes, judges and renders an input that is not a JSON object.
func (p *pipeline) processToken(i input) {
	p.shown++
	i, j := decode(p.decoder, i)
	if j == nil {
		p.worse(cli.NeedLogin)
		if p.redactor != nil {
			i.label = p.redactor.label(i.label)
			p.redactor.learnText(i.err.Error())
			i.err = errors.New(p.redactor.text(i.err.Error())) // an issuer's response may name a user
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
	if !p.format.parallel { // otherwise, every line of stdout is a verdict
		p.verdict(shown)
	}
	p.renderer.token(shown)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// supportsColours reports whether v is a terminal that supports control sequences.
func supportsColours(v any) bool {
	f, ok := v.(*os.File)
	return ok && cli.ControlSequences(f)
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
