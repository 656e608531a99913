package inspect

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// input is one token, or other input.
type input struct {
	// label is the file, stdin or a place of discovery. line is the line in it.
	label string
	line  int
	raw   []byte
	// note says from what the token was extracted.
	note string
	// only means that the file contains nothing else. mode is then the mode of the file, and
	// link means that the file is a symbolic link.
	only, link bool
	// among means that the file contains more than this token, such as a second one. A
	// client would send all of it.
	among bool
	// form is the form of the file that contains the token.
	form service.Form
	mode fs.FileMode
	// kind and err are set if it is not a token.
	kind string
	err  error
	// object means that raw is a JSON object that may contain tokens.
	object bool
}

// readerSize is the size of read buffers, in bytes.
const readerSize = 64 << 10

// inputs calls each for every input: a line that is not empty, or several lines for a JSON
// object or a token that mail software folded. Consecutive PEM blocks are one input. It keeps
// at most one token in memory, so the bytes of an input are valid only during the call. It
// calls idle before a read that may block.
func inputs(rd io.Reader, each func(input), idle func()) error {
	s := scanner{r: bufio.NewReaderSize(rd, readerSize), each: each}
	var whole []byte
	for {
		s.n++
		if s.r.Buffered() == 0 {
			idle()
		}
		var long bool
		var err error
		whole, long, err = readLine(s.r, whole[:0])
		if s.n == 1 && bytes.IndexByte(whole, 0) >= 0 {
			// A binary file has no lines.
			_, err := io.Copy(io.Discard, s.r)
			s.emit(input{line: 1, raw: trim(whole), only: true})
			return err
		}
		s.line(whole, long)
		s.complete(err != nil)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// scanner splits a file into inputs, line by line.
type scanner struct {
	r    *bufio.Reader
	each func(input)
	// n is the number of the current line, seen the number of inputs found.
	n, seen int
	object  *jsonObject // the JSON object that is being read
	// memory is the buffer for the text of objects.
	memory []byte
	token  *folded // the folded token that is being read
	// framed means that a line that only surrounds tokens was skipped.
	framed bool
	// inPEM means that the line is in a PEM block, afterPEM that the last input was one.
	inPEM, afterPEM bool
}

func (s *scanner) emit(i input) {
	s.seen++
	s.each(i)
}

// line processes one line. If the current object or token cannot continue with it, line ends
// the object or token first.
func (s *scanner) line(whole []byte, long bool) {
	// Objects are read from bare, because trim would remove quotes that belong to them.
	bare := bytes.TrimSpace(bytes.TrimPrefix(whole, byteOrderMark))
	line := trim(whole)
	if s.object != nil && s.object.endsBefore(bare) {
		s.endObject(true)
	}
	if s.token != nil && !s.token.continuesWith(line) {
		s.endToken(len(line) > 0)
	}
	switch {
	case s.object == nil && s.token == nil && len(bare) <= maxFrame && frame.Get().Match(bare):
		s.framed = true
	case s.object != nil:
		s.object.add(bare, long)
	case s.token != nil:
		s.token.add(line)
	case s.inPEM && pemLine.Get().Match(line):
		s.inPEM = !bytes.HasPrefix(line, []byte("-----END "))
	case bytes.HasPrefix(line, []byte("-----BEGIN ")):
		if !s.afterPEM {
			s.emit(input{line: s.n, raw: line})
		}
		s.inPEM, s.afterPEM = true, true
	case len(line) > 0 && line[0] == '{':
		if bare[0] == '{' {
			line = bare
		}
		s.object = &jsonObject{line: s.n, text: append(s.memory[:0], '\n')[:0]}
		s.object.add(line, long)
	case long || len(line) > token.MaxSize:
		s.emit(input{line: s.n, err: tooLong()})
	case foldable(line):
		s.inPEM, s.afterPEM = false, false
		s.token = &folded{line: s.n, width: len(line)}
		s.token.add(line)
	case len(line) > 0:
		s.inPEM, s.afterPEM = false, false
		i := input{line: s.n, raw: line, form: formOf(whole, line)}
		if i.form == service.Bare && s.n > 1 {
			i.form = service.Spaced
		}
		i.only = s.seen == 0 && !s.framed && s.atEnd()
		s.emit(i)
	}
}

// complete ends an object or token that is complete, or in which the file ends.
func (s *scanner) complete(eof bool) {
	if s.object != nil && (s.object.depth <= 0 || eof) {
		s.endObject(false)
	}
	if s.token != nil && (s.token.ended || eof) {
		s.endToken(false)
	}
}

// endObject emits the object. more means that another line, which is not empty, was read.
func (s *scanner) endObject(more bool) {
	i := input{line: s.object.line, only: !more && s.seen == 0 && !s.framed && s.atEnd()}
	if s.object.text == nil {
		i.err = tooLong()
	} else {
		i.raw, i.object = s.object.text, true
		if s.object.last == ',' && s.object.depth <= 0 { // an element of a list
			i.raw = i.raw[:bytes.LastIndexByte(i.raw, ',')]
		}
		s.memory = s.object.text
	}
	s.object, s.inPEM, s.afterPEM = nil, false, false
	s.emit(i)
}

// endToken emits the token. more is as for endObject.
func (s *scanner) endToken(more bool) {
	i := input{line: s.token.line, raw: s.token.text, only: !more && s.seen == 0 && !s.framed && s.atEnd()}
	if s.token.lines > 1 {
		i.note = fmt.Sprintf("a token folded over %d lines", s.token.lines)
		i.form = service.Wrapped
	}
	s.token = nil
	s.emit(i)
}

// atEnd skips empty lines, and reports whether the file has no other lines.
func (s *scanner) atEnd() bool {
	for {
		b, err := s.r.Peek(1)
		if err != nil || b[0] != '\n' && b[0] != '\r' {
			return err != nil
		}
		if b[0] == '\n' {
			s.n++
		}
		_, _ = s.r.Discard(1)
	}
}

func tooLong() error {
	return fmt.Errorf("%w: longer than %d bytes", token.ErrNotToken, token.MaxSize)
}

// frame matches a line that only surrounds tokens: a bracket of a JSON list, or a fence of
// Markdown.
var frame = text.Pattern{Expr: "^(\\[|\\],?|(```|~~~)[a-z]*)$"}

// maxFrame is the maximum length of a line that is matched against frame.
const maxFrame = 12

// pemLine matches a line in a PEM block: base64, a header, or the end. It does not match
// lines that may follow a truncated block, such as tokens.
var pemLine = text.Pattern{Expr: `^([A-Za-z0-9+/=]*|[A-Za-z-]+: .*|-----END .*)$`}

// folded is a token that mail software or a ticket system broke into lines of the same width,
// except for a shorter last line.
type folded struct {
	line, width, lines int
	text               []byte
	ended              bool
}

var tokenLine = text.Pattern{Expr: `^[A-Za-z0-9_.-]+$`}

// foldable reports whether a line may be the first of a folded token: it has a usual width,
// and is not a complete token.
func foldable(line []byte) bool {
	return len(line) >= 40 && len(line) <= 100 && bytes.HasPrefix(line, []byte("eyJ")) && tokenLine.Get().Match(line) && bytes.Count(line, []byte(".")) < 2
}

func (f *folded) continuesWith(line []byte) bool {
	return len(line) > 0 && len(line) <= f.width && len(f.text) < token.MaxSize && tokenLine.Get().Match(line) && bytes.Count(line, []byte(".")) < 3 &&
		!(bytes.HasPrefix(line, []byte("eyJ")) && bytes.Count(line, []byte(".")) == 2)
}

func (f *folded) add(line []byte) {
	f.text = append(f.text, line...)
	f.lines++
	f.ended = len(line) < f.width
}

// jsonObject finds the end of a JSON object line by line, so that each byte is read only once.
// In invalid JSON, it guesses the end, so that the rest of the file can be read.
type jsonObject struct {
	line  int
	text  []byte // nil if it is too long
	depth int
	// inString means that the last line ended inside a string, which JSON does not allow.
	inString bool
	last     byte
}

// endsBefore reports whether the object cannot continue with the line. For example, an object
// after a complete value means that the first one was truncated.
func (o *jsonObject) endsBefore(line []byte) bool {
	return o.inString || len(line) > 0 && line[0] == '{' && strings.IndexByte(":,[", o.last) < 0
}

func (o *jsonObject) add(line []byte, long bool) {
	if long || o.text == nil || len(o.text)+len(line) > token.MaxSize {
		o.text = nil
	} else {
		o.text = append(append(o.text, line...), '\n')
	}
	for i := 0; i < len(line); i++ {
		if o.inString {
			end := bytes.IndexByte(line[i:], '"')
			if end < 0 {
				break
			}
			// Skip to the quote, because objects consist mostly of strings.
			before := len(bytes.TrimRight(line[i:i+end], `\`))
			o.inString = (end-before)%2 == 1
			i += end
			continue
		}
		switch line[i] {
		case '"':
			o.inString = true
		case '{', '[':
			o.depth++
		case '}', ']':
			o.depth--
		}
	}
	if len(line) > 0 {
		o.last = line[len(line)-1]
	}
}

// readLine appends a line to the empty slice line. It discards a line that is longer than the
// longest token, and sets long.
func readLine(r *bufio.Reader, line []byte) (_ []byte, long bool, err error) {
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

// formOf returns the form of a file that contains only the line whole, in which line is the
// token.
func formOf(whole, line []byte) service.Form {
	text := bytes.Trim(whole, space)
	if len(text) == len(line) {
		if whole[0] != line[0] {
			return service.Spaced
		}
		return service.Bare
	}
	name, value, _ := bytes.Cut(text, []byte(": Bearer "))
	if bytes.EqualFold(name, []byte("authorization")) && len(bytes.Trim(value, space)) == len(line) {
		return service.Header
	}
	return service.Wrapped
}

// space is the white space that clients remove (C's isspace).
const space = " \t\n\v\f\r"

// bold surrounds bold text in Markdown.
var bold = []byte("**")

var byteOrderMark = []byte("\xef\xbb\xbf")

// trim removes text that surrounds a token in files and tickets: white space, a byte order
// mark, quotes, the > of a quoted mail, and the name and scheme of the HTTP header.
func trim(line []byte) []byte {
	s := bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark))
	for len(s) > 0 && s[0] == '>' { // quoted in a mail
		s = bytes.TrimSpace(s[1:])
	}
	if len(s) > 4 && bytes.HasPrefix(s, bold) && bytes.HasSuffix(s, bold) {
		s = s[2 : len(s)-2]
	}
	if len(s) > 0 && (!inToken[s[0]] || !inToken[s[len(s)-1]]) {
		s = bytes.TrimSpace(bytes.Trim(s, "\"'`“”‘’«»"))
	}
	for _, lead := range []string{"authorization:", "bearer "} {
		if len(s) >= len(lead) && strings.EqualFold(string(s[:len(lead)]), lead) {
			s = bytes.TrimSpace(s[len(lead):])
		}
	}
	return s
}
