// Package output formats tokens, and writes them to private files.
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

	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// Formats are the values of --output.
var Formats = []string{"token", "json", "header", "env", ExecCredential}

// Format formats a token, with a newline at the end. getenv reads the environment, for
// KUBERNETES_EXEC_INFO.
func Format(format string, t token.Token, getenv func(string) string) ([]byte, error) {
	raw := t.Raw()
	if strings.ContainsAny(raw, " \t\r\n\x00") {
		return nil, errors.New("the token contains white space")
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
	case ExecCredential:
		info, err := ParseExecInfo(getenv(ExecInfoVariable))
		if err != nil {
			return nil, err
		}
		return info.credential(t)
	}
	return nil, fmt.Errorf("unknown output format %q", format)
}

// WriteFile writes data atomically to a file that only its owner can read. A symbolic
// link with that name is replaced, not followed, because HTCondor's client reads no token
// through one; in a directory that others can write to, it is rejected, as is another
// user's file. Open descriptors (/dev/stdout, /dev/fd/N), named pipes of the current
// user, and devices are written to, never replaced.
func WriteFile(name string, data []byte) error {
	if err := planted(name); err != nil {
		return failed(name, err)
	}
	if fd, ok := private.Descriptor(name); ok {
		f, err := openDescriptor(fd)
		if err == nil {
			_, err = f.Write(data)
			err = errors.Join(err, f.Close())
		}
		return failed(name, err)
	}
	fi, err := os.Lstat(name)
	switch {
	case err != nil, fi.Mode().IsRegular(), fi.Mode()&fs.ModeSymlink != 0:
		return failed(name, private.Write(name, data))
	case fi.Mode()&fs.ModeNamedPipe != 0 && private.Owner(fi) != os.Geteuid():
		return failed(name, errors.New("a named pipe of another user"))
	case fi.Mode()&(fs.ModeNamedPipe|fs.ModeDevice) != 0:
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(data)
			err = errors.Join(err, f.Close())
		}
		return failed(name, err)
	}
	return failed(name, errors.New("not a regular file"))
}

// failed wraps err in a [WriteError], naming the file once.
func failed(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if err == nil {
		return nil
	}
	return &WriteError{name, err}
}

// WriteError means that a token could not be written to a file.
type WriteError struct {
	File string
	Err  error
}

func (e *WriteError) Error() string { return fmt.Sprintf("write %s: %s", e.File, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *WriteError) ExitCode() int { return 1 }

// Hints implements cli.Explained.
func (e *WriteError) Hints() []string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return []string{"check the path, or create its directory\n  mkdir -p " + text.ShellWord(filepath.Dir(e.File))}
	}
	return []string{"write to a file in a directory of your own; an existing file is unchanged"}
}
