// Command measure runs a command and prints its times and the peak memory of one of the
// processes as one line of JSON. The memory is measured with GNU time: what the kernel reports
// to this program includes this program's memory, which a child has until it executes the
// command.
//
//	measure [-runs N] [-in FILE] COMMAND [ARG...]       one after the other
//	measure [-at-once N] COMMAND [ARG...]               N processes at the same time
//
// In the arguments, {} is replaced by the number of the process. Output is discarded.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// result is the result. Times of the command are in seconds, memory is in kilobytes.
type result struct {
	Median   float64 `json:"median"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	CPU      float64 `json:"cpu"`
	Memory   int64   `json:"memory"`
	Failures int     `json:"failures"`
}

func main() {
	runs := flag.Int("runs", 1, "how often")
	atOnce := flag.Int("at-once", 0, "how many processes at the same time")
	in := flag.String("in", "", "the file that is stdin")
	flag.Parse()
	var r result
	var err error
	switch {
	case flag.NArg() == 0:
		err = errors.New("no command given")
	case *atOnce > 0:
		r, err = crowd(*atOnce, flag.Args())
	default:
		r, err = series(*runs, *in, flag.Args())
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

// series runs a command several times.
func series(runs int, in string, args []string) (result, error) {
	var r result
	var took, cpu []float64
	for i := range runs {
		cmd, memory := command(i == runs-1, args)
		cmd.Stderr = os.Stderr
		if in != "" {
			f, err := os.Open(in)
			if err != nil {
				return r, err
			}
			cmd.Stdin = f
			defer func() { _ = f.Close() }()
		}
		began := time.Now()
		err := cmd.Run()
		took = append(took, time.Since(began).Seconds())
		var exit *exec.ExitError
		// jwt-inspect exits with 1 if it refuses a token.
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			return r, err
		}
		cpu = append(cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
		r.Memory = max(r.Memory, memory())
	}
	slices.Sort(took)
	slices.Sort(cpu)
	r.Median, r.Min, r.Max, r.CPU = took[len(took)/2], took[0], took[len(took)-1], cpu[len(cpu)/2]
	return r, nil
}

// crowd runs many processes at the same time. The times are until the exit of each process.
func crowd(n int, args []string) (result, error) {
	var r result
	var mu sync.Mutex
	var first error
	var took []float64
	var wg sync.WaitGroup
	start := make(chan struct{})
	var began time.Time
	for i := range n {
		own := slices.Clone(args)
		for k := range own {
			own[k] = strings.ReplaceAll(own[k], "{}", strconv.Itoa(i))
		}
		cmd, memory := command(i == n/2, own)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = io.Discard, &stderr
		wg.Go(func() {
			<-start
			err := cmd.Run()
			elapsed := time.Since(began).Seconds()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, elapsed)
			if err != nil {
				r.Failures++
				if first == nil {
					first = fmt.Errorf("%w: %s", err, stderr.String())
				}
				if cmd.ProcessState == nil {
					return
				}
			}
			r.CPU += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			r.Memory = max(r.Memory, memory())
		})
	}
	began = time.Now()
	close(start)
	wg.Wait()
	slices.Sort(took)
	r.Median, r.Min, r.Max = took[n/2], took[0], took[n-1]
	if first != nil {
		fmt.Fprintln(os.Stderr, "measure: a process failed:", first)
	}
	return r, nil
}

// command returns a command, and a function that returns its peak memory in kilobytes after it
// has run, or 0 if unknown.
func command(measured bool, args []string) (cmd *exec.Cmd, memory func() int64) {
	const gnuTime = "/usr/bin/time"
	if _, err := os.Stat(gnuTime); err != nil || !measured {
		return exec.Command(args[0], args[1:]...), func() int64 { return 0 }
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("measure-%d", os.Getpid()))
	return exec.Command(gnuTime, append([]string{"-q", "-f", "%M", "-o", name}, args...)...), func() int64 {
		defer func() { _ = os.Remove(name) }()
		b, err := os.ReadFile(name)
		if err != nil {
			return 0
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return n
	}
}
