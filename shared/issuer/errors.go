package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
)

// ResponseError is a refusal of the issuer, or its failure if the status is 5xx or 429.
type ResponseError struct {
	// Doing is what was requested, such as "register a client".
	Doing  string
	Status string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code and Description are those of OAuth (RFC 6749 section 5.2), without secrets.
	Code, Description string

	hints []string
}

func (e *ResponseError) Error() string {
	switch {
	case e.Code != "" && e.Description != "":
		return fmt.Sprintf("%s: the issuer answered %s: %s", e.Doing, e.Code, e.Description)
	case e.Code != "":
		return fmt.Sprintf("%s: the issuer answered %s", e.Doing, e.Code)
	case e.Description != "":
		return fmt.Sprintf("%s: the issuer answered %s: %s", e.Doing, e.Status, e.Description)
	}
	return fmt.Sprintf("%s: the issuer answered %s", e.Doing, e.Status)
}

// ExitCode implements cli.Explained.
func (e *ResponseError) ExitCode() int {
	switch {
	case e.Temporary():
		return cli.Network
	case e.Code == "interaction_required" || e.Code == "login_required" || e.Code == "consent_required":
		return cli.NeedLogin
	}
	return cli.Refused
}

// Hints implements cli.Explained.
func (e *ResponseError) Hints() []string {
	switch {
	case len(e.hints) > 0:
		return e.hints
	case e.Temporary():
		return []string{"try again later: the issuer has a problem"}
	case e.PolicyUnsigned():
		return []string{"sign the use policy on the issuer's web pages, and run the command again"}
	case e.Disabled():
		return []string{"ask the issuer's administrators to enable the account"}
	case e.Code == "access_denied":
		return []string{"ask the issuer's administrators for the permission, or request less"}
	case (e.Code == "invalid_request" || e.Code == "invalid_target") && e.Doing != revoking:
		return []string{"check how this issuer expects the audience: try --audience-parameter resource, or set audience-parameter for it in the configuration"}
	case e.Code == "unauthorized_client" && e.Description != "" && !e.WrongSecret(), e.Code == "unsupported_grant_type":
		return []string{"ask the issuer's administrators to allow the client this kind of request, or use another client with --client-id"}
	case e.ClientGone() || e.Code == "unauthorized_client":
		return []string{"check --client-id and the client's secret, or log out and log in again"}
	}
	return nil
}

// Temporary reports whether the issuer failed rather than refused.
func (e *ResponseError) Temporary() bool {
	return e.StatusCode >= 500 || e.StatusCode == http.StatusTooManyRequests || e.Code == "temporarily_unavailable" || e.Code == "server_error"
}

// LoginEnded reports whether the answer to a refresh means that a new login is needed.
// INDIGO IAM answers invalid_token instead of RFC 6749's invalid_grant. The answer for a
// disabled account or an unsigned use policy is also invalid_grant; the login works again
// after that is solved, so it is kept, and the description is shown.
func (e *ResponseError) LoginEnded() bool {
	return (e.Code == "invalid_grant" || e.Code == "invalid_token") && !e.Disabled() && !e.PolicyUnsigned()
}

// PolicyUnsigned reports whether the user must sign a use policy first. INDIGO IAM answers
// "User test needs to sign AUP for this organization in order to proceed."
func (e *ResponseError) PolicyUnsigned() bool {
	d := strings.ToLower(e.Description)
	return strings.Contains(d, "sign aup") || strings.Contains(d, "use policy") || strings.Contains(d, "usage policy")
}

// ClientGone reports whether the client no longer exists at the issuer. INDIGO IAM
// answers 401 unauthorized with "Bad credentials", and 404 without a body at its device
// endpoint. Keycloak answers invalid_client, which also means an unknown audience in an
// exchange; for a wrong secret it answers unauthorized_client, and the client still
// exists.
func (e *ResponseError) ClientGone() bool {
	description := strings.ToLower(e.Description)
	switch e.Code {
	case "invalid_client":
		return !strings.Contains(description, "audience")
	case "unauthorized":
		return strings.Contains(description, "bad credentials")
	}
	return false
}

// WrongSecret reports whether the issuer rejected the client's secret, with Keycloak's
// description: "Invalid client or Invalid client credentials". unauthorized_client alone
// means that the client may not do this.
func (e *ResponseError) WrongSecret() bool {
	return e.Code == "unauthorized_client" && strings.Contains(strings.ToLower(e.Description), "client credentials")
}

// Disabled reports whether the issuer refuses because of the user's account. There is no
// code for this, only descriptions: "User test is not active." (INDIGO IAM), "User
// disabled" (Keycloak), "the account is locked". An inactive session is only an expired
// login.
func (e *ResponseError) Disabled() bool {
	d := strings.ToLower(e.Description)
	return account.Get().MatchString(d) && unusable.Get().MatchString(d) && !strings.Contains(d, "session")
}

var (
	account  = text.Pattern{Expr: `\b(user|account)\b`}
	unusable = text.Pattern{Expr: `\b(not active|inactive|not enabled|disabled|deactivated|locked|suspended|blocked)\b`}
)

// Parameter reports whether the issuer rejects a parameter of the request, such as its
// scope or its audience.
func (e *ResponseError) Parameter() bool {
	switch e.Code {
	case "invalid_request", "invalid_scope", "invalid_target":
		return true
	}
	return false
}

// Moved reports whether the answer means that the endpoint has moved.
func (e *ResponseError) Moved() bool {
	return e.Code == "" && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed)
}

// NotOffered reports whether the issuer does not support the endpoint's operation at all
// (RFC 7009 section 2.2.1).
func (e *ResponseError) NotOffered() bool {
	return e.Code == "unsupported_token_type" || e.Code == "" && e.StatusCode == http.StatusNotImplemented
}

// NetworkError means that an exchange with the issuer failed on the network.
type NetworkError struct {
	Err  error
	hint string
	// message is the text of Err without the secrets that a server may have sent.
	message string
}

func (e *NetworkError) Error() string { return e.message }

func (e *NetworkError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *NetworkError) ExitCode() int { return cli.Network }

// Hints implements cli.Explained.
func (e *NetworkError) Hints() []string { return []string{e.hint} }

// network converts an error of the HTTP client to one of this package, without the
// secrets that a server may have sent.
func (c *Client) network(err error) error {
	message := ""
	if err != nil {
		message = err.Error()
		var ue *url.Error
		if errors.As(err, &ue) {
			message = fmt.Sprintf("could not reach %s: %s", shown(ue.URL), c.redact(ue.Err.Error()))
		} else {
			message = c.redact(message)
		}
	}
	var (
		local     *LocalError
		notJSON   *NotJSONError
		redirect  *RedirectError
		unknownCA x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
		op        *net.OpError
		netErr    net.Error
	)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &local):
		return local
	case errors.As(err, &notJSON):
		return notJSON
	case errors.As(err, &redirect):
		return redirect
	case errors.As(err, &unknownCA):
		return &NetworkError{err, "use --cafile or --capath to name the CA that signed the issuer's certificate", message + missingSigner(unknownCA.Cert)}
	case errors.As(err, &hostname):
		return &NetworkError{err, "check the host name in the issuer's URL: the server's certificate is for another host", message}
	case errors.As(err, &invalid):
		return &NetworkError{err, "check this machine's clock; if it is right, tell the issuer's administrators", message}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return &NetworkError{err, "check HTTPS_PROXY: the proxy that it names cannot be used", message}
	case errors.As(err, &dns):
		return &NetworkError{err, "check the host name in the issuer's URL, and the network", message}
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &NetworkError{err, "allow more time with --timeout, or try again later", "the issuer did not answer in time"}
	}
	return &NetworkError{err, "check the network, and HTTPS_PROXY if there is a proxy", message}
}

// missingSigner describes the missing authority, which is an intermediate one if the
// server does not send its whole chain.
func missingSigner(cert *x509.Certificate) string {
	if cert == nil || cert.Issuer.String() == "" {
		return ""
	}
	return text.Foreign(fmt.Sprintf(" (the certificate of %q was signed by %q, which is not trusted here and was not sent by the server)",
		cert.Subject.String(), cert.Issuer.String()), 500)
}

// UnansweredError means that a request was sent but its answer was lost. Whether the
// issuer processed it, for example replaced a refresh token, is unknown.
type UnansweredError struct{ Err error }

func (e *UnansweredError) Error() string { return e.Err.Error() }
func (e *UnansweredError) Unwrap() error { return e.Err }

// UnsupportedError means that the issuer does not offer something.
type UnsupportedError struct{ What, Hint string }

func (e *UnsupportedError) Error() string { return e.What }

// ExitCode implements cli.Explained.
func (e *UnsupportedError) ExitCode() int { return cli.Refused }

// Hints implements cli.Explained.
func (e *UnsupportedError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// MismatchError means that a discovery document is that of another issuer.
type MismatchError struct{ Asked, Got string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the discovery document of %s names another issuer, %q", e.Asked, e.Got)
}

// ExitCode implements cli.Explained.
func (e *MismatchError) ExitCode() int { return cli.Refused }

// Hints implements cli.Explained.
func (e *MismatchError) Hints() []string {
	if CheckURL("the issuer", e.Got) == nil {
		return []string{"use the URL that the issuer calls itself:\n  --issuer " + e.Got}
	}
	return []string{"check the issuer's URL"}
}

// RedirectError is a redirect that is not followed, because a secret or the trust in the
// issuer would be passed to another place.
type RedirectError struct{ From, To, Why string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s redirects to %s, which is not followed: %s", e.From, e.To, e.Why)
}

// ExitCode implements cli.Explained.
func (e *RedirectError) ExitCode() int { return cli.Network }

// Hints implements cli.Explained.
func (e *RedirectError) Hints() []string {
	if base, _, ok := strings.Cut(e.To, "/.well-known/"); ok && CheckURL("", base) == nil {
		return []string{"use the new URL if you trust that issuer:\n  --issuer " + base + "/"}
	}
	return []string{"check the issuer's URL"}
}

// NotJSONError is an answer that cannot be an issuer's, such as a web page.
type NotJSONError struct{ URL, Got string }

func (e *NotJSONError) Error() string {
	return fmt.Sprintf("%s answered with %s instead of JSON", e.URL, e.Got)
}

// ExitCode implements cli.Explained.
func (e *NotJSONError) ExitCode() int { return cli.Network }

// Hints implements cli.Explained.
func (e *NotJSONError) Hints() []string {
	return []string{"check the issuer's URL, and whether a proxy or a login portal is in between"}
}

// AnswerError is an answer of the issuer that cannot be used.
type AnswerError struct{ Problem string }

func (e *AnswerError) Error() string { return "the issuer's answer cannot be used: " + e.Problem }

// ExitCode implements cli.Explained.
func (e *AnswerError) ExitCode() int { return cli.Network }

// Hints implements cli.Explained.
func (e *AnswerError) Hints() []string {
	return []string{"check the issuer's URL; if it is right, tell the issuer's administrators"}
}

// LocalError is a local problem, before anything was sent.
type LocalError struct {
	Err  error
	Hint string // may be empty
}

func (e *LocalError) Error() string { return e.Err.Error() }
func (e *LocalError) Unwrap() error { return e.Err }

// ExitCode implements cli.Explained.
func (e *LocalError) ExitCode() int { return cli.Failed }

// Hints implements cli.Explained.
func (e *LocalError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// IsNetwork reports whether the error is due to the network, to a proxy or portal, or to
// a temporary failure of the issuer.
func IsNetwork(err error) bool {
	var known cli.Explained
	return errors.As(err, &known) && known.ExitCode() == cli.Network
}
