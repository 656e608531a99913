package service

import (
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/token"
)

// Storage describes storage servers that authorize by the scopes of a profile, such as the
// WLCG profile, and have no other known rules. It implements most of an ecosystem for them.
type Storage struct {
	// Name is the kind of server, such as WebDAV. Flag is the flag that names a server, in
	// the helper and in jwt-inspect.
	Name, Flag string
	// Read and Write are the scopes for these operations.
	Read, Write string
}

// Want returns what to request for the server at url. If url is empty, no audience is
// requested.
func (s Storage) Want(url string, write bool, given Given) (Want, error) {
	var w Want
	if write || !given.Scope {
		w.Scopes = append(w.Scopes, s.Read)
	}
	if write {
		w.Scopes = append(w.Scopes, s.Write)
	}
	if url == "" {
		return w, nil
	}
	aud, err := StorageAudience(s.Flag, url)
	if err != nil {
		return Want{}, err
	}
	srv, err := s.Service(url, Asked{Write: write, Audiences: given.Audiences})
	if err != nil {
		return Want{}, err
	}
	w.Audiences, w.Services = []string{aud}, []Service{srv}
	return w, nil
}

// Service returns the server at url.
func (s Storage) Service(url string, a Asked) (Service, error) {
	aud, err := StorageAudience(s.Flag, url)
	if err != nil {
		return nil, err
	}
	e := endpoint{name: s.Name + " at " + aud, purpose: "read files", required: Required{Audiences: []string{aud}, Scopes: []string{s.Read}}}
	if a.Write {
		e.purpose, e.required.Scopes = "write files", []string{s.Write}
	}
	if len(a.Audiences) > 0 {
		e.required.Audiences = a.Audiences
	}
	return e, nil
}

// endpoint is a service of which only the requirements are known.
type endpoint struct {
	name, purpose string
	required      Required
}

func (e endpoint) Name() string    { return e.name }
func (e endpoint) Purpose() string { return e.purpose }

func (e endpoint) Judge(p Presented) []finding.Finding {
	e.required.Skew = p.Skew
	return Check(token.Decoded("", p.JWT), e.required, p.Now)
}
