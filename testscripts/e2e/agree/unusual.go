//go:build unix

package main

import (
	"fmt"
	"strings"
	"time"
)

// unusual are tokens whose verdicts depend on the versions of the server and its library.
var unusual = unusualShapes()

func unusualShapes() []shape {
	var out []shape
	add := func(s shape) { out = append(out, s) }

	// Times.
	for _, claim := range []string{"exp", "iat", "nbf"} {
		after := -time.Minute
		if claim == "exp" {
			after = time.Hour
		}
		for _, form := range []string{"%d.25", "%d.0", "%d.75", "%de0", "%d.5e0", "%dE-0"} {
			name := fmt.Sprintf("%s written as "+strings.ReplaceAll(form, "%d", "N"), claim)
			add(shape{name: name, edit: func(d *draft) { d.claims.set(claim, fmt.Sprintf(form, d.now.Add(after).Unix())) }})
		}
		for _, raw := range []string{"1.7e9", "1e30", "-1e30", "true", "[]", "18446744073709551616", "9223372036.4", "9223372036.9", "0.4"} {
			add(shape{name: claim + " set to " + raw, edit: set(claim, raw)})
		}
	}

	// Paths, in a scope that the access needs and in other scopes.
	for _, path := range []string{
		"/store/user/../user", "/store/../store/user", "/store/user/..", "/store/user/%2e%2e/user", "/store/%2E%2e/store", "/store/./user", "/store/%2e/user", "/store/user%2fsub",
		"/store/user%2Fsub", `/store\user`, "/store/user%5csub", "/store/user%00", "/store/user%", "/store/user%2", "/store/user%zz", "/store/%75ser", "/store/%2575ser", "/store/%252575ser",
		"/store/%25252575ser", "/store/%2525252575ser", "/store/user%20x", "/store/user%2520x", "/store/user%25", "/store/use", "/store/user/.../x", "/store/user..", "/store/user%2e",
	} {
		scope := fmt.Sprintf("storage.read:%[1]s storage.modify:%[1]s", path)
		add(shape{name: "path " + path, on: "xrd", scope: scope, rights: true, places: []string{"/store/user", "/store/user2", "/store/user x"}})
		add(shape{name: "a good scope beside the path " + path, on: "xrd", profiles: []string{scitokens}, scope: "read:/ write:/ x:" + path, rights: true})
		add(shape{name: "a storage scope with the path " + path, on: "ce", scope: "compute.read compute.modify compute.cancel compute.create storage.read:" + path})
	}

	// Separators.
	for name, by := range map[string]string{"a tab": "\t", "a line break": "\n", "two spaces": "  ", "a no-break space": "\u00a0", "a comma": ","} {
		add(shape{name: "scopes separated by " + name, on: "ce", scope: strings.Join([]string{"compute.read", "compute.modify", "compute.cancel", "compute.create"}, by), rights: true})
		add(shape{name: "scopes separated by " + name, on: "xrd", scope: "storage.read:/x" + by + "storage.read:/store/user", rights: true})
	}
	add(shape{name: "scopes with spaces at both ends", edit: func(d *draft) {
		raw, _ := d.claimed("scope")
		d.claims.set("scope", `" `+strings.Trim(raw, `"`)+` "`)
	}})

	// Contents of the token file. Clients send all of it.
	for name, form := range map[string]string{
		"quotes": "\"%s\"\n", "single quotes": "'%s'\n", "a byte order mark": "\ufeff%s\n", "JSON": "{\"access_token\":\"%s\"}\n", "a tab before": "\t%s\n", "no line break": "%s", "carriage returns": "%s\r\n",
	} {
		add(shape{name: "file with " + name, edit: file(form)})
	}
	add(shape{name: "file with folded lines", edit: file(folded)})

	// Audiences, types and versions.
	for _, form := range []string{`["{}",null]`, `[null,"{}"]`, `["{}",["x"]]`, `{"x":"{}"}`, `["{}","{}"]`, `true`, `["ANY","x"]`, `["https://wlcg.cern.ch/jwt/v1/any","x"]`} {
		add(shape{name: "audience " + form, profiles: three, edit: aud(form)})
	}
	for _, raw := range []string{"7", "null", `["JWT"]`, `""`, `"AT+JWT"`, `"jwt"`} {
		add(shape{name: "header typ " + raw, profiles: three, edit: header("typ", raw)})
	}
	for _, ver := range []string{`"scitokens:1.0"`, `"scitoken:1.0"`, `"scitoken:2.0"`, `"scitokens:2.0"`, "null", "2", `""`} {
		add(shape{name: "both versions, ver " + ver, edit: set("ver", ver), rights: true})
	}
	for _, claim := range []string{"sub", "scope", "jti", "nbf", "iat", "iss", "opt", "wlcg.groups"} {
		add(shape{name: claim + " set to null", profiles: three, edit: set(claim, "null")})
	}

	// Operations with the names that the library uses internally.
	for _, scope := range []string{"modify:/", "create:/", "stage:/", "storage.modify:/ storage.read:/store/user", "storage.create:/ storage.read:/", "queue execute", "write:/store read:/", "storage.poll:/", "storage.stage:/ storage.read:/", "storage.stage:/store/user", "storage.poll:/ storage.read:/"} {
		add(shape{name: "only " + scope, on: "xrd", profiles: []string{wlcg, scitokens}, scope: scope, rights: true})
	}
	for _, scope := range []string{"condor:/%52EAD", "condor:/WRITE/", "condor://WRITE", "condor:/./WRITE", "condor:/x/../WRITE", "condor:/ADVERTISE_MASTER", "condor:/CONFIG", "condor:/NEGOTIATOR", "condor:/OWNER", "condor:/WRITE%2e"} {
		add(shape{name: "level " + scope, on: "ce", profiles: []string{scitokens}, scope: scope, rights: true})
	}
	return out
}

// folded is the form of a file with the token on several lines.
const folded = "folded"

// claimed returns a claim's JSON.
func (d *draft) claimed(name string) (string, bool) {
	for _, m := range d.claims {
		if m.name == name {
			return m.raw, true
		}
	}
	return "", false
}
