package store

import (
	"os/exec"
	"syscall"
)

// setOwnGroup makes cmd run in a separate process group.
func setOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
