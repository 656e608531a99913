package credd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.org/token-helpers/shared/cli"
)

func testRecord(home string) *record {
	return loadRecord(&cli.Env{LookupEnv: func(k string) (string, bool) { return home, k == "HOME" }}, "ap.example.org")
}

// Concurrent submissions do not overwrite each other's records.
func TestRecordOfManySubmissions(t *testing.T) {
	t.Parallel() // it waits for device flows
	home := t.TempDir()
	var all sync.WaitGroup
	for i := range 20 {
		r := testRecord(home)
		all.Go(func() {
			if err := r.keep(context.Background(), fmt.Sprint("login", i), recorded{ID: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(testRecord(home).Logins); n != 20 {
		t.Errorf("%d logins are recorded, want 20", n)
	}
}

// A credential comes from one login, and stays with it when the login is replaced.
func TestRecordOfCredentials(t *testing.T) {
	r, ctx := testRecord(t.TempDir()), context.Background()
	for _, err := range []error{
		r.keep(ctx, "a", recorded{ID: "1"}), r.keep(ctx, "b", recorded{ID: "2"}),
		r.stored(ctx, "a", []string{"svc", "svc_h"}), r.stored(ctx, "b", []string{"svc"}),
		r.keep(ctx, "a", recorded{ID: "3"}), r.stored(ctx, "b", []string{"svc"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.load()
	if got := fmt.Sprint(r.Logins); got != "map[a:{3  [] [svc_h]} b:{2  [] [svc]}]" {
		t.Error(got)
	}
}

// The second of two submissions waits for the first, and then finds its login.
func TestRecordLock(t *testing.T) {
	home := t.TempDir()
	first, second := testRecord(home), testRecord(home)
	unlock, err := first.lock(context.Background(), "a", func() { t.Error("waits although nothing is locked") })
	if err != nil {
		t.Fatal(err)
	}
	other, err := second.lock(context.Background(), "b", func() { t.Error("waits for the lock of another login") })
	if err != nil {
		t.Fatal(err)
	}
	other()
	waits := make(chan struct{})
	found := make(chan int)
	go func() {
		unlock, err := second.lock(context.Background(), "a", func() { close(waits) })
		if err != nil {
			t.Error(err)
		}
		second.load()
		unlock()
		found <- len(second.Logins)
	}()
	<-waits
	if err := first.keep(context.Background(), "a", recorded{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	unlock()
	if n := <-found; n != 1 {
		t.Errorf("%d logins were found, want 1", n)
	}
	synctest.Test(t, func(t *testing.T) { // Ctrl-C while it waits
		unlock, err := first.lock(t.Context(), "a", func() {})
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := second.lock(ctx, "a", func() {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// Without a home directory nothing is recorded and nothing is locked.
func TestRecordWithoutHome(t *testing.T) {
	r := testRecord("")
	unlock, err := r.lock(context.Background(), "a", func() { t.Error("it waits") })
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := r.keep(context.Background(), "a", recorded{}); err == nil {
		t.Error("keep succeeded without a home directory")
	}
}
