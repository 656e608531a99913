package inspect

import (
	"bytes"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
)

// The time limit of --fetch-keys starts with the first request, so time spent reading a slow
// stdin does not count.
func TestFetchBudget(t *testing.T) {
	env := &cli.Env{
		Program: "jwt-inspect", Args: []string{"--fetch-keys", "--timeout", "1s", "x"}, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer),
		LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
	}
	g, _, err := parse(env)
	if err != nil {
		t.Fatal(err)
	}
	jd, _, err := g.plan(env, false)
	if err != nil {
		t.Fatal(err)
	}
	f := jd.keys.fetcher
	if f.ctx != nil {
		t.Fatal("the budget starts when the flags are parsed")
	}
	if _, err := f.keys("http://issuer.example.org"); err == nil || f.ctx != nil {
		t.Fatalf("an issuer that is not contacted starts the budget: %v", err)
	}
	before := time.Now()
	_, _ = f.keys("https://127.0.0.1:1") // refuses the connection
	deadline, ok := f.ctx.Deadline()
	if !ok || deadline.Before(before.Add(f.budget)) || f.budget != 5*time.Second {
		t.Errorf("the deadline is %v, the budget %v", deadline, f.budget)
	}
}
