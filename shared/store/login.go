package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"example.org/token-helpers/shared/private"
)

// Login is a saved login at an issuer. It is stored in a keyring, never unencrypted on disk.
// All formatting and encoding methods are redacted.
type Login struct {
	Issuer                 string
	ClientID, ClientSecret string
	// AuthMethod is the client's token_endpoint_auth_method (RFC 7591 section 2):
	// client_secret_basic, client_secret_post or none.
	AuthMethod string
	// Registered means that these tools registered the client (RFC 7591), so logout
	// deletes it.
	Registered bool
	// RegistrationURI and RegistrationToken manage that client (RFC 7592).
	RegistrationURI, RegistrationToken string
	// RegisteredScopes are the scopes that the client may request.
	RegisteredScopes []string
	RefreshToken     string
	// Scopes are the scopes granted in the last response.
	Scopes             []string
	Created, Refreshed time.Time
	// RefreshExpires is when the refresh token expires, or zero if that is unknown.
	RefreshExpires time.Time
	// Waiting identifies the processes that wait for the user to approve the client's first
	// login. The last of them to give up deletes the registration.
	Waiting []string
	// Origin is a random ID of a login that was handed over from one store to another. It
	// identifies copies of the login.
	Origin string
}

const redacted = "[login redacted]"

// String is redacted.
func (l Login) String() string { return redacted }

// GoString is redacted.
func (l Login) GoString() string { return redacted }

// Format is redacted for every verb.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is redacted.
func (l Login) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is redacted; only the store encodes logins.
func (l Login) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// loginJSON is the format of a login in the keyring. Members may be added but never renamed:
// older and newer helpers read it too.
type loginJSON struct {
	Issuer            string    `json:"issuer"`
	ClientID          string    `json:"client_id"`
	ClientSecret      string    `json:"client_secret,omitempty"`
	AuthMethod        string    `json:"token_endpoint_auth_method,omitempty"`
	Registered        bool      `json:"registered,omitempty"`
	RegistrationURI   string    `json:"registration_client_uri,omitempty"`
	RegistrationToken string    `json:"registration_access_token,omitempty"`
	RegisteredScopes  []string  `json:"registered_scopes,omitempty"`
	RefreshToken      string    `json:"refresh_token,omitempty"`
	Scopes            []string  `json:"scopes,omitempty"`
	Created           time.Time `json:"created,omitzero"`
	Refreshed         time.Time `json:"refreshed,omitzero"`
	RefreshExpires    time.Time `json:"refresh_expires,omitzero"`
	Waiting           []string  `json:"waiting,omitempty"`
	Origin            string    `json:"origin,omitempty"`
}

// Handover returns the login as JSON with its secrets, for another store.
func (l *Login) Handover() ([]byte, error) { return encodeLogin(l) }

// FromHandover returns the login that [Login.Handover] encoded.
func FromHandover(b []byte) (*Login, error) { return decodeLogin(b) }

func encodeLogin(l *Login) ([]byte, error) { return json.Marshal(loginJSON(*l)) }

func decodeLogin(b []byte) (*Login, error) {
	var w loginJSON
	if len(b) > private.MaxRead {
		return nil, private.ErrTooLong
	}
	if json.Unmarshal(b, &w) != nil {
		// The error of encoding/json could quote a secret.
		return nil, errors.New("the item in the keyring is not a login")
	}
	l := Login(w)
	return &l, nil
}

// keyOf returns the name of the login's item in the keyring. It is a hash because keyrings
// differ in the characters that they allow in a name.
func keyOf(issuer, clientID string) string {
	// JSON delimits the strings, so the pair is unambiguous.
	b, _ := json.Marshal([]string{sameIssuer(issuer), clientID})
	sum := sha256.Sum256(b)
	return itemPrefix + hex.EncodeToString(sum[:16])
}
