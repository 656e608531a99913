//go:build unix

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"example.org/token-helpers/shared/submit"
)

// writer writes a random submit file.
type writer struct {
	*rand.Rand
	b strings.Builder
	// macros is the number of macros so far. A value refers only to earlier ones, because
	// condor_submit does not terminate if two refer to each other.
	macros int
}

func (w *writer) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w *writer) line(format string, a ...any) { fmt.Fprintf(&w.b, format+"\n", a...) }

// name returns a name, sometimes in capitals.
func (w *writer) name(s string) string {
	return w.pick(s, s, strings.ToUpper(s))
}

// value returns a text with references.
func (w *writer) value() string {
	var b strings.Builder
	for range 1 + w.IntN(3) {
		switch w.IntN(9) {
		case 0:
			fmt.Fprintf(&b, "$(%s)", w.name(fmt.Sprintf("m%d", w.IntN(w.macros+1))))
		case 1:
			fmt.Fprintf(&b, "$(undef%d:%s)", w.IntN(2), w.pick("d", "", "$(m0)", "a b"))
		case 2:
			b.WriteString(w.pick("$(Process)", "$(ProcId)", "$(Item)", "$(x)", "$(y:none)", "$(ItemIndex)", "$(Step)", "$(ClusterId)"))
		case 3:
			b.WriteString(w.pick("$(m$(zero))", "$$(Name)", "$(undef)", "$(DOLLAR)(m0)", "$ENV(HOME)", "$ENV(NOPE:z)", "$(open"))
		case 4:
			b.WriteString(w.pick("$INT(zero)", "$CHOICE(zero,p,q)", "$CHOICE(1,letters)", "$SUBSTR(letters,1)", "$SUBSTR(letters,-3,2)", "$SUBSTR(letters,1,-1)",
				"$F(file)", "$Fn(file)", "$Fx(file)", "$Fp(file)", "$Fnx(file)", "$Fpn(file)", "$Fd(file)", "$BASENAME(file)", "$DIRNAME(file)"))
		default:
			b.WriteString(w.pick("a", "b c", "https://h/p", "x,y", "/store", "1", "2.5", ";", "#", "'", "=", ":"))
		}
	}
	return b.String()
}

func (w *writer) statement(depth int) {
	switch w.IntN(8) {
	case 0:
		w.line("+A%d = \"%s\"", w.IntN(3), w.value())
	case 1:
		w.line("MY.B%d = \"%s\"", w.IntN(2), w.value())
	case 2:
		w.line("transfer_input_files = %s", w.pick("", w.value(), "a, "+w.value()+" ,https://h/"+w.value()))
	case 3:
		w.line("%s", w.pick("# comment \\", "", "   ", "# "+w.value()))
	case 4:
		w.condition(depth)
	default:
		w.macro()
	}
}

func (w *writer) macro() {
	n := w.macros
	if n > 0 && w.IntN(3) == 0 {
		// Redefined in terms of itself.
		i := w.IntN(n)
		w.line("m%d = $(m%d)%s", i, i, w.pick("", "+", " more"))
		return
	}
	text := w.value()
	text = strings.NewReplacer(fmt.Sprintf("$(m%d)", n), "", fmt.Sprintf("$(M%d)", n), "").Replace(text)
	if w.IntN(4) == 0 {
		text = strings.Replace(text, " ", " \\\n   ", 1)
	}
	w.line("%s %s%s", w.name(fmt.Sprintf("m%d", n)), w.pick("= ", "=", "=  "), text)
	w.macros++
}

func (w *writer) condition(depth int) {
	if depth > 2 {
		return
	}
	cond := func() string {
		return w.pick("true", "false", "yes", "0", "1", "$(zero)", "$(undef)", "defined m0", "defined undef", "!defined m1", "! true", "defined Item", "version >= 8.1", "version < 9.0", "True")
	}
	w.line("%s %s", w.pick("if", "IF"), cond())
	w.statement(depth + 1)
	if w.IntN(2) == 0 {
		w.line("elif %s", cond())
		w.statement(depth + 1)
	}
	if w.IntN(2) == 0 {
		w.line("else")
		w.statement(depth + 1)
	}
	w.line("endif")
}

func (w *writer) queue() {
	count := w.pick("", "", "2 ", "$(two) ")
	vars := w.pick("", "Item ", "x ", "x,y ", "x, y ", "x y ")
	slice := w.pick("", "", "", "[1:] ", "[:2] ", "[::2] ", "[-2:] ")
	switch w.IntN(7) {
	case 0:
		w.line("queue")
	case 1:
		w.line("%s %s", w.pick("queue", "Queue"), w.pick("1", "3", "$(two)", "$(two)+1", "2 * 2"))
	case 2:
		w.line("queue %s%sin %s(a, b c,d)", count, strings.Split(vars, ",")[0]+" ", slice)
	case 3:
		w.line("queue %s%sin %s(\n a\nb, c\n)", count, strings.Fields(vars + " Item")[0]+" ", slice)
	case 4:
		w.line("queue %s%sfrom %s(\n a1, b1\na2 b2\n# no item\n  a3,b3 c3\n)", count, vars, slice)
	case 5:
		w.line("queue %s%sfrom %s@DIR@/items.txt", count, vars, slice)
	default:
		w.line("queue %s%sin a, b", count, strings.Fields(vars + " Item")[0]+" ")
	}
}

// random compares the reader with condor_submit.
func (p *setup) random() error {
	dir := filepath.Join(p.work, "client", "pf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "items.txt"), []byte("i1, j1\ni2 j2\ni3,j3 k3\n"), 0o644); err != nil {
		return err
	}
	wrong, accepted := 0, 0
	for i := range p.count {
		w := &writer{Rand: rand.New(rand.NewPCG(p.seed, uint64(i)))}
		w.line("executable = /usr/bin/condor_q\ntransfer_executable = false\nzero = 0\ntwo = 2\nletters = abcdef\nfile = /d1/d2/f.tar.gz")
		for range 2 + w.IntN(8) {
			w.statement(0)
		}
		w.queue()
		same, ok, err := p.same(dir, w.b.String())
		if err != nil {
			return err
		}
		if ok {
			accepted++
		}
		if same != "" {
			wrong++
			fmt.Printf("     seed %d, number %d: %s\n%s\n", p.seed, i, same, w.b.String())
		}
	}
	fmt.Printf("     %d random submit files, %d accepted, %d read differently\n", p.count, accepted, wrong)
	if wrong > 0 || accepted < p.count/2 {
		return fmt.Errorf("%d of %d random submit files differ", wrong, p.count)
	}
	return nil
}

// expression matches the error of condor_submit about an attribute that is not a ClassAd
// expression. The reader does not parse expressions.
var expression = regexp.MustCompile(`Parse error in expression`)

// same compares the reader and condor_submit for a submit file. ok means that both accept it.
func (p *setup) same(dir, text string) (difference string, ok bool, err error) {
	if err := os.WriteFile(filepath.Join(dir, "inside.sub"), []byte(strings.ReplaceAll(text, "@DIR@", inside)), 0o644); err != nil {
		return "", false, err
	}
	env := map[string]string{"HOME": "/home/tester"}
	f, readErr := submit.Read("inside.sub", []byte(strings.ReplaceAll(text, "@DIR@", dir)), submit.Options{Dir: "/", FS: os.DirFS("/"), Getenv: func(k string) (string, bool) {
		v, ok := env[k]
		return v, ok
	}})
	out, rc := p.inTree(ceConfig, nil, "", "condor_submit", "-dry-run", "-", inside+"/inside.sub")
	switch {
	case expression.MatchString(out), readErr != nil && strings.Contains(out, "ERROR at Queue statement"):
		return "", false, nil // printed, although the exit code is 0
	case readErr != nil && rc == 0:
		return fmt.Sprintf("the reader says %v, condor_submit accepts it", readErr), false, nil
	case readErr != nil:
		return "", false, nil
	case rc != 0:
		return "condor_submit says " + out, false, nil
	}
	ads := parseAds(out)
	if len(ads) != len(f.Jobs) {
		return fmt.Sprintf("%d jobs, condor_submit %d", len(f.Jobs), len(ads)), true, nil
	}
	for i, j := range f.Jobs {
		names := slices.Sorted(maps.Keys(j.Attributes))
		for _, name := range append(names, "A0", "A1", "A2", "B0", "B1", "TransferInput") {
			ours, theirs := strings.ReplaceAll(j.Attributes[name], dir, inside), ads[i][name]
			if ours != theirs && !(name == "TransferInput" && ours == "" && theirs == `""`) {
				return fmt.Sprintf("job %d: %s = %s, condor_submit %s", i, name, ours, theirs), true, nil
			}
		}
	}
	return "", true, nil
}
