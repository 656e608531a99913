package inspect

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// origin describes how a report was made, so that others can reproduce it.
type origin struct {
	// Tool is the program and its version. Command is the command line without the
	// directories of files.
	Tool, Command string
	// Files are the configuration and map files that were applied, with their digests.
	Files []string
}

// commandLine returns the command line without the directories of files, which may identify
// the user.
func commandLine(program string, args []string) string {
	out := []string{program}
	path := false // the argument is the value of --path, which is not a local file
	for _, a := range args {
		name, value, flag := strings.Cut(a, "=")
		switch {
		case path || name == "--path":
		case flag && strings.HasPrefix(a, "--") && isFile(value):
			a = name + "=" + filepath.Base(value)
		case isFile(a):
			a = filepath.Base(a)
		}
		path = a == "--path"
		out = append(out, text.ShellWord(a))
	}
	return strings.Join(out, " ")
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil && strings.Contains(name, string(filepath.Separator))
}

// digest returns the flag, the name and the SHA-256 digest of a file.
func digest(flag, name string, contents []byte) string {
	return fmt.Sprintf("%s %s%s%x", flag, filepath.Base(name), digestMark, sha256.Sum256(contents))
}

// digestMark separates the name of a file from its digest.
const digestMark = ", sha256 "

// difference returns lines with the expected audience, the actual one, and marks where they
// differ. It returns nil for findings that are not about the audience.
func (v *view) difference(f finding.Finding) []string {
	want, actual, ok := v.audiences(f)
	if !ok {
		return nil
	}
	return []string{"expected: " + want, "actual:   " + actual, "          " + underline(want, actual)}
}

// audiences returns the expected audience, and the actual one that is most similar to it. ok
// is false for findings that are not about the audience.
func (v *view) audiences(f finding.Finding) (want, actual string, ok bool) {
	if f.Code != finding.AudMismatch || len(f.Missing) == 0 || v.token == nil {
		return "", "", false
	}
	got, _ := v.token.Audiences()
	best := -1
	for _, w := range f.Missing {
		for _, g := range got {
			if n := commonLength(w, g); n > best {
				want, actual, best = w, g, n
			}
		}
	}
	return want, actual, best >= 0
}

// commonLength returns the total length of the common prefix and the common suffix.
func commonLength(a, b string) int {
	before, after := commonEnds([]rune(a), []rune(b))
	return before + after
}

// commonEnds returns the lengths of the common prefix and the common suffix, which do not overlap.
func commonEnds(a, b []rune) (before, after int) {
	for before < min(len(a), len(b)) && a[before] == b[before] {
		before++
	}
	for after < min(len(a), len(b))-before && a[len(a)-1-after] == b[len(b)-1-after] {
		after++
	}
	return before, after
}

// underline returns a line that underlines the part of actual that differs from want.
func underline(want, actual string) string {
	got := []rune(actual)
	before, after := commonEnds([]rune(want), got)
	return strings.Repeat(" ", before) + strings.Repeat("^", max(1, len(got)-before-after))
}

// redacted returns the view with masked values.
func (v *view) redacted(r *redactor) *view {
	r.learn(v.token)
	r.users(v.Causes)
	r.users(v.Remarks)
	for _, s := range []string{v.Origin.Command, v.Target, v.Note} {
		r.learnText(s)
	}
	out := *v
	out.Label = r.label(v.Label)
	out.Headline, out.KindNote, out.Note, out.Target = r.text(v.Headline), r.text(v.KindNote), r.text(v.Note), r.text(v.Target)
	out.SignatureNote = r.text(v.SignatureNote)
	out.Causes, out.Remarks = r.findings(v.Causes), r.findings(v.Remarks)
	out.Origin.Command = r.text(v.Origin.Command)
	out.Origin.Files = slices.Clone(v.Origin.Files)
	for k, f := range out.Origin.Files {
		file, sum, _ := strings.Cut(f, digestMark)
		out.Origin.Files[k] = r.text(file) + digestMark + sum
	}
	out.Unknown = slices.Clone(v.Unknown)
	out.token = r.token(v.token)
	out.Claims = claimViews(out.token.Members(), claimMeaning, v.Now)
	out.Header = claimViews(out.token.HeaderMembers(), headerMeaning, v.Now)
	return &out
}
