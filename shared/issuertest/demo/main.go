// Command demo runs the test issuer:
//
//	demo demo     demonstrates the helpers with it, and leaves nothing behind
//	demo issuer   keeps one running, and prints how to use it
//	demo serve    serves one on a fixed address, for end-to-end tests
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"example.org/token-helpers/shared/issuertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command given: use demo, issuer or serve")
	}
	switch args[0] {
	case "demo":
		return demo(ctx)
	case "issuer":
		return keep(ctx)
	case "serve":
		return serve(ctx, args[1:])
	}
	return fmt.Errorf("unknown command %q: use demo, issuer or serve", args[0])
}

func serve(ctx context.Context, args []string) error {
	var opts issuertest.Options
	var approve bool
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&opts.Addr, "addr", "127.0.0.1:0", "where to listen")
	flags.StringVar(&opts.Dir, "dir", "", "directory for the CA and the keys")
	flags.StringVar(&opts.Profile, "profile", "wlcg", "wlcg or scitokens")
	flags.StringVar(&opts.Subject, "subject", "", "the sub claim")
	flags.BoolVar(&opts.NoTrailingSlash, "no-trailing-slash", false, "omit the issuer's trailing slash")
	flags.BoolVar(&opts.Rotate, "rotate", false, "rotate refresh tokens")
	flags.BoolVar(&opts.MoreKeys, "more-keys", false, "publish keys of other kinds too")
	flags.IntVar(&opts.Interval, "interval", 0, "polling interval in seconds")
	flags.BoolVar(&approve, "auto-approve", false, "approve each login like a user")
	if err := flags.Parse(args); err != nil {
		return err
	}
	srv, err := issuertest.Start(opts)
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	srv.AutoApprove(approve)
	fmt.Println("ready", srv.URL())
	<-ctx.Done()
	return nil
}

func keep(ctx context.Context) error {
	srv, err := issuertest.Start(issuertest.Options{Interval: 1})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	fmt.Printf(`A test issuer runs at %s until you press Ctrl-C. In another terminal, run:

  make build
  export PATH=$PWD/bin:$PATH
  export TOKEN_HELPER_ISSUER=%s
  export TOKEN_HELPER_CAFILE=%s

  condor-token-helper --ce ce.example.org:9619 > token
  jwt-inspect -o text < token
  xrd-token-helper --write
  condor-token-helper logout

Your browser will warn about the certificate: the test issuer has its own CA.
`, srv.URL(), srv.URL(), srv.CAFile())
	<-ctx.Done()
	return nil
}

// session runs commands in a scratch home against an issuer, and shows them.
type session struct {
	ctx    context.Context
	srv    *issuertest.Server
	dir    string
	env    []string
	before map[string]int
}

func demo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "token-helpers-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, d := range []string{"home", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	pass := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(pass, []byte(rand.Text()), 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "bin")+string(filepath.Separator), "./cmd/...")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the helpers: %w", err)
	}
	srv, err := issuertest.Start(issuertest.Options{Interval: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	s := &session{ctx: ctx, srv: srv, dir: dir, env: []string{
		"PATH=" + filepath.Join(dir, "bin") + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"HOME=" + filepath.Join(dir, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"TOKEN_HELPER_PASSPHRASE_FILE=" + pass, "TOKEN_HELPER_KEYRING=file",
		"TOKEN_HELPER_ISSUER=" + srv.URL(), "TOKEN_HELPER_CAFILE=" + srv.CAFile(),
		"NO_COLOR=1",
	}}
	fmt.Printf("A test issuer runs at %s. Your own logins and files are not touched.\n", srv.URL())
	steps := []struct {
		say, command string
		want         map[string]int
	}{
		{"The first run logs in. The demo approves the login over HTTP, as you would in a browser.",
			"condor-token-helper --from cache --from device --ce ce.example.org:9619 > token",
			map[string]int{"discovery": 1, "registration": 1, "device": 1}},
		{"The contents of the token:", "jwt-inspect -o text < token", nil},
		{"Why another compute element refuses it:", "jwt-inspect --ce other.example.org < token > claims || test $? = 1", map[string]int{}},
		{"The second run uses the cached token and sends no request.",
			"condor-token-helper --ce ce.example.org:9619 > token", map[string]int{}},
		{"The same client is used for storage. A new login adds the scopes and replaces the old one.",
			"xrd-token-helper --from login --from device --write --server root://x.example.org > storage-token",
			map[string]int{"device": 1, "revocation": 1}},
		{"From now on each new token needs one request.",
			"xrd-token-helper --server root://x.example.org > storage-token", map[string]int{"token": 1}},
		{"What is stored:", "condor-token-helper status", map[string]int{}},
		{"Logout revokes the login and deletes the client.", "condor-token-helper logout", map[string]int{"revocation": 1, "client": 1}},
	}
	for _, st := range steps {
		fmt.Printf("\n# %s\n$ %s\n", st.say, st.command)
		if err := s.run(st.command); err != nil {
			return fmt.Errorf("%s: %w", st.command, err)
		}
		if st.want != nil {
			if err := s.counted(st.want); err != nil {
				return fmt.Errorf("%s: %w", st.command, err)
			}
		}
	}
	fmt.Println("\nDone. Everything that the demo created is deleted.")
	return nil
}

// counted compares the number of requests since its last call. Polling (token) depends on
// the time of the approval, so it is compared only if want names it or is empty.
func (s *session) counted(want map[string]int) error {
	got := s.srv.Requests()
	for _, name := range []string{"discovery", "registration", "client", "device", "revocation", "token"} {
		n := got[name] - s.before[name]
		if _, named := want[name]; name == "token" && !named && len(want) > 0 {
			continue
		}
		if n != want[name] {
			return fmt.Errorf("the issuer counted %d requests for %s, not %d", n, name, want[name])
		}
	}
	s.before = got
	return nil
}

var (
	address  = regexp.MustCompile(`^\s+(https://\S+/device)(\?\S*)?$`)
	userCode = regexp.MustCompile(`^\s+([A-Z]{4}-[A-Z]{4})$`)
)

// run runs a shell command, shows its output, and approves its login, if there is one.
func (s *session) run(command string) error {
	cmd := exec.CommandContext(s.ctx, "sh", "-c", command)
	cmd.Dir, cmd.Env, cmd.Stdout = s.dir, s.env, os.Stdout
	// A new session has no terminal, so the code is on stderr, which is read here.
	cmd.SysProcAttr = detached()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var page string
	var approval error
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Println(lines.Text())
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			page = m[1]
		}
		if m := userCode.FindStringSubmatch(lines.Text()); m != nil && page != "" {
			approval = issuertest.NewBrowser(s.srv.Client()).Approve(page, m[1])
		}
	}
	_, _ = io.Copy(io.Discard, stderr)
	if err := cmd.Wait(); err != nil {
		return err
	}
	if approval != nil {
		return fmt.Errorf("approve the login: %w", approval)
	}
	return nil
}
