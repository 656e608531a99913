package helper

import (
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/output"
)

// applyExecInfo reads what a Kubernetes client requires, before a token is requested: the
// API version of the output, and whether prompts are allowed.
func (g *getCmd) applyExecInfo(a *app) error {
	if g.Output != output.ExecCredential {
		return nil
	}
	info, err := output.ParseExecInfo(a.env.Getenv(output.ExecInfoVariable))
	if err != nil {
		return cli.Errorf(cli.Usage, "%w", err).Hint("write 'apiVersion: client.authentication.k8s.io/v1' in the exec section of your kubeconfig")
	}
	if !info.Interactive {
		g.Source.NoPrompt = true
	}
	return nil
}
