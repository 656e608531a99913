package ecosystem

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// storageAll are the storage capabilities in both spellings, for the root path.
var storageAll = []string{
	"read:/", "write:/",
	"storage.read:/", "storage.modify:/", "storage.create:/", "storage.stage:/",
}

// XRootD is what xrd-token-helper asks for.
type XRootD struct {
	Read      bool     `help:"To read: read:/ (the default)."`
	Write     bool     `help:"To write as xrdcp does, which looks before it writes: read:/ and write:/."`
	WriteOnly bool     `help:"To write and nothing else: write:/."`
	Create    bool     `help:"To make new files but overwrite none: storage.create:/ (--profile wlcg)."`
	Stage     bool     `help:"To bring files in from tape: storage.stage:/ (--profile wlcg)."`
	Path      []string `sep:"none" placeholder:"/PATH" help:"Narrow each scope to this absolute path. Repeatable."`
	Profile   string   `enum:"scitokens,wlcg" default:"scitokens" placeholder:"scitokens|wlcg" help:"How scopes are spelled: scitokens (read:/, write:/) or wlcg (storage.*:/). Default: scitokens."`
	Server    string   `placeholder:"URL|HOST[:PORT]" help:"The server the token is for; its audience is derived from it."`
}

// Describe implements [Ecosystem].
func (*XRootD) Describe() (string, []string) {
	return "Get a token that XRootD accepts, on stdout.", []string{
		"xrd-token-helper --write > token",
		"xrd-token-helper --server root://x.example.org --write --path /store/user",
	}
}

// Want implements [Ecosystem].
func (x *XRootD) Want(given Given) (Want, error) {
	var w Want
	if x.Server != "" {
		a, err := XRootDAudience(x.Server)
		if err != nil {
			return Want{}, err
		}
		w.Audiences = []string{a}
	}
	wlcg := x.Profile == "wlcg"
	if !wlcg && (x.Create || x.Stage) {
		flag := "--create"
		if !x.Create {
			flag = "--stage"
		}
		return Want{}, &UsageError{flag, "there is no such scope in the scitokens profile", flag + " --profile wlcg"}
	}
	if x.WriteOnly && (x.Read || x.Write) {
		return Want{}, &UsageError{"--write-only", "does not go with --read or --write", "--write-only alone, or --write"}
	}
	paths := []string{"/"}
	if len(x.Path) > 0 {
		paths = nil
		for _, p := range x.Path {
			n, err := ScopePath(p)
			if err != nil {
				return Want{}, err
			}
			paths = append(paths, n)
		}
	}
	var authz []string
	if x.Read || x.Write {
		authz = append(authz, pick(wlcg, "storage.read", "read"))
	}
	if x.Write || x.WriteOnly {
		authz = append(authz, pick(wlcg, "storage.modify", "write"))
	}
	if x.Create {
		authz = append(authz, "storage.create")
	}
	if x.Stage {
		authz = append(authz, "storage.stage")
	}
	if len(authz) == 0 && !given.Scope {
		authz = []string{pick(wlcg, "storage.read", "read")}
	}
	if len(authz) == 0 && len(x.Path) > 0 {
		return Want{}, &UsageError{"--path", "narrows nothing, for --scope is taken as it is", "--scope read:/store/user, or --read --path /store/user"}
	}
	for _, a := range authz {
		for _, p := range paths {
			w.Scopes = append(w.Scopes, a+":"+p)
		}
	}
	access := "read"
	switch {
	case x.Write || x.WriteOnly:
		access = "write"
	case x.Create && !x.Read:
		access = "create"
	case x.Stage && !x.Read:
		return w, nil // nothing is known of what a server does with it
	}
	for _, p := range paths {
		if x.Server == "" {
			break
		}
		s, err := NewXRootD(x.Server, access, p)
		if err != nil {
			return Want{}, err
		}
		w.Services = append(w.Services, s)
	}
	return w, nil
}

func pick(cond bool, a, b string) string {
	if cond {
		return a
	}
	return b
}

// Alternative implements [Ecosystem].
func (x *XRootD) Alternative(supported []string) string {
	has := func(s string) bool { return slices.Contains(supported, s) }
	switch {
	case x.Profile != "wlcg" && has("storage.read:/") && !has("read:/"):
		return "--profile wlcg"
	case x.Profile == "wlcg" && has("read:/") && !has("storage.read:/"):
		return "--profile scitokens"
	}
	return ""
}

// XRootDAudience is the audience of a storage endpoint as the WLCG profile words
// it (Common JWT Profile, "aud"): https://host without a default port and without
// a trailing slash. A root:// endpoint keeps its port, 1094 unless given; a bare
// HOST[:PORT] is taken as root://.
func XRootDAudience(server string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &UsageError{"--server", problem, "--server https://x.example.org, root://x.example.org:1094 or x.example.org:1094"}
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
	host, given, problem := hostPort(rest)
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
// the scope.
func ScopePath(p string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", &UsageError{"--path", problem, "--path /store/user/me"}
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
