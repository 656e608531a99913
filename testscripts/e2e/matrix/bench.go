//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// bench injects faults into runs of many users at a time.
type bench struct {
	settings
	mu    sync.Mutex // guards what follows
	log   io.Writer
	users []*user
	hung  int // processes that did not exit by themselves
}

func (b *bench) close() error {
	var err error
	for _, u := range b.users {
		err = errors.Join(err, u.close())
	}
	return err
}

// examineAll examines the operations. Those that mostly wait run at the same time as the
// others, which need the CPU.
func (b *bench) examineAll() ([]*report, error) {
	reports := make([]*report, len(operations))
	errs := make([]error, len(operations))
	var wg sync.WaitGroup
	for _, idle := range []bool{true, false} {
		wg.Go(func() {
			n := b.parallel
			if idle {
				n = b.idle
			}
			users, err := b.newUsers(n)
			if err != nil {
				errs[0] = err
				return
			}
			for i, op := range operations {
				if op.idle == idle {
					reports[i], errs[i] = b.examine(op, users)
				}
			}
		})
	}
	wg.Wait()
	return reports, errors.Join(errs...)
}

func (b *bench) newUsers(n int) ([]*user, error) {
	users := make([]*user, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			dir, err := os.MkdirTemp(b.work, "user")
			if err == nil {
				users[i], err = newUser(b.helper, dir)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range users {
		if u != nil {
			b.users = append(b.users, u)
		}
	}
	return users, errors.Join(errs...)
}

// examine injects all faults of one operation.
func (b *bench) examine(op *operation, users []*user) (*report, error) {
	r := &report{op: op}
	var again []*call
	var err error
	onThread(func() {
		if r.calls, err = record(op, users[0]); err == nil {
			again, err = record(op, users[len(users)-1])
		}
	})
	if err != nil {
		return nil, err
	}
	r.differences = differences(r.calls, again)
	r.lock, r.inside = section(r.calls)
	for _, c := range r.calls {
		b.note("%s: call %d: %s, answered %t, locked %q", op.name, c.seq, c.point, c.answered, c.held)
	}
	jobs := plan(op, r.calls, r.inside)
	jobs = slices.DeleteFunc(jobs, func(j job) bool { return !b.only.MatchString(j.String()) })
	r.rows = make([]*row, len(jobs))
	queue := make(chan int, len(jobs))
	for i := range jobs {
		queue <- i
	}
	close(queue)
	errs := make([]error, len(users))
	var wg sync.WaitGroup
	for n, u := range users {
		wg.Go(func() {
			onThread(func() {
				for i := range queue {
					if r.rows[i], errs[n] = b.do(jobs[i], u); errs[n] != nil {
						return
					}
				}
			})
		})
	}
	wg.Wait()
	return r, errors.Join(errs...)
}

// endless is the maximum number of processes that may hang. Each takes minutes, so that it is
// not useful to continue if the program hangs.
const endless = 5

func (b *bench) do(j job, u *user) (*row, error) {
	r, err := j.do(u)
	if err != nil {
		return nil, err
	}
	b.note("%s", r)
	if o := r.outcome; o.hung || j.action.twice != 0 && !o.ended {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.hung++; b.hung > endless {
			return nil, fmt.Errorf("%d processes did not exit; the last: %s", b.hung, r)
		}
	}
	return r, nil
}

func (b *bench) note(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = fmt.Fprintf(b.log, format+"\n", a...)
}

func (j job) String() string { return fmt.Sprintf("%s: %s at %s", j.op.name, j.fault, j.at) }

func (r *row) String() string {
	hit := "NOT HIT"
	if r.call != nil {
		hit = fmt.Sprintf("met call %d on %s, %d failed, %d signals arrived", r.call.seq, r.call.path, r.outcome.failed, r.outcome.signals)
	}
	if r.hit {
		hit = "hit, " + hit
	}
	return fmt.Sprintf("%s: %s: %s: %s %s", r.job, hit, r.outcome, r.verdict, r.why)
}
