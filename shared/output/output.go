// Package output writes a token the way its reader wants it: to stdout in one of
// several formats, or to a private file.
package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Formats are the names that --output takes.
var Formats = []string{"token", "json", "header", "env"}

// Format renders a token, with the newline that ends it.
func Format(format string, t token.Token) ([]byte, error) {
	raw := t.Raw()
	if strings.ContainsAny(raw, " \t\r\n\x00") {
		return nil, errors.New("the token has white space in it")
	}
	switch format {
	case "token", "":
		return []byte(raw + "\n"), nil
	case "header":
		return []byte("Authorization: Bearer " + raw + "\n"), nil
	case "env":
		return []byte("export BEARER_TOKEN=" + text.ShellQuote(raw) + "\n"), nil
	case "json":
		doc := struct {
			APIVersion string   `json:"apiVersion"`
			Token      string   `json:"token"`
			Issuer     string   `json:"issuer"`
			Audiences  []string `json:"audiences"`
			Scopes     []string `json:"scopes"`
			ExpiresAt  string   `json:"expiresAt,omitempty"`
			Source     string   `json:"source"`
		}{text.APIVersion, raw, t.Issuer, text.NonNil(t.Audiences), text.NonNil(t.Scopes), "", t.Source}
		if !t.Expires.IsZero() {
			doc.ExpiresAt = t.Expires.UTC().Format(time.RFC3339)
		}
		b, err := json.MarshalIndent(doc, "", "  ")
		return append(b, '\n'), err
	}
	return nil, fmt.Errorf("unknown output format %q", format)
}

// WriteFile writes data to a file that only its owner can read, atomically: the
// file is either as it was or whole and new. A symbolic link of that name is
// replaced, not followed, for HTCondor's client takes no token from one. What is
// neither (a folder, a device) is left alone.
func WriteFile(name string, data []byte) (err error) {
	defer func() {
		if err != nil {
			// The cause alone: the full error names a temporary file nobody knows.
			var pe *fs.PathError
			var le *os.LinkError
			switch {
			case errors.As(err, &pe):
				err = pe.Err
			case errors.As(err, &le):
				err = le.Err
			}
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	if fi, err := os.Stat(name); err == nil && !fi.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	// Beside the target, so that the rename stays on one file system; CreateTemp
	// makes it with mode 0600.
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	// Without it a crash may leave the new name with nothing in it.
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
