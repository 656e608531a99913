package login

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// interrupted returns a process that is interrupted after it has shown the code. shown is
// called before the interruption.
func (h *home) interrupted(shown func(), change ...func(*Logins)) (*process, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	return h.process(append(change, events(func(e Event) {
		if e.Code != nil {
			if shown != nil {
				shown()
			}
			cancel()
		}
	}))...), ctx
}

func TestFirstLogin(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	var got []Event
	p := h.process(events(func(e Event) {
		if got = append(got, e); e.Code != nil && h.clients() != "client1 (waits)" {
			t.Errorf("before the user is asked: %s", h.clients())
		}
	}))
	made, err := p.Login(context.Background(), h.request("read:/"), true)
	must(t, err)
	if !strings.HasPrefix(made.Token.Raw(), "access-") || made.Login.ClientID != "client1" || !made.Login.Registered || made.Login.Refreshed.IsZero() {
		t.Errorf("%+v", made.Login)
	}
	if len(got) != 2 || got[0].Code == nil || got[0].Code.UserCode != "ABCD" || got[1].Login == nil {
		t.Errorf("events %+v", got)
	}
	if l := h.stored(""); l == nil || len(l.Waiting) > 0 || !slices.Equal(l.Scopes, []string{"offline_access", "read:/", "wlcg"}) || l.ClientSecret != "secret-client1" {
		t.Errorf("saved %v", l != nil)
	}
	h.works()
	if f.count("REUSE")+f.count("delete")+f.count("revoke") > 0 {
		t.Errorf("%q", f.seen())
	}
}

// If a login is not completed, its client is deleted here and at the issuer.
func TestAbandonedLogin(t *testing.T) {
	t.Parallel()
	t.Run("interrupted", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		p, ctx := h.interrupted(nil)
		if _, err := p.Login(ctx, h.request("read:/"), true); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if h.clients() != "none" || len(f.clients) > 0 || f.count("delete client1") != 1 {
			t.Errorf("%s, %q", h.clients(), f.seen())
		}
	})
	for _, tt := range []struct {
		answer string
		code   int
		want   string
	}{
		{"access_denied", cli.Refused, "the login was denied"},
		{"expired_token", cli.TimedOut, "the code expired before the login was approved"},
		{"invalid_grant", cli.Refused, "invalid_grant"},
	} {
		t.Run(tt.answer, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			f.decide = func(string) string { return tt.answer }
			_, err := h.process().Login(context.Background(), h.request("read:/"), true)
			if cli.Explain(err).Code != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%T %v", err, err)
			}
			if h.clients() != "none" || len(f.clients) > 0 {
				t.Errorf("%s, %q", h.clients(), f.seen())
			}
		})
	}
	t.Run("the client cannot be deleted", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		f.onDelete = func(string) *answer { return refusal(401, "invalid_token", "") }
		p, ctx := h.interrupted(nil)
		_, _ = p.Login(ctx, h.request("read:/"), true)
		if h.clients() != "none" || len(p.notes) == 0 || !strings.Contains(p.notes[len(p.notes)-1], "client1 stays registered") {
			t.Errorf("%s, notes %q", h.clients(), p.notes)
		}
	})
	t.Run("the device request is refused", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		f.onDevice = func(url.Values) *answer { return refusal(403, "access_denied", "not for you") }
		if _, err := h.process().Login(context.Background(), h.request("read:/"), true); err == nil || h.clients() != "none" || len(f.clients) > 0 {
			t.Errorf("%v, %s", err, h.clients())
		}
	})
}

// No client remains registered if it cannot be saved.
func TestLoginWithoutStore(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	must(t, os.MkdirAll(h.path(".local/share/token-helpers/keyring"), 0o777))
	must(t, os.Chmod(h.path(".local/share/token-helpers/keyring"), 0o777))
	var se *store.Error
	if _, err := h.process().Login(context.Background(), h.request("read:/"), true); !errors.As(err, &se) || f.count("register") > 0 {
		t.Errorf("%T %v, %q", err, err, f.seen())
	}
	must(t, os.Chmod(h.path(".local/share/token-helpers/keyring"), 0o700))
	// If the client cannot be saved after it was registered, it is deleted.
	f.onRegister = func(url.Values) *answer {
		must(t, os.Rename(h.path(".local/share/token-helpers/keyring"), h.path("away")))
		return nil
	}
	if _, err := h.process().Login(context.Background(), h.request("read:/"), true); !errors.As(err, &se) || len(f.clients) > 0 || f.count("device") > 0 {
		t.Errorf("%T %v, %q", err, err, f.seen())
	}
}

// Parallel first logins use the same client. The last login to give up deletes it, unless one
// of them succeeds.
func TestParallelFirstLogins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                 string
		outer, inner         string // the answers for two runs; the inner one runs while the outer one waits
		clients              string
		registered, approved int
	}{
		{"both denied", "access_denied", "access_denied", "none", 1, 0},
		{"the second approved", "access_denied", "", "client1", 1, 1},
		{"the first approved", "", "access_denied", "client1", 1, 1},
		{"both approved", "", "", "client1", 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			decision := ""
			f.decide = func(string) string { return decision }
			outer := h.process(events(func(e Event) {
				if e.Code == nil {
					return
				}
				decision = tt.inner
				_, err := h.process().Login(context.Background(), h.request("read:/"), true)
				if (err == nil) != (tt.inner == "") {
					t.Errorf("the inner run: %v", err)
				}
				if tt.inner != "" && (h.clients() != "client1 (waits)" || len(f.clients) != 1) {
					t.Errorf("while the outer run waits: %s, %q", h.clients(), f.seen())
				}
				decision = tt.outer
			}))
			_, err := outer.Login(context.Background(), h.request("read:/"), true)
			if (err == nil) != (tt.outer == "") {
				t.Errorf("the outer run: %v", err)
			}
			if h.clients() != tt.clients || f.count("register") != tt.registered || f.count("approve") != tt.approved || (len(f.clients) == 0) != (tt.clients == "none") {
				t.Errorf("%s, %q", h.clients(), f.seen())
			}
			if f.count("REUSE")+f.count("REVOKED AFTER") > 0 {
				t.Errorf("%q", f.seen())
			}
			if tt.clients != "none" {
				h.works()
			}
		})
	}
}

// The run that registered the client gives up while another run waits for its approval.
func TestRegisteringRunGivesUpFirst(t *testing.T) {
	for _, second := range []string{"", "access_denied"} {
		t.Run(map[bool]string{true: "the second approved", false: "both denied"}[second == ""], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			decision := "access_denied"
			f.decide = func(string) string {
				return decision
			}
			joined, gaveUp, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			waits := h.process(events(func(e Event) {
				if e.Code != nil {
					close(joined)
					<-gaveUp
				}
			}))
			registers := h.process(events(func(e Event) {
				if e.Code == nil {
					return
				}
				go func() {
					_, err := waits.Login(context.Background(), h.request("read:/"), true)
					done <- err
				}()
				select {
				case <-joined:
				case err := <-done:
					t.Errorf("the second run does not wait: %v", err)
					done <- err
				}
			}))
			if _, err := registers.Login(context.Background(), h.request("read:/"), true); err == nil {
				t.Error("the first run was approved")
			}
			if h.clients() != "client1 (waits)" || f.count("delete") > 0 {
				t.Errorf("while the second run waits: %s, %q", h.clients(), f.seen())
			}
			f.mu.Lock()
			decision = second
			f.mu.Unlock()
			close(gaveUp)
			if err := <-done; (err == nil) != (second == "") {
				t.Error(err)
			}
			if second == "" {
				h.works()
			} else if h.clients() != "none" || len(f.clients) > 0 {
				t.Errorf("%s, %q", h.clients(), f.seen())
			}
			if f.count("register") != 1 {
				t.Errorf("%q", f.seen())
			}
		})
	}
}

// A login with more scopes replaces the existing one if it succeeds. Otherwise its client is
// deleted.
func TestWidening(t *testing.T) {
	t.Parallel()
	request := []string{"read:/", "write:/"}
	t.Run("interrupted", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		old := h.seed()
		p, ctx := h.interrupted(func() {
			// Meanwhile other runs use the existing login.
			h.works()
		})
		_, _ = p.Login(ctx, h.request(request...), true)
		if h.clients() != "seeded" || len(f.clients) != 1 || f.count("revoke") > 0 {
			t.Errorf("%s, %q", h.clients(), f.seen())
		}
		if h.stored("seeded").RefreshToken == old.RefreshToken {
			t.Error("the other runs' refresh token was overwritten")
		}
		h.works()
	})
	t.Run("approved", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		h := newHome(t, f)
		old := h.seed()
		made, err := h.process().Login(context.Background(), h.request(request...), true)
		must(t, err)
		// It has the scopes of the old one, too.
		if !slices.Equal(made.Login.Scopes, []string{"offline_access", "read:/", "wlcg", "write:/"}) || h.clients() != made.Login.ClientID {
			t.Errorf("%q, %s", made.Login.Scopes, h.clients())
		}
		// The old one is revoked after the new one was approved.
		log := f.seen()
		revoked := slices.Index(log, "revoke "+old.RefreshToken)
		if approved := slices.Index(log, "approve "+made.Login.ClientID); revoked < approved || approved < 0 || f.count("delete seeded") != 1 || f.count("revoke") != 1 {
			t.Errorf("%q", log)
		}
		h.works()
	})
	t.Run("a new client has no more scopes", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		h.seed()
		f.onRegister = func(url.Values) *answer {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.clients["limited"] = "reg-token-limited"
			return &answer{201, "application/json", `{"client_id":"limited","scope":"read:/","registration_client_uri":"` + f.URL + `/client/limited","registration_access_token":"reg-token-limited"}`}
		}
		p, ctx := h.interrupted(nil)
		_, _ = p.Login(ctx, h.request(request...), true)
		if h.clients() != "seeded" || f.clients["limited"] != "" || f.count("device seeded") != 1 {
			t.Errorf("%s, %q", h.clients(), f.seen())
		}
		h.works()
	})
	t.Run("within the client's scopes", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		h := newHome(t, f)
		old := h.seed(func(l *store.Login) { l.RegisteredScopes = append(l.RegisteredScopes, "write:/") })
		_, err := h.process().Login(context.Background(), h.request(request...), true)
		must(t, err)
		if h.clients() != "seeded" || f.count("register")+f.count("delete") > 0 || f.count("revoke") != 1 || f.count("revoke "+old.RefreshToken) != 1 {
			t.Errorf("%s, %q", h.clients(), f.seen())
		}
		h.works()
	})
}

// A client that no longer exists at the issuer is replaced.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]*answer{
		"404 without a body": {404, "", ""}, "invalid_client": refusal(401, "invalid_client", "Bad client credentials"), "unauthorized": refusal(401, "unauthorized", "Bad credentials"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed()
			f.onDevice = func(form url.Values) *answer {
				if form.Get("client_id") == "seeded" {
					return a
				}
				return nil
			}
			f.onRevoke = func(url.Values) *answer { return refusal(401, "invalid_client", "") }
			_, err := h.process().Login(context.Background(), h.request("read:/"), true)
			must(t, err)
			if strings.Contains(h.clients(), "seeded") || f.count("register") != 1 {
				t.Errorf("%s, %q", h.clients(), f.seen())
			}
			h.works()
		})
	}
	t.Run("so is the new one", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		f.onDevice = func(url.Values) *answer { return &answer{404, "", ""} }
		if _, err := h.process().Login(context.Background(), h.request("read:/"), true); err == nil || f.count("register") > 2 || len(f.clients) > 1 {
			t.Errorf("%v, %q", err, f.seen())
		}
	})
}

// The client that the user specifies is used without changes. Its secret is saved only after
// a successful login.
func TestGivenClient(t *testing.T) {
	t.Parallel()
	secret := func(s string) func(*Logins) {
		return func(l *Logins) { l.ClientSecret = func() (string, error) { return s, nil } }
	}
	mine := func(l *store.Login) {
		l.ClientID, l.Registered, l.RegistrationURI, l.RegistrationToken, l.ClientSecret = "mine", false, "", "", "good-secret"
	}
	t.Run("a wrong secret", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		old := h.seed(mine)
		f.onDevice = func(url.Values) *answer { return refusal(401, "invalid_client", "Bad client credentials") }
		_, err := h.process(given("mine"), secret("wrong-secret")).Login(context.Background(), h.request("read:/"), true)
		if err == nil || strings.Contains(err.Error(), "wrong-secret") || len(cli.Explain(err).Hints()) == 0 {
			t.Errorf("%v", err)
		}
		if l := h.stored("mine"); l.ClientSecret != "good-secret" || l.RefreshToken != old.RefreshToken {
			t.Error("the login was changed")
		}
		h.works()
	})
	t.Run("interrupted", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		h.seed(mine)
		p, ctx := h.interrupted(h.works2, given("mine"), secret("other-secret"))
		_, _ = p.Login(ctx, h.request("read:/"), true)
		if l := h.stored("mine"); l.ClientSecret != "good-secret" || f.count("delete")+f.count("revoke") > 0 {
			t.Errorf("%q", f.seen())
		}
		h.works()
	})
	t.Run("a new secret", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		h := newHome(t, f)
		old := h.seed(mine)
		_, err := h.process(given("mine"), secret("new-secret")).Login(context.Background(), h.request("read:/"), true)
		must(t, err)
		if l := h.stored("mine"); l.ClientSecret != "new-secret" || l.Registered || f.count("register")+f.count("delete") > 0 || f.count("revoke "+old.RefreshToken) != 1 {
			t.Errorf("%q", f.seen())
		}
		h.works(given("mine"))
		h.works() // it is the only login
	})
	t.Run("the secret is read before the lock is acquired", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		h.seed(mine)
		asked := false
		p := h.process(given("mine"), func(l *Logins) {
			l.ClientSecret = func() (string, error) {
				asked = true
				other := store.New(store.Options{LookupEnv: h.env, Now: time.Now, Backend: "file", LockTimeout: time.Nanosecond})
				tx, err := other.Begin(context.Background(), h.f.URL)
				if err == nil {
					tx.End()
				}
				return "", err
			}
		})
		f.onDevice = func(url.Values) *answer { return refusal(400, "access_denied", "") }
		var re *issuer.ResponseError
		if _, err := p.Login(context.Background(), h.request("read:/"), true); !errors.As(err, &re) || !asked {
			t.Errorf("%v", err)
		}
	})
	t.Run("the secret cannot be read", func(t *testing.T) {
		f := newFake(t)
		h := newHome(t, f)
		p := h.process(given("mine"), func(l *Logins) { l.ClientSecret = func() (string, error) { return "", fs.ErrPermission } })
		if _, err := p.Login(context.Background(), h.request("read:/"), true); !errors.Is(err, fs.ErrPermission) || f.count("device") > 0 {
			t.Errorf("%v, %q", err, f.seen())
		}
	})
}

// works2 is works without options, to be passed as a function.
func (h *home) works2() { h.works() }

// If the issuer rejects the device request, it is repeated with other parameters.
func TestDeviceRequestIsRetried(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refuse func(url.Values) *answer
		want   func(url.Values) bool // checks the last request
		asked  int                   // the number of requests
	}{
		{"offline_access is rejected", func(v url.Values) *answer {
			if strings.Contains(v.Get("scope"), "offline_access") {
				return refusal(400, "invalid_scope", "Invalid scope")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "read:/ wlcg" }, 2},
		{"openid is required", func(v url.Values) *answer {
			if !strings.Contains(v.Get("scope"), "openid") {
				return refusal(400, "invalid_scope", "the scope openid is required")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "offline_access openid read:/ wlcg" }, 2},
		{"PKCE is required", func(v url.Values) *answer {
			if !v.Has("code_challenge") {
				return refusal(400, "invalid_request", "Missing parameter: code_challenge_method")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("code_challenge_method") == "S256" }, 2},
		{"PKCE is required, with another message", func(v url.Values) *answer {
			if !v.Has("code_challenge") {
				return refusal(400, "invalid_request", "Code challenge required")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("code_challenge_method") == "S256" }, 2},
		{"all of it", func(v url.Values) *answer {
			switch {
			case !v.Has("code_challenge"):
				return refusal(400, "invalid_request", "PKCE is required")
			case !strings.Contains(v.Get("scope"), "openid"):
				return refusal(400, "invalid_scope", "openid missing")
			case strings.Contains(v.Get("scope"), "offline_access"):
				return refusal(400, "invalid_scope", "offline_access")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "openid read:/ wlcg" && v.Has("code_challenge") }, 4},
		{"another scope is rejected", func(url.Values) *answer {
			return refusal(400, "invalid_scope", "Scope 'read:/' is not allowed")
		}, nil, 1},
		{"openid is required, without a message", func(v url.Values) *answer {
			if !strings.Contains(v.Get("scope"), "openid") {
				return refusal(400, "invalid_scope", "")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "offline_access openid read:/ wlcg" }, 3},
		{"openid is required, with another code", func(v url.Values) *answer {
			if !strings.Contains(v.Get("scope"), "openid") {
				return refusal(400, "invalid_request", "The openid scope is mandatory")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "offline_access openid read:/ wlcg" }, 2},
		{"offline_access is denied", func(v url.Values) *answer {
			if strings.Contains(v.Get("scope"), "offline_access") {
				return refusal(403, "access_denied", "the client may not have offline_access")
			}
			return nil
		}, func(v url.Values) bool { return v.Get("scope") == "read:/ wlcg" }, 2},
		{"openid and offline_access are always rejected", func(url.Values) *answer { return refusal(400, "invalid_scope", "openid, offline_access") }, nil, 3},
		{"access is denied", func(url.Values) *answer { return refusal(403, "access_denied", "") }, nil, 1},
		{"everything is rejected", func(url.Values) *answer { return refusal(400, "invalid_scope", "") }, nil, 4},
		{"PKCE is always rejected", func(url.Values) *answer { return refusal(400, "invalid_request", "PKCE") }, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			h := newHome(t, f)
			var forms []url.Values
			f.onDevice = func(v url.Values) *answer {
				forms = append(forms, v)
				return tt.refuse(v)
			}
			p, ctx := h.interrupted(nil)
			_, err := p.Login(ctx, h.request("read:/"), true)
			if tt.want != nil {
				if !errors.Is(err, context.Canceled) || len(forms) != tt.asked || !tt.want(forms[len(forms)-1]) {
					t.Errorf("%v, sent %v", err, forms)
				}
				return
			}
			// The document is fetched again after invalid_scope, and only if it was cached.
			var re *issuer.ResponseError
			if !errors.As(err, &re) || len(forms) != tt.asked {
				t.Errorf("%v, sent %d requests", err, len(forms))
			}
		})
	}
	for listed, want := range map[string]string{"": "offline_access read:/ wlcg", "wlcg offline_access": "offline_access read:/ wlcg", "wlcg": "read:/ wlcg"} {
		f := newFake(t)
		h := newHome(t, f)
		f.metadata = func(doc map[string]any) {
			if listed != "" {
				doc["scopes_supported"] = strings.Fields(listed)
			}
		}
		got := ""
		f.onDevice = func(v url.Values) *answer { got = v.Get("scope"); return nil }
		p, ctx := h.interrupted(nil)
		_, _ = p.Login(ctx, h.request("read:/"), true)
		if got != want {
			t.Errorf("with scopes_supported %q: requested %q", listed, got)
		}
	}
}

// If the issuer issues no refresh token, a note is printed and the token of the device flow is
// returned.
func TestLoginWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	f.token = func(access, _ string, _ url.Values) *answer {
		return &answer{200, "application/json", `{"access_token":"` + access + `","expires_in":3600}`}
	}
	p := h.process()
	made, err := p.Login(context.Background(), h.request("read:/"), true)
	must(t, err)
	if made.Token.Raw() == "" || f.count("refresh") > 0 || !strings.Contains(strings.Join(p.notes, "\n"), "no refresh token") {
		t.Errorf("%q, notes %q", f.seen(), p.notes)
	}
	var none *NoLoginError
	if _, err := h.process().Refresh(context.Background(), h.request("read:/")); !errors.As(err, &none) || !strings.Contains(err.Error(), "no refresh token") {
		t.Errorf("%T %v", err, err)
	}
}

// If the issuer rejects scopes or an audience in a refresh, the token of the device flow is
// returned.
func TestLoginWithoutNarrowing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	own := ""
	f.onToken = func(v url.Values) *answer {
		if v.Has("scope") || v.Has("audience") && v.Has("refresh_token") {
			return refusal(400, "invalid_scope", "not here")
		}
		return nil
	}
	f.token = func(access, _ string, v url.Values) *answer {
		if !v.Has("refresh_token") {
			own = access
		}
		return nil
	}
	req := h.request("read:/")
	req.Audiences = []string{"ce:9619"}
	made, err := h.process().Login(context.Background(), req, true)
	// A token that was refreshed without an audience would not be for ce:9619.
	if err != nil || own == "" || made.Token.Raw() != own {
		t.Errorf("%v", err)
	}
}

// The cached tokens of the earlier login are removed, because another user may have logged in.
func TestLoginForgetsTokens(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	s := h.process().Store
	tok := token.New("opaque-token")
	tok.Issuer, tok.Source, tok.Expires = f.URL, "login", time.Now().Add(time.Hour)
	must(t, s.PutToken(store.CacheKey{Issuer: f.URL}, tok))
	if _, err := h.process().Login(context.Background(), h.request("read:/"), false); err != nil {
		t.Fatal(err)
	}
	if in, err := s.Tokens(); err != nil || len(in) != 0 {
		t.Errorf("cached: %+v, %v", in, err)
	}
}

func TestSpentCode(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	f.onToken = func(url.Values) *answer { return refusal(400, "invalid_grant", "Invalid device code") }
	_, err := h.process().Login(context.Background(), h.request("read:/"), true)
	e := cli.Explain(err)
	if e.Code != cli.Refused || !strings.Contains(err.Error(), "Invalid device code") || !strings.Contains(strings.Join(e.Hints(), " "), "to get a new code") || len(f.clients) != 0 {
		t.Errorf("%d %q %v", e.Code, e.Hints(), err)
	}
}

// A login that cannot be saved is revoked, and the login that it would have replaced is kept.
func TestLoginCannotBeSaved(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		t.Run(map[bool]string{false: "the first", true: "a second"}[before], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			old := ""
			if before {
				old = h.seed(func(l *store.Login) { l.RegisteredScopes = append(l.RegisteredScopes, "write:/") }).RefreshToken
			}
			keyring := h.path(".local/share/token-helpers/keyring")
			given := ""
			f.token = func(_, refresh string, _ url.Values) *answer {
				given = refresh
				if err := os.Rename(keyring, keyring+"-away"); err != nil {
					t.Error(err)
				}
				return nil
			}
			_, err := h.process().Login(context.Background(), h.request("read:/", "write:/"), true)
			var lost *LostError
			if !errors.As(err, &lost) || !strings.HasPrefix(lost.Token.Raw(), "access-") || lost.ExitCode() != cli.StoreFailed || strings.Contains(err.Error(), "refresh-") {
				t.Fatalf("%T %v", err, err)
			}
			if !strings.Contains(err.Error(), "the new login at "+f.URL) || strings.Contains(err.Error(), "replaced its refresh token") {
				t.Error(err)
			}
			if err := os.Rename(keyring+"-away", keyring); err != nil {
				t.Error(err)
			}
			f.token = nil
			if f.count("revoke "+given) != 1 || f.count("revoke") != 1 {
				t.Errorf("%q", f.seen())
			}
			if before {
				if h.stored("seeded").RefreshToken != old {
					t.Error("the login was changed")
				}
				h.works()
			}
			f.wantNoLoss()
		})
	}
}
