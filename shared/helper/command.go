package helper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/output"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// splitCommand separates the arguments of the helper from the command after "--".
// command is nil if there is no "--".
func splitCommand(args []string) (own, command []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], append([]string{}, args[i+1:]...)
	}
	return args, nil
}

// commandStatus is the exit status of a command, or of the helper if no command was run.
type commandStatus struct {
	code int
	// signal is the signal that ended the command; nil if none did.
	signal os.Signal
}

func (*commandStatus) Error() string { return "the command ended" }

// The exit statuses of a shell for a command that cannot be run (POSIX, "Exit Status for
// Commands").
const (
	notExecutable = 126
	notFound      = 127
)

// runCommand runs a command with tokens that are kept fresh until it ends.
func (a *app) runCommand(ctx context.Context, g *getCmd, all []*item) error {
	if len(a.command) == 0 {
		return cli.Errorf(cli.Usage, "there is no command after '--'").Hint("write it as %s [FLAG...] -- COMMAND [ARG...]", a.env.Program)
	}
	// Check this before a token is requested.
	path, err := findCommand(a.command[0], a.env.Getenv("PATH"))
	if err != nil {
		return err
	}
	tokens := make([]token.Token, len(all))
	for i, it := range all {
		t, err := a.obtainToKeep(ctx, it, all)
		if err != nil {
			return err
		}
		tokens[i] = t
	}
	a.warnIfTooShort(g, all)

	sig := ownSignals()
	defer sig.release()
	dir, err := all[0].w.store.NewRunDir()
	if err != nil {
		return err
	}
	defer dir.Remove()
	put := func(it *item) func(token.Token) error {
		return func(t token.Token) error { return writeToken(tokenFile(dir, it), t) }
	}
	for i, it := range all {
		if err := put(it)(tokens[i]); err != nil {
			return err
		}
	}
	if s := sig.pending(); s != nil {
		return &commandStatus{signal: s}
	}
	c, err := a.start(path, commandEnv(a.env.Environ(), dir, all), sig)
	if err != nil {
		return err
	}
	k := a.keep(ctx, all, tokens, put, fresh.Notifier{})
	status := c.wait()
	ended := time.Now()
	// Remove the files as soon as the command has ended, even during an exchange.
	k.cancel()
	dir.Remove()
	k.stop(sig.ending(), ended)
	return status
}

// tokenFile returns the path of an item's token.
func tokenFile(dir *store.RunDir, it *item) string {
	if it.name == "" {
		return filepath.Join(dir.Path, "token")
	}
	return filepath.Join(dir.Path, it.name)
}

func writeToken(file string, t token.Token) error {
	data, err := output.Format("token", t, nil)
	if err != nil {
		return err
	}
	return private.Write(file, data)
}

// commandEnv returns the environment of a command: environ, with the variables in which
// clients look for a token set to the first item's file.
func commandEnv(environ []string, dir *store.RunDir, all []*item) []string {
	out := slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"BEARER_TOKEN", "BEARER_TOKEN_FILE", "BEARER_TOKEN_DIR", "_CONDOR_SCITOKENS_FILE"}, name)
	})
	file := tokenFile(dir, all[0])
	out = append(out, "BEARER_TOKEN_FILE="+file, "_CONDOR_SCITOKENS_FILE="+file)
	if all[0].name != "" {
		out = append(out, "BEARER_TOKEN_DIR="+dir.Path)
	}
	return out
}

// findCommand looks up a command like a shell. Its errors have the exit statuses of a
// shell.
func findCommand(name, path string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil || errors.Is(err, exec.ErrDot) {
		return found, nil // like a shell, if PATH has the current directory
	}
	if !strings.ContainsRune(name, filepath.Separator) {
		for _, dir := range filepath.SplitList(path) {
			if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.Mode().IsRegular() {
				return "", commandError(name, fs.ErrPermission)
			}
		}
		return "", commandError(name, fs.ErrNotExist)
	}
	return "", commandError(name, err)
}

// commandError returns the error for a command that cannot be run.
func commandError(name string, err error) error {
	var pe *fs.PathError
	var ee *exec.Error
	if errors.As(err, &pe) {
		err = pe.Err
	} else if errors.As(err, &ee) {
		err = ee.Err
	}
	word := text.ShellWord(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return cli.Errorf(notFound, "%s: command not found", word).Hint("check the name of the command, and PATH")
	}
	if errors.Is(err, fs.ErrPermission) {
		err = errors.New("not executable")
	}
	return cli.Errorf(notExecutable, "%s: %w", word, err).Hint("check the file's mode and its first line: %s", fmt.Sprintf("ls -l %s", word))
}
