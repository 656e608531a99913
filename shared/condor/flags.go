// Package condor implements the ecosystem of HTCondor: what condor-token-helper requests,
// and how an HTCondor-CE judges a token.
package condor

import (
	"slices"
	"strconv"

	"example.org/token-helpers/shared/service"
)

// The compute capabilities of the WLCG profile (Common JWT Profile, "Capability based
// authorization: scope"), which HTCondor maps to its authorization levels
// (src/condor_io/condor_auth_ssl.cpp, and "SciTokens" in the manual). WRITE requires modify,
// cancel and create together (measured on 23.9.6).
var (
	computeRead  = []string{"compute.read"}
	computeWrite = []string{"compute.modify", "compute.cancel", "compute.create"}
	computeAll   = slices.Concat(computeRead, computeWrite)
)

// HTCondor's scopes in tokens of the SciTokens profile.
const (
	condorRead  = "condor:/READ"
	condorWrite = "condor:/WRITE"
	condorAllow = "condor:/ALLOW"
)

// defaultPort is the port of an HTCondor-CE's collector.
const defaultPort = 9619

// Flags are the flags of condor-token-helper.
type Flags struct {
	CE      []string `name:"ce" placeholder:"HOST[:PORT]" complete:"host" help:"The compute element that the token is for. The port is 9619 unless given. Repeatable."`
	Read    bool     `help:"Request read access only: compute.read."`
	Write   bool     `help:"Request write access only. This is compute.modify, compute.cancel and compute.create."`
	Profile string   `enum:"wlcg,scitokens" default:"wlcg" placeholder:"wlcg|scitokens" common:"no" help:"Spelling of the scopes: wlcg (compute.*) or scitokens (condor:/READ, condor:/WRITE). Default: wlcg."`
	Legacy  bool     `common:"no" help:"Add condor:/ALLOW, which HTCondor before 8.9.7 needs. Newer servers reject a token that has no other scope."`
}

// Describe implements [service.Ecosystem].
func (*Flags) Describe() (string, []string) {
	return "Get a token that HTCondor and HTCondor-CE accept, on stdout.", []string{
		"file: ${program} --ce ce.example.org --file token",
		"cron: ${program} --ce ce.example.org --file token --no-prompt",
		"robot: ${program} --ce ce.example.org --from client-credentials --client-id ID --client-secret-file FILE",
		"curl: ${program} --aud URL -s SCOPE -o header | curl -H @- URL",
		"issuer: ${program} --ce ce.example.org --issuer https://HOST/",
	}
}

// Endpoint adds the compute element that is given as an argument without a flag.
func (f *Flags) Endpoint(host string) { f.CE = append(f.CE, host) }

// Want implements [service.Ecosystem].
func (f *Flags) Want(given service.Given) (service.Want, error) {
	if len(f.CE) == 0 && len(given.Audiences) == 0 && !given.Login {
		return service.Want{}, &service.UsageError{Flag: "--ce", Problem: "no compute element is given", Form: ceForm}
	}
	read, write := f.Read, f.Write
	if !read && !write && !given.Scope {
		read, write = true, true
	}
	w := service.Want{Scopes: f.scopes(read, write)}
	for _, host := range f.CE {
		a, err := Audience(host)
		if err != nil {
			return service.Want{}, err
		}
		ce, err := New(host, Options{Write: write, Audiences: given.Audiences})
		if err != nil {
			return service.Want{}, err
		}
		w.Audiences = append(w.Audiences, a)
		w.Services = append(w.Services, ce)
	}
	return w, nil
}

func (f *Flags) scopes(read, write bool) []string {
	readScopes, writeScopes := computeRead, computeWrite
	if f.Profile == "scitokens" {
		readScopes, writeScopes = []string{condorRead}, []string{condorWrite}
	}
	var out []string
	if read {
		out = append(out, readScopes...)
	}
	if write {
		out = append(out, writeScopes...)
	}
	if f.Legacy {
		out = append(out, condorAllow)
	}
	return out
}

// Alternative implements [service.Ecosystem].
func (f *Flags) Alternative(supported []string) string {
	has := func(s string) bool { return slices.Contains(supported, s) }
	switch {
	case f.Profile != "scitokens" && has(condorRead) && !has("compute.read"):
		return "--profile scitokens"
	case f.Profile == "scitokens" && has("compute.read") && !has(condorRead):
		return "--profile wlcg"
	}
	return ""
}

const ceForm = "--ce HOST[:PORT], such as --ce ce.example.org:9619"

// Audience returns the audience of a compute element named HOST, HOST:PORT, [V6] or
// [V6]:PORT. HTCondor-CE accepts exactly host:port (SCITOKENS_SERVER_AUDIENCE =
// $(COLLECTOR_HOST) in its config/05-ce-auth-defaults.conf) and compares it byte for
// byte, so Audience converts the host to lower case and removes a trailing dot.
func Audience(ce string) (string, error) {
	host, port, problem := service.HostPort(ce)
	if problem != "" {
		return "", &service.UsageError{Flag: "--ce", Problem: problem, Form: ceForm}
	}
	if port == 0 {
		port = defaultPort
	}
	return host + ":" + strconv.Itoa(port), nil
}
