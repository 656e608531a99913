package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.org/token-helpers/shared/token"
)

// Keys fetches an issuer's JWK Set (RFC 7517 section 5) as servers do: from the
// jwks_uri of its discovery document, which is at openid-configuration below the
// issuer, or else at RFC 8414's place (scitokens-cpp, get_public_keys_from_web).
// No more is asked of the document than its issuer and its jwks_uri, for an issuer
// that hands out its tokens otherwise names no endpoint.
//
// Its errors are those of the exchange, a [MismatchError] where the document is of
// another issuer, an [UnsupportedError] where it names no keys, an [AnswerError]
// where they are not to be had over https, and a [LocalError] for an issuer that is
// no https URL. What is fetched is not read: that is for the room jwks.
func (c *Client) Keys(ctx context.Context, issuerURL string) ([]byte, error) {
	if err := CheckURL("the issuer", issuerURL); err != nil {
		return nil, &LocalError{err}
	}
	// The name comes out of a token that anybody could have written: https alone, as
	// servers do, and nothing in it that would choose what is asked for.
	if u, err := url.Parse(issuerURL); err != nil || u.Scheme != "https" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, &LocalError{fmt.Errorf("the issuer %q is not an https URL without query and fragment", issuerURL)}
	}
	doc, err := c.do(ctx, http.MethodGet, strings.TrimSuffix(issuerURL, "/")+"/.well-known/openid-configuration", "", nil)
	var refused *ResponseError
	if errors.As(err, &refused) && !refused.Temporary() {
		// The first answer is the one to tell of where there is none here either.
		if other, oerr := c.do(ctx, http.MethodGet, oauthMetadata(issuerURL), "", nil); oerr == nil {
			doc, err = other, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask the issuer what it offers: %w", err)
	}
	var md struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if json.Unmarshal(doc, &md) != nil {
		return nil, &NotJSONError{URL: issuerURL, Got: "a discovery document that is no JSON object"}
	}
	if !token.SameIssuer(md.Issuer, issuerURL) {
		return nil, &MismatchError{Asked: issuerURL, Got: md.Issuer}
	}
	if md.JWKSURI == "" {
		return nil, &UnsupportedError{"the issuer's discovery document names no keys (jwks_uri)"}
	}
	if err := CheckURL("the address of its keys", md.JWKSURI); err != nil {
		return nil, &AnswerError{err.Error()}
	}
	// Not even on loopback: who answers there decides which tokens are good.
	if u, err := url.Parse(md.JWKSURI); err == nil && u.Scheme != "https" {
		return nil, &AnswerError{fmt.Sprintf("the address of its keys %s is not https", bare(u))}
	}
	return c.do(ctx, http.MethodGet, md.JWKSURI, "", nil)
}

// oauthMetadata is where RFC 8414 section 3.1 has an issuer's metadata: between its
// host and its path.
func oauthMetadata(issuerURL string) string {
	u, err := url.Parse(issuerURL)
	if err != nil {
		return issuerURL // CheckURL has parsed it
	}
	return u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.EscapedPath(), "/")
}
