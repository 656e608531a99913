package inspect

import (
	"example.org/token-helpers/shared/cmdline"
	"example.org/token-helpers/shared/finding"
)

const notes = `Without a file, if stdin is a terminal, WLCG Bearer Token Discovery finds the token. Times are checked if a check is requested, and by all formats except claims. The signature is checked only with --jwks or --fetch-keys.`

// Describe describes jwt-inspect.
func Describe(program string) *cmdline.Program {
	return &cmdline.Program{
		Name:    program,
		Brief:   "show what is in a token, and why a service refuses it",
		Summary: "Show the contents of a token, and why a service refuses it, without using the network.",
		Examples: []string{
			"show: ${program} < token",
			"submit: ${program} --ce ce.example.org:9619 token",
			"write: ${program} --xrd root://x.example.org --write --path /store/me token",
			"compare: ${program} --diff works refused",
			"script: ${program} < token | jq -r .aud",
		},
		Groups:   []string{"Output", "Services", "Checks", "Other"},
		Commands: []*cmdline.Command{{Usage: "[FILE...]", Line: new(options).line()}},
		Notes:    notes,
		ExitCodes: []cmdline.ExitCode{
			{Code: 0, Meaning: "decoded, and all checks passed"},
			{Code: 1, Meaning: "a check failed"},
			{Code: 2, Meaning: "wrong usage"},
			{Code: 3, Meaning: "not a token"},
			{Code: 5, Meaning: "network or TLS error, with --fetch-keys"},
		},
	}
}

// candidates returns the completions of a value.
func candidates(kind string) []cmdline.Candidate {
	if kind != "cause" {
		return nil
	}
	var out []cmdline.Candidate
	for _, s := range finding.Sections() {
		for _, c := range s.Causes {
			out = append(out, cmdline.Candidate{Value: string(c.Code)})
		}
	}
	for name, m := range meanings() {
		out = append(out, cmdline.Candidate{Value: name, Help: m.what})
	}
	return out
}
