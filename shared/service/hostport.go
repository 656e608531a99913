package service

import (
	"net/netip"
	"strconv"
	"strings"
)

// HostPort splits HOST[:PORT], where HOST is a name, an IPv4 address, or an IPv6 address in
// brackets. It converts names to lower case and removes a trailing dot. An IPv6 address
// keeps its brackets. port is 0 if none is given. problem describes an error, or is "".
func HostPort(s string) (host string, port int, problem string) {
	switch {
	case s == "":
		return "", 0, "the value is empty"
	case strings.ContainsAny(s, " \t\r\n"):
		return "", 0, "the value contains white space"
	case strings.Contains(s, "://"):
		return "", 0, strconv.Quote(s) + " is a URL, not a host"
	case strings.ContainsAny(s, "/\\"):
		return "", 0, strconv.Quote(s) + " contains a path"
	case strings.ContainsAny(s, "?#@"):
		return "", 0, strconv.Quote(s) + " is not a host"
	}
	host, rest, problem := splitHost(s)
	if problem != "" || rest == "" {
		return host, 0, problem
	}
	p, err := strconv.ParseUint(rest[1:], 10, 16)
	if err != nil || p == 0 || rest[1] == '0' {
		return "", 0, strconv.Quote(rest[1:]) + " is not a port from 1 to 65535"
	}
	return host, int(p), ""
}

// splitHost splits s into the host and the rest, which is empty or begins with a colon.
func splitHost(s string) (host, rest, problem string) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", strconv.Quote(s) + " has no closing bracket"
		}
		ip, err := netip.ParseAddr(s[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", "", strconv.Quote(s[1:end]) + " is not an IPv6 address"
		}
		rest = s[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", "", strconv.Quote(s) + " is not a host"
		}
		return "[" + ip.String() + "]", rest, ""
	}
	if strings.Count(s, ":") > 1 {
		return "", "", strconv.Quote(s) + " has several colons: write an IPv6 address in brackets, as in [2001:db8::1]:9619"
	}
	host = s
	if i := strings.IndexByte(s, ':'); i >= 0 {
		host, rest = s[:i], s[i:]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !validHost(host) {
		return "", "", strconv.Quote(s) + " is not a host name"
	}
	return host, rest, ""
}

// validHost reports whether h is a host name according to RFC 1123 section 2.1. It also
// allows underscores, which occur in practice.
func validHost(h string) bool {
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
