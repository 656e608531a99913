package login

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

func TestLogout(t *testing.T) {
	t.Parallel()
	notOffered := func(doc map[string]any) { delete(doc, "revocation_endpoint") }
	for _, tt := range []struct {
		name     string
		setUp    func(f *fake)
		login    func(*store.Login)
		force    bool
		code     int // 0: success
		kept     bool
		note     string
		requests string // to the issuer, except for the discovery document
	}{
		{"registered", nil, nil, false, 0, false, "", "revoke refresh-1, delete seeded"},
		{"given client", nil, func(l *store.Login) { l.Registered = false }, false, 0, false, "", "revoke refresh-1"},
		{"no management", nil, func(l *store.Login) { l.RegistrationURI = "" }, false, 0, false, "", "revoke refresh-1"},
		{"no revocation", func(f *fake) { f.metadata = notOffered }, nil, false, 0, false, "stays valid there until it expires", "delete seeded"},
		{"deletion is not offered", func(f *fake) { f.onDelete = func(string) *answer { return &answer{405, "", ""} } }, nil, false, 0, false, "stays registered there", "revoke refresh-1, delete seeded"},
		{"deletion is refused", func(f *fake) { f.onDelete = func(string) *answer { return refusal(401, "invalid_token", "") } }, nil, false, cli.Refused, false, "", "revoke refresh-1, delete seeded"},
		{"the client is deleted already", func(f *fake) { f.onDelete = func(string) *answer { return &answer{404, "", ""} } }, nil, false, 0, false, "", "revoke refresh-1, delete seeded"},
		{"the client is gone", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(401, "unauthorized", "Bad credentials") }
			f.onDelete = func(string) *answer { return refusal(401, "invalid_token", "") }
		}, nil, false, 0, false, "", "delete seeded"},
		{"the client's secret expired", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(401, "invalid_client", "Bad client credentials") }
		}, nil, false, 0, false, "", "delete seeded"},
		{"the client is gone, and deletion is not offered", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(401, "invalid_client", "") }
			f.onDelete = func(string) *answer { return &answer{501, "", ""} }
		}, nil, false, 0, false, "stays registered there", "delete seeded"},
		{"the refresh token is unknown", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(400, "invalid_token", "") }
		}, nil, false, 0, false, "", "delete seeded"},
		{"revocation of this token is not offered", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(400, "unsupported_token_type", "") }
		}, nil, false, 0, false, "stays valid there until it expires", "delete seeded"},
		{"revocation is not offered", func(f *fake) { f.onRevoke = func(url.Values) *answer { return &answer{405, "", ""} } }, nil, false, 0, false, "stays valid there until it expires", "delete seeded"},
		{"revocation is refused", func(f *fake) { f.onRevoke = func(url.Values) *answer { return refusal(403, "access_denied", "") } }, nil, false, cli.Refused, true, "", ""},
		{"revocation is refused, force", func(f *fake) { f.onRevoke = func(url.Values) *answer { return refusal(403, "access_denied", "") } }, nil, true, 0, false, "valid at", ""},
		{"the account is disabled", func(f *fake) {
			f.onRevoke = func(url.Values) *answer { return refusal(401, "unauthorized", "User test is not active.") }
		}, nil, false, cli.Refused, true, "", ""},
		{"the document is of another issuer", func(f *fake) { f.metadata = func(doc map[string]any) { doc["issuer"] = "https://other.example.org/" } }, nil, false, cli.Refused, true, "", ""},
		{"the document is of another issuer, force", func(f *fake) { f.metadata = func(doc map[string]any) { doc["issuer"] = "https://other.example.org/" } }, nil, true, 0, false, "valid at", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed(func(l *store.Login) {
				if tt.login != nil {
					tt.login(l)
				}
			})
			if tt.setUp != nil {
				tt.setUp(f)
			}
			p := h.process()
			found, err := p.Logout(context.Background(), f.URL, tt.force)
			if !found || cli.Explain(err).Code != tt.code && err != nil || (err == nil) != (tt.code == 0) {
				t.Errorf("%v, %T %v", found, err, err)
			}
			if want := map[bool]string{true: "seeded", false: "none"}[tt.kept]; h.clients() != want {
				t.Errorf("logins: %s", h.clients())
			}
			if notes := strings.Join(p.notes, "\n"); !strings.Contains(notes, tt.note) || strings.Contains(notes, "refresh-1") {
				t.Errorf("notes %q", notes)
			}
			var got []string
			for _, s := range f.seen() {
				if s != "discovery" {
					got = append(got, s)
				}
			}
			if s := strings.Join(got, ", "); s != tt.requests {
				t.Errorf("requests %q, want %q", s, tt.requests)
			}
			var left *LeftError
			if tt.code != 0 && !tt.kept && (!errors.As(err, &left) || !strings.Contains(err.Error(), "you are logged out, but the client seeded stays registered") || len(left.Hints()) != 1) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
}

// A login that was revoked is marked as invalid if its client could not be deleted.
func TestLogoutIncomplete(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	f.onDelete = func(string) *answer { return &answer{500, "", ""} }
	if _, err := h.process().Logout(context.Background(), f.URL, false); cli.Explain(err).Code != cli.Network {
		t.Errorf("%v", err)
	}
	if e, ok, err := h.process().Store.Find(f.URL, ""); err != nil || !ok || e.Ended == "" {
		t.Errorf("%+v, %v", e, err)
	}
	f.onDelete = nil
	if _, err := h.process().Logout(context.Background(), f.URL, false); err != nil || h.clients() != "none" || len(f.clients) != 0 {
		t.Errorf("%v, %s", err, h.clients())
	}
}

func TestLogoutWithoutLogin(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	found, err := h.process().Logout(context.Background(), f.URL, false)
	if found || err != nil || len(f.seen()) > 0 {
		t.Errorf("%v, %v, %q", found, err, f.seen())
	}
}

// A logout deletes the cached tokens and the cached document, and the clients of logins that
// were never completed.
func TestLogoutForgets(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	h.seed(func(l *store.Login) {
		l.ClientID, l.RegistrationURI, l.RegistrationToken, l.Scopes, l.Waiting = "waiting", f.URL+"/client/waiting", "reg-token-waiting", nil, []string{"x"}
	})
	h.seed(func(l *store.Login) { l.ClientID, l.Registered = "given", false })
	h.works()
	s := h.process().Store
	tok := token.New("opaque-token")
	tok.Issuer, tok.Expires = f.URL, time.Now().Add(time.Hour)
	must(t, s.PutToken(store.CacheKey{Issuer: f.URL}, tok))
	tok.Issuer = "https://other.example.org/"
	must(t, s.PutToken(store.CacheKey{Issuer: tok.Issuer}, tok))
	found, err := h.process().Logout(context.Background(), f.URL, false)
	if !found || err != nil {
		t.Fatal(found, err)
	}
	if h.clients() != "given" || len(f.clients) != 1 {
		t.Errorf("%s, %q", h.clients(), f.seen())
	}
	if in, err := s.Tokens(); err != nil || len(in) != 1 || in[0].Issuer != "https://other.example.org/" {
		t.Errorf("cached: %+v, %v", in, err)
	}
	if _, ok := s.Document(f.URL); ok {
		t.Error("the document is still cached")
	}
	// The login of the client that the user specified is deleted with its client ID.
	if found, err := h.process(given("given")).Logout(context.Background(), f.URL, false); !found || err != nil || h.clients() != "none" {
		t.Errorf("%v, %v, %s", found, err, h.clients())
	}
}
