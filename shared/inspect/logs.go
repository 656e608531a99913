package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"example.org/token-helpers/shared/token"
)

// tokenStart is what the base64url of {" begins with, and so every JWT.
var tokenStart = []byte("eyJ")

// fromObject returns the tokens in a JSON object: the one of a token endpoint or a tool, or
// else all that its strings contain, as in a line of a log. An object without a token is an
// input that is not a token if it stands alone. Otherwise it is a line of a log that is
// skipped, unless it is an answer of a token endpoint.
func fromObject(i input) []input {
	text := i.raw
	i.object = false
	members, ok := token.ReadObject(text)
	if ok {
		has := bytes.Contains(text, tokenStart)
		alone := i.only || named(members, "access_token") || named(members, "claims") && named(members, "header")
		if !has && !alone {
			return nil
		}
		if has && !known(members) {
			if found := inStrings(i, members); len(found) > 0 {
				return found
			}
			if !alone {
				return nil
			}
		}
	}
	i.raw, i.note, i.kind, i.err = answer(text)
	// A client would send the whole object. Nobody gives it a report.
	i.wrapped = i.note != reportNote && i.mode != 0
	return []input{i}
}

func named(members []token.Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// known reports whether the object has its token where tools put it.
func known(members []token.Member) bool {
	for _, place := range places {
		name, _, _ := strings.Cut(place, ".")
		if named(members, name) {
			m := map[string]json.RawMessage{}
			for _, member := range members {
				m[member.Name] = member.Value
			}
			_, raw := nested(m)
			return strings.Contains(raw, string(tokenStart))
		}
	}
	return false
}

// inStrings returns the tokens in the strings of an object, in their order. Their notes say
// in which member they are.
func inStrings(i input, members []token.Member) (out []input) {
	found := func(path string, raw []byte) {
		f := i
		f.raw, f.note, f.wrapped = raw, "the "+path+" in a JSON object", i.mode != 0
		out = append(out, f)
	}
	for _, m := range members {
		if bytes.Contains(m.Value, tokenStart) {
			search(m.Name, m.Value, 0, found)
		}
	}
	return out
}

// maxPath is how deep members are searched for tokens.
const maxPath = 100

// search calls found for each token in the strings of a valid JSON value.
func search(path string, value json.RawMessage, depth int, found func(path string, raw []byte)) {
	if depth == maxPath {
		return
	}
	switch value[0] {
	case '"':
		for _, raw := range tokensIn(value[1 : len(value)-1]) {
			found(path, raw)
		}
	case '{':
		members, _ := token.ReadObject(value)
		for _, m := range members {
			if bytes.Contains(m.Value, tokenStart) {
				search(path+"."+m.Name, m.Value, depth+1, found)
			}
		}
	case '[':
		for _, e := range token.ReadList(value) {
			if bytes.Contains(e, tokenStart) {
				search(path, e, depth+1, found)
			}
		}
	}
}

// tokensIn returns the tokens in the text of a JSON string: words of the characters of a
// token whose first part is, or begins, a header that names an algorithm. So it also finds
// tokens that were truncated, which do not decode, and no other base64.
func tokensIn(text []byte) (out [][]byte) {
	for {
		at := bytes.Index(text, tokenStart)
		if at < 0 {
			return out
		}
		end := at
		for end < len(text) && inToken[text[end]] {
			end++
		}
		word := text[at:end]
		if at == 0 || !inToken[text[at-1]] || escaped(text[:at]) {
			// A shortened token ends with dots, and a sentence with one.
			if bytes.HasSuffix(word, []byte("..")) {
				word = bytes.TrimRight(word, ".")
			} else if bytes.Count(word, []byte(".")) > 2 {
				word = bytes.TrimSuffix(word, []byte("."))
			}
			if announcesAlgorithm(word) {
				out = append(out, word)
			}
		}
		text = text[end:]
	}
}

// inToken are the characters of a token.
var inToken = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") {
		t[c] = true
	}
	return t
}()

// escaped reports whether text ends with an escape such as \n or \u000a, whose letters are
// not a part of the next word.
func escaped(text []byte) bool {
	if n := len(text); n >= 2 && text[n-2] == '\\' {
		return true
	}
	n := len(text)
	return n >= 6 && text[n-6] == '\\' && text[n-5] == 'u'
}

// announcesAlgorithm reports whether a word begins as the header of a JWT, or is truncated
// within it.
func announcesAlgorithm(word []byte) bool {
	header, _, _ := bytes.Cut(word, []byte("."))
	var buf [768]byte
	// Whole groups of four, so that a truncated one does not matter.
	n, _ := base64.RawURLEncoding.Decode(buf[:], header[:min(len(header)&^3, 1024)])
	return bytes.Contains(buf[:n], []byte(`"alg"`))
}
