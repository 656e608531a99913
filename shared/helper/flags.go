package helper

import "example.org/token-helpers/shared/cli"

// groups are the groups of flags, in the order of the help.
var groups = []string{"Request", "Checks", "Output", "Login", "Sources", "Network", "Other"}

// requestFlags are the flags for the request, besides the ecosystem's.
type requestFlags struct {
	Aud         []string     `name:"aud" aliases:"audience" placeholder:"AUD" common:"" help:"Request this audience instead of the derived one. Repeatable."`
	Scope       []string     `short:"s" placeholder:"SCOPE" common:"" help:"Request this scope instead of the default ones. Repeatable."`
	MinLifetime cli.Duration `aliases:"time,minsecs" default:"60s" placeholder:"D" common:"" help:"The token must be valid for at least this long. D is a number of seconds, or has units, such as 90s or 1h. Default: 60s."`
}

// clientFlags are the flags for clients and logins.
type clientFlags struct {
	ClientID         string       `name:"client-id" placeholder:"ID" complete:"none" help:"Use this client, registered beforehand. Without it the helper registers one."`
	ClientSecretFile string       `placeholder:"FILE" complete:"file" help:"Read the client's secret from FILE."`
	ClientSecretCmd  string       `name:"client-secret-command" placeholder:"COMMAND" complete:"none" help:"Run COMMAND to get the client's secret."`
	RegistrationFile string       `name:"registration-token-file" placeholder:"FILE" complete:"file" help:"Read the initial access token for client registration from FILE."`
	AudienceParam    string       `name:"audience-parameter" enum:",audience,resource,both" default:"" placeholder:"audience|resource|both" help:"How the issuer expects the audience. Default: audience."`
	Keyring          string       `enum:",auto,secret-service,kwallet,keychain,wincred,pass,keyctl,file" default:"" placeholder:"BACKEND" help:"Where the login is saved. BACKEND is auto, secret-service, kwallet, keychain, wincred, pass, keyctl or file. It is chosen at the first login and remembered."`
	UnlockFor        cli.Duration `default:"12h" placeholder:"D" help:"How long the kernel keeps the passphrase of encrypted logins after you typed it. 0 means never. Default: 12h."`
	Browser          bool         `help:"Also open the verification URL in the browser."`
}

// commonFlags belong to every command.
type commonFlags struct {
	Issuer  string       `group:"Request" placeholder:"URL|NAME" default:"${issuer}" complete:"issuer" common:"" help:"The issuer: a URL, or a name in the configuration. Default: ${issuer}"`
	CAFile  string       `group:"Network" name:"cafile" placeholder:"FILE" complete:"file" common:"" help:"Trust only the certificates in FILE."`
	CAPath  string       `group:"Network" name:"capath" placeholder:"DIR" complete:"dir" help:"Trust only the certificates in DIR."`
	Timeout cli.Duration `group:"Network" default:"30s" placeholder:"D" common:"" help:"Time limit of one exchange with the issuer. Waiting for another process that uses the login is limited to twice that. Default: 30s."`
	Verbose bool         `group:"Output" short:"v" common:"" help:"Report on stderr what is done. No secret is shown."`
	Quiet   bool         `group:"Output" short:"q" common:"" help:"Print only errors and what you need to act on."`

	cli.HelpFlags `group:"Other"`
}

// sourceFlags are the flags for sources.
type sourceFlags struct {
	From     []string `placeholder:"SOURCE" complete:"source" common:"" help:"Ask exactly these sources, in this order. SOURCE is one of ${sources}. Repeatable. Default: cache, login, oidc-agent if OIDC_SOCK is set, device if there is a terminal."`
	Account  string   `placeholder:"NAME" complete:"account" help:"The short name of an account in oidc-agent. Default: one for the issuer."`
	ForceNew bool     `common:"" help:"Ignore cached tokens."`
	NoPrompt bool     `group:"Login" common:"" help:"Never prompt. If a login is needed, fail and print the command."`
}

// keepFlags are the flags for keeping tokens fresh, and for configured tokens.
type keepFlags struct {
	Watch     bool         `group:"Output" common:"" help:"Keep running, and keep the token in the file fresh."`
	Token     []string     `group:"Request" placeholder:"NAME" complete:"token" help:"Get the token that [token.NAME] in the configuration describes. Repeatable."`
	AllTokens bool         `group:"Request" help:"Get all tokens that the configuration describes."`
	For       cli.Duration `group:"Login" placeholder:"D" help:"How long the work takes, such as 5d. A warning is printed if your login expires earlier."`
}
