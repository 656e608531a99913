package finding

import "slices"

// explains returns the codes that a cause replaces, because it says the same more precisely.
func explains(c Code) []Code {
	switch c {
	case PathBase, PathOutsideBase, PathRestricted:
		return []Code{PathMismatch}
	}
	return nil
}

// Merge returns the findings of all lists in order, each cause once:
//
//   - Of findings with the same code that miss the same things or have the same message, the first is kept. If
//     only a later one refuses the token, it takes the first one's place.
//   - A finding is dropped if a cause explains it better.
//   - A command that helps against several causes is kept only with the first of them.
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
			i := f.duplicated(out)
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
		if said(out[:k], out[k].Command) {
			out[k].Command = ""
		}
	}
	return out
}

// duplicated returns the index of the finding that says the same as f, or -1.
func (f *Finding) duplicated(list []Finding) int {
	for k := range list {
		g := &list[k]
		if f.Code == g.Code && (f.Message == g.Message || len(f.Missing) > 0 && slices.Equal(f.Missing, g.Missing)) {
			return k
		}
	}
	return -1
}

// said reports whether one of the findings has the command.
func said(list []Finding, command string) bool {
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
