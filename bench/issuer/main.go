// Command issuer is the test issuer for benchmarks. It counts requests and connections, and
// approves each login at once. It prints its URL, the file with its CA, and the URL where GET
// returns and resets the counts. It runs until the end of stdin.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "issuer:", err)
		os.Exit(1)
	}
}

func run() error {
	opts := issuertest.Options{NoTrailingSlash: true}
	flag.StringVar(&opts.Dir, "dir", "", "where CA and keys are kept")
	flag.DurationVar(&opts.AccessLifetime, "lifetime", time.Hour, "how long access tokens are valid")
	flag.BoolVar(&opts.Rotate, "rotate", false, "replace the refresh token at each refresh")
	flag.Parse()
	c := &counter{}
	opts.Wrap = c.wrap
	opts.Interval = 1
	srv, err := issuertest.Start(opts)
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	srv.AutoApprove(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", c.serve)
	counts := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = counts.Serve(l) }()
	defer func() { _ = counts.Close() }()
	fmt.Printf("%s %s http://%s/counts\n", srv.URL(), srv.CAFile(), l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// counter counts requests of clients, except for the pages on which a person approves a login.
type counter struct {
	mu       sync.Mutex
	requests map[string]int
	// connections are the addresses of clients. Each connection has a different port, and one
	// TLS handshake.
	connections map[string]bool
}

func (c *counter) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := endpoint(r); name != "" {
			c.mu.Lock()
			if c.requests == nil {
				c.requests, c.connections = map[string]int{}, map[string]bool{}
			}
			c.requests[name]++
			c.connections[r.RemoteAddr] = true
			c.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// endpoint returns the name of the requested endpoint, or "" for the pages of a login.
func endpoint(r *http.Request) string {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/.well-known/"):
		return "discovery"
	case strings.HasPrefix(path, "/iam/api/client-registration"):
		return "registration"
	case strings.HasPrefix(path, "/devicecode"):
		return "device"
	case path == "/token":
		return "token"
	case path == "/device":
		return ""
	default:
		return strings.Trim(path, "/")
	}
}

// serve writes the counts as JSON and resets them.
func (c *counter) serve(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := 0
	for _, n := range c.requests {
		all += n
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"requests": all, "connections": len(c.connections), "by": c.requests})
	c.requests, c.connections = nil, nil
}
