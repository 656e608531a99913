package login

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"example.org/token-helpers/shared/store"
)

// The processes of these tests are forced into the order that loses a login if one of
// them uses a login that it loaded before it had the lock: the issuer holds back its
// answer to the first one until the second one waits for the lock.

// first makes the issuer run f in the middle of the first refresh, under the lock of the
// process that asked.
func (f *fake) first(run func()) {
	done := false
	f.onToken = func(v url.Values) *answer {
		if !done && v.Get("grant_type") == "refresh_token" {
			done = true
			run()
		}
		return nil
	}
}

// until waits until the second process waits for the lock. It fails the test if that
// process ends before, which it can only do if it needs no lock.
func (f *fake) until(waits <-chan struct{}, done chan error) {
	select {
	case <-waits:
	case err := <-done:
		f.t.Errorf("the second process did not wait for the first one (%v)", err)
		done <- err
	}
}

func (f *fake) wantNoLoss() {
	f.t.Helper()
	if f.count("REUSE")+f.count("REVOKED AFTER") > 0 {
		f.t.Errorf("an old refresh token was used: %q", f.seen())
	}
}

// login --client-id must not write an old refresh token over the one that another
// process has got meanwhile.
func TestLoginBesideARefresh(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{false, true} {
		t.Run(map[bool]string{false: "interrupted", true: "approved"}[approved], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed(func(l *store.Login) { l.ClientID, l.Registered, l.RegistrationURI = "mine", false, "" })
			logsIn, ctx := h.giveUp(nil, given("mine"))
			if approved {
				logsIn, ctx = h.process(given("mine")), context.Background()
			}
			waits, done := logsIn.waits(), make(chan error, 1)
			f.first(func() {
				go func() {
					_, err := logsIn.Login(ctx, h.request("read:/"), true)
					done <- err
				}()
				f.until(waits, done)
			})
			_, err := h.process().Refresh(context.Background(), h.request("read:/"))
			must(t, err)
			if err := <-done; (err == nil) != approved {
				t.Error(err)
			}
			h.works()
			f.wantNoLoss()
		})
	}
	// The same while the user is being asked: nothing holds the lock then.
	for _, approved := range []bool{false, true} {
		t.Run(map[bool]string{false: "interrupted later", true: "approved later"}[approved], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed(func(l *store.Login) { l.ClientID, l.Registered, l.RegistrationURI = "mine", false, "" })
			logsIn, ctx := h.giveUp(func() { h.works() }, given("mine"))
			if approved {
				ctx = context.Background()
				logsIn = h.process(given("mine"), events(func(e Event) {
					if e.Code != nil {
						h.works()
					}
				}))
			}
			if _, err := logsIn.Login(ctx, h.request("read:/"), true); (err == nil) != approved {
				t.Error(err)
			}
			h.works()
			f.wantNoLoss()
		})
	}
}

// Between an approval and the token for the request no other process uses the login of
// the user who has just logged in.
func TestRefreshBesideALogin(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	other := h.process()
	waits, done := other.waits(), make(chan error, 1)
	f.first(func() {
		go func() {
			_, err := other.Refresh(context.Background(), h.request("read:/"))
			done <- err
		}()
		f.until(waits, done)
	})
	made, err := h.process().Login(context.Background(), h.request("read:/"), true)
	must(t, err)
	if made.Token.Raw() == "" {
		t.Error("no token")
	}
	must(t, <-done)
	h.works()
	f.wantNoLoss()
}

// logout revokes the refresh token that is current when it has the lock.
func TestLogoutBesideARefresh(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	logsOut := h.process()
	waits, done := logsOut.waits(), make(chan error, 1)
	f.first(func() {
		go func() {
			_, err := logsOut.Logout(context.Background(), f.URL, false)
			done <- err
		}()
		f.until(waits, done)
	})
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	must(t, err)
	must(t, <-done)
	f.wantNoLoss()
	log := strings.Join(f.seen(), ", ")
	if h.clients() != "none" || len(f.clients) > 0 || f.count("revoke") != 1 {
		t.Errorf("%s, %s", h.clients(), log)
	}
	for _, s := range f.sessions {
		if !s.ended {
			t.Errorf("the session goes on: %s", log)
		}
	}
}

// Two refreshes at once use each refresh token once.
func TestParallelRefreshes(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	second := h.process()
	waits, done := second.waits(), make(chan error, 1)
	f.first(func() {
		go func() {
			_, err := second.Refresh(context.Background(), h.request("read:/"))
			done <- err
		}()
		f.until(waits, done)
	})
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	must(t, err)
	must(t, <-done)
	h.works()
	f.wantNoLoss()
}
