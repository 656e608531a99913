package login

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"example.org/token-helpers/shared/store"
)

// These tests force the order of events in which a login would be lost if a process used a
// login that it loaded before it acquired the lock: the issuer delays its response to the
// first process until the second process waits for the lock.

// duringFirstRefresh makes the issuer call run during the first refresh request, while the
// requesting process holds the lock.
func (f *fake) duringFirstRefresh(run func()) {
	done := false
	f.onToken = func(v url.Values) *answer {
		if !done && v.Get("grant_type") == "refresh_token" {
			done = true
			run()
		}
		return nil
	}
}

// wantWaiting waits until the second process waits for the lock. It fails the test if that
// process finishes instead, which means that it did not acquire the lock.
func (f *fake) wantWaiting(waits <-chan struct{}, done chan error) {
	select {
	case <-waits:
	case err := <-done:
		f.t.Errorf("the second process did not wait for the first one (%v)", err)
		done <- err
	}
}

// wantNoLoss checks that no old refresh token was used.
func (f *fake) wantNoLoss() {
	f.t.Helper()
	if f.count("REUSE")+f.count("REVOKED AFTER") > 0 {
		f.t.Errorf("an old refresh token was used: %q", f.seen())
	}
}

// login --client-id must not overwrite the refresh token that another process got meanwhile
// with an old one.
func TestLoginDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{false, true} {
		t.Run(map[bool]string{false: "interrupted", true: "approved"}[approved], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed(func(l *store.Login) { l.ClientID, l.Registered, l.RegistrationURI = "mine", false, "" })
			logsIn, ctx := h.interrupted(nil, given("mine"))
			if approved {
				logsIn, ctx = h.process(given("mine")), context.Background()
			}
			waits, done := logsIn.waits(), make(chan error, 1)
			f.duringFirstRefresh(func() {
				go func() {
					_, err := logsIn.Login(ctx, h.request("read:/"), true)
					done <- err
				}()
				f.wantWaiting(waits, done)
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
	// The same while the login waits for the approval, without the lock.
	for _, approved := range []bool{false, true} {
		t.Run(map[bool]string{false: "interrupted later", true: "approved later"}[approved], func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			h := newHome(t, f)
			h.seed(func(l *store.Login) { l.ClientID, l.Registered, l.RegistrationURI = "mine", false, "" })
			logsIn, ctx := h.interrupted(func() { h.works() }, given("mine"))
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

// Between the approval and the token for the request, no other process uses the new login.
func TestRefreshDuringLogin(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHome(t, f)
	other := h.process()
	waits, done := other.waits(), make(chan error, 1)
	f.duringFirstRefresh(func() {
		go func() {
			_, err := other.Refresh(context.Background(), h.request("read:/"))
			done <- err
		}()
		f.wantWaiting(waits, done)
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

// logout revokes the refresh token that is current when it acquires the lock.
func TestLogoutDuringRefresh(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	logsOut := h.process()
	waits, done := logsOut.waits(), make(chan error, 1)
	f.duringFirstRefresh(func() {
		go func() {
			_, err := logsOut.Logout(context.Background(), f.URL, false)
			done <- err
		}()
		f.wantWaiting(waits, done)
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
			t.Errorf("the session was not ended: %s", log)
		}
	}
}

// Parallel refreshes use each refresh token only once.
func TestParallelRefreshes(t *testing.T) {
	f := newFake(t)
	h := newHome(t, f)
	h.seed()
	second := h.process()
	waits, done := second.waits(), make(chan error, 1)
	f.duringFirstRefresh(func() {
		go func() {
			_, err := second.Refresh(context.Background(), h.request("read:/"))
			done <- err
		}()
		f.wantWaiting(waits, done)
	})
	_, err := h.process().Refresh(context.Background(), h.request("read:/"))
	must(t, err)
	must(t, <-done)
	h.works()
	f.wantNoLoss()
}
