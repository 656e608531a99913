package helper

import (
	"fmt"
	"strings"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/cmdline"
)

// variable returns the environment variable of a flag. Those of [cli.HelpFlags] have
// none.
func variable(f *cmdline.Flag) string {
	switch f.Name {
	case "help", "help-all", "version":
		return ""
	}
	return "TOKEN_HELPER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// lookup returns the value of a flag that is not on the command line, and where it comes
// from: TOKEN_HELPER_<FLAG>, else the configuration.
func (c *config) lookup(env *cli.Env, f *cmdline.Flag) (values []string, from origin, ok bool) {
	name := variable(f)
	if name == "" {
		return nil, origin{}, false
	}
	if v := env.Getenv(name); v != "" && applies(f, v) {
		from := origin{"environment", name}
		if f.Repeats {
			// For a flag that repeats, the variable is a list separated by spaces.
			return strings.Fields(v), from, true
		}
		return []string{v}, from, true
	}
	switch v := c.Defaults[f.Name].(type) {
	case nil:
		return nil, origin{}, false
	case []any:
		for _, e := range v {
			values = append(values, fmt.Sprint(e))
		}
	default:
		// Other types, as in min-lifetime = 90.
		values = []string{fmt.Sprint(v)}
	}
	if len(values) == 1 && !applies(f, values[0]) {
		return nil, origin{}, false
	}
	return values, origin{"file", c.origin["defaults."+f.Name]}, true
}
