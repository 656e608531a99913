//go:build linux && (amd64 || arm64)

// Command matrix makes each system call of a token helper on its store fail in turn,
// interrupts the program at each of them, and counts the lost logins. It traces the real
// program with ptrace, and runs an issuer that sends a new refresh token with each answer and
// rejects old ones.
//
// A login is lost if the next run, without a fault, does not get a token from it. This is
// allowed only if the store or the network fails permanently, and the program must report it.
// SIGKILL and a second signal may also lose a login, but only between the issuer's answer and
// the save.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// fewest is the minimum number of faults in a complete run.
const fewest = 300

type settings struct {
	helper, work   string
	parallel, idle int // maximum numbers of concurrent processes
	runs           int
	only           *regexp.Regexp
}

func main() {
	var s settings
	var only string
	flag.StringVar(&s.helper, "helper", "", "the condor-token-helper to test")
	flag.StringVar(&s.work, "work", "", "a new directory for homes and logs")
	flag.IntVar(&s.parallel, "parallel", 4, "how many processes run at a time")
	flag.IntVar(&s.idle, "parallel-idle", 12, "how many processes run at a time if they mostly wait")
	flag.IntVar(&s.runs, "runs", 50, "in how many runs the time between answer and save is measured")
	flag.StringVar(&only, "only", "", "a regular expression: inject only the faults whose line in the log matches")
	flag.Parse()
	if s.helper == "" || s.work == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	if s.only, err = regexp.Compile(only); err == nil {
		err = run(s, os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "matrix: error: %s\n", err)
		os.Exit(1)
	}
}

func run(s settings, w io.Writer) (err error) {
	start := time.Now()
	if s.helper, err = filepath.Abs(s.helper); err != nil {
		return err
	}
	if s.work, err = filepath.Abs(s.work); err != nil {
		return err
	}
	if err := os.Mkdir(s.work, 0o700); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(s.work, "log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	b := &bench{settings: s, log: logFile}
	reports, err := b.examineAll()
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return err
	}
	var bad []error
	for _, r := range reports {
		r.heading(w)
	}
	_, _ = fmt.Fprintln(w)
	sum := table(w, reports)
	for _, r := range reports {
		r.details(w, "lost without a message", func(row *row) bool { return row.verdict == lost && !lossAllowed(row.fault) })
		r.details(w, "loss reported", func(row *row) bool { return row.verdict == reported })
		r.details(w, "other bugs", func(row *row) bool { return row.verdict == wrong })
		r.details(w, "not reached", func(row *row) bool { return !row.hit })
	}
	_, _ = fmt.Fprintln(w)
	for _, r := range reports {
		if !r.op.thorough {
			continue
		}
		save, err := r.killing(w)
		bad = append(bad, err, r.twice())
		if save != nil {
			t, err := measure(r.op, b.users[0], save, s.runs)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(w, "%s: from the issuer's answer to the save, %d runs: %s\n", r.op.name, s.runs, t)
		}
	}
	_, _ = fmt.Fprintf(w, "%d faults in %s: %d hit their call, %d lost a login without a message, %d reported a loss, %d showed another bug\n",
		sum.done, time.Since(start).Round(time.Second), sum.hit, sum.by[lost], sum.by[reported], sum.by[wrong])
	if sum.done < fewest && s.only.String() == "" {
		bad = append(bad, fmt.Errorf("only %d faults, and at least %d are needed", sum.done, fewest))
	}
	if sum.hit < sum.done {
		bad = append(bad, fmt.Errorf("%d faults did not hit their call", sum.done-sum.hit))
	}
	if sum.by[lost] > 0 {
		bad = append(bad, fmt.Errorf("%d logins were lost without a message", sum.by[lost]))
	}
	if sum.by[wrong] > 0 {
		bad = append(bad, fmt.Errorf("%d other bugs", sum.by[wrong]))
	}
	return errors.Join(bad...)
}
