// Package accesspoint lists the subcommands that condor-token-helper has besides those of
// every token helper.
package accesspoint

import (
	"example.org/token-helpers/shared/credd"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/preflight"
)

// Commands are the subcommands of condor-token-helper alone.
func Commands() []helper.Command { return append(credd.Commands(), preflight.Command()) }
