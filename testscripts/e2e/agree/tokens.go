//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The profiles of tokens. Each has different claims.
const (
	wlcg      = "wlcg"
	scitokens = "scitokens"
	plain     = "plain"  // no version claim, as SciTokens 1.0
	atjwt     = "at+jwt" // RFC 9068
)

// A shape is a token that differs in one thing from the good token of its profile.
type shape struct {
	name string
	// on is ce or xrd; empty means both. The default of profiles is wlcg.
	on       string
	profiles []string
	edit     func(*draft)
	// scope replaces the scopes.
	scope string
	// rights means that every access is tried, not only one that shows authentication.
	rights bool
	// places are the directories on the storage server; /store/user by default.
	places []string
}

// draft is a token before it is signed.
type draft struct {
	header, claims members
	// key is es256 (the issuer's), es384, rs256, another, none or hs256.
	key string
	// noKID omits kid; otherwise, kid replaces it if it is not empty.
	noKID bool
	kid   string
	now   time.Time
	// audience is the audience of the service.
	audience string
	// file is the contents of the token file, with %s in place of the token.
	file string
	mode uint32
	link bool
	// spoil changes the signature.
	spoil bool
}

type member struct {
	name string
	raw  string
}

type members []member

// set replaces a member's JSON, or adds one.
func (m *members) set(name, raw string) {
	for i := range *m {
		if (*m)[i].name == name {
			(*m)[i].raw = raw
			return
		}
	}
	*m = append(*m, member{name, raw})
}

func (m *members) drop(name string) {
	*m = slices.DeleteFunc(*m, func(e member) bool { return e.name == name })
}

func (m members) json() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s":%s`, e.name, e.raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// set returns an edit that sets a claim to this JSON.
func set(claim, raw string) func(*draft) { return func(d *draft) { d.claims.set(claim, raw) } }

func drop(claim string) func(*draft) { return func(d *draft) { d.claims.drop(claim) } }

// at returns an edit that sets a claim to now plus after.
func at(claim string, after time.Duration) func(*draft) {
	return func(d *draft) { d.claims.set(claim, fmt.Sprint(d.now.Add(after).Unix())) }
}

// twice returns an edit that adds a time claim a second time.
func twice(claim string, after time.Duration) func(*draft) {
	return func(d *draft) {
		d.claims = append(d.claims, member{claim, fmt.Sprint(d.now.Add(after).Unix())})
	}
}

// aud returns an edit that sets the audience. In form, {} is the correct audience, and {hostport}
// and {host} are parts of it.
func aud(form string) func(*draft) {
	return func(d *draft) {
		host := strings.TrimPrefix(d.audience, "https://")
		d.claims.set("aud", strings.NewReplacer("{}", d.audience, "{hostport}", host, "{host}", host[:strings.IndexByte(host, ':')]).Replace(form))
	}
}

func key(name string) func(*draft) { return func(d *draft) { d.key = name } }

func header(name, raw string) func(*draft) { return func(d *draft) { d.header.set(name, raw) } }

func all(edits ...func(*draft)) func(*draft) {
	return func(d *draft) {
		for _, e := range edits {
			e(d)
		}
	}
}

func file(form string) func(*draft) { return func(d *draft) { d.file = form } }

// more makes it a token of the issuer with several keys.
func more(d *draft) { d.claims.set("iss", quote(moreIssuer)) }

var (
	three = []string{wlcg, scitokens, plain}
	every = []string{wlcg, scitokens, plain, atjwt}
)

// shapes are the tokens: first those for checks before the scopes, for both services, then
// the scopes of each service.
var shapes = []shape{
	{name: "good", profiles: every, rights: true},

	// The audience.
	{name: "no aud", profiles: every, edit: drop("aud")},
	{name: "aud of another host", profiles: three, edit: aud(`"other.example.org:9619"`)},
	{name: "aud with a slash", edit: aud(`"{}/"`)},
	{name: "aud in capitals", edit: func(d *draft) { d.claims.set("aud", quote(strings.ToUpper(d.audience))) }},
	{name: "aud host alone", edit: aud(`"{host}"`)},
	{name: "aud https://host:port", on: "ce", edit: aud(`"https://{hostport}"`)},
	{name: "aud condor://host:port", on: "ce", edit: aud(`"condor://{hostport}"`)},
	{name: "aud host:port", on: "xrd", edit: aud(`"{hostport}"`)},
	{name: "aud root://host:port", on: "xrd", edit: aud(`"root://{hostport}"`)},
	{name: "aud other port", edit: aud(`"{host}:1"`)},
	{name: "aud list with the right one", profiles: every, edit: aud(`["x","{}"]`)},
	{name: "aud list without it", edit: aud(`["x","y"]`)},
	{name: "aud empty list", profiles: three, edit: aud(`[]`)},
	{name: "aud list of a number and the right one", edit: aud(`[1,"{}"]`)},
	{name: "aud joined by a space", edit: aud(`"x {}"`)},
	{name: "aud empty string", profiles: three, edit: aud(`""`)},
	{name: "aud number", edit: aud(`7`)},
	{name: "aud null", edit: aud(`null`)},
	{name: "aud WLCG any", profiles: every, edit: aud(`"https://wlcg.cern.ch/jwt/v1/any"`)},
	{name: "aud WLCG any in a list", edit: aud(`["x","https://wlcg.cern.ch/jwt/v1/any"]`)},
	{name: "aud ANY", profiles: every, edit: aud(`"ANY"`)},
	{name: "aud any", profiles: []string{scitokens}, edit: aud(`"any"`)},

	// The version.
	{name: "wlcg.ver 1.1", edit: set("wlcg.ver", `"1.1"`)},
	{name: "wlcg.ver 1.2", edit: set("wlcg.ver", `"1.2"`)},
	{name: "wlcg.ver a number", edit: set("wlcg.ver", `1.0`)},
	{name: "wlcg.ver null", edit: set("wlcg.ver", `null`)},
	{name: "ver scitoken:1.0", profiles: []string{scitokens}, edit: set("ver", `"scitoken:1.0"`)},
	{name: "ver scitokens:1.0", profiles: []string{scitokens}, edit: set("ver", `"scitokens:1.0"`)},
	{name: "ver scitokens:2.0", profiles: []string{scitokens}, edit: set("ver", `"scitokens:2.0"`), rights: true},
	{name: "ver foo:9", profiles: []string{scitokens}, edit: set("ver", `"foo:9"`)},
	{name: "ver a number", profiles: []string{scitokens}, edit: set("ver", `2`)},
	{name: "both versions", edit: set("ver", `"scitoken:2.0"`), rights: true},
	{name: "an extra claim", profiles: every, edit: set("client_id", `"c"`)},
	{name: "an extra claim named opt", profiles: []string{plain}, edit: set("opt", `"c"`)},

	// Required claims.
	{name: "no iss", edit: drop("iss")},
	{name: "no sub", profiles: three, edit: drop("sub")},
	{name: "no exp", edit: drop("exp")},
	{name: "no iat", profiles: three, edit: drop("iat")},
	{name: "no nbf", profiles: every, edit: drop("nbf")},
	{name: "no jti", profiles: three, edit: drop("jti")},
	{name: "no scope", profiles: every, edit: drop("scope")},
	{name: "groups only", edit: all(drop("scope"), set("wlcg.groups", `["/dteam"]`))},
	{name: "groups beside scopes", edit: set("wlcg.groups", `["/dteam"]`)},
	{name: "scope a list", edit: set("scope", `["compute.read","read:/"]`)},
	{name: "scope empty", edit: set("scope", `""`)},
	{name: "scope of OpenID alone", edit: set("scope", `"openid profile"`)},
	{name: "sub a number", edit: set("sub", `7`)},
	{name: "sub empty", edit: set("sub", `""`)},
	{name: "sub of another user", on: "ce", edit: set("sub", `"nobody-known"`)},
	{name: "jti a number", edit: set("jti", `7`)},
	{name: "opt a number", edit: set("opt", `7`)},

	// The issuer.
	{name: "iss with a slash", edit: set("iss", quote(wlcgIssuer+"/"))},
	{name: "iss not configured", edit: set("iss", quote("https://localhost:1/x"))},
	{name: "iss not https", edit: set("iss", quote(strings.Replace(wlcgIssuer, "https", "http", 1)))},
	{name: "iss a number", edit: set("iss", `7`)},

	// Times.
	{name: "expired", profiles: three, edit: at("exp", -time.Hour)},
	{name: "expired ten seconds ago", edit: at("exp", -10*time.Second)},
	{name: "iat in the future", edit: at("iat", time.Hour)},
	{name: "iat in half an hour", edit: at("iat", 30*time.Minute)},
	{name: "nbf in the future", edit: at("nbf", time.Hour)},
	{name: "exp with a fraction", edit: func(d *draft) { d.claims.set("exp", fmt.Sprintf("%d.5", d.now.Add(time.Hour).Unix())) }},
	{name: "exp a string", edit: func(d *draft) { d.claims.set("exp", quote(fmt.Sprint(d.now.Add(time.Hour).Unix()))) }},
	{name: "exp with an exponent", edit: func(d *draft) { d.claims.set("exp", fmt.Sprintf("%de0", d.now.Add(time.Hour).Unix())) }},
	{name: "iat with a fraction", edit: func(d *draft) { d.claims.set("iat", fmt.Sprintf("%d.5", d.now.Add(-time.Minute).Unix())) }},
	{name: "nbf a string", edit: func(d *draft) { d.claims.set("nbf", quote(fmt.Sprint(d.now.Add(-time.Minute).Unix()))) }},
	{name: "exp in milliseconds", edit: func(d *draft) { d.claims.set("exp", fmt.Sprint(d.now.Add(time.Hour).UnixMilli())) }},
	{name: "iat in milliseconds", edit: func(d *draft) { d.claims.set("iat", fmt.Sprint(d.now.Add(-time.Hour).UnixMilli())) }},
	{name: "exp beyond all time", edit: set("exp", "99999999999999999")},
	{name: "exp 9e9", edit: set("exp", "9000000000")},
	{name: "exp 1e10", edit: set("exp", "10000000000")},
	{name: "exp 1e11", edit: set("exp", "100000000000")},
	{name: "exp at the end of 9999", edit: set("exp", "253402300799")},
	{name: "exp 3e11", edit: set("exp", "300000000000")},
	{name: "exp 1e12", edit: set("exp", "1000000000000")},
	{name: "exp 5e12", edit: set("exp", "5000000000000")},
	{name: "iat 1e10", edit: set("iat", "10000000000")},
	{name: "iat 1e11", edit: set("iat", "100000000000")},
	{name: "exp beyond 64 bits", edit: set("exp", "99999999999999999999")},
	{name: "iat before 1970", edit: set("iat", "-1")},
	{name: "exp null", edit: set("exp", "null")},
	{name: "valid for a year", edit: at("exp", 365*24*time.Hour)},
	// Below the 15 minutes of the profile, but long enough for a slow machine.
	{name: "valid for 14 minutes", edit: at("exp", 13*time.Minute)},
	{name: "issued a year ago", edit: all(at("iat", -365*24*time.Hour), at("nbf", -365*24*time.Hour))},

	// Claims that occur twice, and names with escapes.
	{name: "exp twice, the last one expired", edit: twice("exp", -time.Hour)},
	{name: "exp twice, the first one expired", edit: all(at("exp", -time.Hour), twice("exp", time.Hour))},
	{name: "exp spelled with an escape", edit: func(d *draft) {
		d.claims.drop("exp")
		d.claims = append(d.claims, member{`\u0065xp`, fmt.Sprint(d.now.Add(time.Hour).Unix())})
	}},

	// The signature.
	{name: "signature changed", edit: func(d *draft) { d.spoil = true }},
	{name: "signed by another key", edit: key("another")},
	{name: "unsigned", edit: key("none")},
	{name: "HS256", edit: key("hs256")},
	{name: "alg set to RS256", edit: header("alg", `"RS256"`)},
	{name: "no kid, one key", edit: func(d *draft) { d.noKID = true }},
	{name: "unknown kid", edit: func(d *draft) { d.kid = "unknown" }},
	{name: "empty kid", edit: func(d *draft) { d.kid = ""; d.header.set("kid", `""`) }},
	{name: "several keys, the right one", edit: more},
	{name: "several keys, no kid", edit: all(more, func(d *draft) { d.noKID = true })},
	{name: "RS256", edit: all(more, key("rs256"))},
	{name: "PS256", edit: all(more, key("ps256"))},
	{name: "RS512", edit: all(more, key("rs512"))},
	{name: "ES384", edit: all(more, key("es384"))},
	{name: "typ other", edit: header("typ", `"xyz"`)},
	{name: "no typ", edit: func(d *draft) { d.header.drop("typ") }},
	{name: "typ at+jwt beside wlcg.ver", edit: header("typ", `"at+jwt"`), rights: true},
	{name: "typ application/at+jwt", profiles: []string{plain}, edit: header("typ", `"application/at+jwt"`), rights: true},

	// The file, and its size.
	{name: "Bearer before the token", edit: file("Bearer %s\n")},
	{name: "white space around", edit: file("  %s\n\n")},
	{name: "long, 3900 bytes", edit: long(3900)},
	{name: "long, 5000 bytes", edit: long(5000)},
	{name: "long, 12000 bytes", edit: long(12000)},
	{name: "long, 20000 bytes", edit: long(20000)},
	{name: "file mode 0644", edit: func(d *draft) { d.mode = 0o644 }},
	{name: "file behind a link", on: "ce", edit: func(d *draft) { d.link = true }},
	{name: "kid a number", edit: func(d *draft) { d.header.set("kid", "7") }},
	{name: "crit", edit: header("crit", `["x"]`)},
	{name: "jku and jwk", edit: all(header("jku", `"https://localhost:1/"`), header("jwk", `{}`))},
	{name: "file mode 0640", edit: func(d *draft) { d.mode = 0o640 }},

	// Scopes of HTCondor.
	{name: "compute.read", on: "ce", scope: "compute.read", rights: true},
	{name: "compute write", on: "ce", scope: "compute.modify compute.cancel compute.create", rights: true},
	{name: "no compute.modify", on: "ce", scope: "compute.cancel compute.create", rights: true},
	{name: "no compute.cancel", on: "ce", scope: "compute.read compute.modify compute.create", rights: true},
	{name: "compute.create alone", on: "ce", scope: "compute.create", rights: true},
	{name: "compute.* with paths", on: "ce", scope: "compute.read:/ compute.modify:/ compute.cancel:/ compute.create:/", rights: true},
	{name: "compute.*", on: "ce", profiles: []string{scitokens, plain, atjwt}, scope: "compute.read compute.modify compute.cancel compute.create", rights: true},
	{name: "condor:/READ", on: "ce", profiles: every, scope: "condor:/READ", rights: true},
	{name: "condor:/WRITE", on: "ce", profiles: every, scope: "condor:/WRITE", rights: true},
	{name: "condor:READ", on: "ce", profiles: []string{scitokens}, scope: "condor:READ", rights: true},
	{name: "condor:/read", on: "ce", profiles: []string{scitokens}, scope: "condor:/read", rights: true},
	{name: "condor", on: "ce", profiles: []string{scitokens}, scope: "condor", rights: true},
	{name: "condor:/", on: "ce", profiles: []string{scitokens}, scope: "condor:/", rights: true},
	{name: "condor:/WRITE/x", on: "ce", profiles: []string{scitokens}, scope: "condor:/WRITE/x", rights: true},
	{name: "condor:/ALLOW", on: "ce", profiles: []string{scitokens, wlcg}, scope: "condor:/ALLOW", rights: true},
	{name: "condor:/DAEMON", on: "ce", profiles: []string{scitokens}, scope: "condor:/DAEMON", rights: true},
	{name: "condor:/ADMINISTRATOR", on: "ce", profiles: []string{scitokens}, scope: "condor:/ADMINISTRATOR", rights: true},
	{name: "condor:/ADVERTISE_STARTD", on: "ce", profiles: []string{scitokens}, scope: "condor:/ADVERTISE_STARTD", rights: true},
	{name: "condor:/ADVERTISE_SCHEDD", on: "ce", profiles: []string{scitokens}, scope: "condor:/ADVERTISE_SCHEDD", rights: true},
	{name: "condor:/ADVERTISE_MASTER", on: "ce", profiles: []string{scitokens}, scope: "condor:/ADVERTISE_MASTER", rights: true},
	{name: "condor:/NEGOTIATOR", on: "ce", profiles: []string{scitokens}, scope: "condor:/NEGOTIATOR", rights: true},
	{name: "condor:/CONFIG", on: "ce", profiles: []string{scitokens}, scope: "condor:/CONFIG", rights: true},
	{name: "condor:/OWNER", on: "ce", profiles: []string{scitokens}, scope: "condor:/OWNER", rights: true},
	{name: "condor:/CLIENT", on: "ce", profiles: []string{scitokens}, scope: "condor:/CLIENT", rights: true},
	{name: "condor:/DEFAULT", on: "ce", profiles: []string{scitokens}, scope: "condor:/DEFAULT", rights: true},
	{name: "condor:/FOO", on: "ce", profiles: []string{scitokens}, scope: "condor:/FOO", rights: true},
	{name: "condor:/Write", on: "ce", profiles: []string{scitokens}, scope: "condor:/Write", rights: true},
	{name: "condor://WRITE/", on: "ce", profiles: []string{scitokens}, scope: "condor://WRITE/", rights: true},
	{name: "compute.* with a path below", on: "ce", scope: "compute.read:/x compute.modify:/y compute.cancel:/z compute.create:/", rights: true},
	{name: "storage scopes", on: "ce", scope: "storage.read:/ storage.modify:/", rights: true},
	{name: "scopes with two spaces", on: "ce", scope: "compute.read  compute.modify  compute.cancel   compute.create", rights: true},
	{name: "scopes with commas", on: "ce", scope: "compute.read,compute.modify,compute.cancel,compute.create", rights: true},
	{name: "COMPUTE.READ", on: "ce", scope: "COMPUTE.READ", rights: true},

	// Scopes of XRootD.
	{name: "read:/", on: "xrd", profiles: every, scope: "read:/", rights: true},
	{name: "write:/", on: "xrd", profiles: []string{scitokens, wlcg}, scope: "write:/", rights: true},
	{name: "read:/ write:/", on: "xrd", scope: "read:/ write:/", rights: true},
	{name: "read without a path", on: "xrd", profiles: []string{scitokens, wlcg}, scope: "read", rights: true},
	{name: "storage.read:/", on: "xrd", scope: "storage.read:/", rights: true},
	{name: "storage.create:/", on: "xrd", scope: "storage.create:/", rights: true},
	{name: "storage.read:/ storage.create:/", on: "xrd", scope: "storage.read:/ storage.create:/", rights: true},
	{name: "storage.modify:/", on: "xrd", scope: "storage.modify:/", rights: true},
	{name: "storage.stage:/", on: "xrd", scope: "storage.stage:/", rights: true},
	{name: "storage.poll:/", on: "xrd", scope: "storage.poll:/", rights: true},
	{name: "a path with a space, encoded", on: "xrd", profiles: []string{scitokens}, scope: "read:/store/user%20x write:/store/user%20x", rights: true, places: []string{"/store/user x"}},
	{name: "storage.stat:/", on: "xrd", scope: "storage.stat:/", rights: true},
	{name: "storage.* without a path", on: "xrd", scope: "storage.read storage.modify", rights: true},
	{name: "storage.*: without a path", on: "xrd", scope: "storage.read: storage.modify:", rights: true},
	{name: "storage.* with a relative path", on: "xrd", scope: "storage.read:store storage.modify:store", rights: true},
	{name: "storage.*", on: "xrd", profiles: []string{scitokens, plain, atjwt}, scope: "storage.read:/ storage.modify:/", rights: true},
	{name: "storage.* below a path", on: "xrd", scope: "storage.read:/store/user storage.modify:/store/user", rights: true,
		places: []string{"/store/user", "/store/user/sub", "/store/user2", "/store"}},
	{name: "read: write: below a path", on: "xrd", profiles: []string{scitokens}, scope: "read:/store/user write:/store/user", rights: true,
		places: []string{"/store/user", "/store/user/sub", "/store/user2", "/store"}},
	{name: "below a base path", on: "xrd", profiles: []string{scitokens, wlcg}, scope: "read:/user write:/user", rights: true,
		places: []string{"/store/user", "/store/user/sub", "/store/user2", "/store"}},
	{name: "below what a base path restricts", on: "xrd", profiles: []string{scitokens}, scope: "read:/user/sub write:/user/sub", rights: true,
		places: []string{"/store/user", "/store/user/sub"}},
	{name: "beside what a base path restricts", on: "xrd", profiles: []string{scitokens}, scope: "read:/user2 write:/user2", rights: true,
		places: []string{"/store/user", "/store/user2"}},
	{name: "a path with a slash at its end", on: "xrd", profiles: []string{scitokens}, scope: "read:/store/user/ write:/store/user/", rights: true,
		places: []string{"/store/user", "/store/user2"}},
	{name: "a path with doubled slashes", on: "xrd", profiles: []string{scitokens}, scope: "read://store//user write://store//user", rights: true},
	{name: "a path with dots", on: "xrd", profiles: []string{scitokens}, scope: "read:/store/x/../user write:/store/./user", rights: true},
	{name: "a path with capitals", on: "xrd", profiles: []string{scitokens}, scope: "read:/STORE/user write:/Store/user", rights: true},
	{name: "a path that is encoded", on: "xrd", profiles: []string{scitokens}, scope: "read:/store/%75ser write:/store/%75ser", rights: true},
	{name: "read above, write below", on: "xrd", scope: "storage.read:/store storage.modify:/store/user", rights: true,
		places: []string{"/store/user", "/store/user2"}},
	{name: "write here, read elsewhere", on: "xrd", scope: "storage.read:/other storage.modify:/store/user", rights: true},
	{name: "create below, modify elsewhere", on: "xrd", scope: "storage.read:/ storage.create:/store/user storage.modify:/other", rights: true},
	{name: "compute scopes", on: "xrd", scope: "compute.read compute.create", rights: true},
	{name: "READ:/", on: "xrd", profiles: []string{scitokens}, scope: "READ:/", rights: true},
}

// long returns an edit that pads a token to this number of bytes.
func long(bytes int) func(*draft) {
	return func(d *draft) {
		now := (len(d.header.json())+len(d.claims.json()))*4/3 + 90
		d.claims.set("pad", quote(strings.Repeat("x", max(0, (bytes-now)*3/4-9))))
	}
}

// draft returns the good token of a profile for a service, with the shape's changes.
func (s shape) draft(profile, service string, now time.Time) *draft {
	d := &draft{now: now, key: "es256", mode: 0o600, file: "%s\n", audience: audiences[service]}
	d.header.set("alg", `"ES256"`)
	d.header.set("typ", `"JWT"`)
	issuer := wlcgIssuer
	d.claims.set("iss", quote(issuer))
	d.claims.set("sub", quote("e2e-user"))
	d.claims.set("aud", quote(d.audience))
	d.claims.set("iat", fmt.Sprint(now.Add(-time.Minute).Unix()))
	d.claims.set("nbf", fmt.Sprint(now.Add(-2*time.Minute).Unix()))
	d.claims.set("exp", fmt.Sprint(now.Add(time.Hour).Unix()))
	d.claims.set("jti", quote(s.name+profile+service))
	scope := map[string]string{"ce": "condor:/READ condor:/WRITE", "xrd": "read:/ write:/"}[service]
	switch profile {
	case wlcg:
		d.claims.set("wlcg.ver", `"1.0"`)
		scope = map[string]string{"ce": "compute.read compute.modify compute.cancel compute.create", "xrd": "storage.read:/ storage.modify:/"}[service]
	case scitokens:
		d.claims.set("ver", `"scitoken:2.0"`)
	case atjwt:
		d.header.set("typ", `"at+jwt"`)
		d.claims.set("client_id", `"c"`)
	}
	if s.scope != "" {
		scope = s.scope
	}
	d.claims.set("scope", quote(scope))
	if s.edit != nil {
		s.edit(d)
	}
	return d
}
