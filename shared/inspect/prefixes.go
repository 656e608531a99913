package inspect

import "strings"

// prefixes is a set of strings, each with a mask. It finds the longest one with which a text
// begins in a time that does not depend on their number. It is a radix tree: the strings of
// children begin with the label of their parent.
type prefixes struct {
	label string
	// mask is the mask of the string that ends here, or "" if there is none.
	mask     string
	children []*prefixes // their labels have different first bytes
}

// child returns the child whose label begins with the byte c, or nil.
func (t *prefixes) child(c byte) *prefixes {
	for _, k := range t.children {
		if k.label[0] == c {
			return k
		}
	}
	return nil
}

// add adds a string, unless it was added before.
func (t *prefixes) add(s, mask string) {
	for s != "" {
		k := t.child(s[0])
		if k == nil {
			t.children = append(t.children, &prefixes{label: s, mask: mask})
			return
		}
		n := commonPrefix(k.label, s)
		if n < len(k.label) {
			below := &prefixes{k.label[n:], k.mask, k.children}
			*k = prefixes{label: k.label[:n], children: []*prefixes{below}}
		}
		t, s = k, s[n:]
	}
	if t.mask == "" {
		t.mask = mask
	}
}

// longest returns the length and the mask of the longest string with which a text begins and
// for which fits returns true, or 0.
func (t *prefixes) longest(text string, fits func(n int) bool) (n int, mask string) {
	for at := 0; at < len(text); {
		if t = t.child(text[at]); t == nil || !strings.HasPrefix(text[at:], t.label) {
			break
		}
		at += len(t.label)
		if t.mask != "" && fits(at) {
			n, mask = at, t.mask
		}
	}
	return n, mask
}

// cut returns the length of the longest common prefix of a text and a string, and the mask of
// a string with this prefix.
func (t *prefixes) cut(text string) (n int, mask string) {
	for n < len(text) {
		k := t.child(text[n])
		if k == nil {
			break
		}
		common := commonPrefix(k.label, text[n:])
		t, n = k, n+common
		if common < len(k.label) {
			break
		}
	}
	for t.mask == "" && len(t.children) > 0 {
		t = t.children[0]
	}
	return n, t.mask
}
