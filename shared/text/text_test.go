package text

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31mb": `a\u001b[31mb`, "a\rb": `a\u000db`, "a\nb": "a\nb", "é日本": "é日本", "\u0085": `\u0085`,
		"\u200e": `\u200e`, "\u200f": `\u200f`, "\u061c": `\u061c`, "\u2028": `\u2028`, "\u2029": `\u2029`,
		"\u202e": `\u202e`, "\u2066": `\u2066`, "\ufeff": `\ufeff`, "\xff": "\ufffd",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestForeignIsOneBoundedLine(t *testing.T) {
	if got := Foreign("x\nhint: run this", 100); got != `x\u000ahint: run this` {
		t.Errorf("%q", got)
	}
	if got := Foreign(strings.Repeat("é", 300), 5); got != "ééééé…" {
		t.Errorf("%q", got)
	}
}

func TestWrap(t *testing.T) {
	long := "https://" + strings.Repeat("x", 90)
	tests := []struct{ in, want string }{
		{"", ""},
		{"one two three four", "one two|  three|  four"},
		{"see " + long + " now", "see|  " + long + "|  now"},
		{"hint:\n  keep  this   line whole", "hint:|  keep  this   line whole"},
		{"éé éé éé", "éé éé éé"},
	}
	for _, tt := range tests {
		if got := strings.Join(Wrap(tt.in, 8), "|"); got != tt.want {
			t.Errorf("%q: %q", tt.in, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", 750 * time.Second: "12m30s", 303 * time.Minute: "5h03m",
		47*time.Hour + 59*time.Minute: "47h59m", 80 * time.Hour: "3 days", 1499 * time.Millisecond: "1s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"": "''", "a.b:9619": "a.b:9619", "a b": "'a b'", "it's": `'it'\''s'`, "[::1]:9619": "'[::1]:9619'", "$x": "'$x'", "~": "'~'", "https://x/y?z": "'https://x/y?z'",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"issuer", "timeout", "min-lifetime", "from"}
	for word, want := range map[string]string{"issure": "issuer", "isuer": "issuer", "time-out": "timeout", "colour": "", "": "", "min-lifetme": "min-lifetime", "foo": "", "fram": "from", "form": "from"} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q", word, got)
		}
	}
}

func TestSet(t *testing.T) {
	a := []string{"b", "a"}
	if got := Set(a, []string{"b", "c"}); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("%v", got)
	}
	if a[0] != "b" {
		t.Error("the argument was sorted in place")
	}
	if got := Set(nil, nil); got != nil {
		t.Errorf("%v", got)
	}
}

func TestShellQuote(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for _, s := range []string{"", "plain", "it's", "$HOME `id` \\ \"", "'", "a\nb", "-n"} {
		out, err := exec.Command(sh, "-c", "printf %s "+ShellQuote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q: %q %v", s, out, err)
		}
	}
}
