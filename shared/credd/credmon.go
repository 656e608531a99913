//go:build linux

package credd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/private"
)

// credmon returns the credmon command.
func credmon() []helper.Command {
	return []helper.Command{{
		Name: "credmon", Binary: "condor-token-credmon", Grammar: new(credmonCmd),
		Help: "Renew the tokens of all jobs of an access point (CREDMON_OAUTH).",
	}}
}

type credmonCmd struct {
	CredentialDir string       `group:"Other" complete:"dir" placeholder:"DIR" help:"The credential directory. Default: HTCondor's SEC_CREDENTIAL_DIRECTORY_OAUTH."`
	StateDir      string       `group:"Other" complete:"dir" default:"/var/lib/condor-token-credmon" placeholder:"DIR" help:"The directory of the credmon, which only root can use. Default: /var/lib/condor-token-credmon."`
	HostKey       string       `group:"Other" complete:"file" placeholder:"FILE" help:"The key that encrypts the logins. Default: condor-token-credmon.key, from systemd's LoadCredential, else in the state directory, where it is made."`
	SweepDelay    cli.Duration `group:"Other" placeholder:"D" help:"How long the logins of users without jobs are kept. Default: HTCondor's SEC_CREDENTIAL_SWEEP_DELAY, else 1h."`
	Log           string       `group:"Output" complete:"file" placeholder:"FILE" help:"The log. Default: HTCondor's CREDMON_OAUTH_LOG, else stderr."`
	MetricsDir    string       `group:"Output" complete:"dir" placeholder:"DIR" help:"Write metrics for Prometheus and as a ClassAd into DIR."`
	KeepRights    bool         `group:"Other" help:"Keep all rights of root."`
}

// Run runs the credmon.
func (c *credmonCmd) Run(ctx context.Context, s *helper.Session) error {
	if !c.KeepRights {
		if err := dropRights(); err != nil {
			s.Note("warning: %s", err)
		}
	}
	settings, err := c.settings(ctx, s)
	if err != nil {
		return err
	}
	m, err := NewMonitor(settings)
	if err == nil {
		defer m.Close()
		err = m.Run(ctx)
	}
	if err != nil {
		return credmonError(err)
	}
	return nil
}

// Failed also writes an error to the log, because condor_master discards stderr.
func (c *credmonCmd) Failed(ctx context.Context, env *cli.Env, err error) {
	path := c.Log
	if path == "" {
		path, _ = configValue(ctx, "CREDMON_OAUTH_LOG") // fails if HTCondor is not installed
	}
	if path != "" {
		NewLog(path, io.Discard, 0, env.Now).Error("", "", "%s", err)
	}
}

func credmonError(err error) error {
	return cli.Errorf(cli.Failed, "run the credmon: %w", err).Hint("check HTCondor's configuration with: condor_config_val SEC_CREDENTIAL_DIRECTORY_OAUTH CREDMON_OAUTH_LOG")
}

// settings returns the settings from the flags and, for flags not given, from HTCondor's
// configuration.
func (c *credmonCmd) settings(ctx context.Context, s *helper.Session) (Settings, error) {
	env := s.Env()
	value := func(flag, name string) string {
		if flag != "" {
			return flag
		}
		v, err := configValue(ctx, name)
		if err != nil {
			s.Verbose("%s", err)
		}
		return v
	}
	set := Settings{
		Dir:      cmp.Or(value(c.CredentialDir, "SEC_CREDENTIAL_DIRECTORY_OAUTH"), value("", "SEC_CREDENTIAL_DIRECTORY")),
		StateDir: c.StateDir, LookupEnv: env.LookupEnv, Now: env.Now, NewClient: s.Client,
		MetricsDir: cmp.Or(c.MetricsDir, s.Credmon().MetricsDir),
		SweepDelay: time.Hour, Owner: os.Geteuid(),
	}
	if set.Dir == "" {
		return set, cli.Errorf(cli.Usage, "no credential directory is configured").
			Hint("add 'use feature:OAUTH' to HTCondor's configuration, or give --credential-dir")
	}
	if c.SweepDelay > 0 {
		set.SweepDelay = time.Duration(c.SweepDelay)
	} else if n, err := strconv.Atoi(value("", "SEC_CREDENTIAL_SWEEP_DELAY")); err == nil && n >= 0 {
		set.SweepDelay = time.Duration(n) * time.Second
	}
	set.Owner = condorUser(value("", "LOG"))
	most := int64(10 << 20)
	if n, err := strconv.ParseInt(value("", "MAX_CREDMON_OAUTH_LOG"), 10, 64); err == nil && n > 0 {
		most = n
	}
	set.Log = NewLog(value(c.Log, "CREDMON_OAUTH_LOG"), env.Stderr, most, env.Now)
	key, err := loadKey(cmp.Or(c.HostKey, s.Credmon().HostKey), env.Getenv("CREDENTIALS_DIRECTORY"), c.StateDir)
	if err != nil {
		e := cli.Errorf(cli.StoreFailed, "%w", err)
		var pe *private.Error
		if errors.As(err, &pe) {
			return set, e.Hint("%s", pe.Hint())
		}
		return set, e.Hint("give --host-key, or make %s writable for root", c.StateDir)
	}
	set.Key = key
	set.Issuer = func(url string) (IssuerSettings, error) {
		i, err := s.Issuer(url)
		if err == nil && !s.Configured(i.URL) {
			err = cli.Errorf(cli.Usage, "the configuration of this host does not name the issuer %s", url)
		}
		return IssuerSettings{AudienceParameter: i.AudienceParameter, CAFile: i.CAFile}, err
	}
	return set, nil
}

// condorUser returns the user ID of HTCondor's account: the owner of its log directory, else
// the user condor, else the user of this process.
func condorUser(logDir string) int {
	if fi, err := os.Stat(filepath.Clean(logDir)); err == nil && logDir != "" {
		return private.Owner(fi)
	}
	if u, err := user.Lookup("condor"); err == nil {
		if n, err := strconv.Atoi(u.Uid); err == nil {
			return n
		}
	}
	return os.Geteuid()
}
