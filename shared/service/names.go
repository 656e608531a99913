package service

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// StorageAudience returns the audience of a storage endpoint in the form of the WLCG profile
// (Common JWT Profile, "aud"): https://host[:port], without port 443 and without a trailing
// slash. The port of a root:// endpoint is 1094 unless given. HOST[:PORT] without a scheme
// is treated as root://. flag is the flag that errors name.
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
		// The path is not part of the audience.
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

// ScopePath returns an absolute path in the form that scopes contain, normalized as in RFC
// 3986 section 6: without dot segments, double slashes and a trailing slash. It is
// percent-encoded only where necessary, because a space would end the scope. flag is the
// flag that errors name.
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
		// scitokens-cpp 1.4.1 and later refuse tokens with such a scope. Others read it literally.
		return bad(strconv.Quote(p) + " contains a % or a backslash, which servers refuse in scopes")
	}
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return bad(strconv.Quote(p) + " contains control characters")
	}
	return (&url.URL{Path: path.Clean(decoded)}).EscapedPath(), nil
}
