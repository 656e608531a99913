//go:build linux

package credd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

// If the issuer is down for the time in TEST_SOAK, no login is lost, and neither memory nor
// descriptors grow. Run it with make soak.
func TestSoakOutage(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("TEST_SOAK"))
	if err != nil {
		t.Skip("TEST_SOAK is not set")
	}
	const users, handles = 20, 5
	p := newPoint(t, issuertest.Options{Rotate: true, AccessLifetime: 20 * time.Second})
	p.many(users, handles)
	p.clock.t = time.Now()
	cmd := p.child()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	// The issuer's clock must advance.
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.clock.add(time.Second)
			case <-stop:
				return
			}
		}
	}()
	served := func(since int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Minute); p.refreshes() < since+users*handles; {
			if time.Now().After(end) {
				t.Fatalf("%d requests\n%s", p.refreshes()-since, p.logged())
			}
			<-time.After(time.Second)
		}
	}
	served(0)
	served(p.refreshes())
	fds, kB := usage(t, cmd.Process.Pid)
	if err := p.srv.SetMode("server-error"); err != nil {
		t.Fatal(err)
	}
	before := p.refreshes()
	<-time.After(span)
	t.Logf("%d requests in %s without an answer", p.refreshes()-before, span)
	if err := p.srv.SetMode(""); err != nil {
		t.Fatal(err)
	}
	served(p.refreshes())
	served(p.refreshes())
	fdsAfter, kBAfter := usage(t, cmd.Process.Pid)
	t.Logf("descriptors %d, then %d; memory %d kB, then %d kB", fds, fdsAfter, kB, kBAfter)
	if fdsAfter > fds+2*atOnce || kBAfter > 2*kB {
		t.Error("memory or descriptors grew")
	}
	if strings.Contains(p.logged(), "log in again") {
		t.Errorf("a login was lost\n%s", p.logged())
	}
}

// usage returns the number of open descriptors and the resident memory of a process in kB.
func usage(t *testing.T, pid int) (fds, kB int) {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err = strconv.Atoi(strings.Fields(v)[0])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(names), kB
}
