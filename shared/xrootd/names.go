package xrootd

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.org/token-helpers/shared/service"
)

// Audience is the audience of a storage endpoint as the WLCG profile words
// it (Common JWT Profile, "aud"): https://host without a default port and without
// a trailing slash. A root:// endpoint keeps its port, 1094 unless given; a bare
// HOST[:PORT] is taken as root://. Errors name flag.
func Audience(flag, server string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &service.UsageError{Flag: flag, Problem: problem, Form: flag + " https://x.example.org, root://x.example.org:1094 or x.example.org:1094"}
	}
	scheme, rest, isURL := strings.Cut(server, "://")
	port, standard := 1094, 443
	if isURL {
		u, err := url.Parse(server)
		if err != nil || u.User != nil {
			return bad(strconv.Quote(server) + " is not a server's URL")
		}
		scheme = strings.ToLower(scheme)
		switch scheme {
		case "https", "davs":
			port = standard
		case "root", "roots", "xroot", "xroots":
		default:
			return bad(fmt.Sprintf("the scheme %q is not known", scheme))
		}
		// A path says where on the server, not which server.
		rest, _, _ = strings.Cut(rest, "/")
		rest, _, _ = strings.Cut(rest, "?")
	} else {
		rest = server
	}
	host, given, problem := service.HostPort(rest)
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

// ScopePath is an absolute path as scopes carry it, normalised after RFC 3986
// section 6: dot segments and doubled slashes removed, no trailing slash, what
// needs no percent-encoding decoded and the rest encoded, for a space would end
// the scope. Errors name flag.
func ScopePath(flag, p string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &service.UsageError{Flag: flag, Problem: problem, Form: flag + " /store/user/me"}
	}
	if p == "" {
		return bad("is empty")
	}
	if p[0] != '/' {
		return bad(strconv.Quote(p) + " is not absolute")
	}
	if strings.Contains(strings.ToLower(p), "%2f") {
		return bad(strconv.Quote(p) + " has an encoded slash, which servers read differently")
	}
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return bad(strconv.Quote(p) + " has a % that begins no escape")
	}
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return bad(strconv.Quote(p) + " has control characters")
	}
	return (&url.URL{Path: path.Clean(decoded)}).EscapedPath(), nil
}
