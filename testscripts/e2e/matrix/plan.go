//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// extent is which later calls fail, too.
type extent int

const (
	once      extent = iota // none
	sameCalls               // all later calls with the same operation on the same file
	allWrites               // all later calls that write to the store
)

// fault is what is done to a process at one of its calls.
type fault struct {
	class  string // the row of the table
	errno  syscall.Errno
	extent extent
	action action
	// ignored means that the signal is ignored when the process starts, as with nohup.
	ignored bool
}

func failure(errno syscall.Errno, e extent) fault {
	class := [...]string{"error, once", "error, from then on", "disk full or broken"}[e]
	return fault{class: class, errno: errno, extent: e, action: action{fail: errno}}
}

func signalled(s syscall.Signal) fault {
	return fault{class: unix.SignalName(s), action: action{signal: s, hangUp: s == unix.SIGPIPE}}
}

// ignoredSignal is a hang-up of a process that was started with nohup.
var ignoredSignal = fault{class: "SIGHUP, ignored", action: action{signal: unix.SIGHUP}, ignored: true}

var (
	killed     = fault{class: "SIGKILL", action: action{kill: true}}
	interrupts = []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE}
)

func signalledTwice(s syscall.Signal) fault {
	return fault{class: unix.SignalName(s) + ", twice", action: action{twice: s}}
}

func (a fault) String() string {
	switch {
	case a.errno == 0:
		return a.class
	case a.extent == once:
		return unix.ErrnoName(a.errno)
	case a.extent == sameCalls:
		return unix.ErrnoName(a.errno) + " from then on"
	}
	return unix.ErrnoName(a.errno) + " of every write from then on"
}

// failsForGood reports whether the store or the network fails permanently.
func (a fault) failsForGood(p point) bool {
	return a.errno != 0 && (a.extent != once || p.role == wire)
}

// job is one fault at one point of an operation.
type job struct {
	op *operation
	at point
	fault
}

// plan returns the faults for an operation. calls are those of a run without a fault, and
// inside those made while the login is locked.
func plan(op *operation, calls []*call, inside map[point]bool) []job {
	var jobs []job
	for _, c := range calls {
		add := func(a fault) { jobs = append(jobs, job{op, c.point, a}) }
		fails := c.failures()
		if !op.thorough {
			fails = fails[:min(1, len(fails))]
		}
		for _, errno := range fails {
			add(failure(errno, once))
			if op.thorough && c.role != wire {
				add(failure(errno, sameCalls))
			}
		}
		if op.thorough && c.changesStore() {
			add(failure(unix.ENOSPC, allWrites))
			add(failure(unix.EIO, allWrites))
		}
		for _, s := range interrupts {
			// Outside the lock one kind of signal is sufficient.
			if op.thorough || inside[c.point] || s == interrupts[0] {
				add(signalled(s))
			}
		}
		if op.thorough {
			add(signalledTwice(interrupts[0]))
			add(killed)
			if inside[c.point] && c.changesStore() {
				add(ignoredSignal)
			}
		}
	}
	return jobs
}

// row is the result of a job.
type row struct {
	job
	hit     bool
	call    *call // the call that was hit
	outcome *outcome
	verdict verdict
	why     string
}

// attempts is how often a job is tried until its point is reached. Threads are scheduled
// freely, so a call of one run may not exist in another.
const attempts = 5

// do runs the job with the user.
func (j job) do(u *user) (*row, error) {
	var r *row
	for range attempts {
		if err := u.reset(); err != nil {
			return nil, err
		}
		r = &row{job: j}
		var err error
		r.outcome, err = u.traced(j.argv(u.helper), r.meet)
		if err != nil {
			return nil, fmt.Errorf("%s, %s at %s: %w", j.op.name, j.fault, j.at, err)
		}
		if r.hit = r.reached(); r.hit {
			break
		}
	}
	r.verdict, r.why = j.op.judge(u, r)
	return r, nil
}

// argv returns the command line to run. For hangUp it has -v, because a process notices a
// closed pipe only when it writes.
func (j job) argv(helper string) []string {
	argv := append([]string{helper}, j.op.args...)
	if j.action.hangUp {
		argv = append(argv, "-v")
	}
	if j.ignored {
		argv = append([]string{"/bin/sh", "-c", `trap "" HUP; exec "$0" "$@"`}, argv...)
	}
	return argv
}

// meet returns the action at a call.
func (r *row) meet(c *call) action {
	switch {
	case r.call == nil && c.point == r.at:
		r.call = c
		return r.action
	case r.call == nil:
	case r.extent == sameCalls && c.op == r.at.op && c.role == r.at.role,
		r.extent == allWrites && c.changesStore():
		return action{fail: r.errno}
	}
	return action{}
}

// reached reports whether the fault happened, according to the kernel.
func (r *row) reached() bool {
	switch o := r.outcome; {
	case r.call == nil:
		return false
	case r.action.fail != 0:
		return o.failed > 0
	case r.action.kill:
		return o.signal == unix.SIGKILL && !o.hung
	case r.action.twice != 0:
		return o.signals > 0 && o.sends <= 2 || !o.ended
	default:
		return o.signals > 0
	}
}

func (p point) String() string { return fmt.Sprintf("%s %s #%d", p.op, p.role, p.n) }

// record returns the calls of an operation without a fault.
func record(op *operation, u *user) ([]*call, error) {
	if err := u.reset(); err != nil {
		return nil, err
	}
	var calls []*call
	o, err := u.traced(append([]string{u.helper}, op.args...), func(c *call) action {
		calls = append(calls, c)
		return action{}
	})
	if err != nil {
		return nil, err
	}
	if o.exit != 0 {
		return nil, fmt.Errorf("%s without a fault: %s\n%s", op.name, o, o.stderr)
	}
	// A connection has only one point, the answer: the number of packets varies.
	calls = slices.DeleteFunc(calls, func(c *call) bool { return c.role == wire && c.n > 1 })
	r := &row{job: job{op: op}, outcome: o}
	if v, why := op.judge(u, r); v != kept {
		return nil, fmt.Errorf("%s without a fault: %s", op.name, why)
	}
	return calls, nil
}

// differences returns the points that only one of two runs has.
func differences(a, b []*call) []string {
	points := func(calls []*call) map[point]bool {
		m := map[point]bool{}
		for _, c := range calls {
			m[c.point] = true
		}
		return m
	}
	pa, pb := points(a), points(b)
	var out []string
	for p := range pa {
		if !pb[p] {
			out = append(out, "only the first has "+p.String())
		}
	}
	for p := range pb {
		if !pa[p] {
			out = append(out, "only the second has "+p.String())
		}
	}
	slices.Sort(out)
	return out
}

// section returns the login's lock and the points at which it is held. The login's lock is the
// first of the locks that the process holds when the issuer answers. A logout gets no such
// answer; there it is the lock that is held for the most calls.
func section(calls []*call) (lock string, inside map[point]bool) {
	counts := map[string]int{}
	for _, c := range calls {
		if c.answered && len(c.held) > 0 {
			lock = c.held[0]
			break
		}
		for _, l := range c.held {
			counts[l]++
		}
	}
	if lock == "" {
		for l, n := range counts {
			if n > counts[lock] {
				lock = l
			}
		}
	}
	inside = map[point]bool{}
	for _, c := range calls {
		if slices.Contains(c.held, lock) {
			inside[c.point] = true
		}
	}
	return lock, inside
}
