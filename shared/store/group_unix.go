//go:build !windows

package store

import (
	"os/exec"
	"syscall"
)

// setOwnGroup makes cmd run in a separate process group.
func setOwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
