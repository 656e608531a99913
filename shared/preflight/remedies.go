package preflight

import (
	"cmp"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
)

// remedies sets the hints to the line of the submit file to change, for causes where the token
// is as requested, but the service requires another one.
func (e *Endpoint) remedies(held *Credential, aud string, t submit.Transfer) {
	for i := range e.Causes {
		f := &e.Causes[i]
		switch f.Code {
		case finding.AudMismatch, finding.AudMissing:
			f.Hint, f.Command = "request the audience of the server in the submit file", held.Command("resource")+" = "+aud
		case finding.ScopeMissing, finding.PathMismatch, finding.PathBase, finding.PathOutsideBase:
			if t.URL == "" {
				continue
			}
			f.Hint, f.Command = "request the path in the submit file", held.Command("permissions")+" = "+joined(held.Scopes, scopesFor(held, t))
		case finding.Expired:
			f.Hint = cmp.Or(f.Hint, "get a new token")
		}
	}
}

// scopesFor returns the scopes for a transfer, in the same form as the token's other scopes.
func scopesFor(held *Credential, t submit.Transfer) []string {
	name := map[bool]string{false: "read", true: "write"}[t.Write]
	for _, s := range append(slices.Clone(held.Scopes), held.Token.Scopes...) {
		if strings.HasPrefix(s, "storage.") {
			name = map[bool]string{false: "storage.read", true: "storage.modify"}[t.Write]
		}
	}
	_, rest, _ := strings.Cut(t.URL, "://")
	_, where, _ := strings.Cut(rest, "/")
	where, _, _ = strings.Cut(where, "?")
	dir := "/" + strings.Trim(where, "/")
	if i := strings.LastIndexByte(dir, '/'); i > 0 {
		dir = dir[:i]
	}
	p, err := service.ScopePath("the path", dir)
	if err != nil {
		p = "/PATH"
	}
	return []string{name + ":" + p}
}

// joined joins lists of scopes, each scope once.
func joined(lists ...[]string) string {
	var out []string
	for _, s := range slices.Concat(lists...) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// scopes returns the requested scopes, or those of the token if none are requested.
func (h *Credential) scopes() []string {
	if len(h.Scopes) > 0 {
		return h.Scopes
	}
	return h.Token.Scopes
}

// intended returns the operations at a storage server that the scopes allow.
func intended(held *Credential, aud string) []submit.Transfer {
	var out []submit.Transfer
	for _, s := range held.scopes() {
		name, where, _ := strings.Cut(s, ":")
		t := submit.Transfer{URL: aud + where, Given: aud + where, Credential: held.Name(), At: held.At}
		switch name {
		case "read", "storage.read":
			out = append(out, t)
		case "write", "storage.modify":
			t.Write = true
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		out = append(out, submit.Transfer{URL: aud, Given: aud, Credential: held.Name(), At: held.At})
	}
	return out
}
