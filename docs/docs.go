// Package docs contains the documentation, and generates the pages that are made from code.
package docs

import _ "embed" // for the pages that the programs show

//go:generate go run ./causes

// Plugins is the page plugins.md.
//
//go:embed plugins.md
var Plugins string

// Configuration is the page configuration.md.
//
//go:embed configuration.md
var Configuration string
