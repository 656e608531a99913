package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// fromResponse extracts the token from the JSON of a token endpoint (RFC 6749 section 5.1) or
// a tool. If there is none, kind and err say what the object is.
func fromResponse(data []byte) (raw []byte, note, kind string, err error) {
	notToken := func(kind, what string) ([]byte, string, string, error) {
		return nil, "", kind, fmt.Errorf("%w: %s", token.ErrNotToken, what)
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil {
		return notToken("JSON", "a truncated or invalid JSON object")
	}
	if name, s := nested(m); s != "" {
		note = "the " + name + " in a JSON object"
		if _, ok := m["refresh_token"]; ok {
			note += ", which also contains a refresh token: do not share it"
		}
		return []byte(strings.TrimSpace(s)), note, "", nil
	}
	if isObject(m["header"]) && isObject(m["claims"]) {
		signature := ""
		_ = json.Unmarshal(m["signature"], &signature) // left out unless --show-signature is given
		return assemble(m["header"], m["claims"], signature), reportNote, "", nil
	}
	var failed struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	switch {
	case json.Unmarshal(data, &failed) == nil && failed.Error != "":
		return notToken("refusal", "an error response of an issuer: "+strings.TrimSuffix(failed.Error+": "+failed.Description, ": "))
	case m["keys"] != nil:
		return notToken("JWK Set", "a set of keys (JWK Set), for --jwks")
	case m["issuer"] != nil && m["jwks_uri"] != nil:
		return notToken("discovery document", "an issuer's discovery document")
	case m["signatures"] != nil || m["payload"] != nil && m["signature"] != nil:
		return notToken("JWS in JSON", "a signature in JSON form (RFC 7515 section 7.2); services accept only the compact form")
	case string(m["v"]) == "2" && (m["i"] != nil || m["i64"] != nil), m["macaroon"] != nil, m["caveats"] != nil && m["identifier"] != nil && m["signature"] != nil:
		return notToken("macaroon", aMacaroon)
	case m["iss"] != nil || m["alg"] != nil:
		return notToken("claims", "decoded claims, or a part of a token")
	}
	return notToken("JSON", "a JSON object without an access_token")
}

var fileName = text.Pattern{Expr: `^(~?/|\.\.?/)[\w./ +-]*$|^[\w-]+(/[\w.-]+)*\.(txt|jwt|tok|token|json|pem)$`}

// notJWT describes input that does not decode. It returns a more specific error if possible,
// but never repeats the input, which could be a secret.
func notJWT(raw []byte, err error) (kind string, _ error) {
	say := func(kind, what string) (string, error) { return kind, fmt.Errorf("%w: %s", token.ErrNotToken, what) }
	switch dots := bytes.Count(raw, []byte(".")); {
	case !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0:
		return "binary", err
	case bytes.HasPrefix(raw, []byte("-----BEGIN ")):
		switch {
		case bytes.Contains(raw, []byte("PRIVATE KEY")):
			return say("PEM", "a private key in PEM")
		case bytes.Contains(raw, []byte("CERTIFICATE")):
			return say("PEM", "a certificate in PEM: an X.509 proxy is not a token")
		case bytes.Contains(raw, []byte("PUBLIC KEY")):
			return say("PEM", "a public key in PEM")
		}
		return say("PEM", "a PEM file")
	case macaroon(raw):
		return say("macaroon", aMacaroon)
	case len(raw) < 4096 && fileName.Get().Match(raw):
		// Do not check whether the file exists: the input may be a secret, which would be
		// sent to a network file system.
		return say("file name", "probably a file name: pass the file as an argument, or with <")
	case dots == 0 && !bytes.ContainsAny(raw, " \t"):
		return "opaque string", err
	case dots == 2 && signedText(raw):
		return "JWS", err
	case dots == 4 && bytes.HasPrefix(raw, []byte("eyJ")) && !bytes.ContainsAny(raw, " \t"):
		return "JWE", err
	}
	return "", err
}

// looksLikeToken matches a JWT with or without a signature.
var looksLikeToken = text.Pattern{Expr: `eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`}

// places are the members in which JSON output contains a token: of token endpoints and most
// tools, of Vault (data.access_token), kubectl create token (status.token), Azure's CLI
// (accessToken), and GitHub's endpoint for job tokens (value).
var places = []string{"access_token", "token", "id_token", "accessToken", "data.access_token", "data.token", "status.token", "value"}

// nested finds the token in a JSON object, and returns the name of its member.
func nested(m map[string]json.RawMessage) (name, raw string) {
	for _, name := range places {
		at := m
		outer, inner, deep := strings.Cut(name, ".")
		if deep {
			at = nil
			if json.Unmarshal(m[outer], &at) != nil {
				continue
			}
			outer = inner
		}
		var s string
		if json.Unmarshal(at[outer], &s) == nil && s != "" {
			return name, s
		}
	}
	return "", ""
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// assemble encodes a token.
func assemble(header, claims []byte, signature string) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	return []byte(b64(header) + "." + b64(claims) + "." + signature)
}

// reportNote is the note on a token in the output of jwt-inspect -o json.
const reportNote = "a report of jwt-inspect in JSON"

const aMacaroon = "a macaroon, as dCache issues: only the server that issued it can verify it"

// tokenList matches a line of condor_token_list.
var tokenList = text.Pattern{Expr: `Header: (\{.*?\}) Payload: (\{.*\})(?: File: (\S.*))?$`}

// cutOff matches a token whose signature was replaced, as people do before they show a token:
// by dots or asterisks, possibly after a part of the signature, or by text in brackets.
var cutOff = text.Pattern{Expr: `(eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\.(?:[A-Za-z0-9_-]*(?:\.{2,}|…|\*{2,})|\[[^\[\]]*\]|<[^<>]*>|\([^()]*\)|\{[^{}]*\})`}

// placeholder matches text in place of a signature that consists of base64url characters.
var placeholder = text.Pattern{Expr: `(?i)^(signature|redacted|removed|omitted|stripped|hidden|secret|x{3,}|_{2,}|-{2,})$`}

// noSignature is the note on a token whose signature is missing.
const noSignature = "a token whose signature is missing"

// withoutPlaceholder returns the token without the placeholder for its signature, or nil if
// there is no placeholder.
func withoutPlaceholder(raw []byte, j *token.JWT) []byte {
	if len(j.Signature) > 12 || !placeholder.Get().MatchString(j.Signature) {
		return nil
	}
	return raw[:bytes.LastIndexByte(raw, '.')+1]
}

// within extracts the token from a line with other text, such as a shell's export or a curl
// command, or completes a token whose signature is missing. more means that the line contains
// other text that a client would send.
func within(line []byte) (raw []byte, note string, more bool) {
	if bytes.Count(line, []byte(".")) == 1 && bytes.HasPrefix(line, []byte("eyJ")) {
		return append(bytes.Clone(line), '.'), noSignature, false
	}
	if n := len(line) - 1; bytes.Count(line, []byte(".")) == 3 && line[n] == '.' && line[n-1] != '.' && bytes.HasPrefix(line, []byte("eyJ")) {
		return line[:n], "a token at the end of a sentence", true
	}
	if !bytes.Contains(line, []byte("eyJ")) && !bytes.Contains(line, []byte("Header: ")) {
		return nil, "", false
	}
	if m := tokenList.Get().FindSubmatch(line); m != nil && json.Valid(m[1]) && json.Valid(m[2]) {
		note := "a line of condor_token_list, which does not show signatures"
		if len(m[3]) > 0 {
			note += "; the token is in " + string(m[3])
		}
		return assemble(m[1], m[2], ""), note, false
	}
	if m := cutOff.Get().FindAllSubmatch(line, 2); len(m) == 1 {
		return append(bytes.Clone(m[0][1]), '.'), noSignature, false
	}
	at := looksLikeToken.Get().FindAllIndex(line, 2)
	if len(at) != 1 || at[0][1]-at[0][0] == len(line) {
		return nil, "", false
	}
	// If a dot follows, the token has more parts. If another character follows that is not a
	// delimiter, it is damaged.
	from, to := at[0][0], at[0][1]
	if (to == len(line) || bytes.IndexByte([]byte(" \t\"'&;,)>}]\\<`*|"), line[to]) >= 0) && (from == 0 || line[from-1] != '.') {
		return line[from:to], "a token in a line with other text", true
	}
	return nil, "", false
}

// signedText reports whether the header is that of a JWS, with any payload.
func signedText(raw []byte) bool {
	header, _, _ := bytes.Cut(raw, []byte("."))
	b, err := base64.RawURLEncoding.DecodeString(string(header))
	var h struct {
		Algorithm string `json:"alg"`
	}
	return err == nil && json.Unmarshal(b, &h) == nil && h.Algorithm != ""
}

// macaroon reports whether raw is a macaroon in one of the two formats of libmacaroons
// (README). They begin with four hex digits and "location" or "identifier", or with the
// version byte 2 and the type of the location or identifier field.
func macaroon(raw []byte) bool {
	s := strings.TrimRight(string(raw[:min(len(raw), 64)]), "=")
	s = s[:len(s)&^3]
	b, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(s))
	if err != nil || len(b) < 16 {
		return false
	}
	return bytes.HasPrefix(b[4:], []byte("location ")) || bytes.HasPrefix(b[4:], []byte("identifier ")) || b[0] == 2 && (b[1] == 1 || b[1] == 2)
}
