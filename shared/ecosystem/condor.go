package ecosystem

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The WLCG profile's compute capabilities (Common JWT Profile, "Capability based
// authorization: scope"), which HTCondor maps to its authorization levels
// (src/condor_io/condor_auth_ssl.cpp and the manual's "SciTokens" section).
// Measured on 23.9.6: WRITE takes modify, cancel and create together.
var (
	computeRead  = []string{"compute.read"}
	computeWrite = []string{"compute.modify", "compute.cancel", "compute.create"}
	computeAll   = slices.Concat(computeRead, computeWrite)
)

// HTCondor's own spelling, for tokens of the SciTokens profile.
const (
	condorRead  = "condor:/READ"
	condorWrite = "condor:/WRITE"
	condorAllow = "condor:/ALLOW"
)

// defaultCEPort is the port of an HTCondor-CE's collector.
const defaultCEPort = 9619

// Condor is what condor-token-helper asks for.
type Condor struct {
	CE      []string `name:"ce" sep:"none" placeholder:"HOST[:PORT]" help:"The compute element the token is for; port 9619 unless given. Repeatable."`
	Read    bool     `help:"Only to look: compute.read."`
	Write   bool     `help:"Only to submit, change and remove: compute.modify, compute.cancel and compute.create."`
	Profile string   `enum:"wlcg,scitokens" default:"wlcg" placeholder:"wlcg|scitokens" help:"How scopes are spelled: wlcg (compute.*) or scitokens (condor:/READ, condor:/WRITE). Default: wlcg."`
	Legacy  bool     `help:"Add condor:/ALLOW, which HTCondor before 8.9.7 needs. Newer servers refuse a token with it alone."`
}

// Describe implements [Ecosystem].
func (*Condor) Describe() (string, []string) {
	return "Get a token that HTCondor and HTCondor-CE accept, on stdout.", []string{
		"condor-token-helper --ce ce.example.org:9619 > token",
		"condor-token-helper --ce ce.example.org --read --file token",
	}
}

// Want implements [Ecosystem].
func (c *Condor) Want(given Given) (Want, error) {
	var w Want
	for _, ce := range c.CE {
		a, err := CEAudience(ce)
		if err != nil {
			return Want{}, err
		}
		w.Audiences = append(w.Audiences, a)
	}
	if len(c.CE) == 0 && !given.Audience && !given.Login {
		return Want{}, &UsageError{"--ce", "no compute element is named", "--ce HOST[:PORT], such as --ce ce.example.org:9619"}
	}
	read, write := c.Read, c.Write
	if !read && !write && !given.Scope {
		read, write = true, true
	}
	if c.Profile == "scitokens" {
		if read {
			w.Scopes = append(w.Scopes, condorRead)
		}
		if write {
			w.Scopes = append(w.Scopes, condorWrite)
		}
	} else {
		if read {
			w.Scopes = append(w.Scopes, computeRead...)
		}
		if write {
			w.Scopes = append(w.Scopes, computeWrite...)
		}
	}
	if c.Legacy {
		w.Scopes = append(w.Scopes, condorAllow)
	}
	for _, ce := range c.CE {
		s, err := NewCE(ce, write)
		if err != nil {
			return Want{}, err
		}
		w.Services = append(w.Services, s)
	}
	return w, nil
}

// Alternative implements [Ecosystem].
func (c *Condor) Alternative(supported []string) string {
	has := func(s string) bool { return slices.Contains(supported, s) }
	switch {
	case c.Profile != "scitokens" && has(condorRead) && !has("compute.read"):
		return "--profile scitokens"
	case c.Profile == "scitokens" && has("compute.read") && !has(condorRead):
		return "--profile wlcg"
	}
	return ""
}

// CEAudience is the audience of a compute element named HOST, HOST:PORT, [V6] or
// [V6]:PORT. HTCondor-CE accepts exactly host:port (SCITOKENS_SERVER_AUDIENCE =
// $(COLLECTOR_HOST) in its config/05-ce-auth-defaults.conf) and compares it byte
// for byte, so the host is lower-cased and a trailing dot dropped.
func CEAudience(ce string) (string, error) {
	host, port, problem := hostPort(ce)
	if problem != "" {
		return "", &UsageError{"--ce", problem, "--ce HOST[:PORT], such as --ce ce.example.org:9619"}
	}
	if port == 0 {
		port = defaultCEPort
	}
	return host + ":" + strconv.Itoa(port), nil
}

// hostPort takes HOST[:PORT] apart; port 0 is none. A v6 host keeps its brackets.
func hostPort(s string) (host string, port int, problem string) {
	switch {
	case s == "":
		return "", 0, "is empty"
	case strings.ContainsAny(s, " \t\r\n"):
		return "", 0, "has a space in it"
	case strings.Contains(s, "://"):
		return "", 0, strconv.Quote(s) + " is a URL, not a host"
	case strings.ContainsAny(s, "/\\"):
		return "", 0, strconv.Quote(s) + " has a path"
	case strings.ContainsAny(s, "?#@"):
		return "", 0, strconv.Quote(s) + " is not a host"
	}
	var rest string
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, strconv.Quote(s) + " lacks the closing bracket"
		}
		ip, err := netip.ParseAddr(s[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", 0, strconv.Quote(s[1:end]) + " is not an IPv6 address"
		}
		host, rest = "["+ip.String()+"]", s[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", 0, strconv.Quote(s) + " is not a host"
		}
	} else {
		if strings.Count(s, ":") > 1 {
			return "", 0, strconv.Quote(s) + " has several colons: an IPv6 address stands in brackets, [2001:db8::1]:9619"
		}
		host = s
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, rest = s[:i], s[i:]
		}
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if !validHost(host) {
			return "", 0, strconv.Quote(s) + " is not a host name"
		}
	}
	if rest == "" {
		return host, 0, ""
	}
	p, err := strconv.ParseUint(rest[1:], 10, 16)
	if err != nil || p == 0 || rest[1] == '0' {
		return "", 0, strconv.Quote(rest[1:]) + " is not a port (1 to 65535)"
	}
	return host, int(p), ""
}

// validHost follows RFC 1123 section 2.1, with the underscore that real names have.
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
