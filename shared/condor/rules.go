package condor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// srcCondor cites the measurement of rules.
const srcCondor = "measured on HTCondor 23.9.6"

// maxToken is the longest token that HTCondor reads, in bytes.
const maxToken = 16 << 10

// CE judges tokens like a compute element.
type CE struct {
	name    string
	write   bool
	version service.Version
	library scitokens.Library
	site    site
	host    string
	// audience is HOST:PORT.
	audience string
	options  Options
	// request is the command that requests a token for the audience.
	request string
	// vulnerable are the known vulnerabilities of the versions that were given.
	vulnerable []finding.Finding
}

// Options describe a compute element and the operation intended there.
type Options struct {
	// Write means submitting jobs, otherwise viewing them.
	Write bool
	// Version is the version of HTCondor, by default the newest one. Library is the version
	// of its scitokens-cpp, by default the one that it usually comes with.
	Version, Library service.Version
	// Audiences replace the audience that is derived from the host.
	Audiences []string
	// MapFile, if set, is the contents of the map file, which maps tokens to users.
	MapFile []byte
	// Config, if set, is the site's configuration.
	Config *Config
}

// New returns the compute element named HOST[:PORT].
func New(host string, o Options) (*CE, error) {
	aud, err := Audience(host)
	if err != nil {
		return nil, err
	}
	c := &CE{host: host, audience: aud, options: o, name: "HTCondor at " + aud, write: o.Write, version: cmp.Or(o.Version, Newest), request: "condor-token-helper --ce " + text.ShellWord(aud)}
	if err := c.configure(o, strings.HasSuffix(aud, ":"+strconv.Itoa(defaultPort))); err != nil {
		return nil, err
	}
	audiences := []string{aud}
	if o.Config != nil {
		audiences = o.Config.audiences()
	}
	if len(o.Audiences) > 0 {
		audiences = o.Audiences
	}
	if len(audiences) > 0 && !slices.Contains(audiences, aud) {
		c.request = "condor-token-helper --aud " + text.ShellWord(audiences[0])
	}
	c.library = scitokens.Library{Version: cmp.Or(o.Library, usualLibrary(c.version)), Audiences: audiences, IssuersKnown: o.MapFile != nil, Remedy: c.command}
	if o.Version != (service.Version{}) || o.Library != (service.Version{}) {
		c.vulnerable = scitokens.Vulnerable(c.library.Version)
	}
	return c, nil
}

// configure sets the site's configuration. ce means that the defaults of an HTCondor-CE
// apply unless a configuration is given.
func (c *CE) configure(o Options, ce bool) error {
	s := &c.site
	s.config = o.Config
	hashKeys, known := ce, false
	if o.Config != nil {
		hashKeys, known = o.Config.boolean("CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS", false), true
		s.rules = o.Config.authorization()
	} else if ce {
		s.rules = ceDefaults()
	}
	if o.MapFile == nil {
		return nil
	}
	var err error
	if s.maps, err = ParseMapFile(o.MapFile, hashKeys); err == nil && !known {
		s.other, err = ParseMapFile(o.MapFile, !hashKeys)
	}
	return err
}

// Name implements [service.Service].
func (c *CE) Name() string { return c.name }

// Purpose implements [service.Service].
func (c *CE) Purpose() string {
	if c.write {
		return "submit jobs"
	}
	return "view jobs"
}

// Newest is the newest version of HTCondor whose rules were measured.
var Newest = service.Version{Major: 25, Minor: 14, Patch: 1}

// usualLibrary returns the version of scitokens-cpp that a version of HTCondor usually
// comes with.
func usualLibrary(v service.Version) service.Version {
	switch {
	case v.Before(service.Version{Major: 10}):
		return service.Version{Minor: 7, Patch: 3}
	case v.Before(service.Version{Major: 25}):
		return service.Version{Major: 1, Minor: 1, Patch: 3}
	}
	return scitokens.Newest
}

// Versions implements [service.Versioned].
func (c *CE) Versions() string {
	return fmt.Sprintf("HTCondor %s with scitokens-cpp %s", c.version, c.library.Version)
}

// Others implements [service.Versioned]. It returns the versions of Debian 13.
func (c *CE) Others() []service.Service {
	o := c.options
	o.Version, o.Library = service.Version{Major: 23, Minor: 9, Patch: 6}, service.Version{Major: 1, Minor: 1, Patch: 3}
	other, err := New(c.host, o)
	if err != nil {
		return nil // not possible: c was made from the same host
	}
	return []service.Service{other}
}

// Judge implements [service.Service].
func (c *CE) Judge(p service.Presented) []finding.Finding {
	if isIDToken(p.JWT) {
		return c.judgeIDToken(p)
	}
	list := finding.Merge(scitokens.TooLong(p, maxToken, srcCondor), c.library.Judge(p), c.rights(p), scitokens.FileForm(p), fileLink(p),
		scitokens.Recommended(p), c.vulnerable)
	list = c.nameAudience(c.judgeForeign(p, list))
	if more := c.judgeSite(p); more != nil {
		list = finding.Merge(list, more)
	}
	return list
}

// command returns the command that gets a token for the operation, with the same profile as
// the one presented.
func (c *CE) command(p service.Presented) string {
	out := c.request
	if kind, _ := scitokens.ProfileOf(p.JWT); kind != scitokens.WLCG && kind != scitokens.Unknown && !c.foreign(p.JWT) {
		out += " --profile scitokens"
	}
	if !c.write {
		out += " --read"
	}
	return out
}

func one(f finding.Finding) []finding.Finding { return []finding.Finding{f} }

// doing returns the operation as a gerund.
func (c *CE) doing() string {
	if c.write {
		return "submitting jobs"
	}
	return "viewing jobs"
}

// fileLink checks that the token file is not a symbolic link, which HTCondor clients do not
// open.
func fileLink(p service.Presented) []finding.Finding {
	if !p.Link {
		return nil
	}
	return one(finding.Finding{Code: finding.FileLink, Message: "the token file is a symbolic link, which HTCondor clients do not open (File exists, errno=17)",
		Hint: "use the file itself", Source: srcCondor})
}

// rights checks that the scopes map to the authorization level of the operation
// (src/condor_io/condor_auth_ssl.cpp, measured on 23.9.6).
func (c *CE) rights(p service.Presented) []finding.Finding {
	scopes, ok := p.JWT.Scopes()
	kind, _ := scitokens.ProfileOf(p.JWT)
	wlcg := kind == scitokens.WLCG || c.foreign(p.JWT) // compute.* counts
	if !ok || kind == scitokens.Unknown || c.allows(scitokens.Scopes(p.JWT, c.library.Version), wlcg) {
		return nil
	}
	missing := computeRead
	if c.write {
		missing = token.MissingScopes(scopes, computeWrite)
	}
	compute := slices.ContainsFunc(scopes, func(sc string) bool { return strings.HasPrefix(sc, "compute.") })
	f := finding.Finding{Code: finding.ScopeMissing, Source: srcCondor + ": DENIED"}
	switch {
	case compute && !wlcg:
		f.Code = finding.ComputeWithoutWLCG
		f.Message = "the token's compute.* scopes do not count, because it has no wlcg.ver \"1.0\""
		f.Hint = "request the WLCG profile from the issuer (at INDIGO IAM: register the client with the scope wlcg), or condor:/READ condor:/WRITE"
		f.Command = c.request + " --profile scitokens"
	case slices.Contains(scopes, condorAllow):
		f.Code = finding.CondorAllow
		f.Message = "condor:/ALLOW has no meaning since HTCondor 8.9.7"
		f.Hint, f.Command = "request compute.*, or condor:/READ condor:/WRITE", c.command(p)
		f.Missing = missing
	case c.write && wlcg && len(missing) < len(computeWrite):
		f.Code = finding.WriteIncomplete
		f.Message = fmt.Sprintf("submitting jobs requires compute.modify, compute.cancel and compute.create together: the token lacks %s", strings.Join(missing, " and "))
		f.Hint, f.Command = "request all of them", c.command(p)
		f.Missing = missing
	default:
		f.Missing = missing
		if !wlcg {
			f.Missing = []string{map[bool]string{false: condorRead, true: condorWrite}[c.write]}
		}
		f.Message = fmt.Sprintf("no scope of the token allows %s: the token lacks %s", c.doing(), strings.Join(f.Missing, " "))
		f.Hint, f.Command = "request the scope, or ask the issuer who may have it", c.command(p)
		if p.JWT.Has("wlcg.groups") {
			f.Hint += "; HTCondor ignores wlcg.groups"
		}
	}
	return one(f)
}

// includes reports whether an authorization level includes READ and WRITE. Levels in scopes
// condor:/LEVEL are not case-sensitive (src/condor_utils/condor_perms.cpp; measured on
// 23.9.6).
func includes(level string) (read, write bool) {
	switch strings.ToUpper(level) {
	case "WRITE", "DAEMON", "ADMINISTRATOR":
		return true, true
	case "READ", "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER", "NEGOTIATOR", "CONFIG":
		return true, false
	}
	return false, false
}

// allows reports whether the scopes allow the operation. It ignores paths of compute.*
// scopes, which count only if wlcg is true.
func (c *CE) allows(scopes []scitokens.Scope, wlcg bool) bool {
	var compute []string
	read, write := false, false
	for _, sc := range scopes {
		if wlcg {
			compute = append(compute, sc.Authz)
		}
		if sc.Authz != "condor" {
			continue
		}
		name := strings.Trim(sc.Path, "/")
		r, w := includes(name)
		old := strings.EqualFold(name, "ALLOW") && c.version.Before(service.Version{Major: 8, Minor: 9, Patch: 7})
		read, write = read || r || old, write || w || old
	}
	write = write || len(token.MissingScopes(compute, computeWrite)) == 0
	read = read || write || slices.Contains(compute, "compute.read")
	if c.write {
		return write
	}
	return read
}
