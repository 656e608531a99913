// Package bearer implements WLCG Bearer Token Discovery: where a token is found.
package bearer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/private"
)

// Found is the first token that discovery finds.
type Found struct {
	// Token is empty if there is none.
	Token string
	// Place names the variable or file that it was in.
	Place string
	// File is the name of the file, if it was in one.
	File string
	// Hidden are the later places that also have a token.
	Hidden []string
}

// Discover looks in BEARER_TOKEN, in the file that BEARER_TOKEN_FILE names, in
// $XDG_RUNTIME_DIR/bt_u$EUID and in /tmp/bt_u$EUID. An empty place is passed over. A
// file that cannot be read is an error, since a later place must not replace it, except
// if one of the last two does not exist. In those two places, where other users may be
// able to create files, only a regular file of the current user is accepted.
func Discover(lookupEnv func(string) (string, bool), euid int) (Found, error) {
	var found Found
	add := func(place, file, content string) {
		content = strings.Trim(content, " \t\n\v\f\r")
		switch {
		case content == "":
		case found.Token == "":
			found.Token, found.Place, found.File = content, place, file
		default:
			found.Hidden = append(found.Hidden, place)
		}
	}
	if v, _ := lookupEnv("BEARER_TOKEN"); v != "" {
		add("BEARER_TOKEN", "", v)
	}
	type place struct {
		name, path string
		must       bool
	}
	var places []place
	if f, _ := lookupEnv("BEARER_TOKEN_FILE"); f != "" {
		places = append(places, place{"BEARER_TOKEN_FILE " + f, f, true})
	}
	file := "bt_u" + strconv.Itoa(euid)
	if d, _ := lookupEnv("XDG_RUNTIME_DIR"); d != "" {
		p := filepath.Join(d, file)
		places = append(places, place{p, p, false})
	}
	p := filepath.Join("/tmp", file)
	places = append(places, place{p, p, false})
	for _, p := range places {
		content, err := read(p.path, p.must)
		if err != nil {
			if found.Token != "" || !p.must && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return Found{}, fmt.Errorf("look for a token: %w", err)
		}
		add(p.name, p.path, content)
	}
	return found, nil
}

// read reads a token file. named means that the user chose it.
func read(path string, named bool) (string, error) {
	open := private.OpenFile
	if !named {
		open = func(path string) (*os.File, error) { return private.OpenOwn(path, 0o022) }
	}
	f, err := open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := private.ReadAll(f)
	return string(b), err
}
