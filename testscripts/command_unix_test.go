//go:build !windows

package testscripts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

// patience is the time limit for actions that take no time. It is only reached if a test fails.
const patience = time.Minute

// job is a process that leads a process group, like a job of a shell. Its output is read line
// by line.
type job struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string
	stderr bytes.Buffer
}

func startJob(t *testing.T, cmd *exec.Cmd) *job {
	t.Helper()
	j := &job{t: t, cmd: cmd, lines: make(chan string, 100)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, &j.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		defer close(j.lines)
		b, line := make([]byte, 1), ""
		for {
			if _, err := r.Read(b); err != nil {
				_ = r.Close()
				return
			}
			if b[0] == '\n' {
				j.lines <- line
				line = ""
			} else {
				line += string(b)
			}
		}
	}()
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return j
}

// expect reads the next line, and fails the test if it is another one.
func (j *job) expect(want string) {
	j.t.Helper()
	select {
	case got, ok := <-j.lines:
		if !ok || got != want {
			j.t.Fatalf("it printed %q, not %q; stderr: %s", got, want, j.stderr.String())
		}
	case <-time.After(patience):
		j.t.Fatalf("it did not print %q", want)
	}
}

// rest waits until the job ends, and returns the lines that it printed, and its status as a
// shell reports it.
func (j *job) rest() (lines []string, status int) {
	j.t.Helper()
	end := time.After(patience)
	for {
		select {
		case l, ok := <-j.lines:
			if ok {
				lines = append(lines, l)
				continue
			}
		case <-end:
			j.t.Fatal("the process does not end")
		}
		break
	}
	var ee *exec.ExitError
	if err := j.cmd.Wait(); err != nil && !errors.As(err, &ee) {
		j.t.Fatal(err)
	}
	ws := j.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return lines, 128 + int(ws.Signal())
	}
	return lines, ws.ExitStatus()
}

// state returns the state of a process as in proc(5), such as T for stopped.
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// stoppedBy waits until a child of this process is stopped, and returns the signal.
func stoppedBy(t *testing.T, pid int) syscall.Signal {
	t.Helper()
	var ws syscall.WaitStatus
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got, err := syscall.Wait4(pid, &ws, syscall.WUNTRACED|syscall.WNOHANG, nil); err == nil && got == pid {
			return ws.StopSignal()
		}
	}
	t.Fatalf("process %d has not stopped", pid)
	return 0
}

// awaitState waits until a process is in one of the states in want.
func awaitState(t *testing.T, pid int, want string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(want, state(t, pid)) || state(t, pid) == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is in state %q, not %q", pid, state(t, pid), want)
		}
	}
}

// quiet waits until a process that leads a group, and its children, sleep without being woken
// up.
func quiet(t *testing.T, group int) {
	t.Helper()
	var before string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		now, asleep := "", true
		var tasks []string
		for _, pid := range append(childrenOf(group), strconv.Itoa(group)) {
			list, _ := filepath.Glob("/proc/" + pid + "/task/*/status")
			tasks = append(tasks, list...)
		}
		for _, file := range tasks {
			stat, err := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			b, _ := os.ReadFile(file)
			_, switches, _ := strings.Cut(string(b), "voluntary_ctxt_switches")
			now += file + switches
			asleep = asleep && strings.ContainsAny(rest[:1], "STZ")
		}
		if asleep && now == before {
			return
		}
		before = now
	}
	t.Fatal("the processes do not become idle")
}

func childrenOf(pid int) []string {
	var out []string
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range lists {
		b, _ := os.ReadFile(file)
		out = append(out, strings.Fields(string(b))...)
	}
	return out
}

// leftovers returns the token files of commands.
func leftovers(u *user) []string {
	list, _ := filepath.Glob(filepath.Join(u.dir, "run/token-helpers/run/*"))
	return list
}

// program prints a line when it is ready, and exits when it reads a line.
const program = `
echo ready $$
read -r line
echo "line $line"
exit 5
`

// commandVariable is an environment variable with the number of a signal. It makes the test
// binary behave like program, and print a line for each such signal. A shell may merge signals
// before it runs a trap.
const commandVariable = "TEST_COMMAND_SIGNAL"

// groupVariable makes that program leave the process group, as a shell with job control does.
const groupVariable = "TEST_COMMAND_GROUP"

func init() {
	n, err := strconv.Atoi(os.Getenv(commandVariable))
	if err != nil {
		return
	}
	c := make(chan os.Signal, 10)
	signal.Notify(c, syscall.Signal(n))
	if os.Getenv(groupVariable) != "" {
		if err := syscall.Setpgid(0, 0); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("ready", os.Getpid())
	line := make(chan string)
	go func() {
		s, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		line <- strings.TrimSpace(s)
	}()
	for {
		select {
		case <-c:
			fmt.Println("got")
		case s := <-line:
			fmt.Println("line", s)
			os.Exit(5)
		}
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSignals checks that a signal to the group, or only to the helper, has the same effect as
// without the helper.
func TestSignals(t *testing.T) {
	// Children would inherit signals that this process ignores, as under nohup. Signals that
	// it handles have their default action in children.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	t.Cleanup(func() { signal.Stop(c) })
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux can the helper see whether a signal was sent to the group")
	}
	u := newUser(t, issuertest.Options{})
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
		"USR1": syscall.SIGUSR1, "WINCH": syscall.SIGWINCH,
	}
	for name, sig := range signals {
		for what, argv := range map[string][]string{
			"dies": {"sh", "-c", program}, "ignores": {"sh", "-c", "trap '' " + name + program}, "handles": {self(t)},
			"handles in another group": {self(t)},
		} {
			for _, to := range []string{"group", "alone"} {
				if name == "WINCH" && what == "dies" {
					continue // SIGWINCH ends no process
				}
				t.Run(name+" "+what+" "+to, func(t *testing.T) {
					t.Parallel()
					with := u.command(append([]string{"--ce", "ce.example.org", "--"}, argv...)...)
					without := exec.Command(argv[0], argv[1:]...)
					for _, cmd := range []*exec.Cmd{with, without} {
						cmd.Env = append(slices.Clone(u.env), "PATH="+os.Getenv("PATH"))
						if strings.HasPrefix(what, "handles") {
							cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", commandVariable, sig))
						}
						if what == "handles in another group" {
							cmd.Env = append(cmd.Env, groupVariable+"=1")
						}
					}
					want := signalRun(t, without, sig, to == "group", what)
					got := signalRun(t, with, sig, to == "group", what)
					if got != want {
						t.Errorf("with the helper: %s\nwithout: %s", got, want)
					}
				})
			}
		}
	}
	t.Cleanup(func() {
		if l := leftovers(u); len(l) > 0 {
			t.Errorf("left behind: %q", l)
		}
	})
}

// signalRun runs a command that dies from a signal, handles it or ignores it. It sends the
// signal, three times unless the command dies, and returns the command's output and status.
func signalRun(t *testing.T, cmd *exec.Cmd, sig syscall.Signal, group bool, what string) string {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	j := startJob(t, cmd)
	if line := <-j.lines; !strings.HasPrefix(line, "ready ") {
		t.Fatalf("%q: %s", line, j.stderr.String())
	}
	to := cmd.Process.Pid
	if group {
		to = -to
	}
	var happened []string
	for n := 0; n < 3 && (what != "dies" || n == 0); n++ {
		if err := syscall.Kill(to, sig); err != nil {
			t.Fatal(err)
		}
		// Wait for the effect of each signal before the next one is sent.
		if strings.HasPrefix(what, "handles") {
			select {
			case l := <-j.lines:
				happened = append(happened, l)
			case <-time.After(patience):
				t.Fatalf("the signal did not arrive; %s", j.stderr.String())
			}
		}
		if what != "dies" {
			quiet(t, cmd.Process.Pid)
		}
	}
	if what != "dies" {
		_, _ = io.WriteString(stdin, "end\n")
	}
	lines, status := j.rest()
	return fmt.Sprint(happened, lines, status)
}

// TestStopAndContinue checks that the helper stops when its command stops, so that the shell
// notices, and continues with it.
func TestStopAndContinue(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are observed in /proc")
	}
	u := newUser(t, issuertest.Options{})
	for name, c := range map[string]struct {
		stop   syscall.Signal
		group  bool
		resume bool // the group is continued, not the helper alone
	}{
		"TSTP to the group, continued as a group": {syscall.SIGTSTP, true, true},
		"TSTP to the helper, continued alone":     {syscall.SIGTSTP, false, false},
		"STOP to the group, continued as a group": {syscall.SIGSTOP, true, true},
		"TSTP to the group, continued alone":      {syscall.SIGTSTP, true, false},
		"STOP to the group, continued alone":      {syscall.SIGSTOP, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := u.command("--ce", "ce.example.org", "--", self(t))
			cmd.Env = append(slices.Clone(u.env), fmt.Sprintf("%s=%d", commandVariable, syscall.SIGCONT))
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			j := startJob(t, cmd)
			pid, err := strconv.Atoi(strings.TrimPrefix(<-j.lines, "ready "))
			if err != nil {
				t.Fatal(err)
			}
			target := func(group bool) int {
				if group {
					return -cmd.Process.Pid
				}
				return cmd.Process.Pid
			}
			for range 3 {
				if err := syscall.Kill(target(c.group), c.stop); err != nil {
					t.Fatal(err)
				}
				awaitState(t, pid, "T")
				awaitState(t, cmd.Process.Pid, "T")
				if by := stoppedBy(t, cmd.Process.Pid); by != c.stop {
					t.Errorf("the shell sees that it was stopped by %v, not by %v", by, c.stop)
				}
				quiet(t, cmd.Process.Pid)
				if err := syscall.Kill(target(c.resume), syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				j.expect("got")
				awaitState(t, pid, "SR")
				awaitState(t, cmd.Process.Pid, "SR")
				quiet(t, cmd.Process.Pid)
			}
			_, _ = io.WriteString(stdin, "end\n")
			if lines, status := j.rest(); status != 5 || len(lines) != 1 || lines[0] != "line end" {
				t.Errorf("%q, status %d", lines, status)
			}
		})
	}
}

// TestLeftoversOfAKilledHelper checks that the next run removes the token file of a helper that
// was killed, but not that of a running one.
func TestLeftoversOfAKilledHelper(t *testing.T) {
	u := newUser(t, issuertest.Options{})
	start := func() *job {
		cmd := u.command("--ce", "ce.example.org", "--", "sh", "-c", `echo "$BEARER_TOKEN_FILE"; cat`)
		cmd.Env = append(slices.Clone(u.env), "PATH="+os.Getenv("PATH"))
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		return startJob(t, cmd)
	}
	killed, running := start(), start()
	lost, kept := <-killed.lines, <-running.lines
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = killed.cmd.Process.Wait()
	if _, err := os.Stat(lost); err != nil {
		t.Fatalf("the command whose helper was killed has no token: %v", err)
	}
	if code, _, stderr := u.get("--ce", "ce.example.org"); code != 0 {
		t.Fatal(stderr)
	}
	if _, err := os.Stat(lost); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the token file was not removed: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the token of a running command is gone: %v", err)
	}
}
