// condor-token-helper gets tokens that HTCondor and HTCondor-CE accept.
package main

import (
	"os"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/credd"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/preflight"
)

func main() {
	os.Exit(helper.Main(cli.System("condor-token-helper"), new(condor.Flags), append(credd.Commands(), preflight.Command())...))
}
