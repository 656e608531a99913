package inspect

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

var looksLikeToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// holdsToken reports whether an argument has a token in it.
func holdsToken(arg string) bool { return looksLikeToken.MatchString(arg) }

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func tokenArgument() error {
	// Not repeated: the error would be a second place where it can be read.
	return cli.Errorf(cli.Usage, "a token was given as an argument, where everybody on the host can read it").
		Hint("pipe it instead: jwt-inspect < token")
}

// input is one token, or what stands in its place.
type input struct {
	label string
	line  int
	raw   []byte
	// note says what the token was taken out of.
	note string
	// only says that nothing else is in the file, and bare that it is the token itself:
	// mode is then that of the file, where it is one, and wrapped that more than white
	// space stands around the token.
	only, bare, wrapped, link bool
	mode                      fs.FileMode
	// kind and err are set where it is no token.
	kind string
	err  error
}

// file reads all tokens of a file.
func (in *inspector) file(name string) error {
	rd, label := in.env.Stdin, "stdin"
	if name != "-" {
		label = name
		f, err := os.Open(name)
		if err != nil {
			in.unreadable(label, err)
			return nil
		}
		defer func() { _ = f.Close() }()
		rd = f
	}
	var mode fs.FileMode
	fi, err := os.Lstat(name)
	link := name != "-" && err == nil && fi.Mode()&fs.ModeSymlink != 0
	// A shell's < is a file too. Windows has no such mode.
	if f, ok := rd.(*os.File); ok && runtime.GOOS != "windows" {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
			mode = fi.Mode().Perm()
		}
	}
	n := 0
	err = inputs(rd, func(i input) {
		n++
		i.label = label
		if i.only && i.bare {
			i.mode, i.link = mode, link
		}
		i.wrapped = i.wrapped && i.mode != 0
		in.one(i)
	})
	switch {
	case err != nil:
		in.unreadable(label, err)
	case n == 0 && label == "stdin":
		in.one(input{label: label, line: 1, kind: "nothing", err: fmt.Errorf("%w: empty: did the command before it fail?", token.ErrNotToken)})
	case n == 0:
		in.one(input{label: label, line: 1, kind: "nothing", err: fmt.Errorf("%w: empty", token.ErrNotToken)})
	}
	return nil
}

// unreadable tells of a file that cannot be read, and lets the others be.
func (in *inspector) unreadable(label string, err error) {
	in.worse(cli.Usage)
	if in.format == "ndjson" {
		in.write(append(result(input{label: label, line: 1}, &view{Kind: "unreadable"}, []finding.Finding{{Code: finding.NotAToken, Message: err.Error()}}), '\n'))
		return
	}
	in.env.Say("error: %s", text.OneLine(err.Error()))
}

// inputs calls each for every line that holds something, keeping no more than one
// token at a time. A JSON object may stretch over several lines, and PEM blocks that
// follow each other are one thing.
func inputs(rd io.Reader, each func(input)) error {
	r := bufio.NewReaderSize(rd, 64<<10)
	var (
		object  *jsonScan // the object that is being read
		broken  *folded   // the token that is
		pem     bool      // in a block
		pemSaid bool      // the last thing was a block
		seen    int
		n       int // the line
	)
	give := func(i input) {
		seen++
		each(i)
	}
	// more says that the line after it has been read, and is not empty.
	finish := func(more bool) {
		i := input{line: object.line, raw: object.text, only: !more && seen == 0 && atEnd(r, &n)}
		if object.text == nil {
			i.err = tooLong()
		} else {
			i.raw, i.note, i.kind, i.err = answer(object.text)
		}
		object, pem, pemSaid = nil, false, false
		give(i)
	}
	join := func(more bool) {
		i := input{line: broken.line, raw: broken.text, only: !more && seen == 0 && atEnd(r, &n), bare: broken.lines == 1}
		if broken.lines > 1 {
			i.note = fmt.Sprintf("a token that was broken over %d lines", broken.lines)
		}
		broken = nil
		give(i)
	}
	for {
		n++
		whole, long, err := readLine(r)
		// Quotes and the like belong to an object.
		bare := bytes.TrimSpace(bytes.TrimPrefix(whole, byteOrderMark))
		if object != nil && object.broken(bare) {
			finish(true)
		}
		line := trim(whole)
		if broken != nil && !broken.takes(line) {
			join(len(line) > 0)
		}
		switch {
		case object != nil:
			object.add(bare, long)
		case broken != nil:
			broken.add(line)
		case pem && pemLine.Match(line):
			pem = !bytes.HasPrefix(line, []byte("-----END "))
		case bytes.HasPrefix(line, []byte("-----BEGIN ")):
			if !pemSaid {
				give(input{line: n, raw: line})
			}
			pem, pemSaid = true, true
		case len(line) > 0 && line[0] == '{':
			if bare[0] == '{' {
				line = bare
			}
			object = &jsonScan{line: n, text: []byte{}}
			object.add(line, long)
		case n == 1 && bytes.IndexByte(whole, 0) >= 0:
			// A file of something else: its lines are none.
			_, err := io.Copy(io.Discard, r)
			give(input{line: n, raw: line, only: true})
			return err
		case long || len(line) > token.MaxSize:
			give(input{line: n, err: tooLong()})
		case foldable(line):
			pem = false
			broken = &folded{line: n, width: len(line)}
			broken.add(line)
			pemSaid = false
		case len(line) > 0:
			i := input{line: n, raw: line, bare: true}
			i.only = seen == 0 && atEnd(r, &n)
			i.wrapped = len(line) != len(bytes.TrimSpace(whole))
			pem, pemSaid = false, false
			give(i)
		}
		if object != nil && (object.depth <= 0 || err != nil) {
			finish(false)
		}
		if broken != nil && (broken.ended || err != nil) {
			join(false)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// atEnd takes empty lines off, counts them, and reports whether nothing else follows.
func atEnd(r *bufio.Reader, n *int) bool {
	for {
		b, err := r.Peek(1)
		if err != nil || b[0] != '\n' && b[0] != '\r' {
			return err != nil
		}
		if b[0] == '\n' {
			*n++
		}
		_, _ = r.Discard(1)
	}
}

func tooLong() error {
	return fmt.Errorf("%w: longer than %d bytes", token.ErrNotToken, token.MaxSize)
}

// folded is a token that mail or a ticket broke into lines of one width, the last of
// which is shorter.
type folded struct {
	line, width, lines int
	text               []byte
	ended              bool
}

// pemLine is what stands in a PEM block: base64, a header, its end; nothing that ends a
// block which was cut off, such as a token.
var pemLine = regexp.MustCompile(`^([A-Za-z0-9+/=]*|[A-Za-z-]+: .*|-----END .*)$`)

var tokenLine = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// foldable reports whether a line may be the first of a token's: as wide as people
// break lines, and not a token by itself.
func foldable(line []byte) bool {
	return len(line) >= 40 && len(line) <= 100 && bytes.HasPrefix(line, []byte("eyJ")) && tokenLine.Match(line) && bytes.Count(line, []byte(".")) < 2
}

func (f *folded) takes(line []byte) bool {
	return len(line) > 0 && len(line) <= f.width && len(f.text) < token.MaxSize && tokenLine.Match(line) && bytes.Count(line, []byte(".")) < 3 &&
		!(bytes.HasPrefix(line, []byte("eyJ")) && bytes.Count(line, []byte(".")) == 2)
}

func (f *folded) add(line []byte) {
	f.text = append(f.text, line...)
	f.lines++
	f.ended = len(line) < f.width
}

// jsonScan tells line by line where a JSON object ends, so that each byte is looked at
// once however many lines it has. What it says of broken JSON is a guess that keeps
// the rest of a file readable.
type jsonScan struct {
	line  int
	text  []byte // nil where it is too long
	depth int
	// inString: the last line ended in a string, which no JSON does.
	inString bool
	last     byte
}

// broken reports whether the object cannot go on with this line.
func (s *jsonScan) broken(line []byte) bool {
	// An object after a whole value: the first one was cut off.
	return s.inString || len(line) > 0 && line[0] == '{' && strings.IndexByte(":,[", s.last) < 0
}

func (s *jsonScan) add(line []byte, long bool) {
	if long || s.text == nil || len(s.text)+len(line) > token.MaxSize {
		s.text = nil
	} else {
		s.text = append(append(s.text, line...), '\n')
	}
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			escaped = false
		case s.inString && c == '\\':
			escaped = true
		case c == '"':
			s.inString = !s.inString
		case s.inString:
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
		}
		if c != ' ' && c != '\t' {
			s.last = c
		}
	}
}

// readLine reads a line, of which no more than a token's greatest length is kept.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > token.MaxSize+64; long {
			line = line[:0]
		} else {
			line = append(line, part...)
		}
		if err != bufio.ErrBufferFull {
			return line, long, err
		}
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// trim takes off what surrounds a token where people keep it: white space, a byte
// order mark, quotes, the header's name and scheme.
func trim(line []byte) []byte {
	s := bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark))
	s = bytes.TrimSpace(bytes.Trim(s, `"'`))
	for _, lead := range []string{"authorization:", "bearer "} {
		if len(s) >= len(lead) && strings.EqualFold(string(s[:len(lead)]), lead) {
			s = bytes.TrimSpace(s[len(lead):])
		}
	}
	return s
}
