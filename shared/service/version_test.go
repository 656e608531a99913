package service

import "testing"

func TestVersion(t *testing.T) {
	for in, want := range map[string]Version{"5.6.9": {5, 6, 9}, "v5.6.9-1": {5, 6, 9}, "23": {23, 0, 0}, "5.6.9.1": {5, 6, 9}, "5.6.9rc1": {5, 6, 9}, "1:5.5.3+git": {5, 5, 3}} {
		if v, err := ParseVersion("--v", in); err != nil || v != want {
			t.Errorf("%s: %v %v", in, v, err)
		}
	}
	for _, in := range []string{"", "x", "0", "5..1", "x5", "-1"} {
		if v, err := ParseVersion("--v", in); err == nil {
			t.Errorf("%q is %v", in, v)
		}
	}
	if (Version{}).Before(Version{99, 0, 0}) || !(Version{5, 6, 8}).Before(Version{5, 6, 9}) || (Version{5, 6, 9}).Before(Version{5, 6, 9}) {
		t.Error("Before does not order versions")
	}
}
