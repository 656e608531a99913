package helper

import (
	"fmt"
	"strings"

	"example.org/token-helpers/docs"
	"example.org/token-helpers/shared/cmdline"
)

// topics returns the pages that the help command shows besides commands.
func topics(p *cmdline.Program) []cmdline.Topic {
	return []cmdline.Topic{
		{Name: "plugins", Brief: "tokens from any executable", Page: func() string { return docs.Plugins }},
		{Name: "configuration", Brief: "default flags, named issuers and tokens", Page: func() string { return docs.Configuration }},
		{Name: "environment", Brief: "environment variables", Page: func() string { return environmentPage(p) }},
		{Name: "exit-codes", Brief: "what the exit codes mean", Page: exitCodesPage},
	}
}

// otherVariables are the environment variables besides those of flags.
var otherVariables = [][2]string{
	{"TOKEN_HELPER_PASSPHRASE_FILE", "a file with the passphrase of encrypted logins"},
	{"TOKEN_HELPER_PASSPHRASE_COMMAND", "a command that prints the passphrase of encrypted logins"},
	{"BEARER_TOKEN, BEARER_TOKEN_FILE", "an existing token, for `--from bearer`. `--bearer-file` writes to the file that BEARER_TOKEN_FILE names. A command after `--` finds its token in it"},
	{"BEARER_TOKEN_DIR", "set for a command after `--`: the directory with the tokens of `--token`"},
	{"OIDC_SOCK, OIDC_REMOTE_SOCK", "where oidc-agent listens"},
	{"HTGETTOKENOPTS", "options of htgettoken, for `--from htgettoken`"},
	{"XDG_CONFIG_HOME", "the directory of token-helpers/config.toml. By default ~/.config"},
	{"XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "the directories of encrypted logins, of locks and the list of logins, and of cached documents"},
	{"XDG_RUNTIME_DIR", "the directory of cached tokens and of the bearer token file"},
	{"X509_CERT_DIR, SSL_CERT_FILE, SSL_CERT_DIR", "certificates to trust, unless `--cafile` or `--capath` is given"},
	{"HTTPS_PROXY, NO_PROXY", "the proxy for requests to the issuer, and the hosts that are reached without it"},
	{"BROWSER", "the browser that `--browser` starts"},
	{"PASSWORD_STORE_DIR", "the password store of `--keyring pass`"},
	{"KUBERNETES_EXEC_INFO", "set by kubectl: what it expects of -o exec-credential"},
	{"GIT_TERMINAL_PROMPT", "0: git-credential does not prompt"},
	{"NO_COLOR, COLUMNS", "no colors; the width of the help"},
}

// environmentPage returns the page about environment variables.
func environmentPage(p *cmdline.Program) string {
	var b strings.Builder
	b.WriteString("# Environment variables\n\n" +
		"Each flag has a variable, which is used if the flag is not given. The value of a switch is `true` or `false`; " +
		"the values of a flag that can be repeated are separated by spaces. A variable takes precedence over the configuration.\n\n" +
		"| variable | flag |\n|---|---|\n")
	seen := map[string]bool{}
	for _, c := range p.Commands {
		for _, f := range c.Shown(true) {
			if v := p.Variable(f); v != "" && !seen[v] {
				seen[v] = true
				fmt.Fprintf(&b, "| `%s` | `--%s` |\n", v, f.Name)
			}
		}
	}
	b.WriteString("\n## Other variables\n\n| variable | meaning |\n|---|---|\n")
	for _, v := range otherVariables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v[0], v[1])
	}
	return b.String()
}

// exitCodesPage returns the page about exit codes.
func exitCodesPage() string {
	var b strings.Builder
	b.WriteString("# Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| `%d` | %s |\n", e.Code, e.Meaning)
	}
	b.WriteString("\nWith `-- COMMAND`, the exit code is the command's own. It is 126 if the command is not executable, 127 if it does not exist, and 128 + N if signal N ended it.\n\n" +
		"The token is printed only if the exit code is 0, with one exception: if the issuer replaced the refresh token and the new one could not be saved, the token is printed, and the exit code is 8.\n")
	return b.String()
}
