// davs-token-helper gets tokens that WebDAV servers accept.
package main

import (
	"os"

	"example.org/token-helpers/docs/examples/davs-token-helper/davs"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
)

func main() { os.Exit(helper.Main(cli.System("davs-token-helper"), new(davs.Flags))) }
