package preflight

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/private"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/submit"
	"example.org/token-helpers/shared/token"
)

// Command returns the preflight subcommand of condor-token-helper.
func Command() helper.Command {
	return helper.Command{
		Name: "preflight", Usage: "FILE...", Grammar: new(command),
		Help: "Check the tokens of a submit file's jobs at every service that it names, before you submit it.",
	}
}

type command struct {
	Creds           string `placeholder:"DIR" group:"Sources" complete:"dir" help:"Check the tokens in DIR, as a job finds them in $$_CONDOR_CREDS. Default: tokens from your login."`
	HTCondorVersion string `name:"htcondor-version" placeholder:"V" group:"Request" complete:"none" help:"The version of HTCondor, here and at the CE. Default: the newest known."`
	XRootDVersion   string `name:"xrootd-version" placeholder:"V" group:"Request" complete:"none" help:"The storage servers' version of XRootD. Default: the newest known."`
	Output          string `short:"o" enum:"text,json" default:"text" placeholder:"text|json" group:"Output" help:"text or json. Default: text."`

	Files []string `arg:"" name:"file" complete:"file"`
}

// Run checks the submit files.
func (c *command) Run(ctx context.Context, s *helper.Session) error {
	env := s.Env()
	if len(c.Files) == 0 {
		return cli.Errorf(cli.Usage, "no submit file is given").Hint("name one, as in %s preflight job.sub, or - for stdin", env.Program)
	}
	o := Options{Now: env.Now, File: fileToken, Program: env.Program}
	var err error
	if c.HTCondorVersion != "" {
		if o.HTCondor, err = service.ParseVersion("--htcondor-version", c.HTCondorVersion); err != nil {
			return err
		}
	}
	if c.XRootDVersion != "" {
		if o.XRootD, err = service.ParseVersion("--xrootd-version", c.XRootDVersion); err != nil {
			return err
		}
	}
	code := cli.OK
	var reports []*Report
	for _, name := range c.Files {
		f, err := read(env, name)
		if err != nil {
			return err
		}
		o.Tokens = logins{s, f.Credentials}
		if dir := cmp.Or(c.Creds, env.Getenv("_CONDOR_CREDS")); dir != "" {
			o.Tokens = directory{dir}
		}
		r, err := Check(ctx, name, f, o)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		if code == cli.OK || r.Code == cli.Failed {
			code = r.Code
		}
	}
	if err := c.print(env, reports); err != nil {
		return err
	}
	return s.Exit(code)
}

func (c *command) print(env *cli.Env, reports []*Report) error {
	out, width, colours := "", 80, false
	if f, ok := env.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		colours = env.Getenv("NO_COLOR") == ""
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = min(w, 120)
		}
	}
	for i, r := range reports {
		switch {
		case c.Output == "json":
			doc, err := r.json()
			if err != nil {
				return err
			}
			out += string(doc)
		default:
			if i > 0 {
				out += "\n"
			}
			out += r.text(width, colours)
		}
	}
	_, err := io.WriteString(env.Stdout, out)
	return err
}

// read reads a submit file.
func read(env *cli.Env, name string) (*submit.File, error) {
	var text []byte
	var err error
	if name == "-" {
		name = "stdin"
		text, err = private.ReadAll(env.Stdin)
	} else {
		text, err = readFile(name)
	}
	if err != nil {
		return nil, cli.Errorf(cli.Usage, "read the submit file: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	volume := filepath.VolumeName(dir) // empty except on Windows
	f, err := submit.Read(name, text, submit.Options{Dir: filepath.ToSlash(dir[len(volume):]), FS: os.DirFS(volume + "/"), Getenv: env.LookupEnv})
	var mistake *submit.Error
	if errors.As(err, &mistake) {
		e := cli.Errorf(cli.Usage, "%w", mistake)
		if mistake.Hint != "" {
			_ = e.Hint("%s", mistake.Hint)
		}
		return nil, e
	}
	return f, err
}

// fileToken reads the token for a CE.
func fileToken(name string) (token.Token, error) {
	t, err := readToken(name)
	if errors.Is(err, os.ErrNotExist) {
		return t, cli.Errorf(cli.NeedLogin, "there is no token in %s", name)
	}
	return t, err
}
