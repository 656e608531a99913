package helper

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
)

type greetCmd struct {
	Loud  bool     `help:"Shout."`
	Words []string `arg:"" optional:"" help:"The words."`
}

func (g *greetCmd) Run(_ context.Context, s *Session) error {
	words := strings.Join(g.Words, " ")
	if g.Loud {
		words = strings.ToUpper(words)
	}
	_, err := fmt.Fprintln(s.Env().Stdout, words)
	return err
}

func TestExtraCommands(t *testing.T) {
	run := func(binary, program string, extra bool, args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		env := &cli.Env{
			Program: program, Binary: binary, Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
			LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil }, Now: time.Now,
		}
		var commands []Command
		if extra {
			commands = []Command{{Name: "greet", Help: "Print words.", Binary: "greeter", Grammar: new(greetCmd)}}
		}
		return Main(env, new(condor.Flags), commands...), stdout.String(), stderr.String()
	}
	for _, c := range []struct {
		name, binary, program string
		extra                 bool
		args                  []string
		code                  int
		stdout, stderr        string
	}{
		{"by its name", "helper", "helper", true, []string{"greet", "--loud", "a&b=c"}, cli.OK, "A&B=C\n", ""},
		{"by the binary's other name", "greeter", "helper", true, []string{"--loud", "hello"}, cli.OK, "HELLO\n", ""},
		{"not in other helpers", "helper", "helper", false, []string{"greet"}, cli.Usage, "", `unexpected argument "greet"`},
		{"in the help", "helper", "helper", true, []string{"--help-all"}, cli.OK, "Print words.", ""},
		{"the program in the help", "kubectl-condor_token", "kubectl condor-token", false, []string{"--help"}, cli.OK, "kubectl condor-token --ce ce.example.org --file token\n", ""},
		{"the program in hints", "kubectl-condor_token", "kubectl condor-token", false, []string{"lgin"}, cli.Usage, "", "did you mean 'kubectl condor-token login'?"},
	} {
		code, stdout, stderr := run(c.binary, c.program, c.extra, c.args...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: %d\n%s%s", c.name, code, stdout, stderr)
		}
	}
	if _, stdout, _ := run("helper", "helper", false, "--help-all"); strings.Contains(stdout, "greet") {
		t.Error("another helper has the command, too")
	}
}
