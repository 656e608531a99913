package token

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
)

// Member is one member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
	// text is the contents of a value that is a string.
	text string
	// integer is a value that is an integer, if isInteger.
	integer   int64
	isInteger bool
}

// Text returns the contents of a value that is a string.
func (m *Member) Text() (string, bool) {
	if m == nil || m.Value[0] != '"' {
		return "", false
	}
	return m.text, true
}

// Texts returns the contents of a value that is an array of strings.
func (m *Member) Texts() (list []string, ok bool) {
	if m == nil || m.Value[0] != '[' {
		return nil, false
	}
	// ReadObject has checked that the value is valid JSON.
	s := scanner{data: m.Value, at: 1}
	text := string(m.Value)
	list = []string{}
	if s.space(); s.next(']') {
		return list, true
	}
	for {
		start := s.at
		if !s.text() {
			return nil, false
		}
		list = append(list, unquote(text[start:s.at]))
		if s.space(); s.next(']') {
			return list, true
		}
		s.next(',')
		s.space()
	}
}

// maxDepth is the maximum nesting depth of JSON, as in encoding/json.
const maxDepth = 10000

// ReadObject returns the members of a JSON object in order, including duplicates. ok is
// false if data is not a valid JSON object (RFC 8259). It accepts what encoding/json
// accepts, but reads the text only once and does not copy values.
func ReadObject(data []byte) (members []Member, ok bool) { return readObject(data, nil) }

// readObject appends the members to the empty slice members.
func readObject(data []byte, members []Member) (_ []Member, ok bool) {
	if cap(members) == 0 {
		members = make([]Member, 0, 16) // most tokens have fewer
	}
	s := scanner{data: data}
	if s.space(); !s.next('{') {
		return nil, false
	}
	// Names and strings are substrings of one copy.
	text := string(data)
	if s.space(); s.next('}') {
		return members, s.atEnd()
	}
	for {
		start := s.at
		if !s.text() {
			return nil, false
		}
		name := unquote(text[start:s.at])
		if s.space(); !s.next(':') {
			return nil, false
		}
		s.space()
		start = s.at
		if !s.value(1) {
			return nil, false
		}
		members = append(members, Member{Name: name, Value: data[start:s.at:s.at]})
		switch m := &members[len(members)-1]; data[start] {
		case '"':
			m.text = unquote(text[start:s.at])
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			m.integer, m.isInteger = integer(data[start:s.at])
		}
		if s.space(); s.next('}') {
			return members, s.atEnd()
		}
		if !s.next(',') {
			return nil, false
		}
		s.space()
	}
}

// Strings calls each for every string in a JSON object, with the names of the members that
// lead to it, and reports whether data is a valid JSON object. Escapes in names and strings
// are not decoded. Both are valid only during the call.
func Strings(data []byte, each func(path [][]byte, text []byte)) bool {
	s := scanner{data: data, each: each}
	s.space()
	return s.next('{') && s.items('{', 1) && s.atEnd()
}

// integer parses a valid JSON number that is written as an integer.
func integer(number []byte) (n int64, ok bool) {
	digits := number
	if number[0] == '-' {
		digits = number[1:]
	}
	if len(digits) > 18 { // could overflow
		if n, err := strconv.ParseInt(string(number), 10, 64); err == nil {
			return n, true
		}
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if number[0] == '-' {
		n = -n
	}
	return n, true
}

// unquote decodes a valid JSON string.
func unquote(quoted string) string {
	if plain := quoted[1 : len(quoted)-1]; strings.IndexByte(plain, '\\') < 0 {
		return plain
	}
	var s string
	_ = json.Unmarshal([]byte(quoted), &s) // it is valid
	return s
}

// object is a JSON object whose members can be looked up by name. If several members have
// the same name, the last one counts, as in encoding/json.
type object struct {
	members []Member
	// marks has the mark of each member, so that get can skip most others. It is used if
	// there are at most fewMembers, with different names.
	marks [fewMembers]byte
	// byName is used otherwise.
	byName map[string]*Member
	// duplicates is set if a name occurs more than once.
	duplicates bool
}

// fewMembers is the largest number of members that are searched without a map.
const fewMembers = 32

func newObject(members []Member) object {
	o := object{members: members}
	few := len(members) <= fewMembers
	for i := range members {
		if !few {
			break
		}
		o.members = members[:i]
		if o.get(members[i].Name) != nil {
			few = false
		}
		o.marks[i] = mark(members[i].Name)
	}
	o.members = members
	if few {
		return o
	}
	o.byName = make(map[string]*Member, len(members))
	for i := range members {
		o.byName[members[i].Name] = &members[i]
	}
	o.duplicates = len(o.byName) < len(members)
	return o
}

// mark returns a hash of a name.
func mark(name string) byte {
	n := len(name)
	if n == 0 {
		return 0
	}
	return byte(n) + 7*name[0] + 31*name[n-1]
}

func (o *object) get(name string) *Member {
	if o.byName != nil {
		return o.byName[name]
	}
	m := mark(name)
	for from := 0; from < len(o.members); {
		i := bytes.IndexByte(o.marks[from:len(o.members)], m)
		if i < 0 {
			return nil
		}
		if from += i; o.members[from].Name == name {
			return &o.members[from]
		}
		from++
	}
	return nil
}

// raw returns the JSON of a member, or nil if there is none.
func (o *object) raw(name string) json.RawMessage {
	if m := o.get(name); m != nil {
		return m.Value
	}
	return nil
}

// scanner reads and validates JSON.
type scanner struct {
	data []byte
	at   int
	// each, if not nil, is called for strings. path has the names that lead to the current
	// value.
	each func(path [][]byte, text []byte)
	path [][]byte
}

// next skips the byte c.
func (s *scanner) next(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// space skips white space.
func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.at == len(s.data)
}

// value skips a value that is nested in depth objects and arrays.
func (s *scanner) value(depth int) bool {
	if s.at >= len(s.data) {
		return false
	}
	switch c := s.data[s.at]; c {
	case '"':
		start := s.at
		ok := s.text()
		if ok && s.each != nil {
			s.each(s.path, s.data[start+1:s.at-1])
		}
		return ok
	case '{', '[':
		s.at++
		return depth < maxDepth && s.items(c, depth+1)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// items skips the contents of an object or an array, and the closing bracket.
func (s *scanner) items(open byte, depth int) bool {
	end := open + 2 // } or ]
	if s.space(); s.next(end) {
		return true
	}
	for {
		above := s.path
		if open == '{' {
			start := s.at
			if !s.text() {
				return false
			}
			if s.each != nil {
				s.path = append(s.path, s.data[start+1:s.at-1])
			}
			if s.space(); !s.next(':') {
				return false
			}
			s.space()
		}
		if !s.value(depth) {
			return false
		}
		s.path = above
		if s.space(); s.next(end) {
			return true
		}
		if !s.next(',') {
			return false
		}
		s.space()
	}
}

func (s *scanner) word(w string) bool {
	if len(s.data)-s.at < len(w) || string(s.data[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// number skips a number (RFC 8259 section 6).
func (s *scanner) number() bool {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return false
	}
	if s.next('.') && !s.digits() {
		return false
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// special marks the bytes that must be escaped in a string, or end it.
var special = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// text skips a string (RFC 8259 section 7).
func (s *scanner) text() bool {
	if !s.next('"') {
		return false
	}
	data, i := s.data, s.at
	for i < len(data) {
		for len(data)-i >= 8 && plain(binary.LittleEndian.Uint64(data[i:])) {
			i += 8
		}
		if i >= len(data) {
			break
		}
		c := data[i]
		i++
		if !special[c] {
			continue
		}
		switch {
		case c == '"':
			s.at = i
			return true
		case c != '\\' || i >= len(data):
			return false
		}
		c = data[i]
		i++
		if c == 'u' {
			if len(data)-i < 4 || !hex(data[i]) || !hex(data[i+1]) || !hex(data[i+2]) || !hex(data[i+3]) {
				return false
			}
			i += 4
		} else if bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
			return false
		}
	}
	return false
}

// plain reports whether none of eight bytes is special.
func plain(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^'"'*ones, x^'\\'*ones
	return ((x-0x20*ones)&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&high == 0
}

func hex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
