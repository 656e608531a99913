package issuer

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.org/token-helpers/shared/cli"
)

func TestExitCodesAndHints(t *testing.T) {
	re := func(status int, code, description string) *ResponseError {
		return &ResponseError{Doing: "ask", Status: fmt.Sprint(status), StatusCode: status, Code: code, Description: description}
	}
	for _, tt := range []struct {
		name string
		err  cli.Explained
		code int
		hint string // a part of the first hint; empty for none
	}{
		{"refused", re(400, "invalid_grant", ""), cli.Refused, ""},
		{"failed", re(500, "", ""), cli.Network, "try again later"},
		{"bad gateway", re(502, "", ""), cli.Network, "try again later"},
		{"too many requests", re(429, "", ""), cli.Network, "try again later"},
		{"temporarily_unavailable", re(400, "temporarily_unavailable", ""), cli.Network, "try again later"},
		{"server_error", re(200, "server_error", ""), cli.Network, "try again later"},
		{"interaction_required", re(400, "interaction_required", ""), cli.NeedLogin, ""},
		{"login_required", re(400, "login_required", ""), cli.NeedLogin, ""},
		{"consent_required", re(400, "consent_required", ""), cli.NeedLogin, ""},
		{"access_denied", re(403, "access_denied", "Client is not within the token audience"), cli.Refused, "request less"},
		{"a disabled account", re(400, "access_denied", "the account is disabled"), cli.Refused, "enable the account"},
		{"invalid_request", re(400, "invalid_request", ""), cli.Refused, "--audience-parameter resource"},
		{"invalid_target", re(400, "invalid_target", ""), cli.Refused, "--audience-parameter resource"},
		{"invalid_client", re(401, "invalid_client", ""), cli.Refused, "check --client-id"},
		{"unauthorized_client", re(401, "unauthorized_client", ""), cli.Refused, "the client's secret"},
		{"a wrong secret", re(401, "unauthorized_client", "Invalid client or Invalid client credentials"), cli.Refused, "the client's secret"},
		{"a client without the device flow", re(400, "unauthorized_client", "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant"), cli.Refused, "allow the client"},
		{"unsupported_grant_type", re(400, "unsupported_grant_type", ""), cli.Refused, "allow the client"},
		{"own hints", &ResponseError{StatusCode: 403, Code: "access_denied", hints: []string{"use --client-id"}}, cli.Refused, "use --client-id"},
		{"network", &NetworkError{Err: io.EOF, hint: "check the cable", message: "EOF"}, cli.Network, "check the cable"},
		{"unsupported", &UnsupportedError{What: "x", Hint: "use y"}, cli.Refused, "use y"},
		{"unsupported, no hint", &UnsupportedError{What: "x"}, cli.Refused, ""},
		{"mismatch", &MismatchError{"https://a/", "https://b/"}, cli.Refused, "--issuer https://b/"},
		{"mismatch with nonsense", &MismatchError{"https://a/", "$(rm -r)"}, cli.Refused, "check the issuer's URL"},
		{"redirected discovery", &RedirectError{"https://a/.well-known/openid-configuration", "https://b/x/.well-known/openid-configuration", "it is another host"}, cli.Network, "--issuer https://b/x/"},
		{"redirected discovery, http", &RedirectError{"https://a/.well-known/openid-configuration", "http://b/.well-known/openid-configuration", "it is not https"}, cli.Network, "check the issuer's URL"},
		{"redirected elsewhere", &RedirectError{"https://a/token", "https://b/token", "the request carries secrets"}, cli.Network, "check the issuer's URL"},
		{"not JSON", &NotJSONError{"https://a/", "a web page"}, cli.Network, "login portal"},
		{"unusable", &AnswerError{"no access token"}, cli.Network, "administrators"},
		{"local", &LocalError{Err: io.EOF}, cli.Failed, ""},
	} {
		if got := tt.err.ExitCode(); got != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.code)
		}
		hints := tt.err.Hints()
		if (len(hints) > 0) != (tt.hint != "") || tt.hint != "" && !strings.Contains(hints[0], tt.hint) {
			t.Errorf("%s: hints %q", tt.name, hints)
		}
		for _, h := range hints {
			// Additional lines are commands.
			if h == "" || strings.HasSuffix(h, ".") || strings.Count(h, "\n") != strings.Count(h, "\n  ") {
				t.Errorf("%s: hint %q", tt.name, h)
			}
		}
		if IsNetwork(fmt.Errorf("outer: %w", tt.err)) != (tt.code == cli.Network) {
			t.Errorf("%s: IsNetwork", tt.name)
		}
	}
	if IsNetwork(io.EOF) || IsNetwork(nil) {
		t.Error("every error is a network error")
	}
}

// The meaning of error codes, with descriptions from real issuers.
func TestMeaningOfRefusals(t *testing.T) {
	for _, tt := range []struct {
		status            int
		code, description string
		want              string // of: ended gone disabled parameter moved temporary
	}{
		{400, "invalid_grant", "Invalid refresh token", "ended"},
		{401, "invalid_token", "Invalid refresh token: x", "ended"}, // INDIGO IAM
		{400, "invalid_grant", "User disabled", "disabled"},         // Keycloak
		{400, "invalid_grant", "Account disabled", "disabled"},
		{400, "invalid_grant", "The account is locked", "disabled"},
		{400, "invalid_grant", "User account suspended", "disabled"},
		{400, "invalid_grant", "User session is not active", "ended"},
		{400, "invalid_grant", "the token was unlocked by user x", "ended"},
		{401, "unauthorized", "Bad credentials", "gone"},              // INDIGO IAM
		{401, "unauthorized", "User test is not active.", "disabled"}, // INDIGO IAM
		{401, "unauthorized", "", ""},
		{401, "invalid_client", "Bad client credentials", "gone"},
		{404, "invalid_client", "Client not found", "gone"},
		{401, "unauthorized_client", "Invalid client or Invalid client credentials", ""},                     // Keycloak: a wrong secret
		{400, "unauthorized_client", "Client not allowed for direct access grants", ""},                      // Keycloak
		{400, "invalid_client", "Audience not found", ""},                                                    // Keycloak: an exchange for an unknown audience
		{400, "invalid_grant", "User test needs to sign AUP for this organization in order to proceed.", ""}, // INDIGO IAM
		{400, "invalid_scope", "", "parameter"},
		{400, "invalid_target", "", "parameter"},
		{400, "invalid_request", "", "parameter"},
		{404, "", "", "moved"},
		{405, "", "", "moved"},
		{403, "", "", ""},
		{503, "", "", "temporary"},
		{429, "", "", "temporary"},
		{400, "access_denied", "", ""},
	} {
		e := &ResponseError{StatusCode: tt.status, Code: tt.code, Description: tt.description}
		var got []string
		for word, is := range map[string]bool{
			"ended": e.LoginEnded(), "gone": e.ClientGone(), "disabled": e.Disabled(), "parameter": e.Parameter(), "moved": e.Moved(), "temporary": e.Temporary(),
		} {
			if is {
				got = append(got, word)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%d %s %q: %q, want %q", tt.status, tt.code, tt.description, s, tt.want)
		}
	}
}

// timeout is an error of a connection that was too slow.
type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestNetworkErrors(t *testing.T) {
	in := func(err error) error { return &url.Error{Op: "Post", URL: "https://i/token", Err: err} }
	missing := &x509.Certificate{Subject: pkix.Name{CommonName: "i"}, Issuer: pkix.Name{CommonName: "Intermediate CA"}}
	for _, tt := range []struct {
		err        error
		says, hint string
	}{
		{in(x509.UnknownAuthorityError{Cert: missing}), `signed by "CN=Intermediate CA", which is not trusted here and was not sent by the server`, "--cafile"},
		{in(x509.UnknownAuthorityError{}), "could not reach https://i/token", "--cafile"},
		{in(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "i"}), "could not reach https://i/token", "check the host name"},
		{in(x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}), "could not reach https://i/token", "clock"},
		{in(&net.DNSError{Err: "no such host", Name: "i", IsNotFound: true}), "no such host", "check the host name"},
		{in(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "proxy", IsNotFound: true}}), "no such host", "check HTTPS_PROXY"},
		{in(timeout{}), "did not answer in time", "--timeout"},
		{in(context.DeadlineExceeded), "did not answer in time", "--timeout"},
		{in(os.ErrDeadlineExceeded), "did not answer in time", "--timeout"},
		{in(io.ErrUnexpectedEOF), "could not reach https://i/token: unexpected EOF", "HTTPS_PROXY"},
		{&url.Error{Op: "Delete", URL: "https://u:p@i/client?key=hidden#x", Err: io.EOF}, "could not reach https://i/client: EOF", "HTTPS_PROXY"},
		{errors.New("odd"), "odd", "check the network"},
	} {
		err := NewClient(HTTPOptions{}).network(tt.err)
		var ne *NetworkError
		if !errors.As(err, &ne) || !strings.Contains(err.Error(), tt.says) || len(ne.Hints()) != 1 || !strings.Contains(ne.Hints()[0], tt.hint) {
			t.Errorf("%v: %T %v", tt.err, err, err)
		}
	}
	// These keep their type.
	for _, err := range []error{&LocalError{Err: io.EOF}, &NotJSONError{"u", "x"}, &RedirectError{"a", "b", "c"}} {
		if got := NewClient(HTTPOptions{}).network(in(err)); got != err {
			t.Errorf("%T became %T %v", err, got, got)
		}
	}
	if got := NewClient(HTTPOptions{}).network(in(context.Canceled)); !errors.Is(got, context.Canceled) || IsNetwork(got) {
		t.Errorf("an interrupt became %T %v", got, got)
	}
	if NewClient(HTTPOptions{}).network(nil) != nil {
		t.Error("nil became an error")
	}
}

// A process that runs for days does not keep unused connections.
func TestIdleConnectionsAreClosed(t *testing.T) {
	c := NewClient(HTTPOptions{LookupEnv: func(string) (string, bool) { return "", false }})
	hc, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	if d := hc.Transport.(*transport).base.(*http.Transport).IdleConnTimeout; d <= 0 {
		t.Errorf("unused connections are kept for %v", d)
	}
}
