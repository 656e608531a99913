// xrd-token-helper gets tokens that XRootD accepts.
package main

import (
	"os"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/xrootd"
)

func main() { os.Exit(helper.Main(cli.System("xrd-token-helper"), new(xrootd.Flags))) }
