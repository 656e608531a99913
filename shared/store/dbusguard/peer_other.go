//go:build !linux

package dbusguard

import "net"

// trusted accepts every bus: the user at the other end of a socket is determined on Linux
// only.
func trusted(net.Conn) bool { return true }
