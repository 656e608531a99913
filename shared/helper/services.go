package helper

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/token"
)

// Service is one [service.NAME] table: the token for jobs that list the service in
// use_oauth_services. The submit file may override scopes and audience for each handle.
type Service struct {
	Issuer           string   `toml:"issuer"`
	Audience         words    `toml:"audience"`
	Scopes           []string `toml:"scopes"`
	ClientID         string   `toml:"client-id"`
	ClientSecretFile string   `toml:"client-secret-file"`
	// Robot means that the client itself is the user (RFC 6749 section 4.4).
	Robot bool `toml:"robot"`
}

// Credmon is the [credmon] table: the settings of the credmon on this host.
type Credmon struct {
	// AnyIssuer lets users choose issuers that this configuration does not name.
	AnyIssuer bool `toml:"any-issuer"`
	// HostKey is the file with the key that encrypts the logins.
	HostKey string `toml:"host-key"`
	// MetricsDir is where metrics are written.
	MetricsDir string `toml:"metrics-dir"`
}

// serviceKeys and credmonKeys are the members of the tables.
var (
	serviceKeys = []string{"issuer", "audience", "scopes", "client-id", "client-secret-file", "robot"}
	credmonKeys = []string{"any-issuer", "host-key", "metrics-dir"}
)

// checkServices checks the [service.NAME] tables.
func (c *config) checkServices() error {
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		v := c.Services[name]
		at := fmt.Sprintf("%s: service.%s", c.path, name)
		if !tokenName.Get().MatchString(name) {
			return cli.Errorf(cli.Usage, "%s: the name of a service consists of letters, digits, '-', '_' and '.'", at)
		}
		if err := checkRequest(at, v.Scopes, v.Audience); err != nil {
			return err
		}
		if v.Robot && (v.ClientID == "" || v.ClientSecretFile == "") {
			return cli.Errorf(cli.Usage, "%s: a robot has no client", at).Hint("add client-id and client-secret-file, or remove robot")
		}
	}
	return nil
}

// named returns the URLs of the configured issuers and of the default one.
func (c *config) named() []string {
	var out []string
	add := func(urlOrName string) {
		if i, err := c.issuer(urlOrName); err == nil {
			out = append(out, i.URL)
		}
	}
	for _, i := range c.Issuers {
		out = append(out, i.URL)
	}
	for _, v := range c.Services {
		if v.Issuer != "" {
			add(v.Issuer)
		}
	}
	if d, ok := c.Defaults["issuer"].(string); ok {
		add(d)
	}
	return append(out, DefaultIssuer)
}

// FindService returns the service with this name, else one whose name differs only in case,
// because HTCondor ignores the case of services.
func FindService(services map[string]Service, name string) (v Service, ok bool) {
	if v, ok = services[name]; ok {
		return v, true
	}
	for _, n := range slices.Sorted(maps.Keys(services)) {
		if strings.EqualFold(n, name) {
			return services[n], true
		}
	}
	return Service{}, false
}

// Services returns the configured services by name.
func (s *Session) Services() map[string]Service { return s.a.conf.Services }

// Credmon returns the settings of the credmon on this host.
func (s *Session) Credmon() Credmon { return s.a.conf.Credmon }

// ConfigFile returns the path of the user's configuration, or the host's if there is no home
// directory.
func (s *Session) ConfigFile() string { return cmp.Or(s.a.conf.path, hostConfig) }

// HostConfigFile returns the path of the host's configuration.
func (s *Session) HostConfigFile() string { return hostConfig }

// Accepted reports whether the credmon of this host accepts an issuer: the host's
// configuration must name it, or allow any.
func (s *Session) Accepted(url string) bool { return s.a.conf.open || among(s.a.conf.accepted, url) }

// Configured reports whether the host's or the user's configuration names or allows an
// issuer.
func (s *Session) Configured(url string) bool {
	return s.a.conf.Credmon.AnyIssuer || among(append(s.a.conf.named(), s.a.common.Issuer), url)
}

func among(issuers []string, url string) bool {
	return slices.ContainsFunc(issuers, func(i string) bool { return token.SameIssuer(i, url) })
}
