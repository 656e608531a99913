package credd

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// kept is the only capability that the credmon needs: the users' directories belong to
// HTCondor's account and have the mode 0700.
const kept = unix.CAP_DAC_OVERRIDE

// dropRights drops the capabilities of root that the credmon does not need, and executes
// the program again, because all of its threads must lose them. It returns nil if the process
// does not run as root or has dropped them already.
func dropRights() error {
	if os.Geteuid() != 0 || hasOnly(kept) {
		return nil
	}
	// The thread ends with the exec. If the exec fails, the thread stays locked and unused.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	for c := range uintptr(64) {
		if c == kept {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			if c > unix.CAP_LAST_CAP || err == unix.EINVAL {
				break // the kernel does not have more capabilities
			}
			return fmt.Errorf("drop a capability: %w", err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: 1 << kept, Permitted: 1 << kept}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("drop the capabilities: %w", err)
	}
	return fmt.Errorf("restart without the capabilities: %w", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// hasOnly reports whether the process has only this capability and cannot gain others.
func hasOnly(capability int) bool {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	want := fmt.Sprintf("%016x", uint64(1)<<capability)
	found := 0
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "CapPrm", "CapEff", "CapBnd":
			if value != want {
				return false
			}
			found++
		}
	}
	return found == 3
}
