package inspect

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"example.org/token-helpers/shared/bearer"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// read reads the files that the command line names, stdin, or, if stdin is a terminal, the
// token that WLCG Bearer Token Discovery finds.
func (p *pipeline) read(files []string) error {
	if len(files) == 0 {
		if isTerminal(p.env.Stdin) {
			return p.discover()
		}
		files = []string{"-"}
	}
	for _, name := range files {
		p.file(name)
	}
	return nil
}

// file reads all tokens of a file.
func (p *pipeline) file(name string) {
	rd, label, empty := p.env.Stdin, "stdin", "empty: did the command before it fail?"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			p.afterwards(func() { p.unreadable(name, err) })
			return
		}
		defer func() { _ = f.Close() }()
		rd, label, empty = f, name, "empty"
	}
	fi, err := os.Lstat(name)
	link := name != "-" && err == nil && fi.Mode()&fs.ModeSymlink != 0
	mode := modeOf(rd)
	idle := func() {}
	if p.pool != nil {
		rd, idle = stoppable{rd, &p.pool.stopped}, p.pool.send
	}
	rd, zipped, err := unzipped(rd)
	if zipped {
		mode, link = 0, false // clients do not read compressed token files
	}
	n := 0
	if err == nil {
		err = inputs(rd, func(i input) {
			n++
			i.label = label
			if i.only {
				i.mode, i.link = mode, link
			}
			// With -o ndjson, a file may be a list of tokens.
			if i.among = !i.only && mode != 0 && !p.format.parallel; i.among {
				i.form = service.Wrapped
			} else if i.mode == 0 {
				i.form = service.Bare
			}
			p.submit(i)
		}, idle)
	}
	p.afterwards(func() {
		shown := p.shown
		p.shown = 0
		none := func(kind, what string) {
			p.process(input{label: label, line: 1, kind: kind, err: fmt.Errorf("%w: %s", token.ErrNotToken, what)})
			p.shown = 0
		}
		switch {
		case err != nil && zipped:
			p.worse(cli.NeedLogin) // the file was read, but it is damaged
			p.notRead(label, fmt.Errorf("could not decompress %s: %w", label, err))
		case err != nil:
			p.unreadable(label, err)
		case n == 0:
			none("nothing", empty)
		case shown == 0:
			none("JSON", "JSON objects without a token")
		}
	})
}

// unzipped returns a reader for the uncompressed contents if rd is compressed by gzip, which
// it recognizes by the first bytes (RFC 1952 section 2.3.1), otherwise for rd itself.
func unzipped(rd io.Reader) (_ io.Reader, zipped bool, err error) {
	r := bufio.NewReaderSize(rd, readerSize)
	// Do not wait for more bytes than necessary, because the input may be typed.
	if b, _ := r.Peek(1); len(b) == 0 || b[0] != 0x1f {
		return r, false, nil
	}
	if b, _ := r.Peek(3); len(b) < 3 || b[1] != 0x8b || b[2] != 8 {
		return r, false, nil
	}
	z, err := gzip.NewReader(r)
	return z, true, err
}

// modeOf returns the permissions of rd if it is a regular file, possibly opened by a shell's
// <, otherwise 0. On Windows, it returns 0.
func modeOf(rd any) fs.FileMode {
	f, ok := rd.(*os.File)
	if !ok || runtime.GOOS == "windows" {
		return 0
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return 0
	}
	return fi.Mode().Perm()
}

// unreadable reports a file that cannot be read. Processing continues with the other files.
func (p *pipeline) unreadable(label string, err error) {
	p.worse(cli.Usage)
	p.notRead(label, err)
}

// notRead reports a file that cannot be read or decompressed. If the output is redacted, it
// omits the directory.
func (p *pipeline) notRead(label string, err error) {
	if p.redactor != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), label, p.redactor.label(label)))
		label = p.redactor.label(label)
	}
	p.renderer.unreadable(label, err)
}

// discover reads the token that WLCG Bearer Token Discovery finds.
func (p *pipeline) discover() error {
	found, err := bearer.Discover(p.env.LookupEnv, os.Geteuid())
	if err != nil {
		return cli.Errorf(cli.NeedLogin, "%w", err)
	}
	if found.Token == "" {
		return cli.Errorf(cli.NeedLogin, "no token given, and none found by bearer token discovery").
			Hint("give a file, or pipe a token: jwt-inspect < token (searched BEARER_TOKEN, BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u%[1]d and /tmp/bt_u%[1]d)", os.Geteuid())
	}
	p.env.Say("using the token in %s", found.Place)
	for _, h := range found.Hidden {
		p.env.Say("it takes precedence over the token in %s", h)
	}
	if found.File != "" {
		// Read the whole file, because a client sends all of it.
		p.file(found.File)
		return nil
	}
	p.submit(input{label: found.Place, line: 1, raw: []byte(found.Token), only: true})
	return nil
}

// place returns the file of an input, and its line unless it is the first.
func (i input) place() string {
	if i.line > 1 {
		return fmt.Sprintf("%s line %d", text.OneLine(i.label), i.line)
	}
	return text.OneLine(i.label)
}
