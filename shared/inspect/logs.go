package inspect

import (
	"bytes"
	"encoding/base64"
	"strings"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// tokenStart is the base64url of {", with which every JWT begins.
var tokenStart = []byte("eyJ")

// fromObject returns the tokens in a JSON object. If the object is the response of a token
// endpoint or the output of a tool, this is its token; otherwise, as for a line of a log, all
// tokens in its strings, with notes that name the member. An object without a token is
// skipped like a line of a log, unless the input contains nothing else or the object is a
// response of a token endpoint: then the result is an input that is not a token.
func fromObject(i input) (out []input) {
	text := i.raw
	i.object = false
	if i.mode != 0 { // a client would send the whole object
		i.form = service.Wrapped
	}
	var o object
	valid := token.Strings(text, func(path [][]byte, text []byte) {
		o.add(path, text)
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
	case valid && len(out) == 0 && !i.only && !o.response:
		return nil
	}
	i.raw, i.note, i.kind, i.err = fromResponse(text)
	if i.note == reportNote && !i.among { // reports are not used as token files
		i.form = service.Bare
	}
	return []input{i}
}

// object describes a JSON object by its strings.
type object struct {
	// known means that the token is in one of [places]. response means that the object is a
	// response of a token endpoint, or a report of jwt-inspect.
	known, response bool
	// place is the index of the member in places that is used, plus one.
	place int
}

// add adds a string of the object.
func (o *object) add(path [][]byte, text []byte) {
	if len(path) > 2 || len(text) == 0 {
		return
	}
	first := string(path[0])
	o.response = o.response || len(path) == 1 && first == "access_token" || len(path) == 2 && first == "header" && string(path[1]) == "alg"
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

// tokensIn returns the tokens in the text of a JSON string: words that consist of the
// characters of tokens, and whose first part is a header with alg, or the beginning of one.
// So it finds truncated tokens too, but no other base64.
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
			// A shortened token ends with dots, a sentence with one dot.
			if bytes.HasSuffix(word, []byte("..")) {
				word = bytes.TrimRight(word, ".")
			} else if bytes.Count(word, []byte(".")) > 2 {
				word = bytes.TrimSuffix(word, []byte("."))
			}
			if hasAlgorithm(word) {
				out = append(out, word)
			}
		}
		text = text[end:]
	}
}

// inToken marks the characters that occur in tokens.
var inToken = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") {
		t[c] = true
	}
	return t
}()

// escaped reports whether text ends with an escape such as \n or \u000a, whose letters do
// not belong to the next word.
func escaped(text []byte) bool {
	if n := len(text); n >= 2 && text[n-2] == '\\' {
		return true
	}
	n := len(text)
	return n >= 6 && text[n-6] == '\\' && text[n-5] == 'u'
}

// hasAlgorithm reports whether a word begins with a JWT header that contains alg, even if the
// header is truncated.
func hasAlgorithm(word []byte) bool {
	header, _, _ := bytes.Cut(word, []byte("."))
	var buf [768]byte
	// Decode whole groups of four characters, and ignore a truncated one.
	n, _ := base64.RawURLEncoding.Decode(buf[:], header[:min(len(header)&^3, 1024)])
	return bytes.Contains(buf[:n], []byte(`"alg"`))
}
