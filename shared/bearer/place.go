package bearer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"example.org/token-helpers/shared/private"
)

// PlaceError means that none of the places that clients read is safe for writing a token.
type PlaceError struct {
	Err  error
	hint string
}

func (e *PlaceError) Error() string { return e.Err.Error() }
func (e *PlaceError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *PlaceError) ExitCode() int { return 1 }

// Hints implements cli.Explained.
func (e *PlaceError) Hints() []string { return []string{e.hint} }

// Place returns the file that clients read first for the token of the user with this effective
// user ID: the one named by BEARER_TOKEN_FILE, else bt_u$EUID in XDG_RUNTIME_DIR or, if that is
// not set or does not exist, in /tmp. htgettoken writes to the same places. If other users can
// replace files in XDG_RUNTIME_DIR, Place returns an error, because clients would read the
// file anyway.
func Place(lookupEnv func(string) (string, bool), euid int) (string, error) {
	if f, _ := lookupEnv("BEARER_TOKEN_FILE"); f != "" {
		return f, nil
	}
	if euid < 0 {
		return "", &PlaceError{errors.New("there is no place for a bearer token on this system"), "set BEARER_TOKEN_FILE, or write the token with --file FILE"}
	}
	name := "bt_u" + strconv.Itoa(euid)
	if d, _ := lookupEnv("XDG_RUNTIME_DIR"); d != "" {
		fi, err := os.Stat(d)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join("/tmp", name), nil
		case err != nil:
		case !fi.IsDir():
			err = fmt.Errorf("%s is not a directory", d)
		default:
			err = private.CheckWriters(d, fi)
		}
		if err != nil {
			return "", &PlaceError{fmt.Errorf("XDG_RUNTIME_DIR cannot be used: %w", err), "unset XDG_RUNTIME_DIR, or write the token with --file FILE"}
		}
		return filepath.Join(d, name), nil
	}
	return filepath.Join("/tmp", name), nil
}
