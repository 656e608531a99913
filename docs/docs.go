// Package docs holds the documentation, and generates the pages that are made from code.
package docs

import _ "embed" // the pages that the programs can show

//go:generate go run ./causes

// Plugins is the page about plugins.
//
//go:embed plugins.md
var Plugins string

// Configuration is the page about the configuration.
//
//go:embed configuration.md
var Configuration string
