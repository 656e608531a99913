// Command job is the job in the end-to-end tests: for the given time, it copies files to and
// from XRootD with one token, and queries the queue of an HTCondor-CE with another one. It exits
// with the number of failed calls, and prints everything that it can read, which must not
// contain a refresh token.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: job SECONDS XROOTD-URL CE-HOST:PORT CE-NAME")
		os.Exit(2)
	}
	// A job has only the environment in its submit file.
	if err := os.Setenv("PATH", "/usr/bin:/bin"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	seconds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(run(time.Duration(seconds)*time.Second, os.Args[2], os.Args[3], os.Args[4]))
}

func run(span time.Duration, server, ce, name string) int {
	creds := os.Getenv("_CONDOR_CREDS")
	scratch := os.Getenv("_CONDOR_SCRATCH_DIR")
	in, out := filepath.Join(scratch, "in.txt"), filepath.Join(scratch, "out.txt")
	calls, failed := 0, 0
	tokens := map[string]bool{}
	call := func(handle string, env []string, argv ...string) {
		file := filepath.Join(creds, "mysvc_"+handle+".use")
		if b, err := os.ReadFile(file); err == nil {
			tokens[handle+" "+string(b)] = true
		}
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(append(os.Environ(), "BEARER_TOKEN_FILE="+file), env...)
		calls++
		if b, err := cmd.CombinedOutput(); err != nil {
			failed++
			fmt.Printf("%s %s: %s\n%s\n", time.Now().Format(time.TimeOnly), strings.Join(argv, " "), err, b)
		}
	}
	client := []string{"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS"}
	for n, end := 0, time.Now().Add(span); time.Now().Before(end); n++ {
		text := fmt.Sprintf("copy %d\n", n)
		if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
			fmt.Println(err)
			return 1
		}
		target := fmt.Sprintf("%s//store/%s.txt", server, filepath.Base(os.Getenv("_CONDOR_SLOT"))+"-"+strconv.Itoa(os.Getpid()))
		call("se", nil, "xrdcp", "-N", "-f", in, target)
		call("se", nil, "xrdcp", "-N", "-f", target, out)
		if b, err := os.ReadFile(out); err != nil || string(b) != text {
			failed++
			fmt.Printf("read back %q, not %q: %v\n", b, text, err)
		}
		call("ce", client, "condor_q", "-pool", ce, "-name", name, "-all", "-af", "ClusterId")
		time.Sleep(2 * time.Second)
	}
	handles := map[string]int{}
	for t := range tokens {
		handle, _, _ := strings.Cut(t, " ")
		handles[handle]++
	}
	fmt.Printf("BEARER_TOKEN_FILE is that of the handle se: %v\n", os.Getenv("BEARER_TOKEN_FILE") == filepath.Join(creds, "mysvc_se.use"))
	fmt.Printf("%d calls, %d failed, %d tokens for ce, %d for se\n", calls, failed, handles["ce"], handles["se"])
	fmt.Println("=== all that the job sees")
	see(creds, scratch)
	return min(failed, 99)
}

// see prints the environment, the ClassAds of the job and the machine, and every file that the
// job can read in places where secrets may be.
func see(creds, scratch string) {
	fmt.Println(strings.Join(os.Environ(), "\n"))
	dirs := []string{creds, scratch, filepath.Dir(scratch), "/e2e/creds", "/e2e/state", "/e2e/log", "/e2e/spool", "/e2e/execute", "/etc/token-helpers", "/run", "/tmp", "/dev/shm"}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		for _, name := range []string{"environ", "cmdline"} {
			print(filepath.Join(p, name))
		}
	}
	seen := map[string]bool{}
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !seen[path] {
				seen[path] = true
				print(path)
			}
			return nil
		})
	}
}

func print(path string) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > 8<<20 {
		return
	}
	fmt.Printf("--- %s\n%s\n", path, bytes.ReplaceAll(b, []byte{0}, []byte{'\n'}))
}
