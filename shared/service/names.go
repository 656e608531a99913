package service

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// StorageAudience returns the audience of a storage endpoint as the WLCG profile spells it
// (Common JWT Profile, "aud"): https://host without a default port and without a trailing
// slash. A root:// endpoint keeps its port, 1094 unless given; a bare HOST[:PORT] is read
// as root://. Errors name flag.
func StorageAudience(flag, server string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &UsageError{Flag: flag, Problem: problem, Form: flag + " https://x.example.org, root://x.example.org:1094 or x.example.org:1094"}
	}
	scheme, rest, isURL := strings.Cut(server, "://")
	port, standard := 1094, 443
	if isURL {
		u, err := url.Parse(server)
		if err != nil || u.User != nil {
			return bad(strconv.Quote(server) + " is not the URL of a server")
		}
		scheme = strings.ToLower(scheme)
		switch scheme {
		case "https", "davs":
			port = standard
		case "root", "roots", "xroot", "xroots":
		default:
			return bad(fmt.Sprintf("unknown scheme %q", scheme))
		}
		// A path is a place on the server.
		rest, _, _ = strings.Cut(rest, "/")
		rest, _, _ = strings.Cut(rest, "?")
	} else {
		rest = server
	}
	host, given, problem := HostPort(rest)
	if problem != "" {
		return bad(problem)
	}
	if given != 0 {
		port = given
	}
	if port == standard {
		return "https://" + host, nil
	}
	return fmt.Sprintf("https://%s:%d", host, port), nil
}

// ScopePath returns an absolute path as scopes contain it, normalized as in RFC 3986
// section 6: without dot segments, double slashes and a trailing slash, and
// percent-encoded only where needed, because a space would end the scope. Errors name
// flag.
func ScopePath(flag, p string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &UsageError{Flag: flag, Problem: problem, Form: flag + " /store/user/me"}
	}
	if p == "" {
		return bad("the value is empty")
	}
	if p[0] != '/' {
		return bad(strconv.Quote(p) + " is not absolute")
	}
	if strings.Contains(strings.ToLower(p), "%2f") {
		return bad(strconv.Quote(p) + " contains an encoded slash, which not all servers read in the same way")
	}
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return bad(strconv.Quote(p) + " contains a % that is not part of an escape such as %20")
	}
	if strings.ContainsAny(decoded, `%\`) {
		// scitokens-cpp 1.4.1 and later refuse a token with such a scope, others read it literally.
		return bad(strconv.Quote(p) + " contains a % or a backslash, which servers refuse in scopes")
	}
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return bad(strconv.Quote(p) + " contains control characters")
	}
	return (&url.URL{Path: path.Clean(decoded)}).EscapedPath(), nil
}
