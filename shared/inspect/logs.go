package inspect

import (
	"bytes"
	"encoding/base64"
	"strings"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// tokenStart is what the base64url of {" begins with, and so every JWT.
var tokenStart = []byte("eyJ")

// fromObject returns the tokens in a JSON object: the one of a token endpoint or a tool, or
// else all that its strings contain, as in a line of a log. Their notes say in which member
// they are. An object without a token is an input that is not a token if it stands alone.
// Otherwise it is a line of a log that is skipped, unless it is an answer of a token
// endpoint.
func fromObject(i input) (out []input) {
	text := i.raw
	i.object = false
	if i.mode != 0 { // a client would send the whole object
		i.form = service.Wrapped
	}
	var o object
	valid := token.Strings(text, func(path [][]byte, text []byte) {
		o.look(path, text)
		if !bytes.Contains(text, tokenStart) || string(path[len(path)-1]) == "protected" && !bytes.Contains(text, []byte(".")) {
			return // the header of a signature in JSON form is not a token
		}
		for _, raw := range tokensIn(text) {
			found := i
			found.raw, found.note = raw, "the "+string(bytes.Join(path, []byte(".")))+" in a JSON object"
			out = append(out, found)
		}
	})
	switch {
	case valid && len(out) > 0 && !o.known:
		return out
	case valid && len(out) == 0 && !i.only && !o.answer:
		return nil
	}
	i.raw, i.note, i.kind, i.err = answer(text)
	if i.note == reportNote && !i.among { // nobody gives a report to a client
		i.form = service.Bare
	}
	return []input{i}
}

// object is what the strings of a JSON object say about it.
type object struct {
	// known says that its token is where tools put it, and answer that it is an answer of a
	// token endpoint, or a report of ours.
	known, answer bool
	// place is the index of the member in places that counts, plus one.
	place int
}

func (o *object) look(path [][]byte, text []byte) {
	if len(path) > 2 || len(text) == 0 {
		return
	}
	first := string(path[0])
	o.answer = o.answer || len(path) == 1 && first == "access_token" || len(path) == 2 && first == "header" && string(path[1]) == "alg"
	for n, place := range places {
		outer, inner, deep := strings.Cut(place, ".")
		if outer != first || deep != (len(path) == 2) || deep && string(path[1]) != inner {
			continue
		}
		if o.place == 0 || n < o.place {
			o.place, o.known = n+1, bytes.Contains(text, tokenStart)
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
