package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hole replaces each variable part of a message: a value, or another error.
const hole = "\x00"

// verb matches a verb of package fmt.
var verb = regexp.MustCompile(`%(\[\d+\])?[-+#0]*\d*(\.\d+)?[a-zA-Z]`)

// message is the constant text of an error, with a hole for each value, and its position.
type message struct{ text, at string }

// collector finds the messages in the files of a package. A message is a constant text that
// is part of an error or of a note:
//
//   - an argument of a function that returns an error and has a parameter of type string,
//     such as fmt.Errorf and errors.New, or of Note, note or Say, which print;
//   - a field of an error type;
//   - a result of an Error method, or a result named problem or why.
//
// Parameters and fields named hint are not part of the message. Texts of one word are
// names, not messages.
type collector struct {
	fset *token.FileSet
	// makers are the functions of the package that return an error, with the names of their
	// parameters.
	makers map[string][]string
	// fields are the names of the fields of the package's structs.
	fields map[string][]string
	// texts are the texts of the package's constants and variables, and local those in the
	// current declaration.
	texts, local map[string][]string
	// findings is set if the messages of findings are included. rules is set if the function
	// note creates findings.
	findings, rules bool
	found           []message
}

// collect returns the messages in the package in dir.
func collect(t *testing.T, dir string) []message {
	t.Helper()
	// The findings of package service are differences between grant and request. All others
	// are causes, which causes.md lists.
	c := &collector{findings: filepath.Base(dir) == "service", rules: slices.Contains([]string{"condor", "xrootd"}, filepath.Base(dir)), fset: token.NewFileSet(), makers: map[string][]string{}, fields: map[string][]string{}, texts: map[string][]string{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	c.local = c.texts
	for _, f := range files {
		for _, d := range f.Decls {
			ast.Inspect(d, c.maker)
			if d, ok := d.(*ast.GenDecl); ok {
				ast.Inspect(d, c.text)
			}
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			c.local = map[string][]string{}
			ast.Inspect(d, c.text)
			ast.Inspect(d, c.use)
		}
	}
	return c.found
}

// maker records functions that return errors, and the fields of structs.
func (c *collector) maker(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.TypeSpec:
		if s, ok := n.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, id := range f.Names {
					c.fields[n.Name.Name] = append(c.fields[n.Name.Name], id.Name)
				}
			}
		}
	case *ast.FuncDecl:
		if returnsError(n.Type) && hasText(n.Type) {
			c.makers[n.Name.Name] = parameters(n.Type)
		}
	case *ast.AssignStmt: // a local function
		for i, rhs := range n.Rhs {
			f, ok := rhs.(*ast.FuncLit)
			if id, named := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident); ok && named && returnsError(f.Type) && hasText(f.Type) {
				c.makers[id.Name] = parameters(f.Type)
			}
		}
	}
	return true
}

// text records the texts of constants and variables.
func (c *collector) text(n ast.Node) bool {
	var names []*ast.Ident
	var values []ast.Expr
	switch n := n.(type) {
	case *ast.ValueSpec:
		names, values = n.Names, n.Values
	case *ast.AssignStmt:
		for _, l := range n.Lhs {
			id, ok := l.(*ast.Ident)
			if !ok {
				return true
			}
			names = append(names, id)
		}
		values = n.Rhs
	}
	for i, v := range values {
		if s, ok := c.format(v); ok && len(names) == len(values) {
			c.local[names[i].Name] = append(c.local[names[i].Name], s)
		}
	}
	return true
}

// returnsError reports whether the last result of a function is an error.
func returnsError(f *ast.FuncType) bool {
	if f.Results == nil || len(f.Results.List) == 0 {
		return false
	}
	last := f.Results.List[len(f.Results.List)-1].Type
	if p, ok := last.(*ast.StarExpr); ok {
		last = p.X
	}
	return isError(name(last))
}

// parameters returns the names of a function's parameters.
func parameters(f *ast.FuncType) (names []string) {
	for _, p := range f.Params.List {
		for _, n := range p.Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// problems returns the indexes of a function's results that are named problem or why.
func problems(f *ast.FuncType) (out []int) {
	if f.Results == nil {
		return nil
	}
	n := 0
	for _, r := range f.Results.List {
		for _, id := range r.Names {
			if id.Name == "problem" || id.Name == "why" {
				out = append(out, n)
			}
			n++
		}
	}
	return out
}

// hasText reports whether a function has a parameter of type string.
func hasText(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool { return name(p.Type) == "string" })
}

// isError reports whether typ is the name of an error type.
func isError(typ string) bool {
	return typ == "error" || strings.HasSuffix(typ, "Error") || typ == "None" || typ == "explained"
}

// name returns the last part of a possibly qualified name.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// use records the messages in a node.
func (c *collector) use(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		f := name(n.Fun)
		names, maker := c.makers[f]
		if f == "Hint" || c.rules && f == "note" || !maker && !slices.Contains([]string{"Errorf", "New", "Note", "note", "Say"}, f) {
			return true
		}
		for i, a := range n.Args {
			if i < len(names) && strings.Contains(strings.ToLower(names[i]), "hint") {
				continue
			}
			c.add(a)
		}
	case *ast.CompositeLit:
		typ := name(n.Type)
		if !isError(typ) && (typ != "Finding" || !c.findings) {
			return true
		}
		for i, e := range n.Elts {
			field := ""
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				field, e = name(kv.Key), kv.Value
			} else if f := c.fields[typ]; i < len(f) {
				field = f[i]
			}
			if typ == "Finding" && field != "Message" || slices.Contains([]string{"hint", "form", "flag"}, strings.ToLower(field)) {
				continue
			}
			c.add(e)
		}
	case *ast.FuncDecl:
		results := problems(n.Type)
		if n.Recv != nil && n.Name.Name == "Error" {
			results = []int{0}
		}
		ast.Inspect(n, func(n ast.Node) bool {
			if r, ok := n.(*ast.ReturnStmt); ok {
				for _, i := range results {
					if i < len(r.Results) {
						c.add(r.Results[i])
					}
				}
			}
			return true
		})
	}
	return true
}

// add records the text of an expression, or all texts of a variable, as messages.
func (c *collector) add(e ast.Expr) {
	texts := c.known(e)
	if s, ok := c.format(e); ok {
		texts = []string{s}
	}
	for _, s := range texts {
		s = strings.Join(strings.Fields(strings.Trim(s, " :;\n")), " ")
		// A name or a separator is not a message.
		if words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \x00:,()", r) }); len(words) > 1 {
			c.found = append(c.found, message{s, c.fset.Position(e.Pos()).String()})
		}
	}
}

// known returns the texts of a constant or a variable.
func (c *collector) known(e ast.Expr) []string {
	id, ok := e.(*ast.Ident)
	if !ok {
		return nil
	}
	if t := c.local[id.Name]; t != nil {
		return t
	}
	return c.texts[id.Name]
}

// format returns the text of an expression, with holes for parts that are not constant. ok is
// false if no part is constant.
func (c *collector) format(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return hole, false
		}
		s, err := strconv.Unquote(e.Value)
		return strings.ReplaceAll(verb.ReplaceAllString(s, hole), "%%", "%"), err == nil
	case *ast.Ident:
		if t := c.known(e); len(t) == 1 {
			return t[0], true
		}
	case *ast.ParenExpr:
		return c.format(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			a, aok := c.format(e.X)
			b, bok := c.format(e.Y)
			return a + b, aok || bok
		}
	case *ast.CallExpr:
		if name(e.Fun) == "Sprintf" && len(e.Args) > 0 {
			return c.format(e.Args[0])
		}
	}
	return hole, false
}

// sources returns the directories with the code of the programs.
func sources(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir("../shared", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "issuertest", d.Name() == "servicetest", d.Name() == "testdata":
			return fs.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// notMessages are texts of several words that are not messages.
var notMessages = []string{
	"the command ended",                                                                                            // never printed
	"JWS in JSON", "issuer-\x00.lock", "request-\x00.lock", "token-helpers: probe", "token-helpers: login at \x00", // names
	// Subjects of messages; their other parts are messages.
	"the issuer", "the registration", "the verification URL", "the token endpoint",
}

// TestTroubleshooting checks that every message of the programs has a heading in
// troubleshooting.md, and that every heading matches a message. In a heading, any text can
// replace a value.
func TestTroubleshooting(t *testing.T) {
	var headings []string
	for line := range strings.Lines(read(t, "troubleshooting.md")) {
		if h, ok := strings.CutPrefix(line, "### "); ok {
			headings = append(headings, strings.TrimSpace(h))
		}
	}
	seen := map[string]bool{}
	for _, h := range headings {
		if seen[h] {
			t.Errorf("two headings %q", h)
		}
		seen[h] = true
	}
	used := map[string]bool{}
	messages := 0
	for _, dir := range sources(t) {
		for _, m := range collect(t, dir) {
			if slices.Contains(notMessages, m.text) {
				continue
			}
			messages++
			pattern := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(m.text), regexp.QuoteMeta(hole), ".+"))
			found := false
			for _, h := range headings {
				if pattern.MatchString(h) {
					found, used[h] = true, true
				}
			}
			if !found {
				t.Errorf("%s: troubleshooting.md has no heading for %q", m.at, strings.ReplaceAll(m.text, hole, "…"))
			}
		}
	}
	for _, h := range headings {
		if !used[h] {
			t.Errorf("no message matches the heading %q", h)
		}
	}
	t.Logf("%d messages, %d headings", messages, len(headings))
}

// TestCollector checks that the collector finds each form of a message, and no hints.
// Otherwise TestTroubleshooting could pass without checking anything.
func TestCollector(t *testing.T) {
	dir := t.TempDir()
	const code = `package x

import ("errors"; "fmt")

const op = "with the constant"

func g() error {
	const op = "with a local constant"
	return errors.New(op)
}

var errNone = errors.New("made by New")

type OtherError struct{ Problem, hint string }

type SomeError struct{ Reason, Hint string }

func (e *SomeError) Error() string { return e.Reason + " in a method" }

func fail(code int, hint, format string, a ...any) error { return nil }

func h() (n int, problem string) { return 1, "returned as problem" }

func f(v string) error {
	two := "one of two texts"
	if v == "" {
		two = "the other of two texts"
	}
	_ = errors.New(two)
	local := func(what string) error { return errors.New(what) }
	note("printed as note %s", v)
	_ = &SomeError{Reason: "in a field", Hint: "not this hint"}
	_ = &SomeError{fmt.Sprintf("formatted %q in a field", v), v}
	_ = &OtherError{"in an unkeyed field", "no hint either"}
	_ = local("passed to a local function")
	_ = local(op + " and " + v + " joined")
	_ = fail(1, "not this hint either", "passed to a function: %w, 100%% of it", errNone)
	_ = errors.New("word")
	other("not passed to a maker")
	return fmt.Errorf("made by Errorf: %w", errNone)
}
`
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range collect(t, dir) {
		got = append(got, strings.ReplaceAll(m.text, hole, "…"))
	}
	want := []string{"formatted … in a field", "in a field", "in an unkeyed field", "… in a method", "made by Errorf: …", "made by New", "passed to a function: …, 100% of it",
		"passed to a local function", "one of two texts", "the other of two texts", "with a local constant", "printed as note …", "returned as problem", "with the constant and … joined"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
