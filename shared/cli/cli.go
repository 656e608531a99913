// Package cli provides what all programs share: streams, clock, environment, signals,
// exit codes, and the format of error messages.
//
// Rules for output: stdout carries the result and nothing else, and only on success.
// Everything else goes to stderr. Each line begins with the program's name, is in lower
// case, and has no period at the end:
//
//	condor-token-helper: error: what happened, and why
//	condor-token-helper: hint: the next command to type
package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "example.org/token-helpers/shared/stack"
	"example.org/token-helpers/shared/text"
)

// Env is the environment of a command. Tests replace all of it.
type Env struct {
	// Program is the name that messages begin with.
	Program string
	// Binary is the base name of the file that was run, which may be a link.
	Binary string
	// Args are the arguments after the program's name.
	Args   []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// LookupEnv returns an environment variable, like os.LookupEnv. Environ returns all
	// of them, for child processes.
	LookupEnv func(string) (string, bool)
	Environ   func() []string
	Now       func() time.Time

	mu    sync.Mutex // guards the fields below
	held  int        // how many releases of [Env.Hold] are outstanding
	lines []string
}

// Getenv returns the variable, or "" if it is not set.
func (e *Env) Getenv(key string) string {
	v, _ := e.LookupEnv(key)
	return v
}

// binaryName returns the base name of a program's path, without .exe.
func binaryName(path string) string {
	base := filepath.Base(path)
	if ext := filepath.Ext(base); strings.EqualFold(ext, ".exe") {
		base = base[:len(base)-len(ext)]
	}
	return base
}

// programName returns what the user types to run a program. kubectl runs a plugin as
// kubectl-NAME, and reads a dash in NAME as a space and an underscore as a dash.
func programName(program, binary string) string {
	if plugin, ok := strings.CutPrefix(binary, "kubectl-"); ok {
		return "kubectl " + strings.ReplaceAll(strings.ReplaceAll(plugin, "-", " "), "_", "-")
	}
	return program
}

// System returns the Env of a real process.
func System(program string) *Env {
	// net/http logs unsolicited data from servers, which may contain secrets.
	log.SetOutput(io.Discard)
	noCoreDump()
	binary := binaryName(os.Args[0])
	return &Env{
		Program: programName(program, binary), Binary: binary, Args: os.Args[1:],
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Environ: os.Environ, Now: time.Now,
	}
}

// The exit codes of every binary. jwt-inspect uses 3 for input that is not a token.
const (
	OK          = 0 // done
	Failed      = 1 // any other error; jwt-inspect: a check fails
	Usage       = 2 // usage error
	NeedLogin   = 3 // login required, but there is no terminal; jwt-inspect: not a token
	Refused     = 4 // the issuer refused
	Network     = 5 // network or TLS
	GrantDiffer = 6 // the grant differs from the request
	TimedOut    = 7 // timed out waiting for the lock or for the user
	StoreFailed = 8 // the store failed
)

// Explained is an error with an exit code and hints. Packages implement it on their own
// error types, so that there is no central table of errors.
type Explained interface {
	error
	ExitCode() int
	// Hints returns hints that begin with a verb. A line that begins with two spaces is a
	// command.
	Hints() []string
}

// Error is an error with an exit code and hints.
type Error struct {
	Code  int
	Err   error
	hints []string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode implements [Explained].
func (e *Error) ExitCode() int { return e.Code }

// Hints implements [Explained].
func (e *Error) Hints() []string { return e.hints }

// Errorf returns an Error. [Error.Hint] adds hints to it.
func Errorf(code int, format string, a ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, a...)}
}

// Hint adds a hint and returns the error.
func (e *Error) Hint(format string, a ...any) *Error {
	e.hints = append(e.hints, fmt.Sprintf(format, a...))
	return e
}

// Explain returns err as an [Error] with err's hints and its exit code, which is 1 if it
// has none. More hints can be added to the result.
func Explain(err error) *Error {
	e := &Error{Code: Failed, Err: err}
	var known Explained
	if errors.As(err, &known) {
		e.Code = known.ExitCode()
	}
	// Use the hints of the cause if there are none.
	for known != nil && len(e.hints) == 0 {
		e.hints = slices.Clone(known.Hints())
		cause := errors.Unwrap(known)
		known = nil
		_ = errors.As(cause, &known)
	}
	var pe *fs.PathError
	switch {
	case len(e.hints) > 0 || !errors.As(err, &pe):
	case errors.Is(pe.Err, syscall.ENOSPC):
		e.hints = []string{"free some space on the device"}
	case strings.HasPrefix(pe.Path, "/dev/std"): // a stream, not a file that the user named
	default:
		e.hints = []string{"check that " + text.ShellWord(pe.Path) + " is the right path, and check its owner and its mode"}
	}
	return e
}

// Report prints err and its hints, and returns its exit code: 0 for nil, 1 for an error
// that is not [Explained].
func (e *Env) Report(err error) int {
	if err == nil {
		return OK
	}
	e.Say("error: %s", err)
	known := Explain(err)
	for _, h := range known.hints {
		e.Say("hint: %s", h)
	}
	return known.Code
}

// Say prints lines to stderr, each after the program's name. A terminal gets lines that
// fit its width; a file or a log gets each message as one line. Control characters are escaped,
// so that a server's error text cannot control the terminal.
func (e *Env) Say(format string, a ...any) {
	lines := text.Wrap(text.Printable(fmt.Sprintf(format, a...)), e.stderrColumns()-len(e.Program)-2)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range lines {
		line = e.Program + ": " + line + "\n"
		if e.held > 0 {
			e.lines = append(e.lines, line)
		} else {
			_, _ = io.WriteString(e.Stderr, line)
		}
	}
}

// Hold delays the output of [Env.Say] until release is called, and that of every other Hold,
// because several goroutines may change logins. While a login is being changed nothing may
// write to stderr: a closed pipe would end the process with SIGPIPE, and a full one would
// block it.
func (e *Env) Hold() (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held++
	return sync.OnceFunc(func() {
		e.mu.Lock()
		var lines []string
		if e.held--; e.held == 0 {
			lines, e.lines = e.lines, nil
		}
		e.mu.Unlock()
		for _, line := range lines {
			_, _ = io.WriteString(e.Stderr, line)
		}
	})
}

// Version is set by release builds. If it is empty, the version of the module is used.
var Version = ""

// VersionString returns the line that --version prints.
func VersionString(program string) string { return program + " " + version() }

// UserAgent returns the User-Agent header (RFC 9110 section 10.1.5).
func (e *Env) UserAgent() string {
	return strings.ReplaceAll(e.Program, " ", "-") + "/" + strings.ReplaceAll(version(), " ", "-")
}

func version() string {
	v := Version
	if v == "" {
		v = "devel"
		if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" && bi.Main.Version != "(devel)" {
			v = bi.Main.Version
		}
	}
	return v
}
