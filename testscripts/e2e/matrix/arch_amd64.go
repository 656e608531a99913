//go:build linux

package main

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// olderCalls are system calls that only this architecture has. Go does not use them, but
// other programs do.
var olderCalls = map[uintptr]kind{
	unix.SYS_OPEN:      byPath("open", -1, 0, []syscall.Errno{unix.EIO, unix.EMFILE}, false),
	unix.SYS_CREAT:     byPath("open", -1, 0, errsWrite, false),
	unix.SYS_STAT:      byPath("stat", -1, 0, errsRead, false),
	unix.SYS_LSTAT:     byPath("stat", -1, 0, errsRead, false),
	unix.SYS_ACCESS:    byPath("access", -1, 0, errsRead, false),
	unix.SYS_READLINK:  byPath("readlink", -1, 0, errsRead, false),
	unix.SYS_GETDENTS:  byDescriptor("getdents", errsRead, false),
	unix.SYS_RENAME:    byNames("rename", -1, 0, -1, 1),
	unix.SYS_LINK:      byNames("link", -1, 0, -1, 1),
	unix.SYS_SYMLINK:   byPath("symlink", -1, 1, errsWrite, true),
	unix.SYS_UNLINK:    byPath("unlink", -1, 0, errsRead, true),
	unix.SYS_RMDIR:     byPath("unlink", -1, 0, errsRead, true),
	unix.SYS_MKDIR:     byPath("mkdir", -1, 0, errsWrite, true),
	unix.SYS_CHMOD:     byPath("chmod", -1, 0, errsRead, true),
	unix.SYS_CHOWN:     byPath("chown", -1, 0, errsRead, true),
	unix.SYS_FUTIMESAT: byPath("utime", 0, 1, errsRead, true),
	unix.SYS_DUP2:      byDescriptor("dup", []syscall.Errno{unix.EMFILE}, false),
}

// skipCall makes the kernel skip the system call that the thread is entering.
func skipCall(tid int) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return err
	}
	r.Orig_rax = math.MaxUint64
	return unix.PtraceSetRegs(tid, &r)
}

// setResult replaces the result of the system call that the thread is leaving.
func setResult(tid int, errno syscall.Errno) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return err
	}
	r.Rax = -uint64(errno)
	return unix.PtraceSetRegs(tid, &r)
}
