//go:build unix

// Command measure runs a command and prints, as one line of JSON, how long it took and how
// much memory a process used at most.
//
//	measure [-runs N] [-in FILE] COMMAND [ARG...]       one after the other
//	measure [-at-once N] COMMAND [ARG...]               N processes at the same time
//
// In the arguments, {} is the number of the process. Output goes nowhere.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// result is the outcome. Times are in seconds, of the command that ran, memory in kilobytes.
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
	for range runs {
		cmd := exec.Command(args[0], args[1:]...)
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
		r.Memory = max(r.Memory, memory(cmd))
	}
	slices.Sort(took)
	slices.Sort(cpu)
	r.Median, r.Min, r.Max, r.CPU = took[len(took)/2], took[0], took[len(took)-1], cpu[len(cpu)/2]
	return r, nil
}

// crowd runs many processes at the same time. The times are those until each of them ended.
func crowd(n int, args []string) (result, error) {
	var r result
	var mu sync.Mutex
	var first error
	var took []float64
	var wg sync.WaitGroup
	start := make(chan struct{})
	var began time.Time
	for i := range n {
		cmd := exec.Command(args[0])
		for _, a := range args[1:] {
			cmd.Args = append(cmd.Args, strings.ReplaceAll(a, "{}", strconv.Itoa(i)))
		}
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = io.Discard, &said
		wg.Go(func() {
			<-start
			err := cmd.Run()
			ended := time.Since(began).Seconds()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, ended)
			if err != nil {
				r.Failures++
				if first == nil {
					first = fmt.Errorf("%w: %s", err, said.String())
				}
				if cmd.ProcessState == nil {
					return
				}
			}
			r.CPU += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			r.Memory = max(r.Memory, memory(cmd))
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

func memory(cmd *exec.Cmd) int64 {
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return int64(u.Maxrss)
	}
	return 0
}
