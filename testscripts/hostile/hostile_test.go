//go:build unix

// Package hostile runs condor-token-helper against an issuer with hostile responses to one
// kind of request. It checks that the login is kept, that no secret is revealed, and that the
// output contains no control characters or forged messages.
package hostile

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"example.org/token-helpers/shared/store"
)

// hostile is a response of an issuer to one kind of request, and the expected result.
type hostile struct {
	name   string
	answer answer
	// code are the expected exit codes; anyCode contains all documented ones.
	code codes
	// says is a text that stderr must contain or, if it begins with "!", must not contain.
	// It can contain the placeholders of answers.
	says string
	// first is how many requests get the answer; 0 means all of them.
	first int
	// short selects a short time limit, because the answer does not end.
	short bool
	// cert is a hostile certificate of the issuer, or nil; trusted is set if the user
	// trusts its CA.
	cert    *x509.Certificate
	trusted bool
	// args are arguments to use instead of those of the kind.
	args []string
	// lost says why the login may not work afterwards; if it is empty, it must work.
	lost string
}

// codes is a set of exit codes.
type codes []int

func exit(c ...int) codes { return c }

var anyCode = exit(0, 1, 2, 3, 4, 5, 6, 7, 8)

// TestHostileIssuer checks that, with any response of an issuer, a helper terminates without a
// panic and with a documented exit code, prints only its own lines and no secret, connects to
// no other host, and keeps the login.
func TestHostileIssuer(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts several hundred processes")
	}
	began := time.Now()
	bin, ca := build(t), newAuthority(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	type job struct {
		on  kind
		row hostile
	}
	// Most runs with a device flow wait for their next poll, or for a time limit.
	quick, waiting := make(chan job), make(chan job)
	count := map[kind]int{}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		longest time.Duration
		slowest string
	)
	for _, jobs := range []chan job{quick, quick, quick, waiting, waiting, waiting, waiting, waiting} {
		wg.Go(func() {
			for j := range jobs {
				name := string(j.on) + "/" + j.row.name
				t.Run(name, func(t *testing.T) {
					took := j.row.run(t, bin, ca, j.on)
					mu.Lock()
					defer mu.Unlock()
					if took > longest {
						longest, slowest = took, name
					}
				})
			}
		})
	}
	for _, jobs := range []chan job{quick, waiting} {
		wg.Go(func() {
			for _, table := range hostileAnswers {
				for _, row := range table.rows {
					if (jobs == waiting) == row.waits(table.on) {
						jobs <- job{table.on, row}
					}
				}
			}
			close(jobs)
		})
	}
	wg.Wait()
	for _, table := range hostileAnswers {
		count[table.on] += len(table.rows)
	}
	logins, tokens := count[discovery]+count[registration]+count[device], count[poll]+count[refresh]
	t.Logf("%d device, discovery and registration answers (%d, %d, %d), %d token answers (%d to first logins, %d to refreshes), %d revocation and deletion answers",
		logins, count[device], count[discovery], count[registration], tokens, count[poll], count[refresh], count[revocation]+count[deletion])
	t.Logf("the longest run took %v (%s), all of them %v", longest.Round(time.Millisecond), slowest, time.Since(began).Round(time.Millisecond))
	if logins < 60 || tokens < 60 {
		t.Error("there must be at least 60 of each")
	}
}

// waits reports whether a run of the row waits most of the time.
func (row hostile) waits(on kind) bool {
	return row.short || (on == device || on == registration) && slices.Contains(row.code, 0) || on == poll
}

// build builds condor-token-helper and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "condor-token-helper")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/condor-token-helper").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// victim is a user with a separate home directory, whose issuer is hostile.
type victim struct {
	t          *testing.T
	h          *hostileIssuer
	bin        string
	env        map[string]string
	passphrase string
}

func newVictim(t *testing.T, bin string, ca *authority, h *hostileIssuer) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{t: t, h: h, bin: bin, passphrase: "passphrase-" + rand.Text(), env: map[string]string{
		"HOME": filepath.Join(dir, "home"), "XDG_RUNTIME_DIR": filepath.Join(dir, "run"), "GOTRACEBACK": "all",
		"TOKEN_HELPER_PASSPHRASE_FILE": filepath.Join(dir, "passphrase"), "TOKEN_HELPER_KEYRING": "file",
		"TOKEN_HELPER_ISSUER": h.issuer(), "TOKEN_HELPER_CAFILE": ca.caFile,
		"HTTPS_PROXY": "http://" + h.elsewhere.address(), "HTTP_PROXY": "http://" + h.elsewhere.address(),
	}}
	for _, d := range []string{"HOME", "XDG_RUNTIME_DIR"} {
		if err := os.Mkdir(v.env[d], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, secret := range map[string]string{"passphrase": v.passphrase, "initial": h.initialToken} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v.env["TOKEN_HELPER_REGISTRATION_TOKEN_FILE"] = filepath.Join(dir, "initial")
	return v
}

// logIn saves a login, as a device flow would.
func (v *victim) logIn() {
	v.t.Helper()
	ctx, issuer := context.Background(), v.h.issuer()
	s := store.New(store.Options{
		LookupEnv: func(name string) (string, bool) { s, ok := v.env[name]; return s, ok },
		Now:       time.Now, Backend: "file",
	})
	must := func(err error) {
		v.t.Helper()
		if err != nil {
			v.t.Fatal(err)
		}
	}
	must(s.Unlock(ctx, issuer, ""))
	tx, err := s.Begin(ctx, issuer)
	must(err)
	defer tx.End()
	must(tx.Prepare(ctx, ""))
	must(tx.Save(ctx, &store.Login{
		Issuer: issuer, ClientID: v.h.clientID, ClientSecret: v.h.clientSecret, AuthMethod: "client_secret_basic", Registered: true,
		RegistrationURI: v.h.srv.URL + "/register/" + v.h.clientID, RegistrationToken: v.h.registrationToken,
		RegisteredScopes: strings.Fields(requested), Scopes: strings.Fields(requested), RefreshToken: v.h.old,
		Created: time.Now(), Refreshed: time.Now(),
	}))
	v.h.replace(v.h.old)
}

// ran is the result of a process.
type ran struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// tooLong is the time after which a process is considered hung. It is much longer than every
// time limit.
const tooLong = time.Minute

func (v *victim) run(args ...string) ran {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	cmd := exec.CommandContext(ctx, v.bin, args...)
	// Without a terminal, codes are shown on stderr.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for name, value := range v.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	began := time.Now()
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		v.t.Fatal(err)
	}
	if ctx.Err() != nil {
		v.t.Errorf("condor-token-helper %s: still running after %v", strings.Join(args, " "), tooLong)
	}
	r := ran{cmd.ProcessState.ExitCode(), out.String(), diag.String(), time.Since(began)}
	v.check(r, args)
	return r
}

func (row hostile) run(t *testing.T, bin string, ca *authority, on kind) time.Duration {
	served := ca
	if row.cert != nil {
		served = newAuthority(t, row.cert)
	}
	if row.trusted {
		ca = served
	}
	h := newHostileIssuer(t, served, on, row.answer)
	v := newVictim(t, bin, ca, h)
	warm := on != registration && on != device && on != poll && len(row.args) == 0
	if warm {
		v.logIn()
	}
	first := row.first
	if first == 0 {
		first = -1
	}
	var (
		r    ran
		args []string
	)
	for _, timeout := range row.timeouts(on) {
		h.answerFirst(first)
		args = row.command(on, warm, timeout)
		r = v.run(args...)
		if h.hostilities() > 0 && slices.Contains(row.code, r.code) {
			break
		}
	}
	if h.hostilities() == 0 && row.cert == nil {
		t.Error("the hostile answer was not requested")
	}
	if !slices.Contains(row.code, r.code) {
		t.Errorf("exit code %d, not one of %v", r.code, row.code)
	}
	says, no := strings.CutPrefix(row.says, "!")
	if (row.says != "") && strings.Contains(unwrapped(r.stderr), h.expand(says)) == no {
		t.Errorf("stderr has %q: %v", says, !no)
	}
	if r.code == 0 || r.code == 3 {
		// status shows what was saved of the answer.
		v.run("status")
	}
	h.answerFirst(0)
	if r.code == 0 && !warm && len(row.args) == 0 || on == discovery && warm && row.cert == nil || on == refresh || on == revocation && r.code != 0 {
		again := v.run("--ce", "ce.example.org", "--force-new", "--from", "login")
		if again.code != 0 && row.lost == "" {
			t.Errorf("the login is lost: exit code %d: %.500s", again.code, again.stderr)
		}
	}
	for _, c := range h.elsewhere.caught() {
		t.Errorf("the helper connected to another host: %.300q", c)
	}
	if t.Failed() {
		t.Logf("condor-token-helper %s: exit code %d in %v\nstdout: %.300q\nstderr: %.6000s", strings.Join(args, " "), r.code, r.took, r.stdout, r.stderr)
	}
	return r.took
}

// timeouts returns the time limits to try. If the answer does not end, the first limit is short.
// On a slow machine, another exchange may exceed it, so the second one is longer.
func (row hostile) timeouts(on kind) []string {
	switch {
	case !row.short:
		return []string{"30s"}
	case on == poll:
		return []string{"2s", "10s"}
	}
	return []string{"1s", "10s"}
}

// command returns the arguments of a run that gets the answer. warm is set if there is a login.
func (row hostile) command(on kind, warm bool, timeout string) []string {
	args := append(slices.Clone(row.args), "-v", "--timeout", timeout)
	switch {
	case len(row.args) > 0:
		return args
	case on == revocation || on == deletion:
		return append([]string{"logout"}, args...)
	case warm:
		return append(args, "--ce", "ce.example.org", "--from", "login")
	}
	return append(args, "--ce", "ce.example.org", "--from", "device")
}

// page matches the text that asks the user to approve a login.
var page = regexp.MustCompile(`to log in at [^\n]+ open\n\n    [^\n]+\n\nin any browser and (enter the code|check that it shows the code)\n\n    [^\n]+\n\n(\(or open [^\n]+ and enter the code\)\n\n)?`)

// forged matches a message that an answer tries to add. A continuation line of a wrapped
// message has more spaces before the text.
var forged = regexp.MustCompile(`(?m)^(condor-token-helper: )?(hint|error|note): (run )?EVIL`)

// check checks the result of a run for what must be true of every run.
func (v *victim) check(r ran, args []string) {
	t := v.t
	t.Helper()
	bad := func(format string, a ...any) {
		t.Helper()
		t.Errorf("condor-token-helper %s: "+format, append([]any{strings.Join(args, " ")}, a...)...)
	}
	if !slices.Contains(anyCode, r.code) {
		bad("exit code %d", r.code)
	}
	if strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic: ") {
		bad("panic: %.3000s", r.stderr)
	}
	if len(r.stderr) >= 4096 {
		bad("%d bytes on stderr", len(r.stderr))
	}
	for name, s := range map[string]string{"stderr": r.stderr, "stdout": r.stdout} {
		if !utf8.ValidString(s) {
			bad("%s is not UTF-8: %.300q", name, s)
		}
		if i := strings.IndexFunc(s, hidden); i >= 0 {
			bad("%s has the character %.1q after %.100q", name, s[i:], s[max(i-100, 0):i])
		}
		if m := forged.FindString(s); m != "" {
			bad("%s has a line that the issuer forged: %q", name, m)
		}
	}
	rest := page.ReplaceAllString(r.stderr, "")
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "condor-token-helper: ") || !strings.HasSuffix(line, "\n") {
			bad("stderr has the line %.300q", line)
		}
	}
	v.checkStdout(r, args, bad)
	for name, secret := range v.secrets() {
		for form, s := range forms(secret) {
			if strings.Contains(r.stderr, s) || strings.Contains(unwrapped(r.stderr), s) {
				bad("the %s (%s) is on stderr", name, form)
			}
		}
	}
	for _, access := range v.h.accessTokens() {
		if strings.Contains(r.stderr, access) {
			bad("an access token is on stderr")
		}
	}
}

// checkStdout checks that stdout contains what the command prints, and nothing else.
func (v *victim) checkStdout(r ran, args []string, bad func(string, ...any)) {
	switch {
	case slices.Contains(args, "json"):
		for line := range strings.Lines(r.stdout) {
			if !json.Valid([]byte(line)) {
				bad("stdout has the line %.300q", line)
			}
		}
	case slices.Contains(args, "status"):
		for line := range strings.Lines(r.stdout) {
			if !regexp.MustCompile(`^(login at |no logins|no cached tokens|cached token from |  )`).MatchString(line) {
				bad("stdout has the line %.300q", line)
			}
		}
	case r.code != 0 && r.code != 8:
		if r.stdout != "" {
			bad("exit code %d, and stdout has %.300q", r.code, r.stdout)
		}
	case slices.Contains(args, "logout"), slices.Contains(args, "login") && args[0] == "login":
		if r.stdout != "" {
			bad("stdout has %.300q", r.stdout)
		}
	case r.code == 0 || r.stdout != "":
		token, _ := strings.CutSuffix(r.stdout, "\n")
		if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			bad("stdout has no token: %.300q", r.stdout)
		} else if !v.h.issued(token) {
			bad("stdout has another token: %.300q", r.stdout)
		}
	}
}

// secrets returns the secrets that must not be printed, by name.
func (v *victim) secrets() map[string]string {
	h := v.h
	return map[string]string{
		"refresh token": h.old, "new refresh token": h.next, "client secret": h.clientSecret, "registration token": h.registrationToken,
		"initial access token": h.initialToken, "device code": h.deviceCode, "passphrase": v.passphrase,
		"client's credentials":         base64.StdEncoding.EncodeToString([]byte(h.clientID + ":" + h.clientSecret)),
		"client's encoded credentials": base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(h.clientID) + ":" + url.QueryEscape(h.clientSecret))),
	}
}

// forms returns the encodings in which a secret can be recognized, by name.
func forms(secret string) map[string]string {
	return map[string]string{
		"as it is": secret, "percent-encoded": url.QueryEscape(secret), "percent-encoded as in a path": url.PathEscape(secret),
		"percent-encoded in lower case": lowerHex(secret), "escaped for HTML": html.EscapeString(secret),
	}
}

// unwrapped joins the lines of a message that was wrapped.
func unwrapped(s string) string { return strings.ReplaceAll(s, "\ncondor-token-helper:   ", " ") }

// hidden reports whether a terminal may interpret a character instead of showing it.
func hidden(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 || r == 0xfeff
}
