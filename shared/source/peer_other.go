//go:build !linux

package source

import "net"

// checkPeer accepts every peer: only Linux names the user behind a socket in a way that
// golang.org/x/sys offers.
func checkPeer(net.Conn) error { return nil }
