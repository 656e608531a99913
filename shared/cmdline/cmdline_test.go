package cmdline

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type inner struct {
	Deep bool `help:"Deep." group:"Own"`
}

type plugin struct {
	Host string   `complete:"host"`
	Rare []string `common:"no" placeholder:"X"`
}

type flags struct {
	Plugins `group:"First" common:""`
	Name    string `short:"n" aliases:"called,title" default:"${who}" placeholder:"N" help:"A name. Default: ${who}. Costs $$5."`
	Count   int
	Color   string   `enum:",red,green" group:"Second"`
	Loud    bool     `short:"l"`
	Quick   bool     `short:"q" hidden:""`
	In      inner    `embed:"" group:"Third"`
	File    string   `arg:"" name:"file" complete:"file"`
	More    []string `arg:"" name:"more"`
}

func newFlags() (*flags, *plugin, *Line) {
	p := new(plugin)
	f := &flags{Plugins: Plugins{p}}
	l := &Line{Vars: map[string]string{"who": "me"}}
	l.Add(f, "Default")
	return f, p, l
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args string
		want func(*flags, *plugin)
		err  string
	}{
		{args: "", want: func(f *flags, _ *plugin) {}},
		{args: "--name x --count 3 -l", want: func(f *flags, _ *plugin) { f.Name, f.Count, f.Loud = "x", 3, true }},
		{args: "--called=x --title=y", want: func(f *flags, _ *plugin) { f.Name = "y" }},
		{args: "-lqnx", want: func(f *flags, _ *plugin) { f.Loud, f.Quick, f.Name = true, true, "x" }},
		{args: "-ln x", want: func(f *flags, _ *plugin) { f.Loud, f.Name = true, "x" }},
		{args: "--loud=no --deep=YES", want: func(f *flags, _ *plugin) { f.In.Deep = true }},
		{args: "--rare a,b --rare=", want: func(_ *flags, p *plugin) { p.Rare = []string{"a,b", ""} }},
		{args: "a --loud b -- --name c", want: func(f *flags, _ *plugin) { f.File, f.More, f.Loud = "a", []string{"b", "--name", "c"}, true }},
		{args: "--color= -", want: func(f *flags, _ *plugin) { f.File = "-" }},
		{args: "--name -", want: func(f *flags, _ *plugin) { f.Name = "-" }},
		{args: "--name --", err: "--name: the value is missing"},
		{args: "--name --loud", err: `--name: the value is missing: write it as --name="--loud" if it begins with a dash`},
		{args: "-n", err: "--name: the value is missing"},
		{args: "--count x", err: `--count: "x" is not a number`},
		{args: "--color blue", err: `--color: "blue" is not one of red, green`},
		{args: "--loud=2", err: `--loud: "2" is neither true nor false`},
		{args: "--colour red", err: `unknown flag --colour, did you mean "--color"?`},
		{args: "--quik", err: "unknown flag --quik"},
		{args: "-lx", err: "unknown flag -x"},
		{args: "--loud=", err: `--loud: "" is neither true nor false`},
	} {
		f, p, l := newFlags()
		err := l.Parse(strings.Fields(c.args))
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.args, err, c.err)
			}
			continue
		}
		wantPlugin := new(plugin)
		want := &flags{Plugins: Plugins{p}}
		c.want(want, wantPlugin)
		if err != nil || !reflect.DeepEqual(f, want) || !reflect.DeepEqual(p, wantPlugin) {
			t.Errorf("%s: %+v %+v, %v", c.args, f, p, err)
		}
	}
}

func TestResolve(t *testing.T) {
	f, p, l := newFlags()
	if err := l.Parse([]string{"--count", "1"}); err != nil {
		t.Fatal(err)
	}
	err := l.Resolve(func(f *Flag) ([]string, bool) {
		switch f.Name {
		case "count", "rare":
			return []string{"7", "8"}, true
		}
		return nil, false
	})
	if err != nil || f.Name != "me" || f.Count != 1 || !slices.Equal(p.Rare, []string{"7", "8"}) {
		t.Errorf("%+v %+v, %v", f, p, err)
	}
	if name := l.Flag("name"); name.Given || name.Set || !l.Flag("rare").Set || l.Flag("rare").Given || !l.Flag("count").Given {
		t.Errorf("%+v", name)
	}
	_, _, l = newFlags()
	err = l.Resolve(func(f *Flag) ([]string, bool) {
		if f.Name == "color" {
			return []string{"purple"}, true
		}
		return nil, false
	})
	var bad *ValueError
	if !errors.As(err, &bad) || bad.Flag.Name != "color" {
		t.Error(err)
	}
}

func TestModel(t *testing.T) {
	_, p, l := newFlags()
	var got []string
	for _, f := range l.Flags {
		s := f.Form() + " " + f.Group
		if f.Common {
			s += " common"
		}
		got = append(got, s)
	}
	want := []string{
		"--host HOST First common", "--rare X First", "-n, --name N Default", "--count COUNT Default", "--color COLOR Second",
		"-l, --loud Default", "-q, --quick Default", "--deep Own",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if l.Flag("host").Target() != any(&p.Host) || !l.Flag("loud").IsSwitch() || l.Flag("host").IsSwitch() || l.Flag("called") != nil {
		t.Error("wrong targets")
	}
	if help := FlagHelp(l, l.Flag("name"), true); help != "A name. Default: me. Costs $5." {
		t.Error(help)
	}
	if help := FlagHelp(l, l.Flag("name"), false); help != "A name." {
		t.Error(help)
	}
	for field, want := range map[string]string{"Name": "name", "NoPrompt": "no-prompt", "CAFile": "ca-file", "JWKS": "jwks", "ClientID": "client-id", "A": "a"} {
		if got := kebab(field); got != want {
			t.Errorf("%s: %s", field, got)
		}
	}
}

func TestWrongTypesPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	new(Line).Add(&struct{ F float64 }{}, "")
}

func TestSkip(t *testing.T) {
	_, _, l := newFlags()
	for args, want := range map[string]int{
		"": 0, "word": 0, "-l word": 1, "--loud word": 1, "--name x word": 2, "--name=x word": 1, "-n x word": 2, "-nx word": 1,
		"-lq word": 1, "-lqn x word": 2, "--unknown word": 0, "-x word": 0, "-- word": 0, "--name": 2, "- word": 0,
	} {
		fields := strings.Fields(args)
		if got := l.Skip(fields); min(got, len(fields)) != min(want, len(fields)) {
			t.Errorf("%s: %d", args, got)
		}
	}
}

func testProgram() *Program {
	common := new(Line)
	common.Add(&struct {
		Verbose bool   `short:"v" help:"Say more."`
		Where   string `complete:"place" placeholder:"P"`
	}{}, "Common")
	command := func(target any) *Line {
		l := new(Line)
		l.Add(target, "Own")
		l.Flags = append(l.Flags, common.Flags...)
		return l
	}
	return &Program{
		Name: "prog", Summary: "Do it.", Examples: []string{"one: ${program} --all", "${program} two"}, Groups: []string{"Own", "Common"}, Common: common,
		Commands: []*Command{
			{Name: "do", Help: "Do.", Runs: true, Usage: "[-- COMMAND]", Line: command(&struct {
				All  bool     `help:"All. Really."`
				Tags []string `enum:"a,b" placeholder:"TAG"`
				File string   `complete:"file"`
				Dir  string   `complete:"dir"`
				What string   `arg:"" complete:"thing"`
			}{})},
			{Name: "help", Help: "Help.", Line: command(&struct {
				About string `arg:"" complete:"help"`
			}{})},
		},
		Topics: []Topic{{Name: "topics", Brief: "a topic"}},
	}
}

func TestComplete(t *testing.T) {
	values := func(kind string) []Candidate {
		return map[string][]Candidate{
			"thing": {{"thing:one", "1"}, {"thing:two", "2"}, {"bad\nname", ""}, {":odd", ""}, {"thing:one", "again"}},
			"place": {{"here:", ""}, {"there", ""}},
		}[kind]
	}
	for words, want := range map[string]string{
		"":                 "do\tDo.|help\tHelp.|thing:one\t1|thing:two\t2",
		"d":                "do\tDo.",
		"-v d":             "do\tDo.",
		"--where x d":      "do\tDo.",
		"--all d":          "", // only common flags may precede a command
		"do d":             "",
		"do thing:t":       "thing:two\t2",
		"do thing:one t":   "",
		"--a":              "--all\tAll.",
		"do --all --a":     "",
		"do --tags a --ta": "--tags",
		"do --tags ":       "a|b",
		"do --tags=b":      "--tags=b",
		"do --all=":        "--all=false|--all=true",
		"do --file x":      ":file",
		"do --file=x":      ":file",
		"do --dir x":       ":dir",
		"--where h":        "here:|:nospace",
		"--where ":         "here:|there",
		"-v --where=t":     "--where=there",
		"do -- x":          ":command",
		"help ":            "do\tDo.|help\tHelp.|topics\ta topic",
		"help -- t":        "topics\ta topic",
		"--unknown=":       "",
		"do --unknown x t": "",
	} {
		var b strings.Builder
		fields := strings.Fields(words)
		if words == "" || strings.HasSuffix(words, " ") {
			fields = append(fields, "")
		}
		if err := testProgram().Complete(&b, fields, values); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", "|"); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

func TestHelp(t *testing.T) {
	p := testProgram()
	const want = `Usage: prog [do] [FLAG...] [-- COMMAND]

Do it.

Examples:
  one  prog --all
       prog two

Own:
  --all          All. Really.
  --tags TAG
  --file FILE
  --dir DIR

Common:
  -v, --verbose  Say more.
  --where P

Commands:
  do                Do.
  help              Help.

Topics of the command help:
  topics            a topic

Exit codes:
`
	if got := p.Help(p.Commands[0], true, 80); got != want {
		t.Errorf("%s", got)
	}
	if got := p.Help(p.Commands[1], false, 80); !strings.HasPrefix(got, "Usage: prog help [FLAG...]\n\nHelp.\n\nCommon:\n") {
		t.Errorf("%s", got)
	}
	// A long example is continued before a flag.
	p.Examples = []string{"long: ${program} --first 1111111111 --second 2222222222 --third 3333333333"}
	for width := range 130 {
		p.Help(p.Commands[0], true, width) // must not loop forever
	}
	if got := p.Help(p.Commands[0], true, 50); !strings.Contains(got, "  long  prog --first 1111111111 \\\n          --second 2222222222 --third 3333333333\n") {
		t.Errorf("%s", got)
	}
}

func TestScripts(t *testing.T) {
	for _, shell := range Shells {
		s := Script(shell, "some-prog")
		if !strings.Contains(s, "some-prog") || strings.Contains(s, "PROGRAM") || strings.Contains(s, "_FUNCTION") || !strings.Contains(s, CompleteFlag) {
			t.Errorf("%s: %s", shell, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--name x -lqn y -- z")
	f.Add("--count=\x00\n-\n--")
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, "\n")
		_, _, l := newFlags()
		if err := l.Parse(args); err == nil {
			if n := l.Skip(args); n < 0 {
				t.Error(n)
			}
		}
		var b strings.Builder
		if err := testProgram().Complete(&b, args, func(string) []Candidate { return []Candidate{{s, s}} }); err != nil {
			t.Error(err)
		}
		if strings.ContainsAny(b.String(), "\x00\x1b\r") {
			t.Errorf("%q", b.String())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, args := range map[string][]string{"flags=0": nil, "flags=5": {"--name", "x", "--count=3", "-lq", "--color", "red", "file"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, l := newFlags()
				if err := errors.Join(l.Parse(args), l.Resolve(nil)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
