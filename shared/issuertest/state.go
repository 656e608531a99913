package issuertest

import "errors"

// Accepts reports whether the issuer would accept the refresh token now.
func (s *Server) Accepts(refresh string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.refresh[refresh]
	return g != nil && !g.revoked && g.current == refresh && s.clients[g.client.id] == g.client && s.opts.Now().Before(g.expires)
}

// Reinstate makes refresh the current refresh token of its grant again, and the grant and
// its client valid, whatever happened since it was issued. Tests that use up a login in
// each attempt begin each attempt with it.
func (s *Server) Reinstate(refresh string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.refresh[refresh]
	if g == nil {
		return errors.New("the issuer never issued this refresh token")
	}
	g.current, g.before, g.revoked = refresh, "", false
	s.clients[g.client.id] = g.client
	return nil
}

// Clients returns the number of registered clients.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Decide approves or denies all pending logins.
func (s *Server) Decide(approve bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.state == "pending" && approve {
			d.state = "approved"
		} else if d.state == "pending" {
			d.state = "denied"
		}
	}
}
