package credd

import (
	"context"
	"io"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
)

// Commands returns the subcommands of condor-token-helper for the credentials of HTCondor.
func Commands() []helper.Command {
	return append([]helper.Command{
		{Name: "store", Binary: "condor-token-storer", Help: "Store the logins that your jobs need at the access point (SEC_CREDENTIAL_STORER). SERVICE is written as condor_submit writes it: NAME, or 'NAME&handle=H&scopes=A,B&audience=X'.", Usage: "SERVICE...", Grammar: new(storeCmd)},
		{Name: "push", Help: "Store a token at the access point, once or continuously. SERVICE is written as for store.", Usage: "SERVICE...", Grammar: new(pushCmd)},
	}, credmon()...)
}

type storeCmd struct {
	Wait cli.Duration `group:"Other" default:"20s" placeholder:"D" help:"Fail if the first tokens are not there after this time; 0 means not to wait for them. Default: 20s."`

	Services []string `arg:"" name:"service" help:"SERVICE, or 'SERVICE&handle=NAME&scopes=SCOPE,SCOPE&audience=AUDIENCE'."`
}

// Run stores the credentials that are missing at the access point.
func (c *storeCmd) Run(ctx context.Context, s *helper.Session) error {
	env := s.Env()
	if env.Binary == "condor-token-storer" {
		// condor_submit leaves the cursor in the middle of a line.
		env.Stderr = &onNewLine{w: env.Stderr}
	} else if err := needServices(c.Services); err != nil {
		return err
	}
	if mode := env.Getenv("CONDOR_CREDENTIAL_STORER_MODE"); mode != "" && mode != "vault" {
		return cli.Errorf(cli.Usage, "HTCondor's configuration gives these services to another credmon (%s)", mode).
			Hint("ask the administrators to remove them from the list of providers of that credmon")
	}
	st := &storer{s: s, record: loadRecord(env, hostName()), wait: time.Duration(c.Wait), args: c.Services}
	return st.run(ctx)
}

// onNewLine writes a newline before the first output.
type onNewLine struct {
	w     io.Writer
	begun bool
}

func (o *onNewLine) Write(b []byte) (int, error) {
	if !o.begun {
		o.begun = true
		_, _ = io.WriteString(o.w, "\n")
	}
	return o.w.Write(b)
}
