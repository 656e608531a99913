// Command issuer runs the test issuer for end-to-end tests that count requests and
// look for secrets. It approves every login, unless the flag -wait is given. A Unix socket
// serves requests of the tests:
//
//	GET /requests   the number of requests, one "NAME COUNT" per line
//	GET /secrets    every issued secret, one per line
//	GET /refresh    every issued refresh token, one per line
//	POST /approve   approves the waiting logins
//	POST /mode?M    sets issuertest's failure mode M; an empty M resets it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "issuer: error: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	opts := issuertest.Options{NoTrailingSlash: true, Interval: 1}
	var control string
	var wait bool
	flags := flag.NewFlagSet("issuer", flag.ContinueOnError)
	flags.StringVar(&opts.Addr, "addr", "127.0.0.1:0", "address to listen on")
	flags.StringVar(&opts.Dir, "dir", "", "directory with the CA and the keys")
	flags.BoolVar(&opts.Rotate, "rotate", false, "rotate refresh tokens")
	flags.BoolVar(&wait, "wait", false, "wait for POST /approve instead of approving every login")
	flags.DurationVar(&opts.AccessLifetime, "lifetime", 0, "lifetime of access tokens")
	flags.DurationVar(&opts.RefreshLifetime, "refresh-lifetime", 0, "lifetime of refresh tokens")
	flags.StringVar(&control, "control", "", "path of the control socket")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if control == "" {
		return errors.New("-control is required")
	}
	var tokens refreshTokens
	opts.Answered = tokens.add
	srv, err := issuertest.Start(opts)
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	srv.AutoApprove(!wait)
	l, err := net.Listen("unix", control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(srv, &tokens), ReadHeaderTimeout: 10 * time.Second}
	defer func() { _ = server.Close() }()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Println("ready", srv.URL())
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// refreshTokens are the issued refresh tokens.
type refreshTokens struct {
	mu  sync.Mutex
	all []string
}

func (r *refreshTokens) add(_, refresh string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if refresh != "" {
		r.all = append(r.all, refresh)
	}
}

func (r *refreshTokens) list() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.all, "\n")
}

func handler(srv *issuertest.Server, tokens *refreshTokens) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /approve", func(http.ResponseWriter, *http.Request) { srv.Decide(true) })
	mux.HandleFunc("POST /mode", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.SetMode(r.URL.RawQuery); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) {
		counts := srv.Requests()
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			_, _ = fmt.Fprintln(w, name, counts[name])
		}
	})
	mux.HandleFunc("GET /secrets", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, strings.Join(srv.Secrets(), "\n"))
	})
	mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, tokens.list()) })
	return mux
}
