//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// verdict is the verdict on a login after a run.
type verdict int

const (
	kept     verdict = iota // the next run gets a token from it
	reported                // it is lost, and the program reported the loss
	lost                    // it is lost, and the program did not report the loss
	wrong                   // the login is kept, but the program did something else wrong
	verdicts                // the number of verdicts
)

func (v verdict) String() string {
	return [...]string{"kept", "reported", "LOST", "WRONG"}[v]
}

// operation is a command that changes a login.
type operation struct {
	name   string
	args   []string
	prints bool // it prints a token
	// thorough adds persistent errors, SIGKILL, a second signal, and all signals outside the
	// lock.
	thorough bool
	// idle means that a run mostly waits, so that many can run at a time.
	idle  bool
	judge func(*user, *row) (verdict, string)
}

// operations are the tested operations, in this order.
var operations = []*operation{
	{
		name: "refresh", args: []string{"--force-new", "--no-prompt", "--ce", "ce.example.org"},
		prints: true, thorough: true, judge: judgeRefresh,
	},
	{name: "login", args: []string{"login"}, idle: true, judge: judgeLogin},
	{name: "logout", args: []string{"logout"}, judge: judgeLogout},
}

// program is the prefix of messages.
const program = "condor-token-helper"

const (
	exitNeedLogin   = 3
	exitNetwork     = 5
	exitTimedOut    = 7
	exitStoreFailed = 8
)

var (
	lossMessage = regexp.MustCompile(`(?i)\blogin\b[^;]*\blost\b|\blost\b[^;]*\blogin\b`)
	maybe       = regexp.MustCompile(`(?i)\b(may|might|could) (be|have been) lost\b`)
)

// saysLost reports whether stderr says that the login is lost.
func saysLost(o *outcome) bool {
	message, _, _ := strings.Cut(stderrLine(o), " hint: ")
	return lossMessage.MatchString(message)
}

// saysMaybeLost reports whether stderr says that the login may be lost. That is correct if it
// is unknown whether the login was saved.
func saysMaybeLost(o *outcome) bool { return saysLost(o) && maybe.MatchString(stderrLine(o)) }

// stderrLine returns stderr as one line, without the program's name at the beginning of lines.
func stderrLine(o *outcome) string {
	var words []string
	for line := range strings.Lines(o.stderr) {
		words = append(words, strings.Fields(strings.TrimPrefix(line, program+":"))...)
	}
	return strings.Join(words, " ")
}

// perUser matches what differs between users: the issuer's port and the home directory.
var perUser = regexp.MustCompile(`(localhost):[0-9]+|/\S*/(user)[0-9]+`)

// quote shortens stderr for the report.
func quote(o *outcome) string {
	const most = 160
	s := perUser.ReplaceAllString(stderrLine(o), "$1$2")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

// works reports whether a run without a fault gets a token from the login, and with which
// refresh token.
func works(u *user) (ok bool, refresh string, o *outcome) {
	for range 2 {
		o = u.plain("--from", "login", "--force-new", "--no-prompt", "--ce", "after.example.org")
		if o.exit != exitNetwork && o.exit != exitTimedOut {
			break // try again only if the machine may be too busy
		}
	}
	return o.exit == 0 && u.isToken(o.stdout), u.srv.LastTokenRequest().Get("refresh_token"), o
}

func judgeRefresh(u *user, r *row) (verdict, string) {
	o := r.outcome
	current := u.newest()
	printed := u.isToken(o.stdout)
	ok, used, after := works(u)
	if ok && used != current {
		return wrong, "a refresh token worked that the issuer had replaced"
	}
	if !ok {
		return judgeLoss(r, printed, after)
	}
	return judgeOutput(r, printed)
}

// judgeLoss judges a run after which the login is gone.
func judgeLoss(r *row, printed bool, after *outcome) (verdict, string) {
	o := r.outcome
	var lacks []string
	if !saysLost(o) {
		lacks = append(lacks, "stderr does not say so")
	}
	if r.at.role == wire || !r.op.prints {
		// There is no token to print.
		if o.exit <= 0 {
			lacks = append(lacks, o.String())
		}
	} else {
		if o.exit != exitStoreFailed {
			lacks = append(lacks, o.String())
		}
		if !printed {
			lacks = append(lacks, "no token on stdout")
		}
	}
	if !r.failsForGood(r.at) {
		lacks = append(lacks, "nothing failed for good")
	}
	if len(lacks) > 0 {
		return lost, fmt.Sprintf("%s; then: %s", strings.Join(lacks, ", "), quote(after))
	}
	return reported, quote(o)
}

// judgeOutput judges the output of a run after which the login works.
func judgeOutput(r *row, printed bool) (verdict, string) {
	o := r.outcome
	switch {
	case misleads(r) != "":
		return wrong, misleads(r)
	case r.action.hangUp:
	case o.exit == 0 && !printed:
		return wrong, "exit 0 without a token"
	case o.exit == exitStoreFailed && printed && saysMaybeLost(o) && r.failsForGood(r.at):
	case o.exit > 0 && o.stdout != "":
		return wrong, o.String() + " with something on stdout"
	}
	return kept, ""
}

// misleads returns what is misleading in the result of a run after which the login works, or "".
func misleads(r *row) string {
	switch o := r.outcome; {
	case o.hung:
		return "did not exit"
	case r.action.twice != 0 && !o.ended:
		return "a second signal does not end it"
	case r.ignored && o.exit != 0:
		return "a signal that is ignored at the start ends it"
	case saysLost(o) && !saysMaybeLost(o):
		return "says that the login is lost, but it works"
	case o.exit == exitNeedLogin:
		return "asks for a login, but the login works: " + quote(o)
	case strings.Contains(stderrLine(o), "wrong passphrase"):
		return "says that the passphrase is wrong, but it is right: " + quote(o)
	}
	return ""
}

func judgeLogin(u *user, r *row) (verdict, string) {
	o := r.outcome
	current := u.newest()
	ok, used, after := works(u)
	switch {
	case !ok:
		return judgeLoss(r, false, after)
	case misleads(r) != "":
		return wrong, misleads(r)
	case o.exit == 0 && used != current:
		return lost, "exit 0, but the login is the one from before"
	case o.exit == 0 && used == u.login:
		return wrong, "exit 0 without a new login"
	case o.stdout != "":
		return wrong, "something on stdout"
	}
	return kept, ""
}

// judgeLogout requires that a failed logout can be repeated, and that after a successful one
// the login is revoked and removed.
func judgeLogout(u *user, r *row) (verdict, string) {
	o := r.outcome
	if what := misleads(r); what != "" {
		return wrong, what
	}
	if o.exit == 0 && u.srv.Accepts(u.login) {
		return wrong, "exit 0, but the issuer still accepts the login"
	}
	if ok, _, _ := works(u); ok && o.exit == 0 {
		return wrong, "exit 0, but the login still works"
	}
	if again := u.plain("logout"); again.exit != 0 {
		return wrong, fmt.Sprintf("the next logout fails with %s: %s", again, quote(again))
	}
	if u.srv.Accepts(u.newest()) {
		return wrong, "the next logout left the login at the issuer"
	}
	if ok, _, after := works(u); ok || after.exit != exitNeedLogin {
		return wrong, fmt.Sprintf("after the next logout: %s: %s", after, quote(after))
	}
	return kept, ""
}

// lossAllowed reports whether a program cannot prevent or report the loss of a login by this
// fault.
func lossAllowed(a fault) bool { return a.action.kill || a.action.twice != 0 }
