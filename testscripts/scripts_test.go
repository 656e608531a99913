// Package testscripts runs the binaries as users do. Each script has its own test issuer,
// which uses HTTPS.
package testscripts

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"

	"example.org/token-helpers/shared/accesspoint"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/inspect"
	"example.org/token-helpers/shared/issuertest"
	"example.org/token-helpers/shared/token"
	"example.org/token-helpers/shared/xrootd"
)

func TestMain(m *testing.M) {
	parallel()
	condorHelper := func() {
		os.Exit(helper.Main(cli.System("condor-token-helper"), new(condor.Flags), accesspoint.Commands()...))
	}
	xrdHelper := func() { os.Exit(helper.Main(cli.System("xrd-token-helper"), new(xrootd.Flags))) }
	testscript.Main(m, map[string]func(){
		"condor-token-helper":         condorHelper,
		"kubectl-condor_token":        condorHelper,
		"git-credential-condor-token": condorHelper,
		"condor-token-storer":         condorHelper,
		"condor-token-credmon":        condorHelper,
		"xrd-token-helper":            xrdHelper,
		"kubectl-xrd_token":           xrdHelper,
		"git-credential-xrd-token":    xrdHelper,
		"jwt-inspect":                 func() { os.Exit(inspect.Main(cli.System("jwt-inspect"))) },
		"dialog":                      dialogMain,
		"htgettoken":                  htgettokenMain,
	})
}

// parallel sets -test.parallel to more than the number of processors, unless it is on the
// command line, because scripts mostly wait for the interval of a device flow.
func parallel() {
	testing.Init()
	isSet := slices.ContainsFunc(os.Args[1:], func(a string) bool { return strings.HasPrefix(a, "-test.parallel") })
	if !isSet {
		_ = flag.Set("test.parallel", "16")
	}
}

type serverKey struct{}

func TestHelpers(t *testing.T) { run(t, "helper") }

func TestInspect(t *testing.T) { run(t, "inspect") }

func run(t *testing.T, dir string) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			run := filepath.Join(env.WorkDir, "run")
			for _, d := range []string{home, run} {
				if err := os.Mkdir(d, 0o700); err != nil {
					return err
				}
			}
			pass := filepath.Join(env.WorkDir, "passphrase")
			if err := os.WriteFile(pass, []byte("open sesame\n"), 0o600); err != nil {
				return err
			}
			repo, err := filepath.Abs("..")
			if err != nil {
				return err
			}
			env.Setenv("REPO", repo)
			env.Setenv("HOME", home)
			// By default, the race detector sleeps for a second before a process exits,
			// and the scripts start many processes.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			// Reports show times in the local time zone.
			env.Setenv("TZ", "UTC")
			env.Setenv("XDG_RUNTIME_DIR", run)
			env.Setenv("TOKEN_HELPER_PASSPHRASE_FILE", pass)
			env.Setenv("TOKEN_HELPER_KEYRING", "file")
			env.Values[serverKey{}] = new(*issuertest.Server)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"issuer":   issuerCmd,
			"requests": requestsCmd,
			"down":     downCmd,
			"form":     formCmd,
			"exits":    exitsCmd,
			"claim":    claimCmd,
			"noleak":   noleakCmd,
			"mode":     modeCmd,
			"jwks":     jwksCmd,
			"jwt":      jwtCmd,
			"fill":     fillCmd,
			"hold":     holdCmd,
			"client":   clientCmd,
			"await":    awaitCmd,
		},
	})
}

func server(ts *testscript.TestScript) **issuertest.Server {
	return ts.Value(serverKey{}).(**issuertest.Server)
}

// issuerCmd implements these commands:
//
//	issuer [OPTION...]    start the script's issuer and configure the helpers to use it
//	issuer mode NAME      make the issuer fail in this way from now on
//	issuer reset          set the counts of requests to zero
//	issuer clients COUNT  fail unless this number of clients is registered
//	issuer approve        approve all pending logins
//	issuer deny           deny all pending logins
func issuerCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: issuer [OPTION...]")
	}
	s := server(ts)
	if len(args) > 0 && *s != nil {
		switch args[0] {
		case "mode":
			name := ""
			if len(args) > 1 {
				name = args[1]
			}
			ts.Check((*s).SetMode(name))
		case "reset":
			(*s).ResetRequests()
		case "approve", "deny":
			(*s).Decide(args[0] == "approve")
		case "clients":
			if n := (*s).Clients(); len(args) != 2 || args[1] != strconv.Itoa(n) {
				ts.Fatalf("%d clients are registered", n)
			}
		default:
			ts.Fatalf("the issuer is already running; unknown command: issuer %s", args[0])
		}
		return
	}
	opts := issuertest.Options{Interval: 1}
	approve := true
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "profile":
			opts.Profile = value
		case "rotate":
			opts.Rotate = true
		case "drop":
			opts.DropScopes = strings.Split(value, ",")
		case "scopes":
			opts.Scopes = strings.Split(value, ",")
		case "no-registration":
			opts.DenyRegistration = true
		case "grace":
			opts.Grace = true
		case "clock":
			d, err := time.ParseDuration(value)
			ts.Check(err)
			opts.Now = func() time.Time { return time.Now().Add(d) }
		case "refresh-lifetime":
			d, err := time.ParseDuration(value)
			ts.Check(err)
			opts.RefreshLifetime = d
		case "code-lifetime":
			d, err := time.ParseDuration(value)
			ts.Check(err)
			opts.DeviceLifetime = d
		case "nobody":
			approve = false
		default:
			ts.Fatalf("issuer: unknown option %q", a)
		}
	}
	srv, err := issuertest.Start(opts)
	ts.Check(err)
	ts.Defer(func() { _ = srv.Close() })
	srv.AutoApprove(approve)
	*s = srv
	ts.Setenv("ISSUER", srv.URL())
	ts.Setenv("CAFILE", srv.CAFile())
	ts.Setenv("TOKEN_HELPER_ISSUER", srv.URL())
	ts.Setenv("TOKEN_HELPER_CAFILE", srv.CAFile())
}

// requestsCmd implements requests NAME=COUNT..., which compares the issuer's counts of
// requests. The name total is their sum.
func requestsCmd(ts *testscript.TestScript, neg bool, args []string) {
	got := (*server(ts)).Requests()
	total := 0
	for name, n := range got {
		if !strings.Contains(name, ":") {
			total += n
		}
	}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		want, err := strconv.Atoi(value)
		ts.Check(err)
		n := got[name]
		if name == "total" {
			n = total
		}
		if (n == want) == neg {
			ts.Fatalf("the issuer counted %s=%d; all: %v", name, n, got)
		}
	}
}

// downCmd implements down, which stops the issuer.
func downCmd(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check((*server(ts)).Close())
}

// formCmd implements form NAME VALUE, which compares a field of the last request to the
// token endpoint. A field that was not sent is empty.
func formCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: form NAME VALUE")
	}
	got := strings.Join((*server(ts)).LastTokenRequest()[args[0]], ",")
	if (got == args[1]) == neg {
		ts.Fatalf("the form's %s is %q", args[0], got)
	}
}

// jwksCmd implements jwks FILE, which writes the issuer's JWK Set to FILE.
func jwksCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jwks FILE")
	}
	srv := *server(ts)
	resp, err := srv.Client().Get(srv.URL() + "jwk")
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// jwtCmd implements jwt FILE CLAIMS [HEADER], which writes a token with these JSON texts
// and three bytes instead of a signature.
func jwtCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jwt FILE CLAIMS [HEADER]")
	}
	header := `{"alg":"ES256","kid":"k1","typ":"JWT"}`
	if len(args) > 2 {
		header = args[2]
	}
	b64 := base64.RawURLEncoding.EncodeToString
	raw := b64([]byte(header)) + "." + b64([]byte(args[1])) + "." + b64([]byte("sig"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(raw+"\n"), 0o600))
}

// fillCmd implements fill FILE BYTES TEXT, which writes BYTES bytes of repeated TEXT.
// In TEXT, \xNN is a byte.
func fillCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: fill FILE BYTES TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(text, n/len(text)+1)[:n]), 0o600))
}

// holdCmd implements hold, which locks all logins below HOME, like a process that hangs.
func holdCmd(ts *testscript.TestScript, neg bool, args []string) {
	locks, err := filepath.Glob(ts.MkAbs("home/.local/state/token-helpers/issuer-*.lock"))
	ts.Check(err)
	if len(locks) == 0 {
		ts.Fatalf("there is no lock to hold")
	}
	for _, name := range locks {
		l := flock.New(name)
		ok, err := l.TryLock()
		ts.Check(err)
		if !ok {
			ts.Fatalf("%s is already locked", name)
		}
		ts.Defer(func() { _ = l.Unlock() })
	}
}

// clientCmd implements client FILE, which registers a client beforehand, and writes its
// secret to FILE and its ID to the variable CLIENT.
func clientCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: client FILE")
	}
	srv := *server(ts)
	body := `{"client_name":"by hand","grant_types":["refresh_token"],"token_endpoint_auth_method":"client_secret_basic","scope":"offline_access wlcg compute.read compute.create"}`
	resp, err := srv.Client().Post(srv.URL()+"iam/api/client-registration", "application/json", strings.NewReader(body))
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&c))
	ts.Setenv("CLIENT", c.ID)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(c.Secret+"\n"), 0o600))
}

// awaitCmd implements await FILE TEXT, which waits until FILE contains TEXT, written by
// another process.
func awaitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && bytes.Contains(b, []byte(args[1])) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s never contained %q", args[0], args[1])
		}
	}
}

// exitsCmd implements exits CODE COMMAND..., which runs a command that must exit with CODE.
// It writes stdout and stderr to the files out and err, and stderr with continuation lines
// joined to messages. If the command is dialog, messages contains the text on the terminal. A usage
// error must leave stdout empty.
func exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(ts.ReadFile("stdout")), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(ts.ReadFile("stderr")), 0o600))
	// Indented commands in hints, and wrapped lines on a terminal, are joined with the line before.
	messages, onTerminal := ts.ReadFile("stderr"), ""
	if args[1] == "dialog" && messages == "" {
		messages = ts.ReadFile("screen")
		onTerminal = messages
	}
	ts.Check(os.WriteFile(ts.MkAbs("messages"), []byte(lineBreak.ReplaceAllString(messages, " ")), 0o600))
	if code == "2" && ts.ReadFile("stdout") != "" {
		ts.Fatalf("a usage error printed to stdout: %s", ts.ReadFile("stdout"))
	}
	if code != args[0] {
		ts.Fatalf("exit %s, not %s\nstdout: %sstderr: %s", code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	for _, m := range terminalMessage.FindAllStringSubmatch(onTerminal, -1) {
		// URLs and commands are on separate lines, which are not wrapped.
		if text := m[1]; len(m[0]) > 80 && !strings.HasPrefix(text, "  ") && strings.Contains(strings.TrimSpace(text), " ") {
			ts.Fatalf("wider than 80 columns: %s", m[0])
		}
	}
}

// terminalMessage matches a line of a message on a terminal.
var terminalMessage = regexp.MustCompile(`[a-z]+-token-helper: ([^\r\n]*)`)

// lineBreak matches the break before a continuation line of a message.
var lineBreak = regexp.MustCompile(`\n[a-z-]+:   `)

// claimCmd implements claim FILE NAME VALUE, which compares a claim of the token in FILE.
// Lists are sorted and joined with spaces.
func claimCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: claim FILE NAME VALUE")
	}
	j, err := token.Decode([]byte(strings.TrimSpace(ts.ReadFile(args[0]))))
	ts.Check(err)
	var got string
	switch args[1] {
	case "aud":
		l, _ := j.Audiences()
		slices.Sort(l)
		got = strings.Join(l, " ")
	case "scope":
		l, _ := j.Scopes()
		slices.Sort(l)
		got = strings.Join(l, " ")
	default:
		var ok bool
		if got, ok = j.String(args[1]); !ok {
			got = string(j.Raw(args[1]))
		}
	}
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}

// modeCmd implements mode FILE OCTAL, which compares the permission bits of a file.
func modeCmd(ts *testscript.TestScript, neg bool, args []string) {
	fi, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", fi.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// noleakCmd implements noleak [FILE...], which searches all files below the work directory,
// except FILE..., for the secrets that the issuer has issued. Only the cache of access tokens
// may contain some. Files of the helpers must not be accessible to other users.
func noleakCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: noleak [FILE...]")
	}
	secrets := (*server(ts)).Secrets()
	if len(secrets) == 0 {
		ts.Fatalf("the issuer has issued no secrets, so there is nothing to search for")
	}
	allowed := map[string]bool{}
	for _, a := range args {
		allowed[ts.MkAbs(a)] = true
	}
	run := ts.MkAbs("run")
	work := filepath.Dir(run)
	ts.Check(filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		helpersFile := strings.Contains(path, "token-helpers")
		if fi, err := d.Info(); err == nil && helpersFile && fi.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s is accessible to other users: %s", path, fi.Mode())
		}
		if d.IsDir() || allowed[path] || strings.HasPrefix(path, filepath.Join(run, "token-helpers")) {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) {
				return fmt.Errorf("%s contains a secret of the issuer", path)
			}
		}
		return nil
	}))
}
