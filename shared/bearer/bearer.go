// Package bearer follows WLCG Bearer Token Discovery: where a token is found.
package bearer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Found is the token that discovery comes upon first.
type Found struct {
	// Token is empty where there is none.
	Token string
	// Place names the variable or file that it was in.
	Place string
	// File is the file's name, where it is one.
	File string
	// Hidden are the later places that hold one too.
	Hidden []string
}

// maxSize bounds what is read of a token file, in bytes.
const maxSize = 1 << 20

// Discover looks in BEARER_TOKEN, in the file that BEARER_TOKEN_FILE names, in
// $XDG_RUNTIME_DIR/bt_u$EUID and in /tmp/bt_u$EUID. An empty place is passed over; a
// file that cannot be read, but for one of the last two that is not there, is an
// error, for a later place must not stand in for it.
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
		content, err := read(p.path)
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

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSize))
	return string(b), err
}
