package ecosystem

import (
	"fmt"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// NewCE is a compute element to be read from or written to.
func NewCE(ce string, write bool) (*Service, error) {
	aud, err := CEAudience(ce)
	if err != nil {
		return nil, err
	}
	s := &Service{Name: "HTCondor at " + aud, ask: "condor-token-helper --ce " + text.ShellWord(aud), Audiences: []string{aud}, Access: "read"}
	if write {
		s.Access = "write"
	}
	s.rules = []rule{
		tooLong(16<<10, srcCondor), signed, keyID, issuerNamed, times, notBefore(Version{}), versioned, audience, scoped, identity, condorRights, fileForm, fileLink, profileRange,
	}
	return s, nil
}

// fileLink: HTCondor's client opens no token file that is a symbolic link.
func fileLink(p Presented, _ *Service) []Finding {
	if !p.Link {
		return nil
	}
	return one(Finding{Code: "file-link", Message: "the token's file is a symbolic link, which HTCondor's client does not open (File exists, errno=17)",
		Hint: "give it the file itself", Source: srcCondor})
}

// condorRights: the authorization level that the scopes map to
// (src/condor_io/condor_auth_ssl.cpp, measured on 23.9.6).
func condorRights(p Presented, s *Service) []Finding {
	scopes, ok := p.JWT.Scopes()
	kind, _ := profile(p.JWT)
	if !ok || kind == profileUnknown || condorAllows(scopes, kind == profileWLCG, s) {
		return nil
	}
	missing := computeRead
	if s.Access == "write" {
		missing = token.MissingScopes(scopes, computeWrite)
	}
	compute := slices.ContainsFunc(scopes, func(sc string) bool { return strings.HasPrefix(sc, "compute.") })
	f := Finding{Code: "scope-missing", Source: srcCondor + ": DENIED"}
	switch {
	case compute && kind != profileWLCG:
		f.Code = "compute-without-wlcg"
		f.Message = "the token's compute.* scopes do not count, for it has no wlcg.ver \"1.0\""
		f.Hint = "ask the issuer for the WLCG profile (at INDIGO IAM: register the client with the scope wlcg), or another one for condor:/READ condor:/WRITE"
		f.Command = s.ask + " --profile scitokens"
	case slices.Contains(scopes, condorAllow):
		f.Code = "condor-allow"
		f.Message = "condor:/ALLOW says nothing to HTCondor since 8.9.7"
		f.Hint, f.Command = "ask for compute.*, or for condor:/READ condor:/WRITE", s.command(p)
		f.Missing = missing
	case s.Access == "write" && kind == profileWLCG && len(missing) < len(computeWrite):
		f.Code = "write-incomplete"
		f.Message = fmt.Sprintf("to submit takes compute.modify, compute.cancel and compute.create together; the token lacks %s", strings.Join(missing, " and "))
		f.Hint, f.Command = "ask for all of them", s.command(p)
		f.Missing = missing
	default:
		f.Missing = missing
		if kind != profileWLCG {
			f.Missing = []string{map[string]string{"read": condorRead, "write": condorWrite}[s.Access]}
		}
		f.Message = fmt.Sprintf("the token has no scope that lets it %s: it lacks %s", s.Access, strings.Join(f.Missing, " "))
		f.Hint, f.Command = "ask for it, or ask the issuer who may have it", s.command(p)
		if p.JWT.Has("wlcg.groups") {
			f.Hint = "HTCondor does not look at wlcg.groups: " + f.Hint
		}
	}
	return one(f)
}

// condorLevels are the authorization levels that a scope condor:/LEVEL can name, in
// any case, with those of READ and WRITE that each brings (src/condor_utils/
// condor_perms.cpp; measured on 23.9.6).
var condorLevels = map[string]struct{ read, write bool }{
	"READ": {true, false}, "WRITE": {true, true}, "DAEMON": {true, true}, "ADMINISTRATOR": {true, true},
	"ADVERTISE_STARTD": {true, false}, "ADVERTISE_SCHEDD": {true, false}, "ADVERTISE_MASTER": {true, false},
	"NEGOTIATOR": {true, false}, "CONFIG": {true, false},
}

// condorAllows reports whether the scopes give the access. A path behind compute.*
// says nothing.
func condorAllows(scopes []string, wlcg bool, s *Service) bool {
	var compute []string
	read, write := false, false
	for _, sc := range scopes {
		authz, path, _ := strings.Cut(sc, ":")
		if wlcg {
			compute = append(compute, authz)
		}
		if authz != "condor" {
			continue
		}
		name := strings.ToUpper(strings.Trim(path, "/"))
		level := condorLevels[name]
		old := name == "ALLOW" && s.Version.Before(Version{8, 9, 7})
		read, write = read || level.read || old, write || level.write || old
	}
	write = write || len(token.MissingScopes(compute, computeWrite)) == 0
	read = read || write || slices.Contains(compute, "compute.read")
	if s.Access == "write" {
		return write
	}
	return read
}
