// condor-token-helper gets tokens that HTCondor and HTCondor-CE accept.
package main

import (
	"os"

	"example.org/token-helpers/shared/accesspoint"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/condor"
	"example.org/token-helpers/shared/helper"
)

func main() {
	os.Exit(helper.Main(cli.System("condor-token-helper"), new(condor.Flags), accesspoint.Commands()...))
}
