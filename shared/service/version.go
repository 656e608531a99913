package service

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of a server or a library, such as 5.6.9. The zero value stands
// for the newest version known.
type Version struct{ Major, Minor, Patch int }

// ParseVersion parses MAJOR[.MINOR[.PATCH]], or the version of a package: it ignores a
// leading v, an epoch, and what follows the numbers. flag is the flag that errors name.
func ParseVersion(flag, s string) (Version, error) {
	core := strings.TrimPrefix(s, "v")
	if _, rest, ok := strings.Cut(core, ":"); ok {
		core = rest // Debian's epoch
	}
	if i := strings.IndexFunc(core, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i > 0 {
		core = core[:i]
	}
	var n [3]int
	parts := strings.Split(core, ".")
	for i, p := range parts[:min(len(parts), 3)] {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			n = [3]int{}
			break
		}
		n[i] = int(v)
	}
	if n == [3]int{} {
		return Version{}, &UsageError{flag, strconv.Quote(s) + " is not a version", flag + " 5.6.9"}
	}
	return Version{n[0], n[1], n[2]}, nil
}

// Before reports whether v is older than o. The zero value is not older than any version.
func (v Version) Before(o Version) bool {
	if v == (Version{}) {
		return false
	}
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch)) < 0
}

// String formats the version as MAJOR.MINOR.PATCH, and the zero value as "".
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}
