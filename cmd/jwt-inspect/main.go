// jwt-inspect shows what is in a token, and checks it, offline.
package main

import (
	"os"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/inspect"
)

func main() { os.Exit(inspect.Main(cli.System("jwt-inspect"))) }
