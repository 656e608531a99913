package issuertest

import (
	"net"
	"net/http"
	"sync"
)

// conns counts open connections.
type conns struct {
	mu     sync.Mutex
	n      int
	closed *sync.Cond
}

func newConns() *conns {
	c := &conns{}
	c.closed = sync.NewCond(&c.mu)
	return c
}

func (c *conns) changed(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.n++
	case http.StateClosed, http.StateHijacked:
		c.n--
		c.closed.Broadcast()
	}
}

// Drain waits until no connection is open. After a client was killed, no request of it is
// in progress then.
func (s *Server) Drain() {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for s.conns.n > 0 {
		s.conns.closed.Wait()
	}
}
