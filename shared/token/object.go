package token

import (
	"bytes"
	"encoding/json"
)

// Member is one member of a JSON object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// maxDepth is how deep JSON may be nested, as in encoding/json.
const maxDepth = 10000

// ReadObject returns the members of a JSON object in their order, duplicates kept. ok is
// false if data is not a valid JSON object (RFC 8259). It accepts what encoding/json
// accepts, but reads the text only once and copies no values.
func ReadObject(data []byte) (members []Member, ok bool) {
	s := scanner{data: data}
	if s.space(); !s.next('{') {
		return nil, false
	}
	// Most tokens have fewer members than this.
	members = make([]Member, 0, 16)
	if s.space(); s.next('}') {
		return members, s.atEnd()
	}
	for {
		start := s.at
		if !s.text() {
			return nil, false
		}
		name, ok := unquote(data[start:s.at])
		if s.space(); !ok || !s.next(':') {
			return nil, false
		}
		s.space()
		start = s.at
		if !s.value(1) {
			return nil, false
		}
		members = append(members, Member{name, data[start:s.at:s.at]})
		if s.space(); s.next('}') {
			return members, s.atEnd()
		}
		if !s.next(',') {
			return nil, false
		}
		s.space()
	}
}

// ReadList returns the elements of a JSON array, or nil if data is not a valid one.
func ReadList(data []byte) (list []json.RawMessage) {
	s := scanner{data: data}
	if s.space(); !s.next('[') {
		return nil
	}
	if s.space(); s.next(']') {
		return nil
	}
	for {
		start := s.at
		if !s.value(1) {
			return nil
		}
		list = append(list, data[start:s.at:s.at])
		if s.space(); s.next(']') {
			if !s.atEnd() {
				return nil
			}
			return list
		}
		if !s.next(',') {
			return nil
		}
		s.space()
	}
}

// unquote decodes a valid JSON string.
func unquote(quoted []byte) (string, bool) {
	if plain := quoted[1 : len(quoted)-1]; bytes.IndexByte(plain, '\\') < 0 {
		if s, ok := common[string(plain)]; ok {
			return s, true // without an allocation
		}
		return string(plain), true
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err == nil
}

// common has the names that most tokens have.
var common = func() map[string]string {
	names := map[string]string{}
	for _, s := range []string{
		"alg", "kid", "typ", "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "ver", "wlcg.ver", "wlcg.groups", "client_id", "azp", "acr", "auth_time", "groups",
	} {
		names[s] = s
	}
	return names
}()

// scanner reads JSON.
type scanner struct {
	data []byte
	at   int
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

// value skips a value. depth is how many objects and arrays it is in.
func (s *scanner) value(depth int) bool {
	if s.at >= len(s.data) {
		return false
	}
	switch c := s.data[s.at]; c {
	case '"':
		return s.text()
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

// items skips the contents of an object or an array, and its end.
func (s *scanner) items(open byte, depth int) bool {
	end := open + 2 // } or ]
	if s.space(); s.next(end) {
		return true
	}
	for {
		if open == '{' {
			if !s.text() {
				return false
			}
			if s.space(); !s.next(':') {
				return false
			}
			s.space()
		}
		if !s.value(depth) {
			return false
		}
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

// special are the bytes that do not stand for themselves in a string.
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

func hex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
