// Command gfal-token-helper is a whole ecosystem helper, as an example: what gfal2
// wants of a token, and a main. It is not shipped.
package main

import (
	"os"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/helper"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/xrootd"
)

// gfal wants the WLCG profile's storage scopes, as gfal2 asks for when it gets
// tokens itself.
type gfal struct {
	URL   string `placeholder:"URL" help:"The storage endpoint the token is for."`
	Write bool   `help:"To copy to it: storage.modify:/ besides."`
}

func (*gfal) Describe() (string, []string) {
	return "Get a token for gfal2, on stdout.", []string{"gfal-token-helper --url davs://se.example.org --write > token"}
}

func (g *gfal) Want(given service.Given) (service.Want, error) {
	x := xrootd.Flags{Read: !given.Scope || g.Write, Write: g.Write, Profile: "wlcg", Server: g.URL}
	return x.Want(given)
}

func (*gfal) Alternative([]string) string { return "" }

func main() { os.Exit(helper.Main(cli.System("gfal-token-helper"), new(gfal))) }
