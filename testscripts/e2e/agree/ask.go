//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

type answer struct {
	ok  bool
	msg string
}

// askAll presents the samples to the server, several at a time.
func askAll(q question, list []sample) []answer {
	out := make([]answer, len(list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU()+1)
	if q.alone {
		slots = make(chan struct{}, 1)
	}
	for i, s := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for range 5 {
				if out[i].ok, out[i].msg = q.ask(ctx, s); !noVerdict.MatchString(out[i].msg) {
					break
				}
			}
		})
	}
	wg.Wait()
	return out
}

// noVerdict matches output that is not a verdict, because a server or client was too busy:
// HTCondor dropped the connection or a timeout expired, XRootD has not yet closed a file, a
// connection broke.
var noVerdict = regexp.MustCompile(`AUTHENTICATE:100[26]:|already opened by|^423$|Operation expired|Connection error|[Ss]ocket timeout|curl: \(|no answer within`)

// output runs a command, and returns its exit code and the last lines of its output.
func output(ctx context.Context, cmd *exec.Cmd) (code int, msg string) {
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		return -1, err.Error()
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	_ = cmd.Wait()
	if ctx.Err() != nil {
		return -1, "no answer within the time"
	}
	msg = strings.TrimSpace(b.String())
	if len(msg) > 300 {
		msg = "…" + msg[len(msg)-300:]
	}
	return cmd.ProcessState.ExitCode(), strings.ReplaceAll(msg, "\n", " / ")
}

// run returns a command in the tree as the user tester, with the token in BEARER_TOKEN_FILE.
func (m machine) run(s sample, args ...string) *exec.Cmd {
	inside := filepath.Join("/e2e/client", filepath.Base(s.file))
	outside := filepath.Join(m.work, "client", filepath.Base(s.file))
	if b, err := os.ReadFile(s.file); err == nil {
		if s.link {
			_ = os.Symlink(filepath.Base(outside)+".real", outside)
		}
		_ = os.WriteFile(outside, b, 0o600) // through the link
		_ = os.Chmod(outside, os.FileMode(s.mode))
		_ = os.Chown(outside, 4242, 4242)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path = args[0]
	cmd.Err = nil
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/bin:/usr/sbin", "HOME=/home/tester", "CONDOR_CONFIG=/etc/condor/condor_config",
		"BEARER_TOKEN_FILE=" + inside, "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS",
		"X509_CERT_DIR=/e2e/certificates", "XRD_CONNECTIONRETRY=1", "XRD_REQUESTTIMEOUT=20", "XRD_STREAMTIMEOUT=20",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.tree, Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	return cmd
}

// local returns a command of the host.
func (p options) local(s sample, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "BEARER_TOKEN_FILE="+s.file)
	return cmd
}

// authorized matches the output of condor_ping if the level was granted.
var authorized = regexp.MustCompile(`Authorized: +TRUE`)

func (c condor) ping(level string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		cmd := c.machine.run(s, "/usr/bin/condor_ping", "-verbose", "-pool", c.pool, "-type", "COLLECTOR", level)
		code, msg := output(ctx, cmd)
		return code == 0 && authorized.MatchString(msg), msg
	}
}

var (
	counter int
	counts  sync.Mutex
)

// fresh returns the name of a file that neither this run nor another run has created.
func fresh(dir string) string {
	counts.Lock()
	defer counts.Unlock()
	counter++
	return fmt.Sprintf("%s/new-%d-%d.txt", dir, os.Getpid(), counter)
}

// denied matches the output of XRootD's client if authentication fails or the operation is not
// permitted.
var denied = regexp.MustCompile(`permission denied|not authorized|No protocols left|Auth failed|\[3010\]`)

func (p options) rooted(srv server, access, dir string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		var cmd *exec.Cmd
		in := filepath.Join(p.work, "in.txt")
		if srv.version != "5.5.3" {
			in = "/e2e/client/in.txt"
		}
		switch access {
		case "read":
			cmd = srv.client(s, "/usr/bin/xrdfs", srv.root, "cat", dir+"/have.txt")
		case "stage":
			// The servers have no tape: the result shows only whether it is permitted.
			_, msg := output(ctx, srv.client(s, "/usr/bin/xrdfs", srv.root, "prepare", "-s", dir+"/have.txt"))
			return !denied.MatchString(msg), msg
		case "write":
			cmd = srv.client(s, "/usr/bin/xrdcp", "-N", "-f", in, srv.root+"/"+dir+"/have.txt")
		case "create":
			cmd = srv.client(s, "/usr/bin/xrdcp", "-N", in, srv.root+"/"+fresh(dir))
		}
		code, msg := output(ctx, cmd)
		return code == 0, msg
	}
}

// quoted escapes what curl's configuration interprets in quotes.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

func (p options) web(srv server, access, dir string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		// The token is passed on stdin, because an argument could be too long, and other users
		// could read it.
		config := fmt.Sprintf("header = \"Authorization: Bearer %s\"\n", quoted.Replace(cmp.Or(s.content, s.raw)))
		args := []string{"curl", "-sS", "--cacert", filepath.Join(p.pki, "ca.pem"), "-K", "-", "-o", os.DevNull, "-w", "%{http_code}"}
		web := srv.web + strings.ReplaceAll(dir, " ", "%20")
		switch access {
		case "read":
			args = append(args, web+"/have.txt")
		case "write":
			args = append(args, "-T", filepath.Join(p.work, "in.txt"), web+"/have.txt")
		case "create":
			args = append(args, "-T", filepath.Join(p.work, "in.txt"), srv.web+strings.ReplaceAll(fresh(dir), " ", "%20"))
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(config)
		code, msg := output(ctx, cmd)
		return code == 0 && strings.HasPrefix(msg, "2"), msg
	}
}
