package condor

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
)

// Config is a configuration of HTCondor, as condor_config_val -dump or
// condor_ce_config_val -dump prints it.
type Config struct {
	// values has the values by name in upper case, because names are not case-sensitive.
	values map[string]string
	// broken lists the first lines that are not NAME = VALUE.
	broken []int
}

// ParseConfig parses the output of condor_config_val -dump. It returns an error if b is
// something else.
func ParseConfig(b []byte) (*Config, error) {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not a configuration of HTCondor: binary data")
	}
	c := &Config{values: map[string]string{}}
	n, at := 0, 0
	block, end := "", "" // the parameter whose value extends over several lines, and its last line
	var lines []string   // the lines of this value
	for line := range strings.Lines(string(b)) {
		at++
		line = strings.TrimSpace(line)
		switch {
		case end != "" && line == end:
			c.values[block], end = strings.Join(lines, " "), ""
			continue
		case end != "":
			if line != "" {
				lines = append(lines, line)
			}
			continue
		case line == "" || line[0] == '#':
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if several, is := strings.CutSuffix(name, "@"); is && ok && strings.TrimSpace(value) != "" {
			block, end, lines = strings.ToUpper(strings.TrimSpace(several)), "@"+strings.TrimSpace(value), nil
			n++
			continue
		}
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			if len(c.broken) < 3 {
				c.broken = append(c.broken, at)
			}
			continue
		}
		c.values[strings.ToUpper(name)] = strings.TrimSpace(value)
		n++
	}
	if end != "" {
		c.values[block] = strings.Join(lines, " ")
	}
	if n == 0 {
		return nil, errors.New("not a configuration of HTCondor: no line is NAME = VALUE. Use the output of condor_config_val -dump")
	}
	return c, nil
}

// daemon is the daemon to which jobs are submitted. DAEMON.NAME overrides NAME for it.
const daemon = "SCHEDD"

// value returns the value of a parameter, with references expanded, and the name under which
// it was found, or "" if it is not set or empty.
func (c *Config) value(name string) (value, found string) {
	for _, n := range []string{daemon + "." + name, name} {
		if v, ok := c.values[n]; ok {
			if v = strings.TrimSpace(c.expand(v, n)); v != "" {
				return v, n
			}
			return "", ""
		}
	}
	return "", ""
}

// setting returns the value and the name of a security setting of an authorization level. It
// is the first one that is set of PREFIX_WRITE_SCHEDD, PREFIX_WRITE, PREFIX_DEFAULT_SCHEDD
// and PREFIX_DEFAULT (SecMan::getSecSetting).
func (c *Config) setting(prefix, level, suffix string) (value, found string) {
	for _, l := range []string{level, "DEFAULT"} {
		for _, name := range []string{prefix + l + suffix + "_" + daemon, prefix + l + suffix} {
			if value, found = c.value(name); found != "" {
				return value, found
			}
		}
	}
	return "", ""
}

// boolean returns the value of a boolean parameter, or fallback if it is not set or invalid.
func (c *Config) boolean(name string, fallback bool) bool {
	v, found := c.value(name)
	if found == "" {
		return fallback
	}
	switch strings.ToLower(v) {
	case "true", "t", "yes", "1":
		return true
	case "false", "f", "no", "0":
		return false
	}
	return fallback
}

// maxExpanded is the maximum length of an expanded value, in bytes, and maxReferences the
// maximum number of references in it. They limit the cost of nested references.
const (
	maxExpanded   = 64 << 10
	maxReferences = 10000
)

// expand replaces $(NAME) and $(NAME:default) in the value of the parameter self.
func (c *Config) expand(s, self string) string {
	references := 0
	return c.expandNested(s, self, 0, &references)
}

func (c *Config) expandNested(s, self string, depth int, references *int) string {
	s = text.Brief(s, maxExpanded)
	var b strings.Builder
	for b.Len() < maxExpanded {
		from := strings.Index(s, "$(")
		if *references++; from < 0 || depth > 20 || *references > maxReferences {
			b.WriteString(s)
			break
		}
		to := closing(s[from+2:])
		if to < 0 {
			b.WriteString(s)
			break
		}
		name, fallback, _ := strings.Cut(s[from+2:from+2+to], ":")
		if strings.ContainsFunc(fallback, invalidInDefault) {
			// HTCondor does not expand this.
			b.WriteString(s[:from+2])
			s = s[from+2:]
			continue
		}
		b.WriteString(s[:from])
		s = s[from+2+to+1:]
		name = strings.ToUpper(strings.TrimSpace(name))
		v, ok := c.values[daemon+"."+name]
		if !ok {
			v, ok = c.values[name]
		}
		if name == self || !ok || v == "" {
			v = fallback
		}
		b.WriteString(c.expandNested(v, name, depth+1, references))
	}
	return text.Brief(b.String(), maxExpanded)
}

// invalidInDefault reports whether a character cannot occur in the default of a reference
// (measured for * and @).
func invalidInDefault(r rune) bool {
	return r > '~' || strings.ContainsRune("*@\"'&|<>=!?", r)
}

// closing returns the index of the parenthesis that closes a reference, or -1.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// list splits a list at commas and white space.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// audienceSetting is the parameter for the server's audiences.
const audienceSetting = "SCITOKENS_SERVER_AUDIENCE"

// audiences returns the audiences that the server accepts.
func (c *Config) audiences() []string {
	v, _ := c.value(audienceSetting)
	return list(v)
}

// mistakes returns the findings about the configuration itself.
func (c *Config) mistakes() []finding.Finding {
	if len(c.broken) == 0 {
		return nil
	}
	return one(finding.Finding{Code: finding.ConfigLine, Remark: true, Message: fmt.Sprintf("line %d of the configuration is not NAME = VALUE, and was not read", c.broken[0]),
		Hint: "use the output of condor_config_val -dump or condor_ce_config_val -dump", Source: srcConfig})
}

// srcConfig is the source of the rules for the configuration.
const srcConfig = "HTCondor manual, \"Security\"; measured on HTCondor 23.9.6 and 25.14.1"
