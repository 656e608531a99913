package helper

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"example.org/token-helpers/shared/cli"
)

// resolver fills flags that are not on the command line: from TOKEN_HELPER_<FLAG>, else
// from the configuration. kong's own variables would lose to a resolver, and the
// environment must win over the configuration.
type resolver struct {
	env  *cli.Env
	conf *config
}

func (resolver) Validate(*kong.Application) error { return nil }

func (r resolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, _ := r.lookup(flag)
	return v, nil
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "TOKEN_HELPER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// lookup returns the value of a flag that is not on the command line, or nil, and where it
// comes from.
func (r resolver) lookup(flag *kong.Flag) (any, origin) {
	if flag.Name == "help" || flag.Name == "version" {
		return nil, origin{}
	}
	name := variable(flag.Name)
	if v := r.env.Getenv(name); v != "" && fits(flag, v) {
		from := origin{"environment", name}
		if flag.IsSlice() {
			// One variable for a flag that repeats: a list separated by spaces.
			var list []any
			for _, f := range strings.Fields(v) {
				list = append(list, f)
			}
			return list, from
		}
		return v, from
	}
	from := origin{"file", r.conf.origin["defaults."+flag.Name]}
	switch v := r.conf.Defaults[flag.Name].(type) {
	case nil:
		return nil, origin{}
	case string:
		if !fits(flag, v) {
			return nil, origin{}
		}
		return v, from
	case int64, float64:
		// A flag's text: min-lifetime = 90.
		return fmt.Sprint(v), from
	default:
		return v, from
	}
}
