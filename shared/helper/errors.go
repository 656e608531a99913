package helper

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/source"
	"example.org/token-helpers/shared/store"
)

// classify is the one place where an error gets its exit code. What has none is
// told apart by type, never by its text.
func classify(err error) *cli.Error {
	var (
		own         *cli.Error
		storeErr    *store.Error
		refused     *issuer.ResponseError
		unsupported *issuer.UnsupportedError
		mismatch    *issuer.MismatchError
		notJSON     *issuer.NotJSONError
		answer      *issuer.AnswerError
		local       *issuer.LocalError
		unknownCA   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		certificate x509.CertificateInvalidError
		dns         *net.DNSError
		agent       *source.AgentError
		agentDown   *source.AgentDownError
		pluginErr   *source.PluginError
		pluginFault *source.PluginFault
		htgettoken  *source.HTGetTokenError
		path        *fs.PathError
		urlErr      *url.Error
		netErr      net.Error
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, store.ErrLockTimeout):
		return cli.Errorf(cli.TimedOut, "%w", err).Hint("another run holds the login; wait for it, or end it")
	case errors.Is(err, source.ErrApproval):
		return cli.Errorf(cli.TimedOut, "%w", err).Hint("run the command again for a new code")
	case errors.As(err, &storeErr):
		e := cli.Errorf(cli.StoreFailed, "%w", err)
		if storeErr.Hint != "" {
			_ = e.Hint("%s", storeErr.Hint)
		}
		return e
	case errors.As(err, &agent):
		e := cli.Errorf(cli.Refused, "%w", err)
		if agent.Info != "" {
			_ = e.Hint("%s", strings.TrimSpace(strings.ReplaceAll(agent.Info, "\t", "  ")))
		} else {
			_ = e.Hint("load the account with oidc-add NAME, unlock the agent with oidc-add -X, or name another account with --account")
		}
		return e
	case errors.As(err, &agentDown):
		return cli.Errorf(cli.Network, "%w", err).Hint("start one with eval \"$(oidc-agent)\", or leave oidc-agent out")
	case errors.As(err, &pluginFault):
		if pluginFault.TimedOut {
			return cli.Errorf(cli.TimedOut, "%w", err)
		}
		return cli.Errorf(cli.Failed, "%w", err)
	case errors.As(err, &pluginErr):
		code := cli.Refused
		if pluginErr.Code == "login-required" {
			code = cli.NeedLogin
		}
		e := cli.Errorf(code, "%w", err)
		if pluginErr.Hint != "" {
			_ = e.Hint("%s", pluginErr.Hint)
		}
		return e
	case errors.As(err, &htgettoken):
		return cli.Errorf(cli.Refused, "%w", err).Hint("run htgettoken by itself to see what it wants")
	case errors.As(err, &refused):
		switch {
		case refused.Temporary():
			return cli.Errorf(cli.Network, "%w", err).Hint("the trouble is the issuer's: try again later")
		case refused.Code == "access_denied":
			return cli.Errorf(cli.Refused, "the login was denied").Hint("run the command again, and approve it")
		}
		return cli.Errorf(cli.Refused, "%w", err)
	case errors.As(err, &unsupported):
		return cli.Errorf(cli.Refused, "%w", err).Hint("register a client with the issuer and give its --client-id")
	case errors.As(err, &mismatch):
		return cli.Errorf(cli.Refused, "%w", err).Hint("give the issuer's URL exactly as the issuer spells it, with --issuer")
	case errors.As(err, &notJSON), errors.As(err, &answer):
		return cli.Errorf(cli.Network, "%w", err).Hint("a proxy or a login portal may stand between; is it the issuer's URL?")
	case errors.As(err, &local):
		return cli.Errorf(cli.Failed, "%w", err)
	case errors.As(err, &path):
		// Before the network's: an errno passes for a net.Error.
		return cli.Errorf(cli.Failed, "%w", err)
	case errors.As(err, &unknownCA):
		return cli.Errorf(cli.Network, "%w", issuer.Short(err)).Hint("name the CA that signed the issuer's certificate with --cafile or --capath")
	case errors.As(err, &hostname), errors.As(err, &certificate):
		return cli.Errorf(cli.Network, "%w", issuer.Short(err))
	case errors.As(err, &dns):
		return cli.Errorf(cli.Network, "%w", issuer.Short(err)).Hint("check the issuer's name and the network")
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return cli.Errorf(cli.Network, "the issuer did not answer in time").Hint("give it longer with --timeout, or try again later")
	case errors.As(err, &urlErr), errors.As(err, &netErr):
		return cli.Errorf(cli.Network, "%w", issuer.Short(err)).Hint("check the network, and HTTPS_PROXY where there is a proxy")
	}
	return cli.Errorf(cli.Failed, "%w", err)
}
