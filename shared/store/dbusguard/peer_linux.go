package dbusguard

import (
	"net"
	"os"
	"syscall"
)

// trusted reports whether the bus runs as the current user or as root. Another user's bus
// would receive the login.
func trusted(c net.Conn) bool {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return false
	}
	allowed := false
	err = raw.Control(func(fd uintptr) {
		cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		allowed = err == nil && (int(cred.Uid) == os.Geteuid() || cred.Uid == 0)
	})
	return err == nil && allowed
}
