// Package bearer implements WLCG Bearer Token Discovery.
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

// Found is the result of [Discover].
type Found struct {
	// Token is the first token, or "" if there is none.
	Token string
	// Place is the variable or file that contains the token.
	Place string
	// File is the path of the file, if the token is in a file.
	File string
	// Hidden are the later places that also contain a token.
	Hidden []string
}

// Discover looks for a token in BEARER_TOKEN, in the file named by BEARER_TOKEN_FILE, in
// $XDG_RUNTIME_DIR/bt_u$EUID and in /tmp/bt_u$EUID. Empty places are skipped. A file that
// cannot be read is an error, because a later place must not replace it; but the last two
// files may be missing. In their directories other users may be able to create files, so only
// a regular file of the current user is accepted there.
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
		named      bool // by the user
	}
	var places []place
	if f, _ := lookupEnv("BEARER_TOKEN_FILE"); f != "" {
		places = append(places, place{"BEARER_TOKEN_FILE " + f, f, true})
	}
	if euid >= 0 { // Windows has no user IDs, and anybody can create a directory \tmp there
		file := "bt_u" + strconv.Itoa(euid)
		if d, _ := lookupEnv("XDG_RUNTIME_DIR"); d != "" {
			p := filepath.Join(d, file)
			places = append(places, place{p, p, false})
		}
		p := filepath.Join("/tmp", file)
		places = append(places, place{p, p, false})
	}
	for _, p := range places {
		content, err := read(p.path, p.named)
		if err != nil {
			if found.Token != "" || !p.named && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return Found{}, fmt.Errorf("look for a token: %w", err)
		}
		add(p.name, p.path, content)
	}
	return found, nil
}

// read reads a token file. named means that the user specified it.
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
