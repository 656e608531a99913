package finding

import "slices"

// explains returns the less precise codes that the cause c replaces.
func explains(c Code) []Code {
	switch c {
	case PathBase, PathOutsideBase, PathRestricted:
		return []Code{PathMismatch}
	}
	return nil
}

// Merge returns the findings of all lists in order, without duplicates:
//
//   - Of several findings with the same code and the same Missing or Message, only the first
//     is kept. If it is a remark and a later one is a cause, the cause replaces it.
//   - A finding is dropped if a more precise cause replaces it.
//   - A command is kept only with the first finding that has it.
func Merge(lists ...[]Finding) []Finding {
	n := 0
	for _, list := range lists {
		n += len(list)
	}
	if n == 0 {
		return nil
	}
	out := make([]Finding, 0, n)
	for _, list := range lists {
		for k := range list {
			f := &list[k]
			i := f.index(out)
			switch {
			case i < 0:
				out = append(out, *f)
			case out[i].Remark && f.Refuses():
				out[i] = *f
			}
		}
	}
	var replaced []Code
	for k := range out {
		if out[k].Refuses() {
			replaced = append(replaced, explains(out[k].Code)...)
		}
	}
	if replaced != nil {
		out = slices.DeleteFunc(out, func(f Finding) bool { return slices.Contains(replaced, f.Code) })
	}
	for k := range out {
		if hasCommand(out[:k], out[k].Command) {
			out[k].Command = ""
		}
	}
	return out
}

// index returns the index of the finding in list that f duplicates, or -1.
func (f *Finding) index(list []Finding) int {
	for k := range list {
		g := &list[k]
		if f.Code == g.Code && (f.Message == g.Message || len(f.Missing) > 0 && slices.Equal(f.Missing, g.Missing)) {
			return k
		}
	}
	return -1
}

// hasCommand reports whether one of the findings has the command.
func hasCommand(list []Finding, command string) bool {
	if command == "" {
		return false
	}
	for k := range list {
		if list[k].Command == command {
			return true
		}
	}
	return false
}

// OfKind returns the findings about a token of the wrong kind, such as an ID token. The
// finding kind becomes a cause if there are others. The other causes are dropped, because
// they only describe how the token differs from an access token, except those in a site's
// configuration, which also apply to access tokens.
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
