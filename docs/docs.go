// Package docs holds those pages that programs show too.
package docs

import _ "embed"

// Causes is causes.md, what jwt-inspect finds: tables whose first cell has the codes.
//
//go:embed causes.md
var Causes string
