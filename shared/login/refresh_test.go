package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// A new refresh token is saved, whatever the format of the response.
func TestRefreshSavesAnyResponse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(access, refresh string) *answer
		usable bool
	}{
		{"as in RFC 6749", func(a, r string) *answer {
			return &answer{200, "application/json", `{"access_token":"` + a + `","token_type":"Bearer","expires_in":3600,"refresh_token":"` + r + `"}`}
		}, true},
		{"lifetime with a fraction", func(a, r string) *answer {
			return &answer{200, "application/json", `{"access_token":"` + a + `","token_type":"Bearer","expires_in":3600.0,"refresh_token":"` + r + `"}`}
		}, true},
		{"lifetime as a string", func(a, r string) *answer {
			return &answer{200, "application/json", `{"access_token":"` + a + `","expires_in":"3600","refresh_token":"` + r + `"}`}
		}, true},
		{"Content-Type text/plain", func(a, r string) *answer {
			return &answer{200, "text/plain", `{"access_token":"` + a + `","token_type":"Bearer","refresh_token":"` + r + `"}`}
		}, true},
		{"without a Content-Type", func(a, r string) *answer {
			return &answer{200, "", `{"access_token":"` + a + `","token_type":"Bearer","refresh_token":"` + r + `"}`}
		}, true},
		{"token type a number", func(a, r string) *answer {
			return &answer{200, "application/json", `{"access_token":"` + a + `","token_type":1,"refresh_token":"` + r + `"}`}
		}, true},
		{"byte order mark", func(a, r string) *answer {
			return &answer{200, "application/json", "\xef\xbb\xbf" + `{"access_token":"` + a + `","refresh_token":"` + r + `"}`}
		}, true},
		{"scope as a list", func(a, r string) *answer {
			return &answer{200, "application/json", `{"access_token":"` + a + `","scope":["read:/"],"refresh_token":"` + r + `"}`}
		}, true},
		{"a form", func(a, r string) *answer {
			return &answer{200, "application/x-www-form-urlencoded", url.Values{"access_token": {a}, "refresh_token": {r}}.Encode()}
		}, true},
		{"no access token", func(_, r string) *answer {
			return &answer{200, "application/json", `{"refresh_token":"` + r + `"}`}
		}, false},
		{"access token an object", func(_, r string) *answer {
			return &answer{200, "application/json", `{"access_token":{},"refresh_token":"` + r + `"}`}
		}, false},
		{"with an error", func(_, r string) *answer {
			return &answer{400, "application/json", `{"error":"invalid_request","refresh_token":"` + r + `"}`}
		}, false},
		{"with an error, status 200", func(_, r string) *answer {
			return &answer{200, "application/json", `{"error":{"code":7},"refresh_token":"` + r + `"}`}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			old := h.seed()
			f.token = func(access, refresh string, _ url.Values) *answer { return tt.answer(access, refresh) }
			tok, err := h.process().Refresh(context.Background(), h.request("read:/"))
			if (err == nil) != tt.usable || tt.usable && !strings.HasPrefix(tok.Raw(), "access-") {
				t.Errorf("%v", err)
			}
			if got := h.stored("seeded"); got == nil || got.RefreshToken == old.RefreshToken || !strings.HasPrefix(got.RefreshToken, "refresh-") {
				t.Errorf("the new refresh token was not saved: %v", got != nil)
			}
			if err != nil && strings.Contains(err.Error(), "refresh-") {
				t.Errorf("a token is shown: %v", err)
			}
			f.token = nil
			h.works()
			if f.count("REUSE") > 0 {
				t.Errorf("%q", f.seen())
			}
		})
	}
}

// If all attempts to save fail, the error contains the access token.
func TestRefreshLost(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	keyring := h.path(".local/share/token-helpers/keyring")
	f.token = func(string, string, url.Values) *answer {
		if err := os.Rename(keyring, keyring+"-away"); err != nil {
			t.Error(err)
		}
		return nil
	}
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	var lost *LostError
	if !errors.As(err, &lost) || !strings.HasPrefix(lost.Token.Raw(), "access-") || lost.Issuer != f.URL || lost.Kept {
		t.Fatalf("%T %v", err, err)
	}
	if lost.ExitCode() != cli.StoreFailed || len(lost.Hints()) == 0 || !strings.Contains(err.Error(), "is lost") || strings.Contains(err.Error(), "access-") {
		t.Errorf("%d %q %v", lost.ExitCode(), lost.Hints(), err)
	}
}

// If the login cannot be saved, no request is sent to the issuer and the login is unchanged.
func TestNoRefreshIfNotSavable(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	old := h.seed()
	must(t, os.Chmod(h.path(".local/share/token-helpers/keyring"), 0o777))
	var se *store.Error
	if _, err := h.process().Refresh(context.Background(), h.request("read:/")); !errors.As(err, &se) || len(se.Hints()) == 0 {
		t.Errorf("%T %v", err, err)
	}
	if f.count("refresh") > 0 {
		t.Errorf("requests %q", f.seen())
	}
	must(t, os.Chmod(h.path(".local/share/token-helpers/keyring"), 0o700))
	if h.stored("seeded").RefreshToken != old.RefreshToken {
		t.Error("the login was changed")
	}
	h.works()
}

// After the request to the issuer was sent, a canceled context interrupts neither the request
// nor the save.
func TestRefreshIgnoresCancellation(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	old := h.seed()
	ctx, cancel := context.WithCancel(context.Background())
	f.onToken = func(url.Values) *answer { cancel(); return nil }
	_, _ = h.process().Refresh(ctx, h.request("read:/"))
	if got := h.stored("seeded"); got.RefreshToken == old.RefreshToken {
		t.Error("the new refresh token was not saved")
	}
	f.onToken = nil
	h.works()
}

func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		a          *answer
		ended      string // the reason in the index
		gone       bool
		code       int // of an error that is not a NoLoginError
		want, hint string
	}{
		{"invalid_grant", refusal(400, "invalid_grant", "Invalid refresh token"), "invalid_grant: Invalid refresh token", false, 0, "no longer valid (invalid_grant: Invalid refresh token)", ""},
		{"invalid_token, as INDIGO IAM", refusal(401, "invalid_token", ""), "invalid_token", false, 0, "no longer valid (invalid_token)", ""},
		{"the client is gone", refusal(401, "invalid_client", "Bad client credentials"), "invalid_client: Bad client credentials", true, 0, "no longer valid", ""},
		{"the client is gone, as INDIGO IAM", refusal(401, "unauthorized", "Bad credentials"), "unauthorized: Bad credentials", true, 0, "no longer valid", ""},
		{"the client's secret expired, as Keycloak", refusal(401, "unauthorized_client", "Invalid client or Invalid client credentials"), "unauthorized_client: Invalid client or Invalid client credentials", true, 0, "no longer valid", ""},
		{"the client may not refresh", refusal(400, "unauthorized_client", "Client not allowed for this grant"), "", false, cli.Refused, "not allowed", "--client-id"},
		{"the account is disabled", refusal(400, "invalid_grant", "User disabled"), "", false, cli.Refused, "User disabled", "administrators"},
		{"the account is disabled, as INDIGO IAM", refusal(401, "unauthorized", "User test is not active."), "", false, cli.Refused, "not active", "administrators"},
		{"access_denied", refusal(403, "access_denied", "no"), "", false, cli.Refused, "access_denied: no", "permission"},
		{"interaction_required", refusal(400, "interaction_required", ""), "", false, cli.NeedLogin, "interaction_required", ""},
		{"invalid_request", refusal(400, "invalid_request", "missing resource"), "", false, cli.Refused, "invalid_request: missing resource", "--audience-parameter"},
		{"not JSON", &answer{200, "text/html", "<html>"}, "", false, cli.Network, "web page", "portal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			old := h.seed()
			f.onToken = func(url.Values) *answer { return tt.a }
			_, err := h.process().Refresh(context.Background(), h.request("read:/"))
			var none *NoLoginError
			var known cli.Explained
			switch {
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("%v", err)
			case tt.code == 0 && !errors.As(err, &none):
				t.Errorf("%T %v", err, err)
			case tt.code != 0 && (!errors.As(err, &known) || known.ExitCode() != tt.code || !strings.Contains(strings.Join(known.Hints(), " "), tt.hint)):
				t.Errorf("%T %v, hints %q", err, err, known.Hints())
			}
			e, ok, err := h.process().Store.Find(f.URL, "")
			if err != nil || !ok || e.Ended != tt.ended || e.ClientGone != tt.gone {
				t.Errorf("in the index: %+v, %v", e, err)
			}
			if h.stored("seeded").RefreshToken != old.RefreshToken {
				t.Error("the login was changed")
			}
			// If the issuer accepts the login again, it is no longer marked as invalid.
			f.onToken = nil
			h.works()
			if e, _, _ := h.process().Store.Find(f.URL, ""); e.Ended != "" || e.ClientGone {
				t.Errorf("in the index: %+v", e)
			}
		})
	}
}

// If the issuer rejects a scope or an audience in a refresh, the request is repeated without
// them.
func TestRefreshWithoutParameters(t *testing.T) {
	for _, code := range []string{"invalid_scope", "invalid_target", "invalid_request"} {
		f := newFake(t)
		h := newHome(t, f)
		h.seed()
		var forms []url.Values
		f.onToken = func(form url.Values) *answer {
			forms = append(forms, form)
			if form.Has("scope") || form.Has("audience") {
				return refusal(400, code, "not here")
			}
			return nil
		}
		req := h.request("read:/")
		req.Audiences = []string{"ce:9619"}
		tok, err := h.process().Refresh(context.Background(), req)
		if err != nil || tok.Raw() == "" || len(forms) != 2 || forms[0].Get("scope") != "read:/" || forms[0].Get("audience") != "ce:9619" {
			t.Errorf("%s: %v, sent %v", code, err, forms)
		}
		// If that is rejected too, the first error is reported.
		f.onToken = func(form url.Values) *answer {
			if form.Has("scope") {
				return refusal(400, code, "not here")
			}
			return refusal(400, "invalid_request", "not at all")
		}
		if _, err := h.process().Refresh(context.Background(), req); err == nil || !strings.Contains(err.Error(), "not here") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A response that did not arrive may have contained a new refresh token.
func TestRefreshUnanswered(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	n := 0
	f.token = func(string, string, url.Values) *answer {
		if n++; n == 1 {
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	var none *NoLoginError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "may be lost") {
		t.Errorf("%T %v", err, err)
	}
	if e, _, _ := h.process().Store.Find(f.URL, ""); e.Ended == "" {
		t.Error("the login is not marked as invalid")
	}
}

// If the issuer received the request but did not answer, the cached document is not fetched
// again: the refresh token may have been replaced already.
func TestRefreshUnansweredWithCachedDocument(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	h.works() // which caches the document
	f.forget()
	asked := 0
	f.onToken = func(url.Values) *answer { asked++; panic(http.ErrAbortHandler) }
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	var unanswered *issuer.UnansweredError
	if !errors.As(err, &unanswered) || f.count("discovery") > 0 || asked != 2 {
		t.Errorf("asked %d times, %q: %T %v", asked, f.seen(), err, err)
	}
}

func TestUsable(t *testing.T) {
	f := newFake(t)
	for _, tt := range []struct {
		name   string
		logins []func(*store.Login)
		client string
		scopes []string
		want   string // the error, or "" if there is a login
	}{
		{"none", nil, "", []string{"read:/"}, "there is no login at"},
		{"a login", []func(*store.Login){func(*store.Login) {}}, "", []string{"read:/store"}, ""},
		{"no scopes requested", []func(*store.Login){func(*store.Login) {}}, "", nil, ""},
		{"it lacks a scope", []func(*store.Login){func(*store.Login) {}}, "", []string{"read:/", "write:/x"}, "lacks write:/x"},
		{"a client that waits", []func(*store.Login){func(l *store.Login) { l.Scopes = nil }}, "", nil, "there is no login at"},
		{"another client", []func(*store.Login){func(*store.Login) {}}, "other", nil, "there is no login at"},
		{"the only given client", []func(*store.Login){func(l *store.Login) { l.Registered = false }}, "", []string{"read:/"}, ""},
		{
			"two given clients", []func(*store.Login){
				func(l *store.Login) { l.Registered, l.ClientID = false, "one" }, func(l *store.Login) { l.Registered, l.ClientID = false, "two's" },
			}, "", nil, "there are several logins at",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t, f)
			for _, l := range tt.logins {
				h.seed(l)
			}
			f.forget()
			p := h.process(given(tt.client))
			_, err := p.Usable(h.request(tt.scopes...))
			var none *NoLoginError
			if (err == nil) != (tt.want == "") || err != nil && (!errors.As(err, &none) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%T %v", err, err)
			}
			if tt.want != "" {
				if rerr := p.Ready(context.Background(), h.request(tt.scopes...)); !errors.As(rerr, &none) {
					t.Errorf("Ready: %v", rerr)
				}
				if _, rerr := p.Refresh(context.Background(), h.request(tt.scopes...)); !errors.As(rerr, &none) {
					t.Errorf("Refresh: %v", rerr)
				}
			} else if err := p.Ready(context.Background(), h.request(tt.scopes...)); err != nil {
				t.Errorf("Ready: %v", err)
			}
			if len(f.seen()) > 0 {
				t.Errorf("requests to the issuer: %q", f.seen())
			}
		})
	}
}

// An outdated discovery document is fetched again, once.
func TestOutdatedDocument(t *testing.T) {
	t.Parallel()
	moved := func(form url.Values) *answer { return &answer{404, "text/html", "<html>not here"} }
	for _, tt := range []struct {
		name    string
		onToken func(url.Values) *answer
		again   bool
	}{
		{"moved", moved, true},
		{"method not allowed", func(url.Values) *answer { return &answer{405, "", ""} }, true},
		{"gone", func(url.Values) *answer { return &answer{410, "", ""} }, true},
		{"not implemented", func(url.Values) *answer { return &answer{501, "", ""} }, true},
		{"redirected", func(url.Values) *answer { return &answer{301, "", ""} }, true},
		{"unsupported_grant_type", func(url.Values) *answer { return refusal(400, "unsupported_grant_type", "") }, true},
		{"invalid_scope", func(url.Values) *answer { return refusal(400, "invalid_scope", "") }, true},
		{"refused", func(url.Values) *answer { return refusal(403, "access_denied", "") }, false},
		{"success", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed()
			h.works() // which caches the document
			f.forget()
			f.onToken = tt.onToken
			_, err := h.process().Refresh(context.Background(), h.request("read:/"))
			if (err == nil) != (tt.onToken == nil) || f.count("discovery") != map[bool]int{true: 1}[tt.again] {
				t.Errorf("%v, requests %q", err, f.seen())
			}
			// A document that was just fetched is not fetched again.
			f.forget()
			_, _ = h.process(func(l *Logins) { l.Fresh = true }).Refresh(context.Background(), h.request("read:/"))
			if f.count("discovery") != 1 {
				t.Errorf("requests %q", f.seen())
			}
		})
	}
	t.Run("a new endpoint", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		h.seed()
		f.metadata = func(doc map[string]any) { doc["token_endpoint"] = f.URL + "/old" }
		if _, err := h.process().Refresh(context.Background(), h.request("read:/")); err == nil {
			t.Fatal("the old endpoint answered")
		}
		f.metadata = nil
		h.works()
	})
	t.Run("a new device endpoint", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		f.metadata = func(doc map[string]any) { delete(doc, "device_authorization_endpoint") }
		var un *issuer.UnsupportedError
		if _, err := h.process().Login(context.Background(), h.request("read:/"), false); !errors.As(err, &un) || len(un.Hints()) == 0 || f.count("register") > 0 {
			t.Errorf("%v, requests %q", err, f.seen())
		}
		f.metadata = nil
		ctx, cancel := context.WithCancel(context.Background())
		shown := false
		_, err := h.process(events(func(Event) { shown = true; cancel() })).Login(ctx, h.request("read:/"), false)
		if !errors.Is(err, context.Canceled) || !shown {
			t.Error(err)
		}
	})
}

// Diagnostics are delayed until the lock is released.
func TestDiagnosticsAreDelayed(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	held, asked := false, false
	p := h.process(func(l *Logins) {
		l.Hold = func() func() {
			held = true
			return func() {
				held = false
				tx, err := h.process().Store.Begin(context.Background(), f.URL)
				if err != nil {
					t.Error(err)
					return
				}
				tx.End()
			}
		}
	})
	f.onToken = func(url.Values) *answer {
		if asked = true; !held {
			t.Error("diagnostics are printed during the request to the issuer")
		}
		return nil
	}
	_, err := p.Refresh(context.Background(), h.request("read:/"))
	if err != nil || held || !asked {
		t.Errorf("%v, held %v, asked %v", err, held, asked)
	}
}

func TestFromGrant(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	md := &issuer.Metadata{Issuer: "https://i/"}
	req := token.Request{Issuer: "https://i", Scopes: []string{"x", "y"}}
	// {"alg":"none"} and {"iss":"https://jwt/","scope":"x","exp":1900000000}, without a signature.
	const jwt = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2p3dC8iLCJzY29wZSI6IngiLCJleHAiOjE5MDAwMDAwMDB9."
	for _, tt := range []struct {
		name    string
		g       issuer.Grant
		issuer  string
		scopes  []string
		expires time.Time
	}{
		{"opaque, without scopes", issuer.Grant{AccessToken: "opaque", Expires: now}, "https://i/", []string{"x", "y"}, now},
		{"opaque, with scopes", issuer.Grant{AccessToken: "opaque", Scopes: []string{"x"}}, "https://i/", []string{"x"}, time.Time{}},
		{"JWT", issuer.Grant{AccessToken: jwt, Scopes: []string{"x", "y", "z"}, Expires: now}, "https://jwt/", []string{"x"}, time.Unix(1900000000, 0)},
	} {
		got := FromGrant(&tt.g, req, md)
		if got.Issuer != tt.issuer || !reflect.DeepEqual(got.Scopes, tt.scopes) || !got.Expires.Equal(tt.expires) || got.Raw() != tt.g.AccessToken {
			t.Errorf("%s: %s %q %v", tt.name, got.Issuer, got.Scopes, got.Expires)
		}
	}
}

func TestNamed(t *testing.T) {
	scopes := []string{"read:/", "read:/store", "wlcg", "offline_access"}
	for message, want := range map[string][]string{
		"Scope 'read:/store' is not allowed":  {"read:/store"},
		"Invalid scope: read:/, wlcg":         {"read:/", "wlcg"},
		"invalid scopes [offline_access]":     {"offline_access"},
		"the wlcg.groups scope is restricted": nil,
		"not allowed: wlcg.":                  {"wlcg"},
		"":                                    nil,
	} {
		if got := Named(message, scopes); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", message, got)
		}
	}
	for message, want := range map[string]bool{"wlcg is refused": true, "wlcg and offline_access": false, "no": false, "offline_access": false} {
		if namesOther(message, scopes) != want {
			t.Errorf("%q: %v", message, !want)
		}
	}
}

func TestSameSession(t *testing.T) {
	// Unsigned JWTs with the claims {"sid":"a"}, {"sid":"b"}, {"session_state":"a"} and {}.
	jwt := func(claims string) string { return "eyJhbGciOiJub25lIn0." + claims + "." }
	a, b, state, none := jwt("eyJzaWQiOiJhIn0"), jwt("eyJzaWQiOiJiIn0"), jwt("eyJzZXNzaW9uX3N0YXRlIjoiYSJ9"), jwt("e30")
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{a, a, true}, {a, b, false}, {state, state, true}, {a, none, false}, {none, none, false}, {none, a, false}, {"opaque", "opaque", false}, {a, "opaque", false},
	} {
		if got := sameSession(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}
