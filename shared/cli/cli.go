// Package cli is what all the binaries share on the command line: streams, clock,
// environment, exit codes, and how errors are said.
//
// How the programs talk, stated once: stdout carries the product and nothing
// else, and only on success. Everything else goes to stderr, each line led by
// the program's name, in lower case, with no period at the end:
//
//	condor-token-helper: error: what happened, and why
//	condor-token-helper: hint: the next command to type
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"example.org/token-helpers/shared/text"
)

// Env is all that a command sees of the world around it.
type Env struct {
	// Program is the name that messages are led by.
	Program string
	// Args are the arguments after the program's name.
	Args   []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// LookupEnv reads an environment variable, as os.LookupEnv.
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
}

// Getenv is LookupEnv where unset and empty are the same.
func (e *Env) Getenv(key string) string {
	v, _ := e.LookupEnv(key)
	return v
}

// System is the real world.
func System(program string) *Env {
	return &Env{
		Program: program, Args: os.Args[1:],
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Now: time.Now,
	}
}

// The exit codes of every binary. jwt-inspect uses 3 for input that is no token.
const (
	OK          = 0 // done
	Failed      = 1 // any other error; jwt-inspect: a check fails
	Usage       = 2 // wrong use
	NeedLogin   = 3 // login needed and nobody to ask; jwt-inspect: not a token
	Refused     = 4 // the issuer refused
	Network     = 5 // network or TLS
	GrantDiffer = 6 // the grant differs from the request
	TimedOut    = 7 // waited too long, for the lock or for the user
	StoreFailed = 8 // the store failed
)

// Error is an error with its exit code and the next thing to do.
type Error struct {
	Code  int
	Err   error
	Hints []string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. Its hints are added with [Error.Hint].
func Errorf(code int, format string, a ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, a...)}
}

// Hint adds a hint and returns the error.
func (e *Error) Hint(format string, a ...any) *Error {
	e.Hints = append(e.Hints, fmt.Sprintf(format, a...))
	return e
}

// Report prints err in the form that all the binaries share and returns the exit
// code that belongs to it: 0 for nil, 1 for an error that is no [Error].
func (e *Env) Report(err error) int {
	if err == nil {
		return OK
	}
	e.Say("error: %s", err)
	var ce *Error
	if !errors.As(err, &ce) {
		return Failed
	}
	for _, h := range ce.Hints {
		e.Say("hint: %s", h)
	}
	return ce.Code
}

// Say prints lines to stderr, led by the program's name. Control characters are
// shown escaped: a server's error text must not drive the terminal.
func (e *Env) Say(format string, a ...any) {
	for _, line := range text.Wrap(text.Printable(fmt.Sprintf(format, a...)), 80-len(e.Program)-2) {
		_, _ = fmt.Fprintf(e.Stderr, "%s: %s\n", e.Program, line)
	}
}

// Version is set by the release build; a build by go install knows its own.
var Version = ""

// VersionString is the line that --version prints.
func VersionString(program string) string {
	v := Version
	if v == "" {
		v = "devel"
		if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" && bi.Main.Version != "(devel)" {
			v = bi.Main.Version
		}
	}
	return program + " " + v
}
