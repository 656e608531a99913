package helper

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
)

// BenchmarkCommandLine measures what precedes a command: building its model, and setting
// its flags from the command line, the environment and the configuration.
func BenchmarkCommandLine(b *testing.B) {
	home := b.TempDir()
	for name, args := range map[string]string{
		"command=get/flags=1":     "--ce ce.example.org",
		"command=get/flags=6":     "--ce ce.example.org --read --from cache --from login --min-lifetime 10m -o header",
		"command=status/flags=0":  "status",
		"command=version/flags=1": "-q version",
	} {
		b.Run(name, func(b *testing.B) {
			var out bytes.Buffer
			env := &cli.Env{
				Program: "condor-token-helper", Args: strings.Fields(args), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
				LookupEnv: func(k string) (string, bool) {
					if k == "HOME" {
						return home, true
					}
					return "", false
				}, Environ: func() []string { return nil }, Now: time.Now,
			}
			b.ReportAllocs()
			for b.Loop() {
				a := &app{env: env, eco: new(condor.Flags), line: newLine(), commands: commands}
				a.line.Add(&a.common, "")
				chosen, rest := a.choose(env.Args)
				a.line.Add(chosen.new(a.eco), "")
				if _, err := env.Parse(a.line, &a.common.HelpFlags, rest, nil); err != nil {
					b.Fatal(err)
				}
				if err := a.configure(chosen, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
