package helper

import (
	"github.com/alecthomas/kong"

	"example.org/token-helpers/shared/cli"
)

// requestFlags say what is requested, besides the ecosystem's own flags.
type requestFlags struct {
	Aud         []string     `name:"aud" aliases:"audience" sep:"none" placeholder:"AUD" help:"Request this audience instead of the derived one. Repeatable."`
	Scope       []string     `short:"s" sep:"none" placeholder:"SCOPE" help:"Request this scope. The default scopes are then not requested. Repeatable."`
	MinLifetime cli.Duration `aliases:"time,minsecs" default:"60s" placeholder:"D" help:"The token must be valid for at least this long: seconds, or 90s, 1h. Default: 60s."`
}

// clientFlags say how a client and a login are made.
type clientFlags struct {
	ClientID         string       `name:"client-id" placeholder:"ID" help:"Use this client, registered beforehand. Without it the helper registers one."`
	ClientSecretFile string       `placeholder:"FILE" help:"Read the client's secret from FILE."`
	ClientSecretCmd  string       `name:"client-secret-command" placeholder:"COMMAND" help:"Run COMMAND to get the client's secret."`
	RegistrationFile string       `name:"registration-token-file" placeholder:"FILE" help:"Read the initial access token for client registration from FILE."`
	AudienceParam    string       `name:"audience-parameter" enum:",audience,resource,both" default:"" placeholder:"audience|resource|both" help:"How the issuer expects the audience. Default: audience."`
	Keyring          string       `enum:",auto,secret-service,kwallet,keychain,wincred,pass,keyctl,file" default:"" placeholder:"BACKEND" help:"Where the login is saved: auto, secret-service, kwallet, keychain, wincred, pass, keyctl or file. Chosen at the first login and remembered."`
	UnlockFor        cli.Duration `default:"12h" placeholder:"D" help:"How long the kernel holds the passphrase of encrypted logins after you typed it; 0 means never. Default: 12h."`
	Browser          bool         `help:"Also open the verification URL in the browser."`
}

// commonFlags belong to every command.
type commonFlags struct {
	Issuer  string           `placeholder:"URL|NAME" default:"${issuer}" help:"The issuer, by URL or by its name in the configuration. Default: ${issuer}"`
	CAFile  string           `name:"cafile" placeholder:"FILE" help:"Trust only the certificates in FILE."`
	CAPath  string           `name:"capath" placeholder:"DIR" help:"Trust only the certificates in DIR."`
	Timeout cli.Duration     `default:"30s" placeholder:"D" help:"Time limit of one exchange with the issuer. Waiting for another process that uses the login is limited to twice that. Default: 30s."`
	Verbose bool             `short:"v" help:"Report on stderr what is done. No secret is shown."`
	Quiet   bool             `short:"q" help:"Print only errors and what you need to act on."`
	Version kong.VersionFlag `help:"Print the version."`
}

// sourceFlags say where a token may come from.
type sourceFlags struct {
	From     []string `sep:"none" placeholder:"SOURCE" help:"Ask exactly these sources, in this order: ${sources}. Repeatable. Default: cache, login, oidc-agent if OIDC_SOCK is set, device if there is a terminal."`
	Account  string   `placeholder:"NAME" help:"The short name of an account in oidc-agent. Default: one for the issuer."`
	ForceNew bool     `help:"Ignore cached tokens."`
	NoPrompt bool     `help:"Never prompt. If a login is needed, fail and print the command."`
}

// keepFlags say for how long a token is needed, and which of the configured ones.
type keepFlags struct {
	Watch     bool         `help:"Stay, and keep the file fresh."`
	Token     []string     `sep:"none" placeholder:"NAME" help:"Get the token that [token.NAME] in the configuration describes. Repeatable."`
	AllTokens bool         `help:"Get all tokens that the configuration describes."`
	For       cli.Duration `placeholder:"D" help:"How long the work takes, such as 5d: warn if your login expires earlier."`
}
