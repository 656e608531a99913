package cli

import (
	"path/filepath"
	"strings"
)

// alias is what a program does when a link of another name starts it.
type alias struct {
	// of is the program that the link belongs to.
	of string
	// shown is the name in help, messages and hints: what the user types.
	shown string
	// args precede the arguments of the command line, for callers that cannot give any.
	args []string
}

// aliases are the links by their file names.
var aliases = map[string]alias{
	// kubectl runs "kubectl condor-token" as kubectl-condor_token
	// (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/).
	"kubectl-condor_token": {of: "condor-token-helper", shown: "kubectl condor-token"},
	"kubectl-xrd_token":    {of: "xrd-token-helper", shown: "kubectl xrd-token"},
	// git runs "git credential-NAME" for credential.helper = NAME (gitcredentials(7)).
	"git-credential-condor-token": {of: "condor-token-helper", shown: "condor-token-helper", args: []string{"git-credential"}},
	"git-credential-xrd-token":    {of: "xrd-token-helper", shown: "xrd-token-helper", args: []string{"git-credential"}},
}

// called returns the name to show and the arguments of a program that was started as
// argv.
func called(program string, argv []string) (shown string, args []string) {
	if len(argv) == 0 {
		return program, nil
	}
	a, ok := aliases[strings.TrimSuffix(filepath.Base(argv[0]), ".exe")]
	if !ok || a.of != program {
		return program, argv[1:]
	}
	return a.shown, append(append([]string(nil), a.args...), argv[1:]...)
}
