package helper

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// watch keeps the files of the tokens fresh until a signal arrives. The files remain.
func (a *app) watch(ctx context.Context, g *getCmd, all []*item) error {
	notifier := fresh.NewNotifier(a.env.Getenv)
	tokens := make([]token.Token, len(all))
	put := func(it *item) func(token.Token) error {
		return func(t token.Token) error { return a.write(t, g.Output, it.file) }
	}
	for i, it := range all {
		t, err := a.obtainToKeep(ctx, it, all)
		if err != nil {
			return err
		}
		if i == len(all)-1 {
			// Warn before the last file is written, because a process that waits for it
			// may then end the watch.
			a.warnIfTooShort(g, all)
		}
		if err := put(it)(t); err != nil {
			return err
		}
		tokens[i] = t
	}

	signals, release := cli.OwnEndings()
	defer release()
	k := a.keep(ctx, all, tokens, put, notifier)
	first := <-signals
	notifier.Send("STOPPING=1", "STATUS=finishing the current exchange")
	k.stop(signals, time.Now())
	return &commandStatus{signal: first}
}

// keeping is the state of the renewals in a run.
type keeping struct {
	a      *app
	cancel context.CancelFunc
	done   chan struct{} // closed when no renewal runs any more

	mu       sync.Mutex // guards the fields below
	items    []*item
	tokens   []token.Token
	problems []string // why the token of the same index could not be renewed, else ""
}

// keep keeps the tokens fresh until [keeping.stop] is called. tokens are the current
// ones. put returns the function that writes a new token of an item.
func (a *app) keep(ctx context.Context, all []*item, tokens []token.Token, put func(*item) func(token.Token) error, notifier fresh.Notifier) *keeping {
	for _, it := range all {
		it.w.unattended.Store(true)
	}
	ctx, cancel := context.WithCancel(ctx)
	k := &keeping{a: a, cancel: cancel, done: make(chan struct{}), items: all, tokens: tokens, problems: make([]string, len(all))}
	notifier.Send("READY=1", "STATUS="+k.status())
	var running sync.WaitGroup
	for i, it := range all {
		keeper := &fresh.Keeper{
			Get: it.renewed, Put: put(it), Now: a.env.Now,
			Report: func(e fresh.Event) {
				k.report(i, e)
				notifier.Send("STATUS=" + k.status())
			},
		}
		current := tokens[i]
		running.Go(func() { keeper.Run(ctx, current) })
	}
	go func() {
		running.Wait()
		close(k.done)
	}()
	return k
}

// stop ends the renewals. It waits for those in progress, so that no login is lost, or
// until another signal arrives than the one that ended the work at the time ended.
func (k *keeping) stop(signals <-chan os.Signal, ended time.Time) {
	k.cancel()
	for {
		select {
		case <-k.done:
			return
		case s := <-signals:
			if (s == os.Interrupt || s == syscall.SIGTERM || s == syscall.SIGHUP) && !cli.SameSignal(ended) {
				return
			}
		}
	}
}

// report prints what happened to the token of item i.
func (k *keeping) report(i int, e fresh.Event) {
	it, env := k.items[i], k.a.env
	k.mu.Lock()
	k.tokens[i] = e.Token
	switch e.Kind {
	case fresh.Renewed, fresh.Recovered, fresh.Damaged:
		k.problems[i] = ""
	default:
		k.problems[i] = e.Err.Error()
	}
	k.mu.Unlock()
	until := e.Token.Expires.Local().Format("15:04:05 on 2 January")
	switch e.Kind {
	case fresh.Renewed:
		it.w.sources.Verbose("the token%s was replaced; the new one expires at %s", it.label(), until)
	case fresh.Recovered:
		it.w.note("note: the token%s was renewed", it.label())
	case fresh.Damaged:
		_ = env.Report(e.Err)
	case fresh.Failed:
		left := "it expires in " + text.Duration(e.Left)
		if e.Left <= 0 {
			left = "it has expired"
		}
		if e.Token.Expires.IsZero() {
			left = "its expiry is unknown"
		}
		env.Say("warning: could not renew the token%s, and will keep trying (%s): %s", it.label(), left, e.Err)
		for _, h := range cli.Explain(e.Err).Hints() {
			env.Say("hint: %s", h)
		}
	case fresh.Expired:
		env.Say("warning: the token%s has expired, and could not be renewed: %s", it.label(), e.Err)
	}
}

// status returns the state of all tokens in one line.
func (k *keeping) status() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for i, t := range k.tokens {
		s := fmt.Sprintf("token%s valid until %s", k.items[i].label(), t.Expires.UTC().Format("2006-01-02 15:04:05 UTC"))
		if t.Expires.IsZero() {
			s = fmt.Sprintf("token%s without an expiry", k.items[i].label())
		}
		if p := k.problems[i]; p != "" {
			s += ", renewal failed: " + text.Brief(p, 200)
		}
		out = append(out, text.OneLine(text.Printable(s)))
	}
	return strings.Join(out, "; ")
}
