package inspect

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// renderer shows the results on stdout, and on stderr what its format has no place for.
type renderer interface {
	// token shows a token that was decoded and judged.
	token(*view)
	// notToken shows an input that is not a token.
	notToken(input)
	// unreadable shows that a file could not be read.
	unreadable(label string, err error)
	// finish writes what was collected.
	finish() error
}

// format is a format of -o.
type format struct {
	name string
	// depth is the depth to which tokens are judged if no check is requested.
	depth depth
	// signature says that the format can show the signature.
	signature bool
	new       func(*output) renderer
	// parallel says that what is written about an input depends on nothing else, so that
	// several can be rendered at once. Only a summary is shown.
	parallel bool
}

func (f format) view(i input, j *token.JWT, v verdict, jd *judge) *view {
	if f.parallel {
		return newSummary(i, j, v, jd)
	}
	return newView(i, j, v, jd)
}

var formats = []format{
	{"text", full, true, func(o *output) renderer { return &textRenderer{output: o} }, false},
	{"claims", claimsOnly, false, func(o *output) renderer { return &claimsRenderer{output: o} }, false},
	{"json", full, true, func(o *output) renderer { return &jsonRenderer{output: o} }, false},
	{"ndjson", full, false, func(o *output) renderer { return &ndjsonRenderer{output: o} }, true},
	{"html", full, false, func(o *output) renderer { return &htmlRenderer{output: o} }, false},
	{"markdown", full, false, func(o *output) renderer { return &markdownRenderer{output: o} }, false},
}

var diffFormat = format{"diff", none, false, func(o *output) renderer { return &diffRenderer{output: o} }, false}

// output is what all renderers share. It reports on stderr what is not a token.
type output struct {
	env    *cli.Env
	stdout io.Writer
	screen
	// now is the time as of which tokens are judged.
	now time.Time
	// several says that there are several files, so that each token is named.
	several       bool
	showSignature bool
	// code is the exit code so far.
	code int
	// failed says that writing failed, hinted that a hint was printed: once is enough.
	failed, hinted bool
}

// worse keeps the exit code that says most: network before not a token before a failed
// check.
func (o *output) worse(code int) { o.code = max(o.code, code) }

// write writes to stdout what contains no raw text from tokens.
func (o *output) write(b []byte) {
	if o.failed {
		return
	}
	if _, err := o.stdout.Write(b); err != nil {
		o.failed = true
		o.worse(cli.Failed)
		o.env.Say("error: write the output: %s", err)
	}
}

// writeEscaped writes JSON or HTML to stdout, in which DEL, C1 and bidirectional
// controls may be raw. A terminal would act on them, so there they are escaped. Tabs and the
// like occur only between the parts of JSON.
func (o *output) writeEscaped(b []byte) {
	if o.tty {
		b = []byte(text.Printable(strings.NewReplacer("\t", " ", "\r", " ").Replace(string(b))))
	}
	o.write(b)
}

// verdict writes one line with the verdict of the service that was named, for those who do
// not look at what is written to stdout now.
func (o *output) verdict(v *view) {
	if v.Target != "" && !o.tty {
		o.env.Say("verdict: %s%s", o.where(v), text.OneLine(v.Headline))
	}
}

// where names a token if there is more than one.
func (o *output) where(v *view) string {
	if !o.several && v.Alone {
		return ""
	}
	return input{label: v.Label, line: v.Line}.place() + ": "
}

func (o *output) notToken(i input) {
	o.env.Say("error: %s: %s", i.place(), text.OneLine(i.err.Error()))
	if !o.hinted && (i.kind == "" || i.kind == "opaque string") {
		o.hinted = true
		o.env.Say("hint: a JWT is three parts of base64url, separated by dots")
	}
}

func (o *output) unreadable(_ string, err error) { o.env.Say("error: %s", text.OneLine(err.Error())) }

func (o *output) finish() error { return nil }

// screen is the terminal that stdout is, if it is one.
type screen struct {
	tty bool
	// width is in columns, between 60 and what is easy to read. height is in lines; 0 if
	// unknown.
	width, height int
	colours       bool
}

func newScreen(env *cli.Env) screen {
	s := screen{tty: isTerminal(env.Stdout)}
	if f, ok := env.Stdout.(*os.File); ok && s.tty {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			s.width, s.height = w, h
		}
	}
	if s.width == 0 {
		var err error
		if s.width, err = strconv.Atoi(env.Getenv("COLUMNS")); err != nil {
			s.width = 80
		}
	}
	s.width = min(max(s.width, 60), 100)
	s.colours = s.tty && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && obeysColours(env.Stdout)
	return s
}
