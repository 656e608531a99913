package scitokens

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// parsed checks that the library's JSON parser (picojson) accepts the token.
func parsed(_ Library, p service.Presented) []finding.Finding {
	what := "header"
	problem := jsonProblem(p.JWT.Header, p.JWT.HeaderMembers())
	if problem == "" {
		what, problem = "payload", jsonProblem(p.JWT.Claims, p.JWT.Members())
	}
	if problem == "" {
		return nil
	}
	return one(finding.Finding{Code: finding.JSONRefused, Message: fmt.Sprintf("the JSON parser of the servers refuses the %s: it has %s", what, problem),
		Hint: "the issuer must leave it out (servers report \"invalid json\" or no reason)", Source: srcLibrary})
}

// jsonProblem returns what the library's parser refuses in a JSON object, or "".
func jsonProblem(object []byte, members []token.Member) string {
	if bytes.IndexByte(object, '\\') >= 0 {
		return refusedJSON(object)
	}
	// Without escapes, only numbers, lists and objects can be refused.
	for k := range members {
		if value := members[k].Value; value[0] != '"' {
			if problem := refusedJSON(value); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// maxLists is the number of lists that can contain another list or an object.
const maxLists = 100

// refusedJSON is like [jsonProblem] for any valid JSON.
func refusedJSON(b []byte) string {
	lists := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			n, ok := skipString(b[i:])
			if !ok {
				return "a string with half of a surrogate pair"
			}
			i += n - 1
		case (c == '[' || c == '{') && lists == maxLists:
			return fmt.Sprintf("more than %d nested lists", maxLists)
		case c == '[':
			lists++
		case c == ']':
			lists--
		case c == '-' || c >= '0' && c <= '9':
			end, exponent := i+1, false
			for ; end < len(b) && inNumber(b[end]); end++ {
				exponent = exponent || b[end]|0x20 == 'e'
			}
			if number := b[i:end]; exponent || len(number) > 300 { // others are not too large
				if f, _ := strconv.ParseFloat(string(number), 64); math.IsInf(f, 0) {
					return "the number " + finding.Brief(string(number)) + ", which is too large"
				}
			}
			i = end - 1
		}
	}
	return ""
}

// inNumber reports whether c occurs in JSON numbers.
func inNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '+' || c == '-' || c|0x20 == 'e'
}

// skipString returns the length of the JSON string with which b begins. ok is false if it
// contains half of a surrogate pair (RFC 8259 section 7).
func skipString(b []byte) (n int, ok bool) {
	for i := 1; ; i++ {
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
			if b[i] != 'u' {
				continue
			}
			switch unit := codeUnit(b[i+1:]); {
			case unit >= 0xdc00 && unit <= 0xdfff:
				return 0, false
			case unit >= 0xd800 && unit <= 0xdbff:
				rest := b[i+5:]
				if !bytes.HasPrefix(rest, []byte(`\u`)) || codeUnit(rest[2:])&^0x3ff != 0xdc00 {
					return 0, false
				}
				i += 6
			}
			i += 4
		}
	}
}

// codeUnit returns the value of the four hex digits with which b begins.
func codeUnit(b []byte) (unit int) {
	for _, c := range b[:4] {
		unit = unit<<4 | hexDigit(c)
	}
	return unit
}
