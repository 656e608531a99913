package submit

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// lines splits a file into statements: it joins continued lines and skips comments.
type lines struct {
	name, rest string
	number     int
	// commented means that a comment ended a continued line.
	commented bool
}

// raw returns the next line of the file without leading and trailing white space.
func (l *lines) raw() (string, bool) {
	if l.rest == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(l.rest, "\n")
	l.rest = rest
	l.number++
	return strings.TrimSpace(line), true
}

// next returns the next statement and its position.
func (l *lines) next() (string, Position, bool) {
	for {
		line, ok := l.raw()
		at := Position{l.name, l.number}
		if !ok {
			return "", at, false
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if line = strings.TrimSpace(l.joined(line)); line != "" {
			return line, at, true
		}
	}
}

// joined appends the lines that continue a line, which ends with a backslash.
func (l *lines) joined(line string) string {
	var b strings.Builder
	for strings.HasSuffix(line, `\`) {
		b.WriteString(line[:len(line)-1])
		line, _ = l.raw()
		if strings.HasPrefix(line, "#") {
			l.commented, line = true, ""
		}
	}
	b.WriteString(line)
	return b.String()
}

// until returns the lines before the line @TAG, joined by newlines, and whether there is such
// a line.
func (l *lines) until(tag string) (string, bool) {
	var out []string
	for {
		line, ok := l.raw()
		if !ok {
			return "", false
		}
		if strings.EqualFold(line, "@"+tag) {
			return strings.Join(out, "\n"), true
		}
		out = append(out, line)
	}
}

// firstWord splits a statement after its first word.
func firstWord(line string) (word, rest string) {
	i := strings.IndexAny(line, " \t:[=(")
	if i < 0 {
		return line, ""
	}
	rest = strings.TrimSpace(line[i:])
	if strings.HasPrefix(rest, "=") {
		return "", line // an assignment, such as to a macro called queue
	}
	return line[:i], rest
}

// assignment splits NAME = VALUE. multi means that VALUE is the tag of a multi-line value.
func assignment(line string) (name, value string, multi, ok bool) {
	name, value, ok = strings.Cut(line, "=")
	if !ok {
		return "", "", false, false
	}
	if strings.HasSuffix(name, "@") {
		name, multi = name[:len(name)-1], true
	}
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsAny(name, " \t") {
		return "", "", false, false
	}
	return name, strings.TrimSpace(value), multi, true
}

// resolve returns the name that a file has in FS.
func (o Options) resolve(name string) string {
	if !path.IsAbs(name) {
		name = path.Join(o.Dir, name)
	}
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}

// maxFile is the maximum size in bytes of a file that is read.
const maxFile = 32 << 20

func (o Options) read(name string) (string, error) {
	full := o.resolve(name)
	fi, err := fs.Stat(o.FS, full)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	if fi.Size() > maxFile {
		return "", errors.New("longer than 32 MiB")
	}
	b, err := fs.ReadFile(o.FS, full)
	return string(b), err
}

// reason returns the text of an error without the name of the file, which the message
// already contains.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// brief shortens a line for a message.
func brief(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
