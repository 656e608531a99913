package finding

import (
	"reflect"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	f := func(code Code, message string, missing ...string) Finding {
		return Finding{Code: code, Message: message, Missing: missing}
	}
	remark := func(f Finding) Finding { f.Remark = true; return f }
	command := func(f Finding, c string) Finding { f.Command = c; return f }
	for _, tt := range []struct {
		name  string
		lists [][]Finding
		want  []Finding
	}{
		{"nothing", nil, nil},
		{"order", [][]Finding{{f(Expired, "a")}, {f(AudMissing, "b")}}, []Finding{f(Expired, "a"), f(AudMissing, "b")}},
		{"same message", [][]Finding{{f(Unsigned, "a"), f(Unsigned, "a")}}, []Finding{f(Unsigned, "a")}},
		{"same claim", [][]Finding{{f(ClaimMissing, "a", "sub")}, {f(ClaimMissing, "b", "sub")}}, []Finding{f(ClaimMissing, "a", "sub")}},
		{"different claims", [][]Finding{{f(ClaimMissing, "a", "sub"), f(ClaimMissing, "b", "exp")}}, []Finding{f(ClaimMissing, "a", "sub"), f(ClaimMissing, "b", "exp")}},
		{"different lines", [][]Finding{{f(CfgIgnored, "line 1"), f(CfgIgnored, "line 2")}}, []Finding{f(CfgIgnored, "line 1"), f(CfgIgnored, "line 2")}},
		{"a cause replaces a remark", [][]Finding{{remark(f(ClaimMissing, "a", "nbf")), f(Expired, "x")}, {f(ClaimMissing, "b", "nbf")}}, []Finding{f(ClaimMissing, "b", "nbf"), f(Expired, "x")}},
		{"a remark replaces no cause", [][]Finding{{f(ClaimMissing, "a", "nbf")}, {remark(f(ClaimMissing, "b", "nbf"))}}, []Finding{f(ClaimMissing, "a", "nbf")}},
		{"a better explanation", [][]Finding{{f(PathMismatch, "a"), f(PathBase, "b")}}, []Finding{f(PathBase, "b")}},
		{"a remark explains no cause", [][]Finding{{f(PathMismatch, "a"), remark(f(PathBase, "b"))}}, []Finding{f(PathMismatch, "a"), remark(f(PathBase, "b"))}},
		{"one command", [][]Finding{{command(f(Expired, "a"), "x"), command(f(AudMissing, "b"), "x"), command(f(AudAny, "c"), "y")}},
			[]Finding{command(f(Expired, "a"), "x"), f(AudMissing, "b"), command(f(AudAny, "c"), "y")}},
	} {
		if got := Merge(tt.lists...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestOfKind(t *testing.T) {
	kind := Finding{Code: Kind, Message: "an ID token", Remark: true}
	list := []Finding{{Code: ClaimMissing, Message: "no scope"}, {Code: IssSlash, Message: "a slash", Remark: true}, {Code: MapMissing, Message: "no line"}}
	got, rest := OfKind(kind, list)
	if got.Remark || !reflect.DeepEqual(rest, list[1:]) {
		t.Errorf("%+v %+v", got, rest)
	}
	got, rest = OfKind(kind, list[1:2])
	if !got.Remark || len(rest) != 1 {
		t.Errorf("nothing refuses: %+v %+v", got, rest)
	}
}

// Each code is in the table once, and the texts are sentences.
func TestTableOfCauses(t *testing.T) {
	seen := map[Code]bool{}
	for _, s := range Sections() {
		for _, c := range s.Causes {
			if seen[c.Code] {
				t.Errorf("%s is in the table twice", c.Code)
			}
			seen[c.Code] = true
			if !strings.HasSuffix(c.What, ".") || c.Do != "" && !strings.HasSuffix(c.Do, ".") {
				t.Errorf("%s: %q %q", c.Code, c.What, c.Do)
			}
			if c.Effect == Sometimes && c.When == "" {
				t.Errorf("%s does not say when it refuses", c.Code)
			}
			if c.Effect != Never && c.Do == "" {
				t.Errorf("%s does not say what to do", c.Code)
			}
			if strings.ContainsAny(c.What+c.Do+c.When, "|\n") {
				t.Errorf("%s breaks the table", c.Code)
			}
			if k, ok := Lookup(c.Code); !ok || k != c {
				t.Errorf("%s: %v", c.Code, k)
			}
			if !strings.HasPrefix(c.Explain(), string(c.Code)+": ") {
				t.Errorf("%s: %q", c.Code, c.Explain())
			}
		}
	}
	if _, ok := Lookup("nonsense"); ok {
		t.Error("an unknown code is found")
	}
}
