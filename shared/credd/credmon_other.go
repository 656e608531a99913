//go:build !linux

package credd

import "example.org/token-helpers/shared/helper"

// credmon returns no command, because access points run on Linux only.
func credmon() []helper.Command { return nil }
