//go:build !linux

package credd

import "example.org/token-helpers/shared/helper"

// credmon is no command: access points run on Linux.
func credmon() []helper.Command { return nil }
