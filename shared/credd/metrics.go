//go:build linux

package credd

import (
	"fmt"
	"strings"
	"time"
)

// counts are the values of the metrics. The totals are since the start of the process.
type counts struct {
	users, credentials, logins, valid int
	renewals, failures                int64
	oldest                            time.Duration
}

// count counts what the last scan found.
func (m *Monitor) count() {
	c, now := &m.stats, m.s.Now()
	c.users, c.credentials, c.logins, c.valid, c.oldest = 0, 0, 0, 0, 0
	for _, u := range m.users {
		counted := false
		for _, cr := range u.creds {
			if cr.top == nil {
				continue
			}
			counted = true
			c.credentials++
			if cr.renewed && cr.expires.After(now) {
				c.valid++
			}
			if cr.renewed {
				c.oldest = max(c.oldest, now.Sub(cr.got))
			}
		}
		c.logins += len(u.logins)
		if counted {
			c.users++
		}
	}
}

// prometheus returns the metrics in the text format of Prometheus, for the textfile
// collector of the node exporter.
func (c counts) prometheus() string {
	var b strings.Builder
	for _, x := range []struct {
		name, kind, help string
		value            float64
	}{
		{"users", "gauge", "Users with credentials.", float64(c.users)},
		{"credentials", "gauge", "Credentials that jobs use.", float64(c.credentials)},
		{"valid_credentials", "gauge", "Credentials whose token has not expired.", float64(c.valid)},
		{"logins", "gauge", "Logins that the credentials come from.", float64(c.logins)},
		{"renewals_total", "counter", "Tokens that were renewed.", float64(c.renewals)},
		{"failures_total", "counter", "Renewals that failed.", float64(c.failures)},
		{"oldest_token_seconds", "gauge", "Age of the oldest token.", c.oldest.Seconds()},
	} {
		_, _ = fmt.Fprintf(&b, "# HELP condor_token_credmon_%[1]s %[2]s\n# TYPE condor_token_credmon_%[1]s %[3]s\ncondor_token_credmon_%[1]s %[4]v\n", x.name, x.help, x.kind, x.value)
	}
	return b.String()
}

// classAd returns the metrics as a ClassAd in the old syntax, which condor_advertise reads.
func (c counts) classAd(name string) string {
	return fmt.Sprintf(`MyType = "TokenCredmon"
Name = %q
TokenCredmonUsers = %d
TokenCredmonCredentials = %d
TokenCredmonValidCredentials = %d
TokenCredmonLogins = %d
TokenCredmonRenewals = %d
TokenCredmonFailures = %d
TokenCredmonOldestToken = %d
`, name, c.users, c.credentials, c.valid, c.logins, c.renewals, c.failures, int(c.oldest.Seconds()))
}

const metricsName = "condor_token_credmon"

// WriteMetrics writes the metrics if MetricsDir is set.
func (m *Monitor) WriteMetrics(host string) error {
	if m.s.MetricsDir == "" {
		return nil
	}
	m.count()
	d, err := openDirectory(m.s.MetricsDir)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.publish(metricsName+".prom", []byte(m.stats.prometheus())); err != nil {
		return err
	}
	return d.publish(metricsName+".ad", []byte(m.stats.classAd(host)))
}
