//go:build !linux

package cli

// noCoreDump does nothing: other systems write no core dumps unless the user asks for
// them.
func noCoreDump() {}
