// Package accesspoint lists the subcommands that only condor-token-helper has.
package accesspoint

import (
	"example.org/token-helpers/shared/credd"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/preflight"
)

// Commands returns the subcommands that only condor-token-helper has.
func Commands() []helper.Command { return append(credd.Commands(), preflight.Command()) }
