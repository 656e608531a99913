//go:build linux

package credd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"example.org/token-helpers/shared/cli"
)

const (
	// Without a SIGHUP, the credential directory is scanned every soonScan. The interval is
	// extended up to lastScan if scans take longer than a fiftieth of it. condor_credd does
	// not send SIGHUP if a credential that has a token is replaced (measured on 25.14.1).
	soonScan, lastScan = 5 * time.Second, time.Minute
	// leastPause is the minimum time between two scans. However often SIGHUP arrives, scans
	// take at most a fifth of the time.
	leastPause = 100 * time.Millisecond
	// pidName and completeName are files that HTCondor reads.
	pidName, completeName = "pid", "CREDMON_COMPLETE"
)

// Run scans and renews until SIGTERM or SIGINT arrives. It finishes exchanges that are in
// progress then. SIGHUP makes it scan at once.
func (m *Monitor) Run(ctx context.Context) error {
	defer cli.OwnSignals()()
	// This precedes the writing of the process ID, because an early SIGHUP would kill the process.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	if err := m.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.s.Log.Info("", "", "started, watching %s", m.s.Dir)
	host, _ := os.Hostname()
	r := &loop{m: m, host: host}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				m.s.Log.Info("", "", "stopping: %s", s)
				cancel()
				m.Wait()
				return m.dir.remove(pidName)
			}
			r.wanted = true
		case res := <-m.done:
			m.Finish(res)
		case <-timer.C:
		}
		timer.Reset(r.step(ctx))
	}
}

// begin writes the process ID for HTCondor. It returns an error if another credmon runs.
func (m *Monitor) begin() error {
	if err := syscall.Flock(int(m.dir.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another credmon watches %s", m.s.Dir)
	}
	if err := m.dir.remove(completeName); err != nil {
		return err
	}
	return m.dir.publish(pidName, []byte(strconv.Itoa(os.Getpid())+"\n"))
}

// loop is the state of [Monitor.Run].
type loop struct {
	m    *Monitor
	host string
	// wanted means that a scan was requested, and incomplete that the work that the last
	// scan found is not finished.
	wanted, incomplete bool
	scanned            time.Time
	// pause is the minimum time between two scans, and rescan the time without a SIGHUP.
	pause, rescan time.Duration
	problem       string
}

// step scans if a scan is due, starts the work that is due, and returns how long to wait for
// the next event.
func (r *loop) step(ctx context.Context) time.Duration {
	m := r.m
	start, since := time.Now(), time.Since(r.scanned)
	scans := r.scanned.IsZero() || since >= r.rescan || r.wanted && since >= r.pause
	if scans {
		r.complete() // at the latest now: an issuer that hangs must not delay other users
		r.wanted = false
		r.report(m.Scan())
		r.scanned = time.Now()
		r.incomplete = true
	}
	next := m.Dispatch(ctx)
	if scans {
		took := time.Since(start)
		r.pause, r.rescan = max(leastPause, 4*took), min(max(soonScan, 50*took), lastScan)
	}
	if m.active == 0 {
		r.complete()
	}
	wait := r.rescan - time.Since(r.scanned)
	if r.wanted {
		wait = r.pause - time.Since(r.scanned)
	}
	if !next.IsZero() {
		wait = min(wait, next.Sub(m.s.Now()))
	}
	return max(wait, time.Millisecond)
}

// complete tells HTCondor that the credentials that the last scan found were processed.
func (r *loop) complete() {
	if !r.incomplete {
		return
	}
	r.incomplete = false
	err := r.m.dir.publish(completeName, nil)
	if err == nil {
		err = r.m.WriteMetrics(r.host)
	}
	r.report(err)
}

// report logs a problem of the loop once.
func (r *loop) report(err error) {
	if problem := message(err); problem != r.problem {
		r.problem = problem
		if err != nil {
			r.m.s.Log.Error("", "", "%s", err)
		}
	}
}
