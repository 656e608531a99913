package issuer

import (
	"os"
	"slices"
	"strings"
)

// Trust describes the certificates that are trusted.
func (c *Client) Trust() string {
	if c.opts.CAFile != "" || c.opts.CAPath != "" {
		return "only those in " + strings.Join(slices.DeleteFunc([]string{c.opts.CAFile, c.opts.CAPath}, func(s string) bool { return s == "" }), " and ")
	}
	what := "the system's"
	var from []string
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, _ := c.opts.LookupEnv(name); v != "" {
			from = append(from, name+" ("+v+")")
		}
	}
	if len(from) > 0 {
		what += ", from " + strings.Join(from, " and ")
	}
	if dir := c.gridDir(); dirExists(dir) {
		what += ", and those in " + dir
	}
	return what
}

func dirExists(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}

// gridDir returns the directory of grid sites' certificates.
func (c *Client) gridDir() string {
	if d, _ := c.opts.LookupEnv("X509_CERT_DIR"); d != "" {
		return d
	}
	return gridCertificates
}
