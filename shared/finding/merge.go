package finding

import "slices"

// explains lists, for causes that say more precisely what another one says, the codes
// that they replace.
var explains = map[Code][]Code{
	PathBase:        {PathMismatch},
	PathOutsideBase: {PathMismatch},
	PathRestricted:  {PathMismatch},
}

// Merge returns the findings of all lists in order, each cause once:
//
//   - Of findings with the same code that miss the same things or have the same message, the first is kept. If
//     only a later one refuses the token, it takes the first one's place.
//   - A finding is dropped if a cause explains it better.
//   - A command that helps against several causes is kept only with the first of them.
func Merge(lists ...[]Finding) []Finding {
	var out []Finding
	for _, f := range slices.Concat(lists...) {
		i := slices.IndexFunc(out, f.duplicates)
		switch {
		case i < 0:
			out = append(out, f)
		case out[i].Remark && f.Refuses():
			out[i] = f
		}
	}
	var replaced []Code
	for _, f := range out {
		if f.Refuses() {
			replaced = append(replaced, explains[f.Code]...)
		}
	}
	out = slices.DeleteFunc(out, func(f Finding) bool { return slices.Contains(replaced, f.Code) })
	said := map[string]bool{}
	for i := range out {
		if said[out[i].Command] {
			out[i].Command = ""
		}
		said[out[i].Command] = true
	}
	return out
}

// duplicates reports whether f says the same as g.
func (f Finding) duplicates(g Finding) bool {
	if f.Code != g.Code {
		return false
	}
	return f.Message == g.Message || len(f.Missing) > 0 && slices.Equal(f.Missing, g.Missing)
}

// OfKind returns the findings about a token of the wrong kind, such as an ID token: kind
// first, and without the causes that only say in what it differs from an access token.
// The causes in a site's configuration remain: an access token would have them too.
func OfKind(kind Finding, list []Finding) (Finding, []Finding) {
	if !AnyRefuses(list) {
		return kind, list
	}
	kind.Remark = false
	return kind, slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.Refuses() && !f.Code.configured() })
}

// configured reports whether the cause is in a site's configuration.
func (c Code) configured() bool {
	return slices.ContainsFunc(sections, func(s Section) bool {
		return s.configuration && slices.ContainsFunc(s.Causes, func(k Cause) bool { return k.Code == c })
	})
}
